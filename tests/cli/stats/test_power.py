"""``cxrshort stats power``: the text, the document, and one line for bad input."""

import json
from pathlib import Path

import pytest

from ...verbs.stats.scored import plain, predictions, written
from ..console import cxrshort_here, failure


def test_table_for_people_without_a_test_set() -> None:
    result = cxrshort_here("stats", "power", "--auc", 0.85, "--half-width", 0.04, "--prevalence", 0.15)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == (
        "what is needed at a prevalence of 15 %: 95 % interval, paired test with 80 % power; "
        "correlation of two models 0.5, of images of a person 0.5"
    )
    assert lines[1] == "to show AUC images positives negatives persons"
    assert lines[3] == "interval of ± 0.04 0.85 984 148 836 984"


def test_table_for_people_of_a_test_set(tmp_path: Path) -> None:
    result = cxrshort_here("stats", "power", plain(tmp_path), "--target", "label", "--person", "patient", "--auc", 0.9)
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0].startswith("what the test set can show: 95 % interval, paired test with 80 % power")
    assert lines[1] == "test set pos. neg. persons AUC interval smallest drop shown"
    assert lines[3].startswith("label 6 6 8 0.9 ± 0.2")


def test_one_json_document_and_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    arguments = ("stats", "power", written(predictions(), tmp_path), "--label", "Edema")
    document = json.loads(cxrshort_here(*arguments, "--json").stdout)
    assert (document["schema"], len(document["reach"])) == ("cxrshort.stats-power/1", 8)
    result = cxrshort_here(*arguments, "--out", folder, "--figures")
    assert result.stdout.splitlines()[-1] == f"written to {folder}"
    expected = {"designs.csv", "reach.csv", "summary.json", "run.json", "power.png"}
    assert {path.name for path in folder.iterdir()} == expected


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    expected = (65, "scores.csv: there is no column 'labels'", "did you mean 'label'?")
    assert failure(cxrshort_here("stats", "power", plain(tmp_path), "--target", "labels")) == expected
    (tmp_path / "t.csv").write_text("label\n")
    expected = (65, "t.csv: the table is empty", "it needs a row for each image")
    assert failure(cxrshort_here("stats", "power", tmp_path / "t.csv", "--target", "label")) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "nothing says how many images are positive"),
        (("--prevalence", "0.1", "--power", "80"), 'power "80" is not between 0 and 1'),
        (("--prevalence", "0.1", "--figures"), "--figures needs a folder"),
    ],
)
def test_wrong_usage_is_one_line(options: tuple, message: str) -> None:
    assert failure(cxrshort_here("stats", "power", *options))[:2] == (2, message)
