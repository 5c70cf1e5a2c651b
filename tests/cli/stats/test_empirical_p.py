"""``cxrshort stats empirical-p``: the exact text, the document, and one line for bad input."""

import json
from pathlib import Path

import pandas as pd

from ...verbs.stats.scored import written
from ..console import cxrshort_here, failure


def test_counts_for_people() -> None:
    result = cxrshort_here("stats", "empirical-p", "--r", 12, "--n", 1000, "--quiet")
    assert [line.rstrip() for line in result.stdout.splitlines() if "─" not in line] == [
        "(r + 1) / (n + 1)",
        " r       n   share as extreme       P        finding",
        "12   1,000   0.012 [0.006, 0.021]   0.0130   shown",
    ]
    assert cxrshort_here("stats", "empirical-p", "--r", 12, "--n", 1000).stderr.startswith("note: counts alone")


def test_rows_of_a_table(tmp_path: Path) -> None:
    table = pd.DataFrame({f"random_{place}": [place, place] for place in range(99)} | {"observed": [100.0, 50.0]})
    path = written(table, tmp_path, "null.csv")
    options = ("--observed", "observed", "--null", "random_*")
    result = cxrshort_here("stats", "empirical-p", path, *options)
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[1] == "row observed effect in SD r n share as extreme P P, strict P, Holm finding"
    assert lines[3] == "1 100 51 1.78 0 99 0.000 [0.000, 0.037] 0.0100 0.0100 0.0200 shown"
    assert lines[4].startswith("2 50 1 0.0348 49 99 ") and lines[4].endswith(" 0.500 0.490 0.500 not shown")
    document = json.loads(cxrshort_here("stats", "empirical-p", path, *options, "--json").stdout)
    assert (document["schema"], len(document["tests"])) == ("cxrshort.stats-empirical-p/1", 2)


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    assert failure(cxrshort_here("stats", "empirical-p")) == (
        2,
        "an empirical p-value needs random numbers",
        "TABLE --observed COLUMN --null 'random_*', or --r R --n N",
    )
    assert failure(cxrshort_here("stats", "empirical-p", "--r", 7, "--n", 5))[:2] == (
        65,
        "r = 7 of n = 5: r must lie between 0 and n, and n be at least 1",
    )
