"""Sealed preregistrations."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.files import sha256
from cxrshort.verbs.stats.registrations import LEDGER, read_registrations, register, states

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def plan(folder: Path, text: str = "H1: A beats B", name: str = "plan.yaml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_entry_holds_time_hash_and_the_seal_before(tmp_path: Path) -> None:
    first = register(plan(tmp_path), tmp_path, scorings=3, now=NOW)
    assert (first.file, first.time, first.scorings, first.previous) == ("plan.yaml", "2026-03-01T00:00:00+00:00", 3, "")
    assert first.moment == NOW
    assert first.sha256 == sha256(tmp_path / "plan.yaml")
    second = register(plan(tmp_path, "H2", "other.yaml"), tmp_path, scorings=4)
    assert second.previous == first.seal
    assert read_registrations(tmp_path) == [first, second]
    assert states([first, second], tmp_path) == ["unchanged", "unchanged"]


def test_changed_and_missing_files_are_seen(tmp_path: Path) -> None:
    entries = [register(plan(tmp_path, name, name), tmp_path, scorings=0) for name in ("a", "b")]
    plan(tmp_path, "another hypothesis", "a")
    (tmp_path / "b").unlink()
    assert states(entries, tmp_path) == ["changed", "missing"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("time", "2025-01-01T00:00:00+00:00"), ("sha256", "0" * 64), ("scorings", 0), ("previous", "x")],
)
def test_changed_entry_breaks_its_seal(field: str, value: object, tmp_path: Path) -> None:
    register(plan(tmp_path), tmp_path, scorings=3)
    path = tmp_path / LEDGER
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}) + "\n")
    assert states(read_registrations(tmp_path), tmp_path) == ["seal broken"]


def test_removed_entry_breaks_the_chain(tmp_path: Path) -> None:
    for name in "abc":
        register(plan(tmp_path, name, name), tmp_path, scorings=0)
    lines = (tmp_path / LEDGER).read_text().splitlines()
    (tmp_path / LEDGER).write_text("\n".join([lines[0], lines[2]]) + "\n")
    assert states(read_registrations(tmp_path), tmp_path) == ["unchanged", "seal broken"]


def test_file_elsewhere_is_named_from_the_ledger(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    entry = register(plan(tmp_path), tmp_path / "results", scorings=0)
    assert entry.file == "../plan.yaml"
    assert states([entry], tmp_path / "results") == ["unchanged"]


def test_what_cannot_be_registered_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="does not exist"):
        register(tmp_path / "nothing", tmp_path, scorings=0)
    with pytest.raises(DataError, match="is empty"):
        register(plan(tmp_path, ""), tmp_path, scorings=0)
    register(plan(tmp_path), tmp_path, scorings=0, now=NOW)
    with pytest.raises(UsageError, match="was registered at 2026-03-01T00:00:00"):
        register(plan(tmp_path, name="copy.yaml"), tmp_path, scorings=0)


@pytest.mark.parametrize("line", ["{}", "nonsense", '{"file": 1}'])
def test_damaged_ledger_is_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / LEDGER).write_text(line + "\n")
    with pytest.raises(DataError, match="line 1 is no registration"):
        read_registrations(tmp_path)
