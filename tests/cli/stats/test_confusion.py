"""``cxrshort stats confusion``: the text, the document, and one line for bad input."""

import json
import subprocess
from pathlib import Path

import pytest

from ...verbs.stats.scored import plain, predictions, written
from ..console import COMMAND, cxrshort_here, environment, failure

COLUMNS = ("--target", "label", "--score", "score", "--person", "patient")


def test_table_for_people(tmp_path: Path) -> None:
    result = cxrshort_here("stats", "confusion", plain(tmp_path), *COLUMNS)
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert lines[0] == "95 % credible intervals, Dirichlet priors of 1 (class sizes) and 1 (decisions)"
    assert lines[1] == "score images counted posterior mean SD"
    assert lines[3].startswith("score, sensitivity 6 0.667 0.62")
    assert lines[-2:] == ["score, 0 4 2", "score, 1 2 4"]
    assert result.stderr.startswith("note: persons have several images (up to 4 more images than persons)")


def test_one_json_document_of_a_matrix_through_a_pipe(tmp_path: Path) -> None:
    command = [*COMMAND, "stats", "confusion", "-", "--matrix", "--json"]
    text = "true,sick,well\nsick,9,1\nwell,3,17\n"
    completed = subprocess.run(
        command, input=text, env=environment(), capture_output=True, text=True, check=True, cwd=tmp_path
    )
    document = json.loads(completed.stdout)
    assert (document["schema"], document["draws"]) == ("cxrshort.stats-confusion/1", 50_000)
    assert [row["images"] for row in document["matrices"]] == [9, 1, 3, 17]


def test_same_seed_gives_the_same_document(tmp_path: Path) -> None:
    arguments = ("stats", "confusion", written(predictions(), tmp_path), "--json")
    first, again = (cxrshort_here(*arguments, "--seed", 4).stdout for _ in range(2))
    assert first == again != cxrshort_here(*arguments, "--seed", 5).stdout.replace('"seed": 5', '"seed": 4')


def test_folder_holds_everything(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    result = cxrshort_here("stats", "confusion", plain(tmp_path), *COLUMNS, "--out", folder, "--figures")
    assert result.stdout.splitlines()[-1] == f"written to {folder}"
    tables = {"confusion.csv", "matrices.csv", "summary.json", "run.json"}
    assert {path.name for path in folder.iterdir()} == tables | {"confusion.png", "matrices.png"}


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    message = "scores.csv: targets of one class alone ('1')"
    expected = (65, message, "a confusion matrix needs images of two classes")
    assert failure(cxrshort_here("stats", "confusion", plain(tmp_path, label=[1] * 12), *COLUMNS)) == expected
    expected = (65, "scores.csv: there is no column 'calls'", "columns: label, score, patient, view")
    result = cxrshort_here("stats", "confusion", plain(tmp_path), "--target", "label", "--decision", "calls")
    assert failure(result) == expected
    (tmp_path / "t.csv").write_text("label,score,patient\n")
    expected = (65, "t.csv: the table is empty", "it needs a row for each image")
    assert failure(cxrshort_here("stats", "confusion", tmp_path / "t.csv", *COLUMNS)) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--matrix",), "--matrix and --score exclude each other"),
        (("--threshold", "0"), "threshold '0' is not between 0 and 1"),
        (("--decision-prior", "0.01"), 'decision prior "0.01" must be at least 0.1'),
    ],
)
def test_wrong_usage_is_one_line(tmp_path: Path, options: tuple, message: str) -> None:
    assert failure(cxrshort_here("stats", "confusion", plain(tmp_path), *COLUMNS, *options))[:2] == (2, message)
