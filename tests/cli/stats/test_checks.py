"""``cxrshort stats checks``: the exact text, the document, the gate, and one line for bad input."""

import json
from pathlib import Path

import pandas as pd
import pytest

from ...verbs.stats.scored import predictions, written
from ..console import cxrshort_here, failure, run_and_list_imports


def two_trainings(folder: Path) -> Path:
    table = predictions()
    return written(pd.concat([table, table.assign(model_id="b", training_id="b", training="other")]), folder)


def test_list_for_people(tmp_path: Path) -> None:
    result = cxrshort_here("stats", "checks", two_trainings(tmp_path), "--label", "Edema")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "Data, an imperfect window on the clinic"
    assert lines[1].startswith("  NOT ASSESSABLE  sources             the dataset that the models were trained on")
    assert (
        "  FAIL            seeds               a/small-cnn/erm: one model, so one seed and one split;" in result.stdout
    )
    assert "Where the facts stand\n  [1]" in result.stdout
    assert lines[-1].startswith("46 checks: FAIL ")


def test_quiet_leaves_out_the_files(tmp_path: Path) -> None:
    result = cxrshort_here("stats", "checks", two_trainings(tmp_path), "--quiet")
    assert "Where the facts stand" not in result.stdout and "46 checks" in result.stdout


def test_one_json_document(tmp_path: Path) -> None:
    result = cxrshort_here("stats", "checks", two_trainings(tmp_path), "--json")
    document = json.loads(result.stdout)
    assert (document["schema"], len(document["checks"])) == ("cxrshort.stats-checks/1", 46)
    assert set(document["checks"][0]) == {"section", "check", "recommendation", "status", "fact", "source"}


@pytest.mark.parametrize(("level", "code"), [("fail", 3), ("warn", 3), (None, 0)])
def test_gate(tmp_path: Path, level: str | None, code: int) -> None:
    options = ["--fail-on", level] if level else []
    result = cxrshort_here("stats", "checks", two_trainings(tmp_path), *options)
    assert result.exit_code == code
    assert "46 checks" in result.stdout  # printed before the gate closes


def test_gate_at_fail_lets_warnings_pass(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("auc,low,high\n0.9,0.8,1.0\n")
    assert cxrshort_here("stats", "checks", tmp_path / "t.csv", "--fail-on", "fail").exit_code == 0
    assert cxrshort_here("stats", "checks", tmp_path / "t.csv", "--fail-on", "warn").exit_code == 3


def test_unknown_level_is_one_line(tmp_path: Path) -> None:
    code, message, hint = failure(cxrshort_here("stats", "checks", tmp_path, "--fail-on", "shortcut"))
    assert (code, message, hint) == (2, "'shortcut' is not a known level of --fail-on", "one of: fail, warn")


@pytest.mark.parametrize(
    ("name", "code", "message"), [("none", 66, "does not exist"), ("empty", 65, "no complete run lies in or below")]
)
def test_nothing_to_read_is_one_line(tmp_path: Path, name: str, code: int, message: str) -> None:
    (tmp_path / "empty").mkdir()
    failed = failure(cxrshort_here("stats", "checks", tmp_path / name))
    assert (failed[0], failed[2]) == (code, "give run folders, folders of runs, or tables")
    assert message in failed[1]


def test_torch_is_not_imported(tmp_path: Path) -> None:
    _, modules = run_and_list_imports("stats", "checks", two_trainings(tmp_path), cwd=tmp_path)
    assert "pandas" in modules and not modules & {"torch", "torchvision", "captum", "pydicom"}
