"""``cxrshort roentmod tune``: what is printed, the document, and one line for bad input."""

import json
from pathlib import Path

import pytest

from ...verbs.roentmod.painted_edits import build_films
from ..console import cxrshort_here, failure

VERB = ("roentmod", "tune")
FEW = ("--editor", "phantom", "--prompt", "edema", "--images", 2, "--split", "all", "--device", "cpu", "--threads", 1)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_films(tmp_path_factory.mktemp("tune"), images=8)


def test_grid_and_files_are_summed_up(films: Path, tmp_path: Path) -> None:
    result = cxrshort_here(*VERB, "--dataset", films, *FEW, "--strengths", "0.2:0.8:3", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert "severity   0.2, 0.5, 0.8" in result.stdout and "rule       none: no MODEL judges the edits" in result.stdout
    assert "note: no MODEL judges the edits, so that no cell is proposed" in result.stderr
    assert (tmp_path / "out" / "sheet-edema-2.png").is_file()


def test_document_and_dry_run(films: Path, tmp_path: Path) -> None:
    options = ("--dataset", films, *FEW, "--strengths", "0.5", "--out", tmp_path / "out", "--json")
    plan = json.loads(cxrshort_here(*VERB, *options, "--dry-run").stdout)
    assert plan["schema"] == "cxrshort.plan/1" and plan["cells"] == 1 and not (tmp_path / "out").exists()
    document = json.loads(cxrshort_here(*VERB, *options).stdout)
    assert document["schema"] == "cxrshort.tune/1" and len(document["cells"]) == 2


def test_bad_input_is_one_line(films: Path, tmp_path: Path) -> None:
    code, message, hint = failure(cxrshort_here(*VERB, "--dataset", films, *FEW, "--strengths", "1:2"))
    assert (code, message) == (2, "--strengths '1:2' is no grid") and "0.2:1:9" in hint
    assert failure(cxrshort_here(*VERB, "--dataset", films))[1].startswith("--generator is missing")
    assert failure(cxrshort_here(*VERB, tmp_path / "none", "--dataset", films, *FEW))[0] == 66
