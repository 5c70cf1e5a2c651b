"""``cxrshort stats consensus``: the exact text, the document, and one line for bad input."""

import json
from pathlib import Path

import pandas as pd

from ...stats.test_consensus import DEMSAR
from ...verbs.stats.scored import written
from ..console import cxrshort_here, failure

COLUMNS = ("--method", "C4.5", "--method", "m", "--method", "cf", "--method", "m+cf")


def demsar(folder: Path) -> Path:
    return written(pd.DataFrame(DEMSAR, columns=["C4.5", "m", "cf", "m+cf"]), folder, "demsar.csv")


def test_table_for_people(tmp_path: Path) -> None:
    result = cxrshort_here("stats", "consensus", demsar(tmp_path), *COLUMNS)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "mean ranks over datasets, 1 is best; ties share ranks"
    assert lines[1] == "method mean rank wins datasets mean score (SD) not told apart"
    assert lines[3].startswith("m+cf 1.96 6 14 0.8272 (0.155) a")
    assert "critical difference 1.25 (Nemenyi)" in result.stdout
    assert "first - second n median difference first better equivalent second better" in " ".join(lines)


def test_one_json_document(tmp_path: Path) -> None:
    result = cxrshort_here("stats", "consensus", demsar(tmp_path), *COLUMNS, "--json")
    document = json.loads(result.stdout)
    assert (document["schema"], len(document["pairs"])) == ("cxrshort.stats-consensus/1", 6)
    assert round(document["friedman"][0]["critical_difference"], 2) == 1.25


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    assert failure(cxrshort_here("stats", "consensus", demsar(tmp_path), "--method", "m", "--method", "m+cff")) == (
        65,
        "demsar.csv: there is no column 'm+cff'",
        "did you mean 'm+cf'?",
    )
    assert failure(cxrshort_here("stats", "consensus", demsar(tmp_path)))[0] == 65
