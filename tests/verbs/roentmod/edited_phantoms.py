"""Phantom films and exact edits of them, written as datasets; and edits that show somebody else."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort import runs
from cxrshort.dataset import load_dataset
from cxrshort.datasets.building.edits import edited_rows, of_edits
from cxrshort.datasets.building.writing import DatasetSettings, write_dataset
from cxrshort.datasets.phantom.cohort import sample_phantoms
from cxrshort.datasets.phantom.drawing import draw_phantom
from cxrshort.datasets.phantom.parameters import Phantom, with_finding
from cxrshort.verbs.build_dataset import build_dataset

FINDINGS = {"cardiomegaly": "Cardiomegaly", "right pleural effusion": "Effusion"}
"""Edits as prompts, and the labels that they add."""
CPU: Mapping[str, Any] = {"device": "cpu", "precision": "fp32", "threads": 1}


def write_films(folder: Path, *, images: int = 24, size: int = 32, seed: int = 0) -> Path:
    """Write phantom films."""
    build_dataset("phantom-III", out=folder, number_of_images=images, size=size, seed=seed, jobs=1, replicates=1)
    return folder


def write_edits(
    films: Path,
    folder: Path,
    *,
    edits: Sequence[str] = (*FINDINGS, "sham", "round trip"),
    strangers: bool = False,
    rows: Sequence[int] | None = None,
    seed: int = 0,
) -> Path:
    """Write edits of films.

    Args:
        films: of :func:`write_films`, of the same seed.
        folder: for the edits.
        edits: those of `FINDINGS`, and ``sham`` (other noise) or ``round trip`` (the film itself, coarser in grey).
        strangers: whether a finding is put into a film of another person instead.
        rows: which films are edited; None for all.
        seed: of the films.
    """
    data = load_dataset(str(films))
    count = len(data.manifest)
    phantoms = sample_phantoms("phantom-III", images=count, confounding=None, seed=seed)
    by_name = {phantom.phantom_id: phantom for phantom in phantoms}
    size = data.pixels.image_shape[0]
    chosen = list(range(count)) if rows is None else list(rows)
    positions = [row for row in chosen for _ in edits]
    table = edited_rows(data.manifest, positions, [edit for _ in chosen for edit in edits])

    def picture(source: Phantom, edit: str) -> np.ndarray:
        if edit == "sham":
            return draw_phantom(replace(source, seed=source.seed ^ 1), size=size).pixels
        if edit == "round trip":
            return draw_phantom(source, size=size).pixels // 4 * 4
        if strangers:
            others = [phantom for phantom in phantoms if phantom.patient_id != source.patient_id]
            source = others[(phantoms.index(source) * 7 + 5) % len(others)]
        return draw_phantom(with_finding(source, FINDINGS[edit], 0.7), size=size).pixels

    def transform(sources: np.ndarray, batch: pd.DataFrame) -> list[np.ndarray]:
        del sources
        return [
            picture(by_name[source], edit) for source, edit in zip(batch["source_image_id"], batch["edit"], strict=True)
        ]

    with runs.open_run(folder, "edit", arguments={}) as run:
        candidates = of_edits(data, table, transform, settings=f"{strangers}")
        write_dataset(run, *candidates, settings=DatasetSettings(folder.name, data.recipe))
    return folder


def change_manifest(folder: Path, **columns: Any) -> Path:
    """Write other values into a dataset's manifest, and return the dataset."""
    table = pd.read_csv(folder / "manifest.csv", dtype=str, keep_default_na=False)
    for name, values in columns.items():
        table[name] = values
    table.to_csv(folder / "manifest.csv", index=False)
    return folder


def date_follow_ups(films: Path, label: str = "Cardiomegaly", *, days: int = 200) -> Path:
    """Write dates and a label into films, so that the finding appears in each person's second image."""
    table = pd.read_csv(films / "manifest.csv", dtype=str, keep_default_na=False)
    visit = table.groupby("person_id").cumcount()
    dates = np.datetime64("2020-01-01") + (visit.to_numpy() * days).astype("timedelta64[D]")
    return change_manifest(films, study_date=dates.astype(str), **{label: (visit > 0).astype(int).astype(str)})
