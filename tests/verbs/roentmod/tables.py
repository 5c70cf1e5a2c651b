"""Predictions of originals and their edits, as tables on disk."""

from pathlib import Path

import numpy as np
import pandas as pd

NAMES = ("Cardiomegaly", "Edema", "Effusion", "Hernia")
EDITS = ("cardiomegaly", "edema", "right pleural effusion", "Hernia")
"""How the edits are named: as labels or prompts."""


def predictions(
    folder: Path,
    *,
    images: int = 40,
    models: tuple[str, ...] = ("",),
    shortcut: float = 0.0,
    sham: str = "sham",
    seed: int = 0,
) -> tuple[Path, Path, Path]:
    """Write before.csv, after.csv and cohort.csv, and return their paths.

    Args:
        folder: for the tables.
        images: originals, of a person each.
        models: names; "" writes no column of models.
        shortcut: log-odds that edema adds to hernia, in the last model alone.
        sham: name of the edit that adds nothing; "" for none.
        seed: draws all of it.
    """
    rng = np.random.default_rng(seed)
    ids = [f"film/{number:03d}" for number in range(images)]
    before, after, cohort = [], [], []
    for model in models:
        named = {"model": model} if model else {}
        own = rng.normal(-0.5, 0.8, (images, len(NAMES)))
        facts = {"image_id": ids, "person_id": [f"P{number}" for number in range(images)]}
        before.append(pd.DataFrame({**named, **facts, **logits(own)}))
        real = rng.normal(0, 1.2, (300, len(NAMES)))
        cohort.append(pd.DataFrame({**named, "image_id": [f"cohort/{row}" for row in range(300)], **logits(real)}))
        for place, edit in enumerate([*EDITS, *([sham] if sham else [])]):
            edited = own + rng.normal(0.1, 0.2, own.shape)
            targets = np.zeros(own.shape)
            if place < len(NAMES):
                edited[:, place] += 2
                targets[:, place] = 1
            if edit == "edema" and model == models[-1]:
                edited[:, 3] += shortcut
            facts = {"image_id": [f"{name}#{edit}" for name in ids], "source_image_id": ids, "edit": edit}
            truth = {f"target.{name}": targets[:, column] for column, name in enumerate(NAMES)}
            after.append(pd.DataFrame({**named, **facts, **truth, **logits(edited)}))
    paths = folder / "before.csv", folder / "after.csv", folder / "cohort.csv"
    for path, parts in zip(paths, (before, after, cohort), strict=True):
        pd.concat(parts).to_csv(path, index=False)
    return paths


def logits(values: np.ndarray) -> dict[str, np.ndarray]:
    """Return columns of logits."""
    return {f"logit.{name}": values[:, place].round(6) for place, name in enumerate(NAMES)}


def change(path: Path, **columns: object) -> Path:
    """Write a table again with some of its columns replaced, and return its path."""
    table = pd.read_csv(path, keep_default_na=False)
    for name, value in columns.items():
        table[name.replace("__", ".")] = value
    table.to_csv(path, index=False)
    return path
