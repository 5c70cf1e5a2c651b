"""Mask files."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxrshort import regions
from cxrshort.dataset import load_dataset
from cxrshort.datasets.building.edits import edited_rows
from cxrshort.datasets.building.mask_files import Masks, fill_masks, find_masks, read_masks
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import MissingInputError, UsageError
from cxrshort.masks.bits import select_bits
from cxrshort.verbs.build_dataset import build_dataset


def save(path, levels, mode=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(levels, np.uint8))
    (image.convert(mode) if mode else image).save(path)
    return path


def rows_of(*paths):
    return pd.DataFrame({"image_id": [f"id:{path}" for path in paths], "path": list(paths)})


@pytest.mark.parametrize("name", ["film.pdf-1_mask.png", "film.pdf-1_mask.png.png", "film.pdf-1.png"])
def test_masks_are_found_by_the_usual_names(tmp_path, name):
    save(tmp_path / name, [[1]])
    actual = find_masks(tmp_path, rows_of("images/film.pdf-1.jpg"))
    assert actual == Masks({"id:images/film.pdf-1.jpg": tmp_path / name})


def test_masks_are_found_by_a_pattern_of_the_user(tmp_path):
    save(tmp_path / "lungs-1.png", [[1]])
    save(tmp_path / "1.png", [[1]])
    actual = find_masks(tmp_path, rows_of("1.jpg"), patterns=["lungs-{stem}.png"])
    assert actual.paths == {"id:1.jpg": tmp_path / "lungs-1.png"}
    assert actual.notes == ("1 masks are of no image of the dataset",)


def test_masks_are_told_apart_by_folders_where_names_repeat(tmp_path):
    paths = ("chexpert/p1/s1/view1.jpg", "chexpert/p1/s2/view1.jpg", "chexpert/p2/s1/view1.jpg")
    for folder in ("p1/s1", "p1/s2"):
        save(tmp_path / "masks" / folder / "view1_mask.png", [[1]])
    assert find_masks(tmp_path / "masks", rows_of(*paths)).paths == {
        f"id:{paths[0]}": tmp_path / "masks" / "p1/s1/view1_mask.png",
        f"id:{paths[1]}": tmp_path / "masks" / "p1/s2/view1_mask.png",
    }


def test_mask_in_another_folder_is_found_when_its_name_is_unique(tmp_path):
    save(tmp_path / "fold-1" / "a_mask.png", [[1]])
    for fold in ("fold-1", "fold-2"):
        save(tmp_path / fold / "b_mask.png", [[1]])
    actual = find_masks(tmp_path, rows_of("x/a.jpg", "x/b.jpg"))
    assert actual.paths == {"id:x/a.jpg": tmp_path / "fold-1" / "a_mask.png"}


def test_mask_whose_name_fits_several_images_is_given_to_none(tmp_path):
    save(tmp_path / "a_mask.png", [[1]])
    actual = find_masks(tmp_path, rows_of("one/a.jpg", "two/a.png"))
    assert actual == Masks({}, ("1 masks fit the names of several images and were left out",))


def test_image_is_never_its_own_mask(tmp_path):
    save(tmp_path / "images" / "a.png", [[1]])
    save(tmp_path / "images" / "b.png", [[1]])
    save(tmp_path / "images" / "b_mask.png", [[1]])
    rows = rows_of("images/a.png", "images/b.png")
    for folder in (tmp_path, tmp_path / "images"):
        assert find_masks(folder, rows, root=tmp_path).paths == {"id:images/b.png": tmp_path / "images" / "b_mask.png"}


def test_folder_of_masks_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(MissingInputError) as caught:
        find_masks(tmp_path / "no", rows_of("a.jpg"))
    assert caught.value.message == f"'{tmp_path / 'no'}' is not a folder of masks"


@pytest.mark.parametrize("pattern", ["mask.png", "../{stem}.png"])
def test_pattern_that_names_no_file_is_refused(tmp_path, pattern):
    with pytest.raises(UsageError) as caught:
        find_masks(tmp_path, rows_of("a.jpg"), patterns=[pattern])
    assert caught.value.message == f"'{pattern}' is not a file name with {{stem}}"


def test_file_of_masks_has_a_row_for_each_usable_one(tmp_path):
    rows = rows_of(*(f"{number}.jpg" for number in range(5))).assign(source_height=2, source_width=2, cache_fit="crop")
    rows.index = range(10, 15)
    masks = {
        "id:1.jpg": save(tmp_path / "1.png", [[255, 0], [0, 0]]),
        "id:2.jpg": save(tmp_path / "2.png", [[255, 0, 0]]),
        "id:4.jpg": save(tmp_path / "4.png", [[0, 0], [0, 255]]),
        "id:9.jpg": tmp_path / "of no image.png",
    }
    for jobs in (1, 2):
        placed, refused = fill_masks(tmp_path / "masks.npy", masks, rows, size=2, jobs=jobs)
        mask_row = placed["mask_row"]
        assert mask_row.dtype == "Int64" and mask_row.dropna().to_dict() == {11: 0, 14: 1} and len(mask_row) == 5
        assert np.load(tmp_path / "masks.npy").tolist() == [[[1, 0], [0, 0]], [[0, 0], [0, 1]]]
        assert refused.to_numpy().tolist() == [
            ["id:2.jpg", str(tmp_path / "2.png"), "mask size differs", "3 x 1, the image is 2 x 2"]
        ]
    assert sorted(path.name for path in tmp_path.glob("*.npy")) == ["masks.npy"]


def test_nothing_is_written_without_a_usable_mask(tmp_path):
    rows = rows_of("1.jpg").assign(source_height=2, source_width=2, cache_fit="crop")
    for masks in ({}, {"id:1.jpg": tmp_path / "missing.png"}):
        placed, refused = fill_masks(tmp_path / "masks.npy", masks, rows, size=2)
        assert placed.isna().all(axis=None) and len(refused) == len(masks)
    assert list(tmp_path.glob("*masks.npy")) == []


def test_edits_of_one_image_share_its_mask(tmp_path):
    mask = save(tmp_path / "a_mask.png", [[1]])
    source = rows_of("x/a.jpg").assign(repository="x", patient_id="p", person_id="p")
    edits = edited_rows(source, [0, 0], ["darker", "inverted"])
    assert find_masks(tmp_path, edits).paths == dict.fromkeys(edits["image_id"], mask)


def test_folder_answers_for_a_dataset_as_the_masks_built_into_it_would(tmp_path):
    draw = np.random.default_rng(0)
    for number in range(5):
        shape = (40, 30 + number)
        save(tmp_path / "films" / f"P{number}.png", draw.integers(0, 256, shape))
        save(tmp_path / "masks" / f"P{number}_mask.png", draw.choice([0, 255], shape))
    save(tmp_path / "masks" / "P4_mask.png", [[255]])
    (tmp_path / "masks" / "P0_mask.png").unlink()
    options = {"root": tmp_path / "films", "size": 16, "jobs": 1, "options": ReadOptions(views=("UNKNOWN",))}
    build_dataset("folder", out=tmp_path / "without", **options)
    build_dataset("folder", out=tmp_path / "with", masks=tmp_path / "masks", **options)
    data, masked = (load_dataset(str(tmp_path / name)) for name in ("without", "with"))
    masks, notes = read_masks(tmp_path / "masks", data)
    assert notes == ("1 masks left out: mask size differs",)
    assert masks.available.tolist() == masked.has_mask.tolist() == [False, True, True, True, False]
    np.testing.assert_array_equal(masks.take([1, 2, 3]) > 0, select_bits(masked.masks.take([1, 2, 3]), 1))
    lungs = regions.of(data, masks=masks).take(range(5))
    np.testing.assert_array_equal(lungs.areas[1:4, 0], masks.take([1, 2, 3]) > 0)
    assert lungs.available[:, 0].tolist() == masks.available.tolist()
