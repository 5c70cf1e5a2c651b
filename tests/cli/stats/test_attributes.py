"""``cxrshort stats attributes``: what is printed, the gate, and one line for bad input."""

import json
from pathlib import Path

import pytest

from ..console import cxrshort_here, failure, run_and_list_imports


@pytest.fixture
def dataset(planted_phantom: Path) -> Path:
    return planted_phantom


def test_table_for_people_and_the_gate(dataset: Path) -> None:
    result = cxrshort_here("stats", "attributes", "--dataset", dataset, "--label", "COVID-19", "--fail-on", "shortcut")
    assert result.exit_code == 3
    assert result.stderr == "note: one image of each person counts, a positive one where there is any\n"
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "COVID-19: risk = utility x detectability, 0 is chance, 1 is perfect; 95 % intervals"
    assert lines[1] == "attribute persons utility detectability risk P, Holm verdict"
    assert lines[3].endswith(" <0.0001 shortcut")
    assert sum(line.endswith("no evidence") for line in lines) == 3
    view = ("stats", "attributes", "--dataset", dataset, "--label", "COVID-19", "--column", "view")
    assert cxrshort_here(*view, "--fail-on", "suspicious").exit_code == 0


def test_many_risks_are_cut_and_verbose_prints_them(dataset: Path) -> None:
    brief = cxrshort_here("stats", "attributes", "--dataset", dataset)
    full = cxrshort_here("stats", "attributes", "--dataset", dataset, "--verbose")
    assert "the largest 15 of " in brief.stdout and "the largest 15 of " not in full.stdout
    brief_rows, rows = (
        [line for line in result.stdout.splitlines() if line.endswith(("no evidence", "shortcut", "suspicious"))]
        for result in (brief, full)
    )
    assert len(brief_rows) == 15 < len(rows) and rows[:15] == brief_rows
    assert "not testable: " in brief.stdout


def test_one_json_document(dataset: Path) -> None:
    options = ("--dataset", dataset, "--label", "COVID-19", "--column", "sex", "--column", "view", "--json")
    document = json.loads(cxrshort_here("stats", "attributes", *options).stdout)
    assert document["schema"] == "cxrshort.stats-attributes/1"
    assert {row["attribute"] for row in document["attributes"]} == {"sex", "view"}


def test_torch_is_not_imported(dataset: Path, tmp_path: Path) -> None:
    words = ["--dataset", dataset, "--label", "COVID-19", "--out", "o", "--figures"]
    _, modules = run_and_list_imports("stats", "attributes", *words, cwd=tmp_path)
    assert "scipy" in modules
    assert modules & {"torch", "torchvision", "captum", "pydicom", "diffusers"} == set()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--label", "Efusion"), 65, "planted: there is no label 'Efusion'"),
        (("--column", "veiw"), 65, "manifest.csv: there is no column 'veiw'"),
        (("--level", "2"), 2, 'level "2" is not between 0 and 1'),
        (("--figures",), 2, "--figures needs a folder"),
    ],
)
def test_bad_input_is_one_line(dataset: Path, options: tuple[str, ...], code: int, message: str) -> None:
    assert failure(cxrshort_here("stats", "attributes", "--dataset", dataset, *options))[:2] == (code, message)
