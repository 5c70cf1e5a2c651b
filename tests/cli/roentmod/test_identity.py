"""``cxrshort roentmod identity``: what is printed, the document, and one line for bad input."""

import json
from pathlib import Path

import pytest

from ...verbs.roentmod.edited_phantoms import write_edits, write_films
from ..console import cxrshort_here, failure

VERB = ("roentmod", "identity")


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    home = tmp_path_factory.mktemp("identity")
    write_films(home / "films", images=40)
    write_edits(home / "films", home / "edits")
    return (*VERB, "--before", home / "films", "--after", home / "edits", "--device", "cpu", "--threads", 1)


def test_verdicts_distances_and_definitions_are_printed(command: tuple[object, ...], tmp_path: Path) -> None:
    result = cxrshort_here(*command, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0].startswith("Share of images of which the first picture is nearer to the original")
    assert any(line.startswith("cardiomegaly edit < control 40 1.000 [") and line.endswith("kept") for line in lines)
    assert any(line.startswith("all edits control 80 ") for line in lines)
    assert any(line.startswith("pixels pairwise Fréchet distance") for line in lines)
    assert "small pixels are the only embedding" in result.stderr
    quiet = cxrshort_here(*command, "--out", tmp_path / "out", "--force", "--quiet")
    assert quiet.stderr == "" and "Distance to the original" not in quiet.stdout


def test_document_holds_comparisons(command: tuple[object, ...], tmp_path: Path) -> None:
    document = json.loads(cxrshort_here(*command, "--out", tmp_path / "out", "--json", "--distance", "l2").stdout)
    assert document["schema"] == "cxrshort.identity/1" and document["distance"] == "Euclidean distance"
    assert {row["verdict"] for row in document["comparisons"] if row["than"] == "control"} == {"kept"}


def test_bad_input_is_one_line(command: tuple[object, ...], tmp_path: Path) -> None:
    assert failure(cxrshort_here(*VERB, "--before", "films"))[:2] == (2, "--after is missing")
    code, message, _ = failure(cxrshort_here(*command, "--distance", "manhattan"))
    assert (code, message) == (2, "'manhattan' is not a known distance")
    missing = failure(cxrshort_here(*command, "--embedding", f"net={tmp_path / 'none.npz'}", "--out", tmp_path / "out"))
    assert missing[:2] == (66, f"'{tmp_path / 'none.npz'}' does not exist")
    assert failure(cxrshort_here(*command, "--within-days", 0))[0] == 2
