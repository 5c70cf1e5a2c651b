"""The folder of a statistic."""

import json
from pathlib import Path

import pandas as pd
import pytest

from cxrshort.errors import DataError, OutputError, UsageError
from cxrshort.results import Result
from cxrshort.verbs.stats.output import check_figures, check_intervals, write_result
from cxrshort.verbs.stats.source import open_source

from .scored import plain

RESULT = Result({"aucs": [{"auc": 0.5}]}, kind="stats-auc")


def drawn(path):
    path("a.png").write_bytes(b"figure")
    return [path("a.png")]


def write(tmp_path: Path, **options) -> Result:
    settings = {"source": open_source(plain(tmp_path)), "arguments": {"level": 0.95}, "out": tmp_path / "out"}
    settings |= {"tables": {"aucs.csv": [{"auc": 0.5, "n": 3}]}}
    return write_result(RESULT, "stats auc", **(settings | options))


def test_result_without_any_interval_is_refused() -> None:
    rows = [{"low": None, "reason": reason} for reason in ("only positives", "only negatives", "only positives")]
    check_intervals([*rows, {"low": 0.1, "reason": ""}], "low", measure="gap", table="a.csv")
    with pytest.raises(DataError) as caught:
        check_intervals(rows, "low", measure="gap", table="a.csv")
    assert caught.value.message == "a.csv: no gap can be given an interval (only positives; only negatives)"
    assert caught.value.hint == "two persons of each class"


def test_nothing_is_written_without_a_folder(tmp_path: Path) -> None:
    assert write(tmp_path, out=None) is RESULT
    assert not (tmp_path / "out").exists()


def test_folder_is_a_complete_run(tmp_path: Path) -> None:
    result = write(tmp_path, draw=drawn)
    assert (result.folder, result.figures) == (tmp_path / "out", [tmp_path / "out" / "a.png"])
    assert pd.read_csv(tmp_path / "out" / "aucs.csv").to_dict("records") == [{"auc": 0.5, "n": 3}]
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == RESULT.summary
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert (record["verb"], record["state"], list(record["inputs"])) == ("stats auc", "done", ["scores.csv"])
    assert record["outputs"] == ["a.png", "aucs.csv", "summary.json"]
    assert result.document["figures"] == ["a.png"]


def test_second_result_needs_force_and_replaces_the_first(tmp_path: Path) -> None:
    write(tmp_path, draw=drawn)
    with pytest.raises(OutputError, match="exists already"):
        write(tmp_path)
    result = write(tmp_path, force=True)
    assert result.figures == [] and not (tmp_path / "out" / "a.png").exists()


def test_figures_without_a_folder_are_refused(tmp_path: Path) -> None:
    check_figures(tmp_path, figures=True)
    check_figures(None, figures=False)
    with pytest.raises(UsageError, match="--figures needs a folder") as caught:
        check_figures(None, figures=True)
    assert caught.value.hint == "--out DIR names it"
