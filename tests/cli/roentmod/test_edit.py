"""``cxrshort roentmod edit``: what is printed, the document, and one line for bad input."""

import json
from pathlib import Path

import pytest

from ...verbs.roentmod.edited import phantoms
from ..console import cxrshort_here, failure

VERB = ("roentmod", "edit")
CPU = ("--device", "cpu", "--precision", "fp32", "--threads", "1")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return phantoms(tmp_path_factory.mktemp("films") / "films")


def options(films: Path, *more: object) -> tuple[object, ...]:
    return (*VERB, "--dataset", films, "--editor", "phantom", "--split", "all", *CPU, *more)


def test_edits_are_listed_with_their_controls_and_the_forecast_comes_first(films: Path, tmp_path: Path) -> None:
    result = cxrshort_here(
        *options(films, "--prompt", "edema", "--prompt", "fluid=pleural effusion", "--out", tmp_path / "o")
    )
    assert result.exit_code == 0, result.stderr
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[:3] == ["editor phantom", "severity 0.7", "noise redrawn"]
    for start in ("edema edema Edema", "fluid pleural effusion Effusion", "sham no acute cardiopulmonary process -"):
        assert any(line.startswith(start) for line in lines), start
    assert any(line.startswith("round trip - - ") for line in lines)
    assert any(line.startswith("candidates ") and line.endswith("+ excluded 0") for line in lines)
    assert "edits take less than a minute, at " in result.stderr.splitlines()[0]


def test_document_has_the_edits_and_quiet_prints_no_note(films: Path, tmp_path: Path) -> None:
    result = cxrshort_here(
        *options(films, "--prompt", "edema", "--sample", 2, "--out", tmp_path / "o", "--json", "--quiet")
    )
    document = json.loads(result.stdout)
    assert document["schema"] == "cxrshort.dataset/1" and document["figures"] == ["edits.png"]
    assert [(row["edit"], row["images"]) for row in document["edits"]] == [("edema", 2), ("sham", 2), ("round trip", 2)]
    assert result.stderr == ""


def test_dry_run_says_time_and_writes_nothing(films: Path, tmp_path: Path) -> None:
    result = cxrshort_here(*options(films, "--out", tmp_path / "o", "--dry-run"))
    assert (
        result.exit_code == 0
        and "cardiomegaly, edema, pneumonia, effusion, hernia, mass, sham, round trip" in result.stdout
    )
    assert "less than a minute, at " in result.stdout and not (tmp_path / "o").exists()


def test_default_folder_lies_among_the_datasets(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXRSHORT_DATASETS", str(tmp_path / "datasets"))
    result = cxrshort_here(*options(films, "--prompt", "mass", "--sample", 1))
    assert result.exit_code == 0 and (tmp_path / "datasets" / "films-phantom-edits" / "manifest.csv").exists()


def test_bad_input_is_one_line_with_a_hint(films: Path, tmp_path: Path) -> None:
    assert failure(cxrshort_here(*VERB, "--editor", "phantom"))[:2] == (2, "--dataset is missing")
    code, message, hint = failure(cxrshort_here(*options(films, "--strength", "0.4")))
    assert (code, message) == (2, "--strength is of the editor 'diffusion', not of 'phantom'")
    assert hint == "--editor diffusion"
    generator = (*VERB, "--dataset", films, "--generator", tmp_path / "none", *CPU)
    code, message, hint = failure(cxrshort_here(*generator, "--strength", "4", "--guidance", "0.4"))
    assert (code, message) == (2, "--strength is '4', it must be from 0 to 1") and "swapped" in hint
    code, message, _ = failure(cxrshort_here(*generator, "--split", "all"))
    assert code == 66 and str(tmp_path / "none") in message
    code, message, _ = failure(cxrshort_here(*options(films, "--off-target", tmp_path / "none.csv")))
    assert (code, message) == (66, f"'{tmp_path / 'none.csv'}' does not exist")
