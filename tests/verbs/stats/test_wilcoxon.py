"""``stats wilcoxon``: pairs of a table against the test called directly."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import CxrshortError
from cxrshort.stats.signed_rank import signed_rank
from cxrshort.verbs.stats.wilcoxon import wilcoxon

from .scored import written


def pairs(folder: Path, **columns: Any) -> Path:
    """Return a table of twenty pairs, the k-th with a difference of k."""
    before = np.linspace(-1, 1, 20)
    rows = {"before": before, "after": before + np.arange(1, 21), "change": np.arange(1.0, 21)}
    return written(pd.DataFrame(rows | columns), folder, "pairs.csv")


def refusal(table: Path, **options: Any) -> tuple[int, str]:
    with pytest.raises(CxrshortError) as caught:
        wilcoxon(table, **options)
    return caught.value.exit_code, caught.value.message


def test_published_value_comes_out_with_n_and_effect(tmp_path: Path) -> None:
    result = wilcoxon(pairs(tmp_path), before="before", after="after")
    (test,) = result.summary["tests"]
    assert (test["statistic"], test["persons"], test["positive"], test["finding"]) == (0.0, 20, 20, "shown")
    assert f"{test['p_normal']:.3g}" == "8.86e-05" and f"{test['p_exact']:.2g}" == "1.9e-06"
    assert (test["median"], test["low"], test["high"]) == pytest.approx((10.5, 6.0, 15.0))
    assert result.notes[0].startswith("every pair counts as of a person of its own")
    (same,) = wilcoxon(pairs(tmp_path), difference="change").summary["tests"]
    assert same["p_exact"] == test["p_exact"]


def test_persons_are_averaged_and_groups_adjusted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    change = rng.normal(0.6, 1, 20)
    path = pairs(tmp_path, change=change, who=np.arange(20) // 2, region=["a", "a", "b", "b"] * 5)
    result = wilcoxon(path, difference="change", person="who", by="region")
    means = change.reshape(10, 2).mean(axis=1)
    expected = [signed_rank(means[place::2]).p for place in (0, 1)]
    tests = result.summary["tests"]
    assert [test["p_exact"] for test in tests] == expected
    assert [test["p_holm"] for test in tests] == pytest.approx(
        [min(1, 2 * p) if p == min(expected) else max(p, min(1, 2 * min(expected))) for p in expected]
    )
    assert [(test["group"], test["pairs"], test["persons"]) for test in tests] == [("a", 10, 5), ("b", 10, 5)]
    assert result.notes == []


def test_large_p_reads_not_shown_beside_what_would_have_been(tmp_path: Path) -> None:
    (test,) = wilcoxon(pairs(tmp_path, change=[1, -1] * 10), difference="change").summary["tests"]
    assert (test["finding"], test["median"], test["p_exact"]) == ("not shown", 0.0, 1.0)
    assert test["smallest_shift"] > 0


def test_rows_without_a_number_are_counted_and_person_id_is_assumed(tmp_path: Path) -> None:
    change = [np.nan, *range(1, 20)]
    result = wilcoxon(pairs(tmp_path, change=change, person_id=range(20)), difference="change")
    assert result.summary["tests"][0]["pairs"] == 19
    assert result.notes == [
        "1 of 20 rows lack a number and are left out",
        "differences of one person are averaged first: rows with the same 'person_id'",
    ]


def test_folder_holds_table_and_figure(tmp_path: Path) -> None:
    result = wilcoxon(pairs(tmp_path, g=list("ab") * 10), difference="change", by="g", out=tmp_path / "o", figures=True)
    assert [path.name for path in result.figures] == ["wilcoxon.png"]
    assert pd.read_csv(tmp_path / "o" / "tests.csv")["group"].tolist() == ["a", "b"]
    assert json.loads((tmp_path / "o" / "summary.json").read_text())["tests"] == result.summary["tests"]


def test_seed_makes_the_same_numbers(tmp_path: Path) -> None:
    change = np.random.default_rng(0).normal(size=20)
    first, again, other = (
        wilcoxon(pairs(tmp_path, change=change), difference="change", seed=seed) for seed in (1, 1, 2)
    )
    assert first.summary["tests"] == again.summary["tests"]
    assert first.summary["tests"] != other.summary["tests"]


def test_wrong_options_and_tables_are_refused(tmp_path: Path) -> None:
    path = pairs(tmp_path, same=["a"] * 20, name=[f"n{number}" for number in range(20)], none=[np.nan] * 20)
    assert refusal(path) == (2, "a test of pairs needs two columns")
    assert refusal(path, before="before") == (2, "a test of pairs needs two columns")
    assert refusal(path, difference="change", after="after") == (2, "--difference stands for --before and --after")
    assert refusal(path, difference="chagne") == (65, "pairs.csv: there is no column 'chagne'")
    assert refusal(path, difference="none") == (65, "pairs.csv: no row has both numbers")
    assert refusal(path, difference="change", person="same") == (
        65,
        "differences of 1 person: a test needs at least two",
    )
    assert refusal(path, difference="change", by="name")[1].startswith("n0: differences of 1 person")
    long = written(pd.DataFrame({"d": range(60), "g": range(60)}), tmp_path, "long.csv")
    assert refusal(long, difference="d", by="g") == (
        65,
        "long.csv: column 'g' has 60 values, and --by takes at most 50",
    )
