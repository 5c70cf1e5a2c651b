"""Small datasets with planted leaks for the tests of ``stats leakage``."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from cxrshort.images.cache import checksum, create_cache
from cxrshort.json_files import write_json

SIDE = 72


def film(seed: int, side: int = SIDE) -> np.ndarray:
    """Draw a picture with structure at every scale, as films have."""
    noise = np.random.default_rng(seed).normal(size=(side, side))
    layers = sum(gaussian_filter(noise, sigma) * sigma**1.5 for sigma in (1, 2, 4, 8, 16))
    return np.clip(128 + 60 * layers / layers.std(), 0, 255).astype(np.uint8)


def manifest(images: int = 40, *, name: str = "I") -> pd.DataFrame:
    """Return the rows of a sound dataset: two images a person, persons in one fold, a label that nothing predicts."""
    numbers = np.arange(images)
    persons = numbers // 2
    folds = np.array(["train", "train", "train", "val", "test"])[persons % 5]
    return pd.DataFrame(
        {
            "image_id": [f"{name}/{number}" for number in numbers],
            "repository": name,
            "patient_id": [f"{name}:{person}" for person in persons],
            "person_id": [f"{name}:{person}" for person in persons],
            "study_id": [f"{name}:{person}/{number % 2}" for number, person in zip(numbers, persons, strict=True)],
            "study_date": [f"2020-01-{1 + number % 2:02}" for number in numbers],
            "view": np.array(["PA", "AP", "PA"])[numbers % 3],
            "Edema": (persons % 4 == 0).astype(int),
            "split_0": folds,
        }
    )


def dataset(folder: Path, rows: pd.DataFrame, films: np.ndarray | None = None) -> Path:
    """Write a dataset folder and return it; its films are distinct unless they are handed in."""
    folder.mkdir(parents=True)
    seed = sum(map(ord, folder.name))
    pictures = np.stack([film(1000 * seed + number) for number in range(len(rows))]) if films is None else films
    cache = create_cache(folder / "images.npy", pictures.shape)
    cache[:] = pictures
    cache.flush()
    sums = [checksum(picture) for picture in pictures]
    places = {"cache": str(folder.resolve()), "cache_row": np.arange(len(rows)), "pixels_crc32": sums}
    rows.assign(**places).to_csv(folder / "manifest.csv", index=False)
    write_json(folder / "run.json", {"state": "done", "name": folder.name, "folder": str(folder.resolve())})
    return folder
