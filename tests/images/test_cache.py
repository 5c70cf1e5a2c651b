"""Caches: filled to the same bytes by any workers, and refused where they are not whole."""

import os
import zlib
from pathlib import Path

import numpy as np
import pytest

from cxrshort.errors import DataError, MissingInputError, OutputError
from cxrshort.images.cache import (
    Filling,
    RowWriter,
    checksum,
    create_cache,
    damaged_rows,
    fill_rows,
    keep_rows,
    open_array,
    open_cache,
    restore_rows,
)
from cxrshort.images.raster import ImageError

SIDE = 4
HINTS = {"kind": "a cache", "missing": "make it", "damaged": "make it again"}


def paint(task: int) -> Filling:
    """Return a picture and its mask; every fifth task is refused."""
    if task % 5 == 4:
        raise ImageError("constant image", f"every pixel is {task}")
    pixels = np.full((SIDE, SIDE), task, np.uint8)
    return Filling((pixels, (pixels > 3).astype(np.uint8)), {"task": task})


def caches(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    for name in ("images.npy", "masks.npy"):
        create_cache(folder / name, (count, SIDE, SIDE))
    return [folder / "images.npy", folder / "masks.npy"]


@pytest.mark.parametrize(
    ("jobs", "prefer"), [(1, "threads"), (3, "threads"), pytest.param(2, "processes", marks=pytest.mark.slow)]
)
def test_fill_rows_gives_the_same_bytes_for_any_workers(tmp_path, jobs, prefer):
    paths, recorded = caches(tmp_path / "made", 24), []
    results = fill_rows(
        paths, range(12), paint, rows=range(1, 24, 2), jobs=jobs, chunk=5, prefer=prefer, record=recorded.extend
    )
    assert recorded == results and [result["row"] for result in results] == list(range(1, 24, 2))
    expected = np.zeros((24, SIDE, SIDE), np.uint8)
    for task, row in enumerate(range(1, 24, 2)):
        expected[row] = 0 if task % 5 == 4 else task
    np.testing.assert_array_equal(open_cache(paths[0]), expected)
    np.testing.assert_array_equal(open_cache(paths[1]), expected > 3)


def test_fill_rows_tells_outcome_checksums_and_refusals(tmp_path):
    results = fill_rows(caches(tmp_path / "made", 5), [2, 4], paint, rows=[3, 0], jobs=1, chunk=2)
    crc32 = [zlib.crc32(bytes([2] * SIDE**2)), zlib.crc32(bytes(SIDE**2))]
    assert results == [
        {"row": 3, "task": 2, "crc32": crc32},
        {"row": 0, "reason": "constant image", "detail": "every pixel is 4"},
    ]
    assert checksum(open_cache(tmp_path / "made" / "images.npy")[3]) == crc32[0]


def test_fill_rows_records_before_an_interruption(tmp_path):
    paths, recorded = caches(tmp_path / "made", 8), []

    def stop(results):
        recorded.extend(results)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill_rows(paths, range(8), paint, rows=range(8), jobs=1, chunk=3, record=stop)
    images = open_cache(paths[0])
    assert [result["row"] for result in recorded] == [0, 1, 2]
    assert [int(image.max()) for image in images[:3]] == [0, 1, 2]


@pytest.mark.parametrize("rows", [[0], [0, 1, 2]])
def test_fill_rows_needs_a_row_for_every_task(tmp_path, rows):
    paths = caches(tmp_path / "made", 4)
    with pytest.raises(ValueError, match="zip"):
        fill_rows(paths, [1, 2], paint, rows=rows, jobs=1, chunk=2)


@pytest.mark.parametrize(("row", "shape"), [(-1, (SIDE, SIDE)), (2, (SIDE, SIDE)), (0, (SIDE, 3))])
def test_row_writer_refuses_what_does_not_fit(tmp_path, row, shape):
    path = caches(tmp_path / "made", 2)[0]
    with RowWriter(path) as writer, pytest.raises(ValueError, match="does not fit"):
        writer.write(row, np.ones(shape, np.uint8))
    assert not open_cache(path).any()


def test_cache_that_is_cut_short_is_refused_and_not_enlarged(tmp_path):
    path = caches(tmp_path / "made", 4)[0]
    os.truncate(path, path.stat().st_size - 1)
    size = path.stat().st_size
    with pytest.raises(DataError):
        open_cache(path, "r+")
    assert path.stat().st_size == size


def header(shape: str) -> bytes:
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "shape",
    [
        "(-1, 4, 4)",
        "(-2, -2, 4)",
        "(2**70, 4, 4)",
        "(9" * 500,
        "(99999999999999999999,)",
        "(4611686018427387904, 4, 4)",
        "(" + "-" * 5000 + "1,)",
    ],
)
def test_cache_of_impossible_dimensions_is_refused(tmp_path, shape):
    (tmp_path / "images.npy").write_bytes(header(shape) + bytes(64))
    with pytest.raises(DataError) as caught:
        open_array(tmp_path / "images.npy", **HINTS)
    assert (caught.value.message, caught.value.hint) == (f"'{tmp_path / 'images.npy'}' is not a cache", "make it again")


def test_open_array_refuses_what_is_no_file(tmp_path):
    with pytest.raises(MissingInputError) as caught:
        open_array(tmp_path / "gone.npy", **HINTS)
    assert (caught.value.message, caught.value.hint) == (f"'{tmp_path / 'gone.npy'}' does not exist", "make it")
    os.mkfifo(tmp_path / "pipe.npy")
    for path, message in ((tmp_path / "pipe.npy", "is not a file"), (tmp_path / ("x" * 300), "is not a cache")):
        with pytest.raises(DataError, match=message):
            open_array(path, **HINTS)


def test_create_cache_is_zero_and_has_its_space(tmp_path):
    cache = create_cache(tmp_path / "masks.npy", (3, 8, 8), np.uint8)
    assert not cache.any() and (tmp_path / "masks.npy").stat().st_size == 128 + 3 * 64


def test_create_cache_without_room_is_refused(tmp_path):
    with pytest.raises(OutputError) as caught:
        create_cache(tmp_path / "none" / "images.npy", (3, 8, 8))
    where = tmp_path / "none" / "images.npy"
    assert str(caught.value) == f"'{where}' cannot be written (no such file or directory); it needs 0 MiB"


def test_open_cache_refuses_what_is_no_cache(tmp_path):
    with pytest.raises(MissingInputError) as missing:
        open_cache(tmp_path / "images.npy")
    assert str(missing.value) == f"'{tmp_path / 'images.npy'}' does not exist"
    create_cache(tmp_path / "images.npy", (3, 8, 8))
    os.truncate(tmp_path / "images.npy", 200)
    with pytest.raises(DataError) as short:
        open_cache(tmp_path / "images.npy")
    assert str(short.value) == f"'{tmp_path / 'images.npy'}' is not a whole .npy array"
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    with pytest.raises(DataError):
        open_cache(tmp_path / "objects.npy")


def numbered(path: Path, count: int) -> np.ndarray:
    """Write a cache whose rows are told apart by their values, from 1."""
    rows = np.arange(1, count + 1, dtype=np.uint8)[:, None, None] * np.ones((1, SIDE, SIDE), np.uint8)
    np.save(path, rows)
    return rows


@pytest.mark.parametrize("kept", [[0, 1, 2, 3, 4], [1, 4], [3]])
def test_keep_rows_leaves_one_file_with_these_rows(tmp_path, kept):
    rows = numbered(tmp_path / ".partial.images.npy", 5)
    keep_rows(tmp_path / ".partial.images.npy", kept, tmp_path / "images.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["images.npy"]
    np.testing.assert_array_equal(np.load(tmp_path / "images.npy"), rows[kept])


@pytest.mark.parametrize("kept", [[0, 1, 2, 3, 4], [1, 4], [3]])
def test_restore_rows_undoes_keep_rows(tmp_path, kept):
    rows = numbered(tmp_path / "whole.npy", 5)
    np.save(tmp_path / "images.npy", rows[kept])
    restore_rows(tmp_path / "images.npy", kept, tmp_path / ".partial.images.npy", shape=rows.shape)
    expected = np.zeros_like(rows)
    expected[kept] = rows[kept]
    np.testing.assert_array_equal(np.load(tmp_path / ".partial.images.npy"), expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".partial.images.npy", "whole.npy"]


def test_restore_rows_leaves_a_cache_of_other_rows_alone(tmp_path):
    rows = numbered(tmp_path / "images.npy", 3)
    restore_rows(tmp_path / "images.npy", [0, 1], tmp_path / ".partial.images.npy", shape=rows.shape)
    np.testing.assert_array_equal(np.load(tmp_path / "images.npy"), rows)
    assert not (tmp_path / ".partial.images.npy").exists()


@pytest.mark.parametrize("array", [np.ones((SIDE, SIDE), np.float32), np.ones((SIDE, SIDE), bool)])
def test_row_writer_refuses_another_type_in_place_of_cutting_values(tmp_path, array):
    path = caches(tmp_path / "made", 2)[0]
    with RowWriter(path) as writer, pytest.raises(ValueError, match="does not fit"):
        writer.write(0, array)


def test_damaged_rows_are_those_that_hold_something_else(tmp_path):
    paths = caches(tmp_path / "made", 5)
    results = fill_rows(paths, [1, 2, 4, 3], paint, rows=[0, 1, 2, 4], jobs=1, chunk=2)
    changed = open_cache(paths[1], "r+")
    changed[4, 0, 0] ^= 1
    changed.flush()
    assert damaged_rows(paths, {result["row"]: result for result in results}) == [4]
