"""Phantoms drawn into caches: every row as `draw_phantom` draws it, whatever its place."""

from pathlib import Path

import numpy as np
import pytest

from cxrshort.datasets.phantom.cohort import sample_phantoms
from cxrshort.datasets.phantom.drawing import draw_phantom
from cxrshort.datasets.phantom.parameters import Phantom
from cxrshort.datasets.phantom.rendering import draw_phantoms
from cxrshort.images.cache import create_cache, damaged_rows

SIZE = 32


@pytest.fixture(scope="module")
def phantoms() -> list[Phantom]:
    return sample_phantoms("phantom-I", images=3, confounding=None, seed=0)


@pytest.mark.parametrize("jobs", [1, 2])
def test_rows_hold_what_is_drawn_and_others_stay_empty(phantoms: list[Phantom], tmp_path: Path, jobs: int) -> None:
    paths, rows, records = [tmp_path / "images.npy", tmp_path / "masks.npy"], [4, 0, 2], []
    for path in paths:
        create_cache(path, (5, SIZE, SIZE))
    draw_phantoms(*paths, phantoms, rows=rows, size=SIZE, jobs=jobs, record=records.extend)
    images, masks = (np.load(path) for path in paths)
    for row, phantom in zip(rows, phantoms, strict=True):
        drawing = draw_phantom(phantom, size=SIZE)
        assert (images[row] == drawing.pixels).all() and (masks[row] == drawing.masks).all()
    assert not images[[1, 3]].any() and not masks[[1, 3]].any()
    results = {record["row"]: record for record in records}
    assert set(results) == set(rows)
    assert damaged_rows(paths, results) == []
    for row, phantom in zip(rows, phantoms, strict=True):
        boxes = draw_phantom(phantom, size=SIZE).regions
        assert results[row]["regions"] == {name: list(box) for name, box in boxes.items()}
        assert all(type(edge) is int for box in results[row]["regions"].values() for edge in box)
