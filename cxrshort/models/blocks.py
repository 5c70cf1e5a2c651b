"""Arrays that take long to compute, filled block by block on the disk, so that an interrupted run goes on where it was.

Rows are computed in blocks of one size, whatever was done before, so that the bytes of a resumed run are those of an
unbroken one. A block is written and synced before the journal counts it; what a kill cut short is computed again.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cxrshort import distributed, files, runs
from cxrshort.compute import Compute
from cxrshort.errors import DataError, UsageError
from cxrshort.images.cache import RowWriter, create_cache, open_array
from cxrshort.json_files import json_values, read_record, write_json

BLOCK = 256
Report = Callable[[Mapping[str, Any]], None]
Work = Callable[[npt.NDArray[np.int64]], npt.NDArray[Any]]
"""From positions (B,) to their rows (B, ...), float32; every process calls it, and gets the whole block."""

_AGAIN = "--force starts over"
_LISTED = 6
"""Settings that a message names."""


@dataclass(frozen=True)
class BlockArray:
    """Describe an array that is filled block by block.

    Args:
        name: its file in the run folder, such as ``"maps.npy"``.
        shape: (N, ...).
        block: rows that are computed between two entries of the journal.
        unit: what a row is, in the plural, for the progress bar.
    """

    name: str
    shape: tuple[int, ...]
    block: int = BLOCK
    unit: str = "images"

    @property
    def journal(self) -> str:
        """Return the name of the file that says how many rows are done."""
        return f".{self.name}.journal.json"


def fill_blocks(
    run: runs.Run,
    array: BlockArray,
    work: Work,
    *,
    settings: Mapping[str, Any],
    compute: Compute,
    resume: bool = False,
    report: Report = runs.ignore_event,
) -> npt.NDArray[np.float32]:
    """Fill an array of a run, and return it as a memory map.

    Args:
        run: the run folder; only the first of several processes writes it.
        array: the array's file, shape and blocks.
        work: computes the rows of a block.
        settings: everything that its bytes depend on, as JSON values.
        compute: the processes that work together.
        resume: go on where an interrupted run has stopped.
        report: takes an event before each block.

    Returns:
        The array in the first process, read-only; in the others one without rows.

    Raises:
        UsageError: the interrupted run had other settings.
        DataError: its journal or its array is damaged.
        OutputError: the array cannot be written.
    """
    path, journal, shape = run.path(array.name), run.path(array.journal), array.shape
    plan = json_values({**settings, "shape": list(shape), "block": array.block})
    done = 0

    def begin() -> None:
        nonlocal done
        done = _rows_done(journal, plan) if resume and journal.exists() and path.exists() else 0
        if not done:
            create_cache(path, shape, np.float32)
            write_json(journal, {"settings": plan, "rows": 0})
        elif _open(path).shape != shape:
            raise DataError(f"'{path}' is not the array that the interrupted run has begun", _AGAIN)

    distributed.on_first_rank(begin, compute)
    if compute.processes > 1:
        done = int(distributed.broadcast({"done": done})["done"])
    for start in range(done, shape[0], array.block):
        positions = np.arange(start, min(start + array.block, shape[0]))
        report({"event": array.unit, "done": start, "of": shape[0]})
        rows = np.asarray(work(positions), np.float32)

        def write(rows: npt.NDArray[np.float32] = rows, positions: npt.NDArray[np.int64] = positions) -> None:
            with files.writing(path), RowWriter(path) as writer:
                for position, row in zip(positions.tolist(), rows, strict=True):
                    writer.write(position, np.ascontiguousarray(row))
            _sync(path)
            write_json(journal, {"settings": plan, "rows": int(positions[-1]) + 1})

        distributed.on_first_rank(write, compute)
    report({"event": array.unit, "done": shape[0], "of": shape[0]})
    if run.read_only:
        return np.zeros((0, *shape[1:]), np.float32)
    return _open(path)


def forget_blocks(run: runs.Run, *arrays: BlockArray) -> None:
    """Remove the journals of arrays that are complete, right before the run is finished."""
    if not run.read_only:
        for array in arrays:
            run.path(array.journal).unlink(missing_ok=True)


def _open(path: Path) -> npt.NDArray[np.float32]:
    return open_array(path, kind="a whole .npy array", missing=_AGAIN, damaged=_AGAIN)


def _sync(path: Path) -> None:
    with files.writing(path), path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _rows_done(journal: Path, plan: Mapping[str, Any]) -> int:
    """Return how many rows an interrupted run has finished, if it was begun with the same settings."""
    record = read_record(journal, {"settings": dict}, hint=_AGAIN)
    before, rows = record.get("settings", {}), record.get("rows", 0)
    changed = sorted(name for name in {*before, *plan} if before.get(name) != plan.get(name))
    if changed:
        listed = ", ".join(f"{name} was '{before.get(name)}' and is '{plan.get(name)}'" for name in changed[:_LISTED])
        raise UsageError(f"--resume with other settings would change the result: {listed}", _AGAIN)
    if not isinstance(rows, int) or not 0 <= rows <= plan["shape"][0]:
        raise DataError(f"'{journal}' is damaged", _AGAIN)
    return rows
