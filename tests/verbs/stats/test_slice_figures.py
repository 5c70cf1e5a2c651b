"""Contact sheets of slices: whose images, in which order, with which words."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import DataError
from cxrshort.verbs.stats.slice_figures import drawing, find_images

from ...training.tiny import tiny_dataset


def image(name: str, **facts: object) -> dict:
    return {"image_id": name, "slice": 1, "half": "testing", "target": 1, "called": 0, "probability": 0.1, **facts}


ROW = {"slice": 1, "images": 2, "mostly": "", "finding": "shown", "excess": 0.2, "excess_low": 0.1, "excess_high": 0.3}


def test_images_are_found_by_name(tmp_path: Path) -> None:
    folder = tiny_dataset(tmp_path / "tiny", people=3)
    names = pd.read_csv(folder / "manifest.csv")["image_id"]
    pictures = find_images([str(folder)], [pd.DataFrame({"image_id": [*names[:2], "elsewhere"]})])
    assert pictures.places[names[4]] == (0, 4)
    drawn = drawing([ROW], [image(names[0]), image("elsewhere")], pictures)(lambda name: tmp_path / name)
    assert [path.name for path in drawn] == ["slices.png", "slice-1.png"]
    drawn = drawing([ROW], [image("elsewhere")], pictures)(lambda name: tmp_path / name)
    assert [path.name for path in drawn] == ["slices.png"]


def test_images_of_nowhere_and_without_names_are_refused(tmp_path: Path) -> None:
    folder = str(tiny_dataset(tmp_path / "tiny", people=3))
    with pytest.raises(DataError) as caught:
        find_images([folder], [pd.DataFrame({"image_id": ["a", "b"]})])
    assert caught.value.message == "none of 2 images is of 'tiny'"
    with pytest.raises(DataError) as caught:
        find_images([folder], [pd.DataFrame({"view": ["AP"]})])
    assert caught.value.message == "the table has no column 'image_id': its images cannot be found"
    assert find_images([], [pd.DataFrame()]) is None


def test_several_models_have_sheets_of_their_own(tmp_path: Path) -> None:
    folder = tiny_dataset(tmp_path / "tiny", people=3)
    names = pd.read_csv(folder / "manifest.csv")["image_id"]
    pictures = find_images([str(folder)], [pd.DataFrame({"image_id": names})])
    rows = [{**ROW, "label": label} for label in ("Edema", "Mass")]
    images = [image(name, label=label) for label, name in zip(("Edema", "Mass"), names, strict=False)]
    drawn = drawing(rows, images, pictures)(lambda name: tmp_path / name)
    assert [path.name for path in drawn] == ["slices.png", "slice-Edema-1.png", "slice-Mass-1.png"]
    sheets = [np.fromfile(path, np.uint8) for path in drawn[1:]]
    assert not np.array_equal(*sheets)  # other pixels


def test_nothing_tested_is_nothing_drawn(tmp_path: Path) -> None:
    assert drawing([{**ROW, "finding": "not tested"}], [], None)(lambda name: tmp_path / name) == []
