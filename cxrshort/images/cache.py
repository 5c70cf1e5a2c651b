"""The memory-mapped .npy files that hold the pixels and masks of a dataset."""

import contextlib
import os
import tokenize
import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import joblib
import numpy as np
from numpy.typing import DTypeLike, NDArray

from cxrshort import files
from cxrshort.errors import DataError, MissingInputError, OutputError
from cxrshort.images.raster import ImageError
from cxrshort.workers import tethered

T = TypeVar("T")

_COPY_ROWS = 256  # rows copied at a time
_LONGEST_NAME = 200  # characters of a path that a message shows
_UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    EOFError,
    ArithmeticError,
    MemoryError,
    RecursionError,
    SyntaxError,
    tokenize.TokenError,
)
"""What numpy raises for the headers of files that are damaged, or of another kind."""


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


def open_array(
    path: Path, mode: Literal["r", "r+"] = "r", *, kind: str, missing: str, damaged: str
) -> "np.memmap[Any, np.dtype[Any]]":
    """Map an existing .npy file, which must be whole and is never a pickle.

    Args:
        path: the file.
        mode: ``"r"``, or ``"r+"`` to change it in place.
        kind: what it should be, as in "'masks.npy' is not ...".
        missing: hint where there is no such file.
        damaged: hint where it is another file, or not whole.

    Raises:
        MissingInputError: there is no such file.
        DataError: the file is not a whole .npy array.
    """
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for ever
            raise DataError(f"'{path}' is not a file", damaged)
        # Read-only first: numpy silently enlarges with zeros a file that is too short and opened for writing.
        with np.errstate(over="raise"):  # dimensions whose product no integer holds
            array = np.lib.format.open_memmap(path, mode="r")
        return array if mode == "r" else np.lib.format.open_memmap(path, mode=mode)
    except FileNotFoundError as error:
        raise MissingInputError(f"'{path}' does not exist", missing) from error
    except _UNREADABLE as error:
        raise DataError(f"'{_shown(path)}' is not {kind}", damaged) from error


def _shown(path: Path) -> str:
    name = str(path)
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."


def open_cache(path: Path, mode: Literal["r", "r+"] = "r") -> "np.memmap[Any, np.dtype[Any]]":
    """Map an existing .npy file: (N, H, W) grey or (N, 3, H, W) colour.

    Raises:
        MissingInputError: there is no such file.
        DataError: the file is not a whole .npy array of numbers.
    """
    return open_array(
        path,
        mode,
        kind="a whole .npy array",
        missing="build it with cxrshort build-dataset",
        damaged="build it again with cxrshort build-dataset",
    )


class Filling(NamedTuple):
    """Hold what one task makes of its row.

    Args:
        arrays: the row of each cache, in the order of the caches.
        outcome: what is recorded of it, as JSON values.
    """

    arrays: tuple[NDArray[Any], ...]
    outcome: dict[str, Any]


def fill_rows(
    paths: Sequence[Path],
    tasks: Sequence[T],
    function: Callable[[T], Filling],
    *,
    rows: Sequence[int],
    jobs: int,
    chunk: int,
    prefer: Literal["threads", "processes"] = "threads",
    record: Callable[[list[dict[str, Any]]], None] = lambda results: None,
) -> list[dict[str, Any]]:
    """Fill rows of existing caches, in parallel and in place.

    A row's bytes depend on its task alone, so that caches are the same for any ``jobs`` and any scheduler. After a
    kill, the rows that ``record`` was told of are complete: fill the others only. A task that is refused by an
    `ImageError` leaves its row as it was (zero in a new cache). An active ``joblib.parallel_config`` (a Dask cluster
    that sees the same paths) takes precedence over ``prefer``.

    Args:
        paths: .npy files from `create_cache`; each task fills the same row of all of them.
        tasks: what rows are made from.
        function: makes the arrays of one task; for processes, it and the tasks can be pickled.
        rows: the row of each task.
        jobs: number of tasks worked on at the same time.
        chunk: tasks handed to a worker at a time: enough for a few tenths of a second of work.
        prefer: ``"threads"`` where the work releases the interpreter lock, else ``"processes"``.
        record: called with the results newly done, in the order of ``tasks``, as work proceeds.

    Returns:
        For each task, in order: ``row``, the outcome, and ``crc32``, the checksum of the row in each cache; for a
        refused task ``row``, ``reason`` and ``detail``.

    Raises:
        MissingInputError: there is no such cache.
        OutputError: a cache cannot be written.
        ValueError: ``rows`` are not as many as ``tasks``, or an array does not fit its cache.
    """
    for path in paths:
        open_cache(path)
    numbered = list(zip(tasks, map(int, rows), strict=True))
    chunks = [numbered[start : start + chunk] for start in range(0, len(numbered), chunk)]
    results: list[dict[str, Any]] = []
    with warnings.catch_warnings(), files.writing(paths[0]):
        # Once around all threads as well: the filters are global, and threads that restore them overtake each other.
        warnings.simplefilter("ignore")
        pool = joblib.Parallel(n_jobs=min(jobs, max(1, len(chunks))), prefer=prefer, return_as="generator")
        work = joblib.delayed(tethered(_fill_chunk))
        for chunk_results in pool(work(list(paths), part, function) for part in chunks):
            results.extend(chunk_results)
            record(chunk_results)
    return results


def _fill_chunk(
    paths: Sequence[Path], tasks: Sequence[tuple[T, int]], function: Callable[[T], Filling]
) -> list[dict[str, Any]]:
    results = []
    with contextlib.ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decoders warn about files they then refuse, or read well
        writers = [stack.enter_context(RowWriter(path)) for path in paths]
        for task, row in tasks:
            try:
                arrays, outcome = function(task)
            except ImageError as error:
                results.append({"row": row, "reason": error.reason, "detail": error.detail})
                continue
            checksums = [writer.write(row, array) for writer, array in zip(writers, arrays, strict=True)]
            results.append({"row": row, **outcome, "crc32": checksums})
    return results


class RowWriter:
    """Write rows of an existing cache through its file, not through a map.

    Rows share pages of a map, and two machines that map a file of a network file system would write each other's rows
    back.

    Args:
        path: .npy file from `create_cache`.
    """

    def __init__(self, path: Path) -> None:
        cache = open_cache(path)
        self._path, self._offset = path, int(cache.offset)
        self._shape, self._dtype, self._rows = cache.shape[1:], cache.dtype, len(cache)
        self._stream: FileIO | None = None

    def __enter__(self) -> "RowWriter":
        """Open the file."""
        self._stream = FileIO(self._path, "r+")
        return self

    def __exit__(self, *problem: object) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()

    def write(self, row: int, array: NDArray[Any]) -> int:
        """Write one row and return its checksum.

        Raises:
            ValueError: the array or the row does not fit the cache, or the file is not open.
        """
        fits = array.shape == self._shape and array.dtype == self._dtype
        if self._stream is None or not fits or not 0 <= row < self._rows:
            raise ValueError(f"{array.dtype} {array.shape} does not fit row {row} of {self._path}")
        data = array.tobytes()
        self._stream.seek(self._offset + row * len(data))
        written = 0
        while written < len(data):
            written += self._stream.write(data[written:])
        return checksum(data)


def checksum(row: "bytes | NDArray[Any]") -> int:
    """Return the CRC-32 of a row's bytes: 30 microseconds for 224 x 224 pixels."""
    return zlib.crc32(row if isinstance(row, bytes) else np.ascontiguousarray(row).data)


def damaged_rows(paths: Sequence[Path], results: Mapping[int, Mapping[str, Any]]) -> list[int]:
    """Return the rows that do not hold what was written into them: of a cache that was cut, or lost with the power.

    Args:
        paths: the caches that were filled together.
        results: what `fill_rows` told, by row; refused tasks are left out.
    """
    caches = [open_cache(path) for path in paths]
    return [
        row
        for row, result in results.items()
        if not result.get("reason") and [checksum(cache[row]) for cache in caches] != list(result.get("crc32", ()))
    ]


def keep_rows(source: Path, rows: Sequence[int] | NDArray[np.int64], target: Path) -> None:
    """Turn a finished cache into one that holds only these rows, in this order; ``source`` is gone afterwards.

    Args:
        source: .npy file from `create_cache`.
        rows: rows to keep, ascending.
        target: where the cache appears, whole or not at all.
    """
    cache = open_cache(source)
    complete = source
    if len(rows) < len(cache):
        complete = source.with_name(f".kept{source.name}")
        smaller_cache = create_cache(complete, (len(rows), *cache.shape[1:]), cache.dtype)
        for start in range(0, len(rows), _COPY_ROWS):
            block = slice(start, start + _COPY_ROWS)
            smaller_cache[block] = cache[np.asarray(rows[block])]
    _replace(complete, target)
    source.unlink(missing_ok=True)


def restore_rows(source: Path, rows: Sequence[int], target: Path, *, shape: tuple[int, ...]) -> None:
    """Undo `keep_rows`: spread a cache over the rows that it was made from; ``source`` is gone afterwards.

    Args:
        source: .npy file that holds ``rows`` alone, in this order; where it holds another number, nothing happens.
        rows: rows of the target.
        target: where the cache appears, whole or not at all; its other rows are zero.
        shape: of the target.
    """
    cache = open_cache(source)
    if cache.shape != (len(rows), *shape[1:]):
        return
    restored = target.with_name(f".restored{target.name}")
    spread = create_cache(restored, shape, cache.dtype)
    for start in range(0, len(rows), _COPY_ROWS):
        spread[np.asarray(rows[start : start + _COPY_ROWS])] = cache[start : start + _COPY_ROWS]
    spread.flush()
    _replace(restored, target)
    source.unlink()


def _replace(source: Path, target: Path) -> None:
    """Replace a file by another once that is safely on the disk."""
    with source.open("rb+") as stream:
        os.fsync(stream.fileno())
    source.replace(target)
