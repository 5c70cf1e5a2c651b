"""``cxrshort stats leakage``: the exact text, the document, the gate, and one line for bad input."""

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from ...verbs.stats.cohorts import dataset, manifest
from ...verbs.stats.scored import written
from ..console import COMMAND, cxrshort_here, environment, failure, run_and_list_imports

COLUMNS = ("--person", "who", "--image", "film", "--fold", "part")


def table(folder: Path, **columns: object) -> Path:
    rows = {"film": ["f1", "f2", "f3"], "who": ["a", "b", "b"], "part": ["train", "train", "test"]}
    return written(pd.DataFrame(rows | columns), folder, "films.csv")


def test_text_for_people(tmp_path: Path) -> None:
    result = cxrshort_here("stats", "leakage", table(tmp_path), *COLUMNS)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "verdict check where count of"
    assert lines[2:5] == ["leak shared persons within films 1 2", "no evidence shared images within films 0 3", ""]
    assert lines[5] == "shared persons within films: b (train 1, test 1)"
    assert lines[6] == "not testable: follow-ups within films: no dates of studies; --date COLUMN names them"


def test_one_json_document(tmp_path: Path) -> None:
    document = json.loads(cxrshort_here("stats", "leakage", table(tmp_path), *COLUMNS, "--json").stdout)
    assert document["schema"] == "cxrshort.stats-leakage/1"
    assert document["findings"][0]["verdict"] == "leak"


@pytest.mark.parametrize(
    ("persons", "level", "code"),
    [(list("abb"), "leak", 3), (list("abb"), "suspicious", 3), (list("abc"), "leak", 0), (list("abb"), None, 0)],
)
def test_gate(persons: list[str], level: str | None, code: int, tmp_path: Path) -> None:
    options = ("--fail-on", level) if level else ()
    result = cxrshort_here("stats", "leakage", table(tmp_path, who=persons), *COLUMNS, *options)
    assert result.exit_code == code
    assert "shared persons" in result.stdout


def test_level_of_the_gate_is_checked_first() -> None:
    code, message, hint = failure(cxrshort_here("stats", "leakage", "nowhere", "--fail-on", "leaks"))
    assert (code, message, hint) == (2, "'leaks' is not a known level of --fail-on", "did you mean 'leak'?")


def test_standard_input(tmp_path: Path) -> None:
    with table(tmp_path).open() as stream:
        command = [*COMMAND, "stats", "leakage", "-", *COLUMNS, "--json"]
        completed = subprocess.run(
            command, stdin=stream, env=environment(), capture_output=True, text=True, check=True, cwd=tmp_path
        )
    assert json.loads(completed.stdout)["findings"][0]["scope"] == "within standard input"


def test_torch_is_not_imported_and_the_folder_is_named(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "I", manifest())
    printed, modules = run_and_list_imports("stats", "leakage", folder, "--out", "o", "--figures", cwd=tmp_path)
    assert "written to o" in printed
    assert modules & {"torch", "torchvision", "captum", "pydicom", "diffusers"} == set()
    assert {path.name for path in (tmp_path / "o").iterdir()} == {
        "findings.csv",
        "columns.csv",
        "summary.json",
        "run.json",
    }


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--person", "wo"), (65, "films.csv: there is no column 'wo'", "did you mean 'who'?")),
        (("--label", "film"), (65, "films.csv: column 'film' holds 3 targets that are neither 0 nor 1, such as 'f1'")),
        (("--date", "who"), (65, "column 'who' holds 'a', not a date")),
        (("--level", "2"), (2, 'level "2" is not between 0 and 1')),
        (("--figures",), (2, "--figures needs a folder")),
    ],
)
def test_bad_input_is_one_line(options: tuple, expected: tuple, tmp_path: Path) -> None:
    actual = failure(cxrshort_here("stats", "leakage", table(tmp_path), *COLUMNS, *options))
    assert actual[: len(expected)] == expected


def test_empty_table_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "films.csv"
    path.write_text("film,who,part\n")
    expected = (65, "films.csv: the table is empty", "it needs a row for each image")
    assert failure(cxrshort_here("stats", "leakage", path, *COLUMNS)) == expected
