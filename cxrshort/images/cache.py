"""The memory-mapped .npy files that hold the pixels and masks of a dataset."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cxrshort.errors import DataError, MissingInputError, OutputError

_COPY_ROWS = 256  # rows copied at a time


def create_cache(path: Path, shape: tuple[int, ...], dtype: DTypeLike = np.uint8) -> "np.memmap[Any, np.dtype[Any]]":
    """Create a .npy file of zeros and map it for writing.

    The space is reserved at once, since a full disk would otherwise kill the process in the middle of a row.

    Raises:
        OutputError: the folder cannot be written, or the disk has no room.
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    try:
        cache = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        _reserve(path)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OutputError(
            f"'{path}' cannot be written ({(error.strerror or str(error)).lower()}); it needs {size / 2**20:.0f} MiB",
            "choose another folder with --out",
        ) from error
    return cache


def _reserve(path: Path) -> None:
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def open_cache(path: Path, mode: Literal["r", "r+"] = "r") -> "np.memmap[Any, np.dtype[Any]]":
    """Map an existing .npy file: (N, H, W) grey or (N, 3, H, W) colour.

    Raises:
        MissingInputError: there is no such file.
        DataError: the file is not a whole .npy array of numbers.
    """
    try:
        return np.lib.format.open_memmap(path, mode=mode)
    except FileNotFoundError as error:
        raise MissingInputError(f"'{path}' does not exist", "build it with cxrshort build-dataset") from error
    except (ValueError, EOFError) as error:
        raise DataError(f"'{path}' is not a whole .npy array", "build it again with cxrshort build-dataset") from error


def keep_rows(source: Path, rows: Sequence[int] | NDArray[np.int64], target: Path) -> None:
    """Turn a finished cache into one that holds only these rows, in this order; ``source`` is gone afterwards.

    Args:
        source: .npy file from `create_cache`.
        rows: rows to keep, ascending.
        target: where the cache appears, whole or not at all.
    """
    cache = open_cache(source)
    if len(rows) < len(cache):
        smaller = source.with_name(f".kept{source.name}")
        kept = create_cache(smaller, (len(rows), *cache.shape[1:]), cache.dtype)
        for start in range(0, len(rows), _COPY_ROWS):
            block = slice(start, start + _COPY_ROWS)
            kept[block] = cache[np.asarray(rows[block])]
        source.unlink()
        source = smaller
    with source.open("rb+") as stream:
        os.fsync(stream.fileno())
    source.replace(target)
