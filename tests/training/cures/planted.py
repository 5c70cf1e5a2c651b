"""Films of noise with a faint disease in the middle and a bright marker in the corner, which goes with the disease."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

SIDE = 16
FOLDS = ("train", "train", "val", "test")


def planted_manifest(
    folder: Path, *, people: int = 240, agreement: float = 0.9, name: str = "planted", seed: int = 0
) -> pd.DataFrame:
    """Return a row per person; site-b, whose films have the marker, has this share of the positives."""
    draw = np.random.default_rng(seed)
    sick = draw.integers(0, 2, people)
    marked = np.where(draw.random(people) < agreement, sick, 1 - sick)
    number = np.arange(people)
    return pd.DataFrame(
        {
            "image_id": [f"{name}/{row:04d}" for row in number],
            "cache": str(folder.resolve()),
            "cache_row": number,
            "repository": np.where(marked, "site-b", "site-a"),
            "patient_id": [f"{name}/P{row}" for row in number],
            "person_id": [f"{name}/P{row}" for row in number],
            "view": np.where(number % 3 == 0, "AP", "PA"),
            "sex": np.where(number % 2 == 0, "F", "M"),
            "age_years": 40 + number % 40,
            "COVID-19": sick,
            "split_0": [FOLDS[row % len(FOLDS)] for row in number],
            "split_1": [FOLDS[(row + 1) % len(FOLDS)] for row in number],
        }
    )


def write_planted(folder: Path, manifest: pd.DataFrame, *, name: str = "planted", seed: int = 0) -> Path:
    """Write the films of a manifest as a dataset, with a mask (bit 8) where the marker is."""
    draw = np.random.default_rng(seed)
    images = draw.integers(60, 140, (len(manifest), SIDE, SIDE)).astype(np.uint8)
    masks = np.zeros_like(images)
    sick, marked = manifest["COVID-19"].to_numpy() == 1, (manifest["repository"] == "site-b").to_numpy()
    images[sick, 5:11, 5:11] += np.uint8(9)
    images[marked, :4, :4] = 250
    masks[marked, :4, :4] = 8
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "images.npy", images)
    np.save(folder / "masks.npy", masks)
    manifest.assign(mask_row=manifest["cache_row"]).to_csv(folder / "manifest.csv", index=False)
    record = {"state": "done", "name": name, "folder": str(folder.resolve()), "recipe": {"size": SIDE, "fit": "crop"}}
    (folder / "run.json").write_text(json.dumps({**record, "masks": {"marker": 8}}))
    return folder


def planted(folder: Path, *, name: str = "planted", seed: int = 0, **cohort: float) -> Path:
    """Write a dataset of planted films."""
    manifest = planted_manifest(folder, name=name, seed=seed, **cohort)  # type: ignore[arg-type]
    return write_planted(folder, manifest, name=name, seed=seed)
