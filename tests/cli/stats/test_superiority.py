"""``cxrshort stats superiority``: the exact text, the document, and one line for bad input."""

import json
from pathlib import Path

import pandas as pd

from ...verbs.stats.scored import two_trainings, written
from ..console import cxrshort_here, failure

OPTIONS = ("--margin", 0.01, "--value", "auc", "--group", "method", "--split-column", "replicate")


def runs(folder: Path) -> Path:
    rows = {"method": ["a"] * 4 + ["b"] * 4, "replicate": [0, 1, 2, 3] * 2}
    rows["auc"] = [0.70, 0.71, 0.72, 0.73, 0.74, 0.76, 0.76, 0.78]
    return written(pd.DataFrame(rows), folder, "runs.csv")


def test_table_for_people(tmp_path: Path) -> None:
    result = cxrshort_here("stats", "superiority", runs(tmp_path), *OPTIONS)
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "auc: b minus a, 95 % interval, margin 0.01; one-sided tests at 0.025"
    assert lines[1] == "seeds splits improvement verdict P, superior P, not inferior P, equivalent"
    assert lines[3].startswith("1 4 0.045 [0.036, 0.054] better by more than the margin of 0.01 0.000")
    assert "unknown 0.0058 (100 %) unknown" in lines
    assert any(line.startswith("4 0 1.00 [0.40, 1.00] not shown to be better") for line in lines)
    assert "note: the variance over seeds is unknown and not counted" in result.stderr


def test_one_json_document(tmp_path: Path) -> None:
    table = written(two_trainings(replicates=2), tmp_path)
    result = cxrshort_here("stats", "superiority", table, "--margin", 0.02, "--json")
    document = json.loads(result.stdout)
    assert (document["schema"], len(document["improvements"])) == ("cxrshort.stats-superiority/1", 4)


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    table = runs(tmp_path)
    assert failure(cxrshort_here("stats", "superiority", table)) == (
        2,
        "a test of superiority needs a margin, the smallest difference that matters",
        "--margin 0.01, for instance",
    )
    assert failure(cxrshort_here("stats", "superiority", table, *OPTIONS, "--value", "acu")) == (
        65,
        "runs.csv: there is no column 'acu'",
        "did you mean 'auc'?",
    )
