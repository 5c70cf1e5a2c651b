"""``cxrshort stats wilcoxon``: the exact text, the document, and one line for bad input."""

import json
from pathlib import Path

import pandas as pd

from ...verbs.stats.scored import written
from ..console import cxrshort_here, failure


def pairs(folder: Path) -> Path:
    change = list(range(1, 21))
    rows = {"before": [0] * 20, "after": change, "who": range(20), "region": ["a", "b"] * 10}
    return written(pd.DataFrame(rows), folder, "pairs.csv")


def test_table_for_people_has_the_published_value_beside_the_exact_one(tmp_path: Path) -> None:
    columns = ("--before", "before", "--after", "after", "--person", "who")
    result = cxrshort_here("stats", "wilcoxon", pairs(tmp_path), *columns)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "after - before: signed-rank test, two-sided; median with 95 % interval"
    assert lines[1] == "pairs persons > 0 < 0 median difference T P, exact P, normal finding detectable shift"
    assert lines[3].startswith("20 20 20 0 10.500 [6.000, 15.000] 0 1.91e-06 8.86e-05 shown ")


def test_groups_have_adjusted_p_values(tmp_path: Path) -> None:
    columns = ("--difference", "after", "--person", "who", "--by", "region")
    result = cxrshort_here("stats", "wilcoxon", pairs(tmp_path), *columns)
    assert "P, Holm" in result.stdout
    document = json.loads(cxrshort_here("stats", "wilcoxon", pairs(tmp_path), *columns, "--json").stdout)
    assert document["schema"] == "cxrshort.stats-wilcoxon/1"
    assert [test["p_holm"] for test in document["tests"]] == [2 * test["p_exact"] for test in document["tests"]]


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    table = pairs(tmp_path)
    assert failure(cxrshort_here("stats", "wilcoxon", table)) == (
        2,
        "a test of pairs needs two columns",
        "--before COLUMN --after COLUMN, or --difference COLUMN",
    )
    assert failure(cxrshort_here("stats", "wilcoxon", table, "--difference", "aftr")) == (
        65,
        "pairs.csv: there is no column 'aftr'",
        "did you mean 'after'?",
    )
    assert failure(cxrshort_here("stats", "wilcoxon", table, "--difference", "region"))[:2] == (
        65,
        "pairs.csv: column 'region' holds 'a', not a number, and 19 more like it",
    )
