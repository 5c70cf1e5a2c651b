"""Masks in a folder of pictures."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxrshort.errors import DataError
from cxrshort.images.decoding import decode
from cxrshort.images.placement import fit_image
from cxrshort.images.raster import ImageError
from cxrshort.masks.folder import TEXT_BIT, read_folder, read_mask

LUNGS = 1


def save(path, levels, mode=None):
    image = Image.fromarray(np.asarray(levels, np.uint8))
    (image.convert(mode) if mode else image).save(path)
    return path


def read(path, shape, *, size=4, fit="crop"):
    return read_mask(path, source_height=shape[0], source_width=shape[1], size=size, fit=fit)


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
        [values[value] for value in row] for row in np.asarray(expected).tolist()
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


def rows(**columns):
    table = {
        "image_id": list("abcd"),
        "source_height": 4,
        "source_width": 6,
        "cache_fit": ["squash", "crop", "pad", ""],
    }
    return pd.DataFrame({**table, **columns})


@pytest.mark.parametrize("jobs", [1, 3])
def test_folder_gives_the_rows_that_have_a_mask(tmp_path, jobs):
    levels = np.random.default_rng(0).choice([0, 255], size=(4, 6)).astype(np.uint8)
    paths = {name: save(tmp_path / f"{name}.png", levels) for name in "ac"}
    paths["b"] = save(tmp_path / "b.png", levels[:, :3])
    masks, refused = read_folder(paths, rows(), size=3, jobs=jobs)
    assert masks.available.tolist() == [True, False, True, False] and masks.image_shape == (3, 3)
    for row, fit in ((0, "squash"), (2, "pad")):
        expected = read_mask(paths["a"], source_height=4, source_width=6, size=3, fit=fit)
        np.testing.assert_array_equal(masks.take([row])[0] > 0, expected == LUNGS)
    assert refused.to_numpy().tolist() == [["b", str(paths["b"]), "mask size differs", "3 x 4, the image is 6 x 4"]]


def test_folder_takes_the_fit_of_the_dataset_where_rows_have_none(tmp_path):
    paths = {"a": save(tmp_path / "a.png", np.tile(np.uint8([0, 255]), (4, 3)))}
    expected = read_folder(paths, rows(), size=3)[0].take([0])
    np.testing.assert_array_equal(
        read_folder(paths, rows().drop(columns="cache_fit"), size=3, fit="squash")[0].take([0]), expected
    )


@pytest.mark.parametrize(
    "columns", [{"cache_fit": ""}, {"source_height": None}, {"source_width": -1}, {"cache_fit": "stretch"}]
)
def test_folder_needs_to_know_how_images_lie(tmp_path, columns):
    with pytest.raises(DataError, match="image 'a' does not say how its original lies in its square"):
        read_folder({"a": tmp_path / "a.png"}, rows(**columns), size=3)
