"""Named regions: where they come from, what is unknown, and what follows from the lungs."""

import json

import numpy as np
import pandas as pd
import pytest

from cxrshort import manifest as manifests
from cxrshort import regions
from cxrshort.columns import MASK_BITS
from cxrshort.dataset import load_dataset
from cxrshort.errors import DataError
from cxrshort.masks.packed import PackedMasks, pack
from cxrshort.stats.overlap import dice_and_iou
from cxrshort.verbs.build_dataset import build_dataset

from .studies.average_anatomy import average

SIDE, COUNT = 32, 4
LUNGS = np.zeros((SIDE, SIDE), bool)
LUNGS[8:24, 4:12] = LUNGS[8:24, 20:28] = True
HEART = np.zeros((SIDE, SIDE), bool)
HEART[18:24, 12:20] = True
BOXES = pd.DataFrame(
    [("x/0", "shoulder_left", 20, 2, 30, 8), ("x/0", "sticker", 1, 2, 3, 5), ("x/3", "sticker", 0, 0, 1, 1)],
    columns=["image_id", "region", "x0", "y0", "x1", "y1"],
)


@pytest.fixture
def folder(tmp_path):
    """Write four images; the masks of the first two show lungs, that of the first a heart too."""
    fields = np.stack([LUNGS * np.uint8(1) | HEART * np.uint8(2), LUNGS * np.uint8(1)])
    np.save(tmp_path / "images.npy", np.zeros((COUNT, SIDE, SIDE), np.uint8))
    np.save(tmp_path / "masks.npy", fields)
    ids = [f"x/{row}" for row in range(COUNT)]
    table = pd.DataFrame({"image_id": ids, "cache": str(tmp_path), "cache_row": range(COUNT), "repository": "x"})
    table = table.assign(patient_id=ids, person_id=ids, mask_row=["0", "1", "", ""])
    manifests.write_table(table, tmp_path / "manifest.csv")
    (tmp_path / "run.json").write_text(json.dumps({"name": "x", "masks": {"lungs": 1, "heart": 2}}))
    return tmp_path


def taken(answer, name, rows=range(COUNT)):
    """Return the areas of one region, and whether it is known."""
    batch = answer.take(list(rows))
    number = answer.names.index(name)
    return batch.areas[:, number], batch.available[:, number].tolist()


def test_structures_come_from_masks_and_are_unknown_without(folder):
    answer = regions.of(load_dataset(str(folder)))
    areas, is_available = taken(answer, "lungs")
    assert is_available == [True, True, False, False]
    np.testing.assert_array_equal(areas, [LUNGS, LUNGS, 0 * LUNGS, 0 * LUNGS])
    # An empty heart is a mask that does not show it, not a body without one.
    assert taken(answer, "heart")[1] == [True, False, False, False]
    assert taken(answer, "marker")[1] == [False] * COUNT
    assert answer.names[: len(regions.NAMES)] == regions.NAMES


def test_batches_are_those_of_all_images(folder):
    manifests.write_table(BOXES, folder / "regions.csv")
    answer = regions.of(load_dataset(str(folder)), average=True)
    whole = answer.take(range(COUNT))
    for rows in ([3, 0], [2], []):
        part = answer.take(rows)
        np.testing.assert_array_equal(part.areas, whole.areas[rows])
        np.testing.assert_array_equal(part.available, whole.available[rows])


def test_boxes_of_the_dataset_are_regions_of_their_own_and_parts(folder):
    manifests.write_table(BOXES, folder / "regions.csv")
    answer = regions.of(load_dataset(str(folder)))
    areas, is_available = taken(answer, "sticker")
    assert is_available == [True, False, False, True]
    assert areas.sum(axis=(1, 2)).tolist() == [6, 0, 0, 1] and areas[0, 2:5, 1:3].all()
    areas, is_available = taken(answer, "shoulders", [0])
    assert is_available == [True] and areas.sum() == 60 and areas[0, 2:8, 20:30].all()
    table = answer.sources().set_index(["region", "source"])["images"]
    assert table["shoulders"].to_dict() == {"regions.csv": 1, "derived from lungs": 1, "none": 2}
    assert table["border_top"].to_dict() == {"geometry": 4} and table["marker"].to_dict() == {"none": 4}


def test_given_boxes_and_masks_come_before_those_of_the_dataset(folder):
    manifests.write_table(BOXES, folder / "regions.csv")
    data = load_dataset(str(folder))
    moved = BOXES.assign(region="heart").iloc[:1]
    other = np.roll(LUNGS, 2, axis=0)
    is_available = np.array([True, False, False, True])
    user_boxes = PackedMasks((SIDE, SIDE), packed=pack(np.stack([other] * COUNT)), available=is_available)
    drawn = PackedMasks((SIDE, SIDE), packed=pack(np.stack([LUNGS.T] * COUNT)))
    answer = regions.of(data, boxes=moved, masks=user_boxes, segmenter=drawn)
    np.testing.assert_array_equal(taken(answer, "lungs")[0], [other, LUNGS, LUNGS.T, other])
    assert taken(answer, "heart", [0])[0].sum() == 60
    assert answer.available.dtype == bool and answer.available[:, 0].all()


@pytest.mark.parametrize("source", ["masks", "segmenter"])
def test_masks_of_other_images_are_refused(folder, source):
    masks = PackedMasks((SIDE, SIDE), packed=pack(np.stack([LUNGS])))
    with pytest.raises(DataError) as caught:
        regions.of(load_dataset(str(folder)), **{source: masks})
    assert caught.value.message == "1 masks were given for 4 images"


def test_average_anatomy_is_taken_last_and_said(folder):
    answer = regions.of(load_dataset(str(folder)), average=True)
    areas, is_available = taken(answer, "lungs")
    assert all(is_available)
    np.testing.assert_array_equal(areas[[0, 2]], [LUNGS, regions.atlas((SIDE, SIDE))["lungs"]])
    table = answer.sources().set_index(["region", "source"])["images"]
    assert table["lungs"].to_dict() == {"masks": 2, "average anatomy": 2}
    assert all(taken(answer, "diaphragm")[1]) and all(taken(answer, "heart")[1])


def test_average_anatomy_is_that_of_the_phantom():
    areas = regions.atlas((regions.ATLAS_SIDE, regions.ATLAS_SIDE))
    for name, area in average(60, seed=7).items():
        assert dice_and_iou(areas[name][None], area[None])[0][0] > 0.85
    large = regions.atlas((2 * regions.ATLAS_SIDE, 3 * regions.ATLAS_SIDE))["lungs"]
    np.testing.assert_array_equal(large[::2, ::3], areas["lungs"])


def test_derived_regions_lie_where_anatomy_says():
    made = {name: areas[0] for name, areas in regions.derived(LUNGS[None], HEART[None]).items()}
    mediastinum = np.zeros_like(LUNGS)
    mediastinum[8:18, 12:20] = True
    np.testing.assert_array_equal(made["mediastinum"], mediastinum)
    diaphragm = np.zeros_like(LUNGS)
    diaphragm[24:26, 4:12] = diaphragm[24:26, 20:28] = True  # 6 % of 32 pixels
    np.testing.assert_array_equal(made["diaphragm"], diaphragm)
    shoulders = np.zeros_like(LUNGS)
    shoulders[5:11, 1:31] = True  # 8 % above the apex, 16 % of 16 lines below it, 10 % wider
    np.testing.assert_array_equal(made["shoulders"], shoulders & ~LUNGS)
    nothing = regions.derived(np.zeros((2, SIDE, SIDE), bool), HEART[None])
    assert not any(areas.any() for areas in nothing.values())


@pytest.mark.parametrize("shape", [(32, 32), (8, 24), (224, 224)])
def test_borders_and_corners_are_apart_and_touch_every_edge(shape):
    total = sum(area.astype(int) for area in regions.geometry(shape).values())
    assert total.max() == 1
    frame = np.ones(shape, bool)
    frame[1:-1, 1:-1] = False
    assert (total[frame] == 1).all() and not total[shape[0] // 2, shape[1] // 2]


@pytest.mark.parametrize(
    ("box", "shown"),
    [
        (("x/0", "a", "-1", "0", "2", "2"), "x/0, a, -1, 0, 2, 2"),
        (("x/0", "a", "3", "0", "3", "2"), "x/0, a, 3, 0, 3, 2"),
        (("x/0", "a", "0", "0", "33", "2"), "x/0, a, 0, 0, 33, 2"),
        (("x/0", "a", "0", "0", "2", "1e99"), "x/0, a, 0, 0, 2, 1e99"),
        (("x/0", "a", "0", "0.5", "2", "2"), "x/0, a, 0, 0.5, 2, 2"),
        (("x/0", "a", "0", "nan", "2", "2"), "x/0, a, 0, nan, 2, 2"),
        (("x/0", "", "0", "0", "2", "2"), "x/0, , 0, 0, 2, 2"),
        (("x/0", "a", "x", "", "inf", "2"), "x/0, a, x, , inf, 2"),
    ],
)
def test_what_is_no_box_is_refused(tmp_path, box, shown):
    path = tmp_path / "boxes.csv"
    pd.DataFrame([("x/1", "a", "0", "0", "1", "1"), box], columns=BOXES.columns).to_csv(path, index=False)
    with pytest.raises(DataError) as caught:
        regions.read_boxes(path, shape=(SIDE, SIDE))
    assert caught.value.message == f"'{path}': box 2 ({shown}) is not a box of whole pixels within 32 x 32"


def test_phantoms_know_every_region(tmp_path):
    build_dataset("phantom-III", out=tmp_path / "out", number_of_images=8, size=64, replicates=1, jobs=1)
    data = load_dataset(str(tmp_path / "out"))
    answer = regions.of(data)
    batch = answer.take(range(8))
    assert batch.available[:, : len(regions.NAMES)].all()
    fields = data.masks.take(range(8))
    for name in ("lungs", "heart", "mediastinum", "marker", "clavicles"):
        np.testing.assert_array_equal(
            batch.areas[:, answer.names.index(name)], (fields & MASK_BITS[name]) > 0, err_msg=name
        )
