"""``cxrshort stats compare``: the exact text, the document, and one line for bad input."""

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from ...verbs.stats.scored import plain, two_trainings, written
from ..console import COMMAND, cxrshort_here, environment, failure

OTHER = [0.1, 0.2, 0.3, 0.35, 0.5, 0.1, 0.4, 0.6, 0.7, 0.55, 0.8, 0.9]
COLUMNS = ("--target", "label", "--before", "score", "--after", "other", "--person", "patient")


def lines_of(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_table_for_people(tmp_path: Path) -> None:
    result = cxrshort_here("stats", "compare", plain(tmp_path, other=OTHER), *COLUMNS, "--draws", 0)
    assert (result.exit_code, len(result.stderr.splitlines())) == (0, 1)
    lines = lines_of(result.stdout)
    assert lines[0] == (
        'other minus score, 95 % intervals, by Obuchowski; "claim false": probability that "other is better" is false'
    )
    assert lines[1] == "label pos. neg. persons difference of AUCs P finding claim false AUC before AUC after"
    assert lines[3].startswith("label 6 6 8 0.139 [") and " not shown " in lines[3]


def test_published_p_value_comes_out(tmp_path: Path) -> None:
    rows = pd.DataFrame({"m": ["a"] * 5 + ["b"] * 5, "auc": [3, 5, 7, 9, 10, 1, 2, 4, 6, 8]})
    table = written(rows, tmp_path, "runs.csv")
    result = cxrshort_here("stats", "compare", table, "--value", "auc", "--group", "m", "--quiet")
    assert " 6 of 25 0.222 not shown " in lines_of(result.stdout)[3]


def test_published_accuracies() -> None:
    result = cxrshort_here("stats", "compare", "--accuracies", 0.80, 0.82, "--both", 0.75, "--images", 200)
    assert lines_of(result.stdout)[3] == "200 0.8 0.82 0.75 10.0 14.0 0.21"


def test_one_json_document_from_a_pipe(tmp_path: Path) -> None:
    with written(two_trainings(), tmp_path).open() as stream:
        command = [*COMMAND, "stats", "compare", "-", "--label", "Edema", "--json", "--draws", "0"]
        completed = subprocess.run(
            command, stdin=stream, env=environment(), capture_output=True, text=True, check=True, cwd=tmp_path
        )
    document = json.loads(completed.stdout)
    assert (document["schema"], document["names"]) == (
        "cxrshort.stats-compare/1",
        ["a/small-cnn/erm", "b/small-cnn/tea"],
    )
    assert [row["claim_false"] == pytest.approx(row["p"] / 2) for row in document["comparisons"]] == [True, True]


def test_folder_is_named_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    table = plain(tmp_path, other=OTHER)
    result = cxrshort_here("stats", "compare", table, *COLUMNS, "--out", folder, "--figures", "--draws", 20)
    assert result.stdout.splitlines()[-1] == f"written to {folder}"
    assert (folder / "compare.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("columns", "reason"),
    [({"label": [0] * 12}, "only negatives"), ({"patient": list("aaaaaabbbbbb")}, "all 6 positives are of one person")],
)
def test_one_class_and_fewer_than_two_persons_are_one_line(tmp_path: Path, columns: dict, reason: str) -> None:
    table = plain(tmp_path, other=OTHER, **columns)
    message = f"scores.csv: no difference can be given an interval ({reason})"
    assert failure(cxrshort_here("stats", "compare", table, *COLUMNS)) == (65, message, "two persons of each class")


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    table = plain(tmp_path, other=OTHER)
    assert failure(cxrshort_here("stats", "compare", table, *COLUMNS, "--after", "othr")) == (
        65,
        "scores.csv: there is no column 'othr'",
        "did you mean 'other'?",
    )
    empty = tmp_path / "t.csv"
    empty.write_text("label,score,other,patient\n")
    assert failure(cxrshort_here("stats", "compare", empty, *COLUMNS))[:2] == (65, "t.csv: the table is empty")
    assert failure(cxrshort_here("stats", "compare")) == (
        2,
        "a comparison needs a table",
        "TABLE, or --accuracies X Y --images N for published ones",
    )
    fewer = two_trainings().drop(index=[121])
    message = "Edema on hospital-a: 1 of 60 images are in one table only ('hospital-a/1'): pairs need the same images"
    assert failure(cxrshort_here("stats", "compare", written(fewer, tmp_path)))[:2] == (65, message)
