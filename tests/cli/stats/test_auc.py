"""``cxrshort stats auc``: the exact text, the document, and one line for bad input."""

import json
import subprocess
from pathlib import Path

import pytest

from ...verbs.stats.scored import plain, predictions, written
from ..console import COMMAND, cxrshort_here, environment, failure, run_and_list_imports

COLUMNS = ("--target", "label", "--score", "score", "--person", "patient")


def test_table_for_people(tmp_path: Path) -> None:
    result = cxrshort_here("stats", "auc", plain(tmp_path), *COLUMNS)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "95 % intervals; AUC by Obuchowski"
    assert lines[1] == ("label pos. neg. persons AUC average precision by chance partial AUC, FPR <= 0.1")
    assert lines[3].startswith("score 6 6 8 0.833 [0.398, 0.974] (only 4 persons) 0.886 [") and lines[3].endswith(
        "(only 4 persons)"
    )
    assert " 0.500 " in lines[3]


def test_notes_stand_before_the_result_and_are_left_out_with_quiet(tmp_path: Path) -> None:
    table = plain(tmp_path)
    noted = cxrshort_here("stats", "auc", table, *COLUMNS[:4])
    assert noted.stderr.startswith("note: every row counts as a person of its own; --person COLUMN says")
    quiet = cxrshort_here("stats", "auc", table, *COLUMNS[:4], "--quiet")
    assert (quiet.stderr, quiet.stdout) == ("", noted.stdout)


def test_one_json_document(tmp_path: Path) -> None:
    result = cxrshort_here("stats", "auc", plain(tmp_path), *COLUMNS, "--by", "view", "--json")
    document = json.loads(result.stdout)
    assert (document["schema"], document["by"], len(document["aucs"])) == ("cxrshort.stats-auc/1", "view", 2)
    assert result.stderr == ""


def test_folder_is_named_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    result = cxrshort_here("stats", "auc", plain(tmp_path), *COLUMNS, "--out", folder, "--figures")
    assert result.stdout.splitlines()[-1] == f"written to {folder}"
    assert {path.name for path in folder.iterdir()} == {"aucs.csv", "auc.png", "roc.png", "run.json", "summary.json"}


def test_predictions_through_a_pipe(tmp_path: Path) -> None:
    with written(predictions(), tmp_path).open() as stream:
        command = [*COMMAND, "stats", "auc", "-", "--label", "Edema", "--json"]
        completed = subprocess.run(
            command, stdin=stream, env=environment(), capture_output=True, text=True, check=True, cwd=tmp_path
        )
    assert [row["dataset"] for row in json.loads(completed.stdout)["aucs"]] == ["hospital-a", "hospital-b"]


def test_torch_is_not_imported(tmp_path: Path) -> None:
    words = ["--by", "view", "--out", "o", "--figures"]
    _, modules = run_and_list_imports("stats", "auc", written(predictions(), tmp_path), *words, cwd=tmp_path)
    assert "pandas" in modules
    assert modules & {"torch", "torchvision", "captum", "pydicom", "diffusers"} == set()


@pytest.mark.parametrize(
    ("columns", "reason"),
    [({"label": [0] * 12}, "only negatives"), ({"patient": list("aaaaaabbbbbb")}, "all 6 positives are of one person")],
)
def test_one_class_and_fewer_than_two_persons_are_one_line(tmp_path: Path, columns: dict, reason: str) -> None:
    message = f"scores.csv: no AUC can be given an interval ({reason})"
    expected = (65, message, "two persons of each class")
    assert failure(cxrshort_here("stats", "auc", plain(tmp_path, **columns), *COLUMNS)) == expected


@pytest.mark.parametrize(
    ("option", "column", "hint"),
    [("--score", "scor", "did you mean 'score'?"), ("--by", "sex", "columns: label, score, patient, view")],
)
def test_unknown_column_is_one_line(tmp_path: Path, option: str, column: str, hint: str) -> None:
    expected = (65, f"scores.csv: there is no column '{column}'", hint)
    assert failure(cxrshort_here("stats", "auc", plain(tmp_path), *COLUMNS, option, column)) == expected


def test_targets_that_are_not_0_or_1_are_one_line(tmp_path: Path) -> None:
    message = "scores.csv: column 'label' holds 6 targets that are neither 0 nor 1, such as '2'"
    expected = (65, message, "code the targets as 0 and 1")
    assert failure(cxrshort_here("stats", "auc", plain(tmp_path, label=[0, 2] * 6), *COLUMNS)) == expected


def test_empty_table_is_one_line(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("label,score\n")
    expected = (65, "t.csv: the table is empty", "it needs a row for each image")
    assert failure(cxrshort_here("stats", "auc", table, *COLUMNS[:4])) == expected


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--level", "1.5"), 'level "1.5" is not between 0 and 1'),
        (("--max-fpr", "0"), 'false positive rate "0" is not in (0, 1]'),
        (("--figures",), "--figures needs a folder"),
        (("--quiet", "--verbose"), "--quiet and --verbose exclude each other"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, option: tuple, message: str) -> None:
    assert failure(cxrshort_here("stats", "auc", plain(tmp_path), *COLUMNS, *option))[:2] == (2, message)
