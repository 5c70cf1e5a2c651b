"""Mask files."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxrshort.datasets.building.mask_files import TEXT_BIT, Masks, fill_masks, find_masks, read_mask
from cxrshort.errors import MissingInputError, UsageError
from cxrshort.images.decoding import decode
from cxrshort.images.placement import fit_image
from cxrshort.images.raster import ImageError

LUNGS = 1


def save(path, levels, mode=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(levels, np.uint8))
    (image.convert(mode) if mode else image).save(path)
    return path


def rows_of(*paths):
    return pd.DataFrame({"image_id": [f"id:{path}" for path in paths], "path": list(paths)})


def read(path, shape, *, size=4, fit="crop"):
    return read_mask(path, source_height=shape[0], source_width=shape[1], size=size, fit=fit)


@pytest.mark.parametrize("name", ["film.pdf-1_mask.png", "film.pdf-1_mask.png.png", "film.pdf-1.png"])
def test_masks_are_found_by_the_usual_names(tmp_path, name):
    save(tmp_path / name, [[1]])
    found = find_masks(tmp_path, rows_of("images/film.pdf-1.jpg"))
    assert found == Masks({"id:images/film.pdf-1.jpg": tmp_path / name})


def test_masks_are_found_by_a_pattern_of_the_user(tmp_path):
    save(tmp_path / "lungs-1.png", [[1]])
    save(tmp_path / "1.png", [[1]])
    found = find_masks(tmp_path, rows_of("1.jpg"), patterns=["lungs-{stem}.png"])
    assert found.paths == {"id:1.jpg": tmp_path / "lungs-1.png"}
    assert found.notes == ("1 masks are of no image of the dataset",)


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
    found = find_masks(tmp_path, rows_of("x/a.jpg", "x/b.jpg"))
    assert found.paths == {"id:x/a.jpg": tmp_path / "fold-1" / "a_mask.png"}


def test_mask_whose_name_fits_several_images_is_given_to_none(tmp_path):
    save(tmp_path / "a_mask.png", [[1]])
    found = find_masks(tmp_path, rows_of("one/a.jpg", "two/a.png"))
    assert found == Masks({}, ("1 masks fit the names of several images and were left out",))


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


@pytest.mark.parametrize(
    ("levels", "bits"),
    [
        ((0, 127, 255, 255), (0, TEXT_BIT, LUNGS, LUNGS)),  # V7
        ((0, 0, 127, 127), (0, 0, TEXT_BIT, TEXT_BIT)),
        ((0, 113, 127, 255), (0, 0, 0, LUNGS)),  # soft edges of lungVAE
        ((0, 127, 128, 201), (0, 0, LUNGS, LUNGS)),
        ((0, 1, 0, 1), (0, LUNGS, 0, LUNGS)),  # a mask of 0 and 1
        ((0, 1, 2, 126), (0, LUNGS, LUNGS, LUNGS)),
        ((255, 255, 255, 255), (LUNGS,) * 4),
    ],
)
def test_grey_levels_become_bits(tmp_path, levels, bits):
    path = save(tmp_path / "mask.png", np.reshape(levels, (2, 2)))
    assert read(path, (2, 2), size=2).tolist() == np.reshape(bits, (2, 2)).tolist()


def test_masks_of_other_modes_are_read(tmp_path):
    levels = [[0, 255], [255, 0]]
    for mode in ("1", "RGB", "LA", "P"):
        path = save(tmp_path / f"{mode}.png", levels, mode)
        assert read(path, (2, 2), size=2).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
def test_mask_lies_where_its_image_does(tmp_path, fit):
    levels = np.zeros((60, 90), np.uint8)
    levels[12:48, 33:75] = 255
    path = save(tmp_path / "film.png", levels)
    image = decode(path, size=24, fit=fit).pixels >= 128
    mask = read(path, (60, 90), size=24, fit=fit) == LUNGS
    # Antialiasing and nearest neighbour may differ by the pixel that an edge crosses.
    rows, columns = np.nonzero(image)
    mask_rows, mask_columns = np.nonzero(mask)
    for own, other in ((rows, mask_rows), (columns, mask_columns)):
        assert abs(int(own.min()) - int(other.min())) <= 1 and abs(int(own.max()) - int(other.max())) <= 1


def test_mask_is_resampled_without_new_values(tmp_path):
    levels = np.random.default_rng(0).choice([0, 127, 255], size=(50, 70))
    path = save(tmp_path / "mask.png", levels)
    expected = fit_image(Image.fromarray(levels.astype(np.uint8)), size=16, resample=Image.Resampling.NEAREST)
    values = {0: 0, 127: TEXT_BIT, 255: LUNGS}
    assert read(path, (50, 70), size=16).tolist() == [
        [values[each] for each in row] for row in np.asarray(expected).tolist()
    ]


@pytest.mark.parametrize(
    ("levels", "shape", "message"),
    [
        ([[0, 255]], (1, 3), "mask size differs: 2 x 1, the image is 3 x 1"),
        ([[0, 0]], (1, 2), "empty mask: no pixel is marked"),
    ],
)
def test_mask_that_does_not_fit_is_refused(tmp_path, levels, shape, message):
    with pytest.raises(ImageError) as caught:
        read(save(tmp_path / "mask.png", levels), shape)
    assert caught.value.message == message


def test_damaged_mask_is_refused(tmp_path):
    path = save(tmp_path / "mask.png", np.arange(2500).reshape(50, 50) % 251)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(ImageError) as caught:
        read(path, (50, 50))
    assert caught.value.reason in ("truncated", "unreadable")


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
