"""``cxrshort stats calibration``: the text, the document, and one line for bad input."""

import json
import subprocess
from pathlib import Path

import pytest

from ...verbs.stats.scored import plain, predictions, written
from ..console import COMMAND, cxrshort_here, environment, failure

COLUMNS = ("--target", "label", "--score", "score", "--person", "patient")


def test_table_for_people(tmp_path: Path) -> None:
    result = cxrshort_here("stats", "calibration", plain(tmp_path), *COLUMNS, "--bins", 4)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "95 % intervals; perfect: slope 1, intercept 0, observed:expected 1"
    row = next(line for line in lines if line.startswith("score 6 6 8 "))
    assert row.startswith("score 6 6 8 0.170 [")
    assert "only 4 persons in the smaller class" in result.stdout
    assert "predicted probabilities in each class; median with 95 % interval" in lines
    assert [line.split()[1:3] for line in lines[-2:]] == [["negatives", "6"], ["positives", "6"]]


def test_one_json_document(tmp_path: Path) -> None:
    result = cxrshort_here("stats", "calibration", plain(tmp_path), *COLUMNS, "--by", "view", "--json")
    document = json.loads(result.stdout)
    assert (document["schema"], len(document["calibrations"])) == ("cxrshort.stats-calibration/1", 2)
    assert result.stderr == ""


def test_recalibration_is_shown_before_and_after(tmp_path: Path) -> None:
    val = predictions(seed=4).query("role == 'internal'")
    val = val.assign(image_id="val/" + val["image_id"], person_id="val/" + val["person_id"])
    arguments = (written(predictions(), tmp_path), "--label", "Edema", "--fit-on", written(val, tmp_path, "val.csv"))
    folder = tmp_path / "out"
    result = cxrshort_here("stats", "calibration", *arguments, "--out", folder, "--figures")
    assert result.exit_code == 0
    for name in ("as scored", "temperature", "Platt"):
        assert f"hospital-b, external, {name}" in result.stdout
    assert "recalibrated logit = slope * logit + intercept; slope = 1 / temperature" in result.stdout
    assert result.stdout.splitlines()[-1] == f"written to {folder}"
    assert {path.name for path in folder.iterdir()} == {
        *("calibrations.csv", "reliability.csv", "probabilities.csv", "recalibrations.csv"),
        *("calibration.png", "run.json", "summary.json"),
    }


def test_predictions_through_a_pipe(tmp_path: Path) -> None:
    with written(predictions(), tmp_path).open() as stream:
        command = [*COMMAND, "stats", "calibration", "-", "--label", "Edema", "--json"]
        completed = subprocess.run(
            command, stdin=stream, env=environment(), capture_output=True, text=True, check=True, cwd=tmp_path
        )
    assert [row["dataset"] for row in json.loads(completed.stdout)["calibrations"]] == ["hospital-a", "hospital-b"]


def test_scores_that_are_no_probabilities_are_one_line(tmp_path: Path) -> None:
    table = plain(tmp_path, score=[-2.0, 0.5, *[0.25] * 10])
    message = "scores.csv: column 'score' holds 1 values outside [0, 1], such as '-2': they are no probabilities"
    expected = (65, message, "--logits says that they are logits")
    assert failure(cxrshort_here("stats", "calibration", table, *COLUMNS)) == expected
    assert cxrshort_here("stats", "calibration", table, *COLUMNS, "--logits").exit_code == 0


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"label": [1] * 12}, "only positives: calibration needs images of both classes"),
        ({"patient": ["a"] * 12}, "all 12 images are of one person: calibration needs at least two"),
    ],
)
def test_one_class_and_fewer_than_two_persons_are_one_line(tmp_path: Path, columns: dict, reason: str) -> None:
    message = f"scores.csv: no Brier score can be given an interval ({reason})"
    expected = (65, message, "two persons of each class")
    assert failure(cxrshort_here("stats", "calibration", plain(tmp_path, **columns), *COLUMNS)) == expected


def test_unknown_column_and_empty_table_are_one_line(tmp_path: Path) -> None:
    expected = (65, "scores.csv: there is no column 'scor'", "did you mean 'score'?")
    assert failure(cxrshort_here("stats", "calibration", plain(tmp_path), *COLUMNS, "--score", "scor")) == expected
    (tmp_path / "t.csv").write_text("label,score,patient\n")
    expected = (65, "t.csv: the table is empty", "it needs a row for each image")
    assert failure(cxrshort_here("stats", "calibration", tmp_path / "t.csv", *COLUMNS)) == expected


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--level", "0"), 'level "0" is not between 0 and 1'),
        (("--figures",), "--figures needs a folder"),
        (("--label", "Edema"), "--label names a label of predictions, --target and --score name columns"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, option: tuple, message: str) -> None:
    assert failure(cxrshort_here("stats", "calibration", plain(tmp_path), *COLUMNS, *option))[:2] == (2, message)
