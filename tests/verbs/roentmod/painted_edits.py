"""A small dataset of edits on disk, and the films that they were made from."""

from pathlib import Path

import numpy as np
import pandas as pd

from cxrshort import runs
from cxrshort.dataset import load_dataset
from cxrshort.datasets.building.edits import edited_rows, of_edits, per_image
from cxrshort.datasets.building.writing import DatasetSettings, write_dataset
from cxrshort.verbs.build_dataset import build_dataset

EDITS = {"cardiomegaly": "Cardiomegaly", "right pleural effusion": "Effusion", "edema": "Edema", "sham": ""}
"""Names of edits, and the labels that they add."""


def build_films(home: Path, *, images: int = 16, size: int = 32) -> Path:
    """Build films without findings, and return their folder."""
    build_dataset("phantom-III", out=home / "films", number_of_images=images, size=size, jobs=1, replicates=1)
    return home / "films"


def build_edits(home: Path, films: Path, *, edits: tuple[str, ...] = tuple(EDITS)) -> Path:
    """Write an edit of each kind of each film: films with one row of pixels for each kind, and return the folder."""
    data = load_dataset(str(films))
    count = len(data.manifest)
    names = np.repeat(edits, count).tolist()
    rows = edited_rows(data.manifest, list(range(count)) * len(edits), names)
    rows = rows.assign(edit_prompt=names, edit_seed=0, edit_label=[EDITS[name] for name in names])

    def paint(pixels: np.ndarray, row: "pd.Series[object]") -> np.ndarray:
        painted = pixels.copy()
        painted[edits.index(str(row["edit"]))] = 255
        return painted

    with runs.open_run(home / "edits", "edit", arguments={}) as run:
        settings = DatasetSettings("edits", data.recipe)
        write_dataset(run, *of_edits(data, rows, per_image(paint), settings="paint"), settings=settings)
    return home / "edits"
