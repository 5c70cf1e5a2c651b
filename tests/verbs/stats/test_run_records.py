"""Run folders below a folder."""

import json
from pathlib import Path

import pytest

from cxrshort.errors import MissingInputError
from cxrshort.verbs.stats.run_records import find_runs

from .finished_runs import finished


def test_runs_are_found_at_any_depth_in_the_order_of_time(tmp_path: Path) -> None:
    finished(tmp_path / "b" / "deep", "explain", day=1)
    finished(tmp_path / "a", "train", day=2)
    finished(tmp_path / "c", "evaluate", day=0)
    finished(tmp_path / "c" / "inner", "evaluate", day=3)
    runs, notes = find_runs([tmp_path, tmp_path / "a"])
    assert [run.name for run in runs] == ["c", "b/deep", "a", "c/inner"]
    assert [run.seconds for run in runs] == [600.0] * 4
    assert notes == []


def test_other_programs_and_unfinished_runs_are_none(tmp_path: Path) -> None:
    finished(tmp_path / "good", "train")
    finished(tmp_path / "unfinished", "train", state="running")
    finished(tmp_path / "timeless", "train", started="yesterday")
    for name, content in (("foreign", {"hello": 1}), ("list", [1, 2])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps(content))
    runs, notes = find_runs([tmp_path])
    assert [run.name for run in runs] == ["good"]
    assert len(notes) == 1 and notes[0].startswith("1 run.json cannot be read, such as: ")


def test_the_run_folder_itself_is_searched(tmp_path: Path) -> None:
    (run,), _ = find_runs([finished(tmp_path / "only", "train")])
    assert run.name == "only"


def test_nothing_to_find_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no finished run below"):
        find_runs([tmp_path])
    with pytest.raises(MissingInputError, match="does not exist"):
        find_runs([tmp_path / "nowhere"])
