import json
from pathlib import Path

import numpy as np
import pytest

from cxrshort import regions
from cxrshort.columns import MASK_BITS
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import UsageError
from cxrshort.interventions.presets import (
    WITH_FINDINGS,
    dataset_boxes,
    draw_lungs,
    group_boxes,
    lung_boxes,
    preset_boxes,
    presets_of,
)

from ..training.tiny import tiny_manifest, write_dataset


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """Return six images with masks of lungs and text for the first four, and boxes for the first two."""
    manifest = tiny_manifest(tmp_path / "tiny", people=3)
    manifest["mask_row"] = ["0", "1", "2", "3", "", ""]
    write_dataset(tmp_path / "tiny", manifest)
    masks = np.zeros((4, 32, 32), np.uint8)
    masks[:, 8:28, 4:14] = masks[:, 9:27, 18:28] = MASK_BITS["lungs"]
    masks[2, 2:5, 1:4] = masks[2, 1:3, 20:22] = MASK_BITS["text"]
    np.save(tmp_path / "tiny" / "masks.npy", masks)
    record = json.loads((tmp_path / "tiny" / "run.json").read_text())
    bits = {"lungs": MASK_BITS["lungs"], "text": MASK_BITS["text"]}
    (tmp_path / "tiny" / "run.json").write_text(json.dumps({**record, "masks": bits}))
    rows = ["image_id,region,x0,y0,x1,y1", "tiny/000,marker,1,1,4,4", "tiny/001,lung_right,1,1,9,9"]
    rows += ["tiny/001,Mass,3,3,9,9"]
    (tmp_path / "tiny" / "regions.csv").write_text("\n".join(rows) + "\n")
    return load_dataset(str(tmp_path / "tiny"))


def lungs_of(data: Dataset):
    return draw_lungs(regions.of(data))


def test_lungs_are_those_of_the_masks_and_unknown_without_one(data: Dataset) -> None:
    areas, own = lungs_of(data)
    assert own.tolist() == [True] * 4 + [False] * 2
    assert areas.sum(axis=(1, 2)).tolist() == [380] * 4 + [0, 0]


def test_default_tests_every_region_in_which_no_finding_lies(data: Dataset) -> None:
    grouped = group_boxes(dataset_boxes(data, lungs_of(data)[0], label="COVID-19"), data)
    assert list(grouped) == ["marker", "text", "shoulders", "border", "corners"]
    assert not set(grouped) & WITH_FINDINGS
    assert {region: sorted(rows) for region, rows in grouped.items()} == {
        "marker": [0],
        "text": [2],
        "shoulders": [0, 1, 2, 3],
        "border": list(range(6)),
        "corners": list(range(6)),
    }
    assert grouped["text"][2].tolist() == [[1, 2, 4, 5], [20, 1, 22, 3]]  # the larger one first
    assert len(grouped["shoulders"][0]) == 2 and len(grouped["border"][0]) == len(grouped["corners"][0]) == 4


def test_region_of_the_finding_itself_is_not_tested(data: Dataset) -> None:
    assert "marker" not in group_boxes(dataset_boxes(data, lungs_of(data)[0], label="marker"), data)


def test_borders_are_the_strips_of_geometry(data: Dataset) -> None:
    boxes = group_boxes(preset_boxes(["borders"], data, lungs_of(data)[0]), data)["border"][0]
    covered = np.zeros((32, 32), bool)
    for x0, y0, x1, y1 in boxes:
        covered[y0:y1, x0:x1] = True
    expected = np.logical_or.reduce([regions.geometry((32, 32))[name] for name in regions.EDGES])
    assert np.array_equal(covered, expected)


def test_presets_run_their_finders_over_all_images(data: Dataset) -> None:
    table = preset_boxes(["shoulders", "borders"], data, lungs_of(data)[0])
    assert set(table["region"]) == {"shoulder_right", "shoulder_left", "border"}
    assert table["image_id"].nunique() == 6


def test_each_lung_has_a_box() -> None:
    lungs = np.zeros((20, 20), bool)
    lungs[2:8, 1:5] = lungs[3:9, 12:16] = True
    assert lung_boxes(lungs).tolist() == [[1, 2, 5, 8], [12, 3, 16, 9]]
    assert lung_boxes(np.zeros((20, 20), bool)).shape == (0, 4)


def test_unknown_preset_is_refused() -> None:
    with pytest.raises(UsageError, match="'marker' is not a known preset"):
        presets_of(["borders,marker"])
