"""A dataset of a few dozen squares, written on the spot: noise, with a brighter corner where COVID-19 is present."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

FOLDS = ("train", "train", "val", "test")


def tiny_manifest(folder: Path, *, name: str = "tiny", people: int = 24, replicates: int = 2) -> pd.DataFrame:
    """Return two rows per person, one without COVID-19 and one with it; each fifth image has no word on Edema."""
    number = np.arange(2 * people)
    person = number // 2
    table = pd.DataFrame(
        {
            "image_id": [f"{name}/{person:03d}" for person in number],
            "cache": str(folder.resolve()),
            "cache_row": number,
            "repository": name,
            "patient_id": [f"{name}/P{number}" for number in person],
            "person_id": [f"{name}/P{number}" for number in person],
            "view": np.where(number % 3 == 0, "AP", "PA"),
            "sex": np.where(person % 2 == 0, "F", "M"),
            "age_years": 40 + person % 80,
            "COVID-19": number % 2,
            "Edema": np.where(number % 5 == 0, "", (number // 3 % 2).astype(str)),
        }
    )
    for replicate in range(replicates):
        table[f"split_{replicate}"] = [FOLDS[(number + replicate) % len(FOLDS)] for number in person]
    return table


def write_dataset(
    folder: Path, manifest: pd.DataFrame, *, name: str = "tiny", size: int = 32, signal: int = 30, seed: int = 0
) -> Path:
    """Write a dataset folder whose images fit the manifest; ``signal`` is the corner's extra brightness of 255."""
    draw = np.random.default_rng(seed)
    images = draw.integers(40, 200, (len(manifest), size, size), dtype=np.uint8)
    images[manifest["COVID-19"] == 1, : size // 2, : size // 2] += np.uint8(signal)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "images.npy", images)
    manifest.to_csv(folder / "manifest.csv", index=False)
    record = {"state": "done", "name": name, "folder": str(folder.resolve()), "recipe": {"size": size, "fit": "crop"}}
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def tiny_dataset(folder: Path, *, name: str = "tiny", people: int = 24, **images: int) -> Path:
    """Write the usual tiny dataset; ``images`` are the numbers that :func:`write_dataset` takes."""
    return write_dataset(folder, tiny_manifest(folder, name=name, people=people), name=name, **images)


def png_signature(path: Path) -> bool:
    """Say whether a file begins as a PNG does."""
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def tree(folder: Path, *, without: Sequence[str] = ()) -> dict[str, bytes]:
    """Return the bytes of every file in a folder by its name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name not in without}
