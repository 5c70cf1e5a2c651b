"""``cxrshort stats reporting``: the exact text, documents on standard output, and one line for bad input."""

import json
from pathlib import Path

import pytest

from ...verbs.stats.scored import predictions
from ...verbs.stats.studies import write_run
from ..console import cxrshort_here, failure, run_and_list_imports


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    """Return an evaluation without datasets and trainings."""
    mean = {"label": "Edema", "training": "t", "dataset": "a", "role": "external", "replicates": 1}
    mean |= {"mean": 0.8, "low": 0.7, "high": 0.9, "positives": 20, "negatives": 40}
    auc = {"label": "Edema", "low": 0.7, "level": 0.95, "interval_method": "Obuchowski", "caution": ""}
    summary = {"label": "Edema", "means": [mean], "aucs": [auc], "gaps": []}
    return write_run(tmp_path / "e", "evaluate", summary=summary, tables={"predictions.csv": predictions()})


def test_counts_and_blanks_for_people(evaluation: Path) -> None:
    result = cxrshort_here("stats", "reporting", evaluation)
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert (result.exit_code, result.stderr) == (0, "")
    assert (
        lines[0] == "Items that files of the run folders prove; blank items wait for a person, and no count is a grade"
    )
    assert lines[1] == "guideline items proven partly blank"
    assert lines[3] == "CLAIM 2024 44 4 1 39"
    assert any(line.startswith("CLAIM 2024, blank") for line in lines)


def test_verbose_lists_every_item_with_its_file(evaluation: Path) -> None:
    result = cxrshort_here("stats", "reporting", evaluation, "--verbose")
    text = " ".join(result.stdout.split())
    assert f"33 proven Testing on external data ({evaluation.as_posix()}/means.csv: mean)" in text
    assert "34 blank Clinical trial registration" in text


def test_quiet_prints_the_counts_alone(evaluation: Path) -> None:
    result = cxrshort_here("stats", "reporting", evaluation, "--quiet")
    assert "TRIPOD+AI" in result.stdout and ", blank" not in result.stdout


def test_card_is_printed_alone(evaluation: Path) -> None:
    result = cxrshort_here("stats", "reporting", evaluation, "--card")
    assert result.stdout.startswith("# Model card: [to be written]\n")
    assert "- External testing of t on dataset a: AUC of Edema 0.800 [0.700, 0.900], one model" in result.stdout


def test_one_json_document(evaluation: Path) -> None:
    document = json.loads(cxrshort_here("stats", "reporting", evaluation, "--datasheet", "--json").stdout)
    assert document["document"].startswith("# Datasheet")
    assert len(document["items"]) == 96


def test_folder_is_named_at_the_end(evaluation: Path, tmp_path: Path) -> None:
    result = cxrshort_here("stats", "reporting", evaluation, "--out", tmp_path / "out")
    assert result.stdout.splitlines()[-1] == f"written to {tmp_path / 'out'}"
    again = failure(cxrshort_here("stats", "reporting", evaluation, "--out", tmp_path / "out"))
    assert again[0] == 73


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["none"], 66, "'none' does not exist"),
        (["e", "--card", "--datasheet"], 2, "--card and --datasheet exclude each other"),
        (["e", "--label", "edema"], 65, "no predictions have a label 'edema'"),
    ],
)
def test_wrong_requests_are_one_line(
    evaluation: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(evaluation.parent)
    assert failure(cxrshort_here("stats", "reporting", *arguments))[:2] == (code, message)


def test_torch_is_not_imported(evaluation: Path) -> None:
    _, modules = run_and_list_imports(
        "stats", "reporting", evaluation, "--out", evaluation.parent / "out", cwd=evaluation
    )
    assert "pandas" in modules and not modules & {"torch", "torchvision", "captum", "pydicom"}
