"""``cxrshort stats operating-point``: the text, the document, and one line for bad input."""

import json
import subprocess
from pathlib import Path

import pytest

from ...verbs.stats.scored import plain, predictions, written
from ..console import COMMAND, cxrshort_here, environment, failure

COLUMNS = ("--target", "label", "--score", "score", "--person", "patient")


def test_table_for_people(tmp_path: Path) -> None:
    result = cxrshort_here(
        "stats", "operating-point", plain(tmp_path), *COLUMNS, "--threshold", 0.4, "--benefit-at", 0.3
    )
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "95 % intervals, threshold stated"
    assert lines[1] == "decisions on threshold pos. neg. persons sensitivity specificity PPV NPV"
    assert lines[3].startswith("score 0.4 6 6 8 0.833 [") and " 0.667 [" in lines[3]
    assert lines[-1].startswith("0.3: score not shown (only 6 persons are called positive) 0.274 [")


def test_one_json_document_of_a_threshold_chosen_on_validation_images(tmp_path: Path) -> None:
    val = predictions(seed=4).query("role == 'internal'")
    val = val.assign(image_id="val/" + val["image_id"], person_id="val/" + val["person_id"])
    arguments = (written(predictions(), tmp_path), "--val", written(val, tmp_path, "val.csv"), "--miss-cost", 5)
    result = cxrshort_here("stats", "operating-point", *arguments, "--label", "Edema", "--json")
    document = json.loads(result.stdout)
    assert (document["schema"], len(document["operating_points"])) == ("cxrshort.stats-operating-point/1", 2)
    assert document["operating_points"][0]["rule"] == "a miss costs 5 false alarms"


def test_folder_holds_everything(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    arguments = (plain(tmp_path), *COLUMNS, "--threshold", 0.4, "--out", folder, "--figures")
    result = cxrshort_here("stats", "operating-point", *arguments)
    assert result.stdout.splitlines()[-1] == f"written to {folder}"
    tables = {"operating_points.csv", "net_benefit.csv", "summary.json", "run.json"}
    assert {path.name for path in folder.iterdir()} == tables | {"operating_point.png", "net_benefit.png"}


def test_predictions_through_a_pipe(tmp_path: Path) -> None:
    with written(predictions(), tmp_path).open() as stream:
        command = [*COMMAND, "stats", "operating-point", "-", "--threshold", "0.5", "--json"]
        completed = subprocess.run(
            command, stdin=stream, env=environment(), capture_output=True, text=True, check=True, cwd=tmp_path
        )
    assert len(json.loads(completed.stdout)["operating_points"]) == 4


def test_validation_images_of_the_test_set_are_one_line(tmp_path: Path) -> None:
    copy = written(predictions(), tmp_path, "copy.csv")
    result = cxrshort_here("stats", "operating-point", written(predictions(), tmp_path), "--val", copy)
    code, message, hint = failure(result)
    shared = "predictions.csv and copy.csv share 60 images, such as 'hospital-a/0'"
    assert (code, message) == (65, f"{shared}: validation images must be of other persons")
    assert hint.startswith("evaluate --split val writes predictions of the validation fold")


def test_scores_that_are_no_probabilities_are_one_line(tmp_path: Path) -> None:
    table = plain(tmp_path, score=[3.0, *[0.25] * 11])
    message = "scores.csv: column 'score' holds 1 values outside [0, 1], such as '3': they are no probabilities"
    expected = (65, message, "--logits says that they are logits")
    assert failure(cxrshort_here("stats", "operating-point", table, *COLUMNS, "--threshold", 0.5)) == expected


def test_unknown_column_empty_table_and_one_class_are_one_line(tmp_path: Path) -> None:
    stated = ("--threshold", 0.5)
    expected = (65, "scores.csv: there is no column 'views'", "did you mean 'view'?")
    result = cxrshort_here("stats", "operating-point", plain(tmp_path), *COLUMNS, *stated, "--by", "views")
    assert failure(result) == expected
    (tmp_path / "t.csv").write_text("label,score,patient\n")
    expected = (65, "t.csv: the table is empty", "it needs a row for each image")
    assert failure(cxrshort_here("stats", "operating-point", tmp_path / "t.csv", *COLUMNS, *stated)) == expected
    message = "scores.csv: no sensitivity can be given an interval (only negatives)"
    result = cxrshort_here("stats", "operating-point", plain(tmp_path, label=[0] * 12), *COLUMNS, *stated)
    assert failure(result) == (65, message, "two persons of each class")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "nothing says at which threshold images are positive"),
        (("--threshold", "2"), "threshold '2' is not between 0 and 1"),
        (("--threshold", "0.5", "--specificity", "0.9"), "--threshold and --specificity exclude each other"),
        (("--threshold", "0.5", "--figures"), "--figures needs a folder"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, options: tuple, message: str) -> None:
    result = cxrshort_here("stats", "operating-point", plain(tmp_path), *COLUMNS, *options)
    assert failure(result)[:2] == (2, message)
