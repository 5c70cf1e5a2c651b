"""Blocks: filled once, resumed to the same bytes, refused where the plan has changed."""

from pathlib import Path

import numpy as np
import pytest

from cxrshort import runs
from cxrshort.compute import choose_compute
from cxrshort.errors import DataError, UsageError
from cxrshort.models.blocks import BlockArray, fill_blocks, forget_blocks

ARRAY = BlockArray("values.npy", (10, 2), block=4, unit="rows")


def double(positions):
    return np.stack([positions, 2.0 * positions], axis=1)


def fill(run, work=double, *, settings=None, array=ARRAY, **options):
    return fill_blocks(run, array, work, settings=settings or {"seed": 1}, compute=choose_compute("cpu"), **options)


def begin(folder: Path, *, resume: bool = False) -> runs.Run:
    return runs.start_run(folder, "explain", arguments={}, resume=resume)


def interrupt_after(folder: Path, blocks: int) -> None:
    """Fill some blocks, and stop as a kill would in the middle of the next."""
    calls = []

    def stop_later(positions):
        calls.append(positions)
        if len(calls) > blocks:
            raise KeyboardInterrupt
        return double(positions)

    with pytest.raises(KeyboardInterrupt):
        fill(begin(folder), stop_later)


def test_every_row_is_what_its_work_returns(tmp_path):
    events = []
    values = fill(begin(tmp_path / "run"), report=events.append)
    assert values.dtype == np.float32
    assert np.array_equal(values, double(np.arange(10)))
    assert [event["done"] for event in events] == [0, 4, 8, 10]
    assert events[0] == {"event": "rows", "done": 0, "of": 10}


def test_a_resumed_run_computes_the_missing_blocks_alone_and_equals_an_unbroken_one(tmp_path):
    fill(begin(tmp_path / "whole"))
    interrupt_after(tmp_path / "broken", 2)
    positions = []

    def remember(block):
        positions.extend(block.tolist())
        return double(block)

    fill(begin(tmp_path / "broken", resume=True), remember, resume=True)
    assert positions == [8, 9]
    assert (tmp_path / "broken/values.npy").read_bytes() == (tmp_path / "whole/values.npy").read_bytes()


def test_a_run_that_is_not_resumed_starts_over(tmp_path):
    interrupt_after(tmp_path, 2)
    positions = []

    def remember(block):
        positions.extend(block.tolist())
        return double(block)

    fill(begin(tmp_path, resume=True), remember, resume=False)
    assert positions == list(range(10))


def test_other_settings_are_refused(tmp_path):
    interrupt_after(tmp_path, 1)
    with pytest.raises(UsageError, match="seed was '1' and is '2'"):
        fill(begin(tmp_path, resume=True), settings={"seed": 2}, resume=True)


def test_a_damaged_journal_is_refused(tmp_path):
    interrupt_after(tmp_path, 1)
    journal = tmp_path / ARRAY.journal
    journal.write_text(journal.read_text().replace('"rows": 4', '"rows": 400'))
    with pytest.raises(DataError, match="is damaged"):
        fill(begin(tmp_path, resume=True), resume=True)


def test_an_array_of_another_shape_is_refused(tmp_path):
    interrupt_after(tmp_path, 1)
    np.save(tmp_path / "values.npy", np.zeros((10, 3), np.float32))
    with pytest.raises(DataError, match="is not the array that the interrupted run has begun"):
        fill(begin(tmp_path, resume=True), resume=True)


def test_no_rows_are_an_empty_array(tmp_path):
    assert fill(begin(tmp_path), array=BlockArray("values.npy", (0, 2))).shape == (0, 2)


def test_journals_are_forgotten_before_the_run_is_finished(tmp_path):
    run = begin(tmp_path)
    fill(run)
    assert (tmp_path / ARRAY.journal).exists()
    forget_blocks(run, ARRAY)
    run.finish()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.json", "values.npy"]
