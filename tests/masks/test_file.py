"""Masks of a file: what is read, and which files are refused with which words."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from cxrshort.dataset import MASKS, Dataset
from cxrshort.errors import CxrshortError, DataError, MissingInputError
from cxrshort.masks.file import MaskFile, Tally

ROWS, SIDE = 6, 4
SHAPE = (ROWS, SIDE, SIDE)
FORM = "np.save a bool array: for each row of images.npy, where evidence may lie"


def left_half() -> npt.NDArray[np.bool_]:
    masks = np.zeros(SHAPE, bool)
    masks[:, :, : SIDE // 2] = True
    return masks


def saved(folder: Path, masks: npt.NDArray[np.generic]) -> Path:
    np.save(folder / "masks.npy", masks)
    return folder / "masks.npy"


def opened(path: Path, *, rows: npt.ArrayLike = range(ROWS)) -> MaskFile:
    return MaskFile(path, np.asarray(rows, dtype=np.int64), shape=SHAPE)


def refusal(path: Path, *, rows: npt.ArrayLike = range(ROWS)) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        _ = opened(path, rows=rows).tally
    return caught.value


@pytest.mark.parametrize("foreground", [True, np.uint8(1), np.uint8(255)])
def test_masks_are_taken_by_cache_row_with_every_bit_of_the_foreground(tmp_path: Path, foreground: np.generic) -> None:
    masks = left_half()
    masks[5] = ~masks[5]
    actual = opened(saved(tmp_path, masks * foreground), rows=[5, 0, 2])
    assert (len(actual), actual.image_shape) == (3, (SIDE, SIDE))
    taken = actual.take([0, 2])
    assert taken.dtype == np.uint8
    np.testing.assert_array_equal(taken, np.where(masks[[5, 2]], 255, 0))


def test_tally_counts_masks_that_say_nothing_among_the_images_of_the_fold(tmp_path: Path) -> None:
    masks = left_half()
    masks[1], masks[3], masks[4] = False, True, True
    path = saved(tmp_path, masks)
    assert opened(path).tally == Tally(images=6, empty=1, full=2)
    assert opened(path, rows=[0, 1, 2]).tally == Tally(images=3, empty=1, full=0)
    assert opened(path, rows=np.tile([0, 1, 3], 200)).tally == Tally(images=600, empty=200, full=200)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (left_half()[:5], "is 5 x 4 x 4, the dataset's cache is 6 x 4 x 4"),
        (left_half()[:, :3], "is 6 x 3 x 4, the dataset's cache is 6 x 4 x 4"),
        (left_half()[0], "is 4 x 4, the dataset's cache is 6 x 4 x 4"),
        (np.array(True), "is a single value, the dataset's cache is 6 x 4 x 4"),
        (left_half().astype(np.float32), "holds float32, masks are bool or uint8"),
        (left_half().astype(np.int64), "holds int64, masks are bool or uint8"),
        (np.zeros(SHAPE, bool), "none of the 6 masks of this fold has any foreground"),
        (np.ones(SHAPE, np.uint8), "none of the 6 masks of this fold has any background"),
    ],
)
def test_arrays_that_are_no_masks_of_the_dataset_are_refused(
    tmp_path: Path, masks: npt.NDArray[np.generic], message: str
) -> None:
    path = saved(tmp_path, masks)
    error = refusal(path)
    assert isinstance(error, DataError)
    assert error.message.removeprefix(f"'{path}'").lstrip(": ") == message
    assert error.hint == FORM


def test_fold_without_foreground_is_refused_though_other_rows_have_some(tmp_path: Path) -> None:
    masks = left_half()
    masks[:2] = False
    error = refusal(saved(tmp_path, masks), rows=[0, 1])
    assert error.message.endswith("none of the 2 masks of this fold has any foreground")


def test_bit_fields_are_refused_with_the_way_to_one_structure(tmp_path: Path) -> None:
    path = saved(tmp_path, left_half() * np.uint8(3))
    error = refusal(path)
    assert error.message == f"'{path}' holds 3, a mask is 0 and 1, or 0 and 255"
    assert error.hint == "of a dataset's masks.npy, save one structure: masks & 1 > 0 are the lungs"


def test_missing_file_is_said_so(tmp_path: Path) -> None:
    error = refusal(tmp_path / "none.npy")
    assert isinstance(error, MissingInputError)
    assert error.message == f"'{tmp_path / 'none.npy'}' does not exist"
    assert error.hint == f"--mask-file takes a .npy file: {FORM}"


def test_folders_and_pipes_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        assert refusal(path).message == f"'{path}' is not a file"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00\x10\x00{'descr': '|b1'"])
def test_files_that_are_no_arrays_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "masks.npy"
    path.write_bytes(content)
    assert refusal(path).message == f"'{path}' is not a readable .npy array"


def test_truncated_and_pickled_arrays_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, left_half())
    path.write_bytes(path.read_bytes()[:-1])
    assert refusal(path).message == f"'{path}' is not a readable .npy array"
    np.save(path, np.array([{"a": 1}]), allow_pickle=True)
    assert refusal(path).message == f"'{path}' is not a readable .npy array"


def cached(folder: Path, rows: npt.ArrayLike) -> Dataset:
    folder.mkdir(exist_ok=True)
    np.save(folder / "images.npy", np.zeros(SHAPE, np.uint8))
    table = pd.DataFrame({"image_id": [f"i{row}" for row in rows], "cache": str(folder), "cache_row": rows})
    return Dataset("d", table)


def test_dataset_with_a_mask_file_has_a_mask_for_each_row_of_a_subset(tmp_path: Path) -> None:
    masks = np.arange(ROWS)[:, None, None] == np.arange(SIDE)[:, None] + np.zeros(SIDE, int)
    data = cached(tmp_path / "d", [3, 1])
    assert data.masks is None
    masked = data.with_mask_file(saved(tmp_path, masks))
    assert masked.masks is not None
    np.testing.assert_array_equal(masked.masks.take([0, 1]) > 0, masks[[3, 1]])


def test_photographs_take_masks_without_colours(tmp_path: Path) -> None:
    data = cached(tmp_path / "d", [0])
    np.save(tmp_path / "d" / "images.npy", np.zeros((ROWS, 3, SIDE, SIDE), np.uint8))
    masks = data.with_mask_file(saved(tmp_path, left_half())).masks
    assert masks is not None and masks.image_shape == (SIDE, SIDE)


def test_mask_file_of_rows_in_two_caches_is_refused(tmp_path: Path) -> None:
    tables = [cached(tmp_path / name, [0, 1]).manifest for name in ("a", "b")]
    both = Dataset("d", pd.concat(tables, ignore_index=True))
    with pytest.raises(DataError) as caught:
        both.with_mask_file(saved(tmp_path, left_half()))
    assert caught.value.message == "the rows lie in 2 caches, and a mask file is of one"
    assert caught.value.hint == "build them as one dataset"


def test_mask_file_needs_cached_images(tmp_path: Path) -> None:
    bare = Dataset("d", pd.DataFrame({"image_id": ["a"]}))
    with pytest.raises(DataError) as caught:
        bare.with_mask_file(saved(tmp_path, left_half()))
    assert caught.value.message == "d: the manifest has no cached images"
    assert MASKS == "masks.npy"
