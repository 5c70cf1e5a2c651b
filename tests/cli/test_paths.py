"""``paths`` as a command: one document, or lines for people."""

import json
from pathlib import Path

import pytest

from .console import cxrshort_here


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CXRSHORT_DATA", "CXRSHORT_DATASETS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_document_names_every_place_and_writes_none(working_folder: Path) -> None:
    result = cxrshort_here("paths", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    assert document["schema"] == "cxrshort.paths/1"
    places = {row["name"]: Path(row["path"]) for row in document["places"]}
    assert places["datasets"] == working_folder / "datasets" and places["runs"] == working_folder / "runs"
    assert list(working_folder.iterdir()) == []


def test_lines_for_people_have_the_paths_of_the_document(working_folder: Path) -> None:
    document = json.loads(cxrshort_here("paths", "--json").stdout)
    text = cxrshort_here("paths").stdout
    for row in document["places"]:
        assert row["path"] in text
    assert "cxrshort build-dataset --dataset phantom-I builds one" in text
