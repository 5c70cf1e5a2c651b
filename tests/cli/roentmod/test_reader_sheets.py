"""``cxrshort roentmod reader-sheets``: what is printed, the document, and one line for bad input."""

import json
from pathlib import Path

import pytest

from ...verbs.roentmod.painted_edits import build_edits, build_films
from ..console import cxrshort_here, failure

VERB = ("roentmod", "reader-sheets")


@pytest.fixture(scope="module")
def edits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("sheets")
    return build_edits(home, build_films(home, images=8))


def test_sheets_are_written_and_summed_up(edits: Path, tmp_path: Path) -> None:
    result = cxrshort_here(*VERB, "--dataset", edits, "--readers", 3, "--repeats", 2, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert "readings   R1 34, R2 34, R3 34" in result.stdout
    assert "note: give each reader one folder of readers/, and keep key.csv and run.json to yourself" in result.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["key.csv", "readers", "run.json"]


def test_document_and_dry_run(edits: Path, tmp_path: Path) -> None:
    options = ("--dataset", edits, "--per-edit", 2, "--finding", "Edema", "--out", tmp_path / "out", "--json")
    plan = json.loads(cxrshort_here(*VERB, *options, "--dry-run").stdout)
    assert plan["schema"] == "cxrshort.plan/1" and plan["images"] == 8 and not (tmp_path / "out").exists()
    document = json.loads(cxrshort_here(*VERB, *options).stdout)
    assert document["schema"] == "cxrshort.reader-sheets/1" and document["findings"] == ["Edema"]


def test_bad_input_is_one_line(edits: Path, tmp_path: Path) -> None:
    code, message, hint = failure(cxrshort_here(*VERB, "--dataset", edits, "--shared", 2, "--out", tmp_path / "out"))
    assert (code, message) == (2, "--shared 2 is not a share from 0 to 1") and "all readers" in hint
    assert failure(cxrshort_here(*VERB, "--dataset", tmp_path / "none"))[0] == 66
    assert failure(cxrshort_here(*VERB, "--dataset", edits.parent / "films"))[1] == "no image has an edit"
