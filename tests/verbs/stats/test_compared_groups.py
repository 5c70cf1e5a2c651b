"""Rows of two groups of replicates, against scipy."""

from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import mannwhitneyu, ttest_ind

from cxrshort.errors import CxrshortError
from cxrshort.verbs.stats.compared_groups import contest_rows, finish_groups, group_row, note_small_groups, read_groups
from cxrshort.verbs.stats.pairs import read_pairs
from cxrshort.verbs.stats.source import open_source

from .scored import two_trainings, written

BEFORE, AFTER = [0.70, 0.72, 0.73, 0.76, 0.69], [0.71, 0.74, 0.75, 0.78, 0.80]


def runs(folder: Path, **columns: object) -> Path:
    rows = {"method": ["a"] * 5 + ["b"] * 5, "auc": [*BEFORE, *AFTER], "label": ["x", "y"] * 5}
    return written(pd.DataFrame(rows | columns), folder, "runs.csv")


def read(path: Path, **options: object):
    return read_groups(
        open_source(path), **({"value": "auc", "group": "method", "before": None, "after": None, "by": None} | options)
    )


def test_row_is_scipys_test_and_welchs_claim():
    row = group_row({}, BEFORE, AFTER, level=0.95)
    test = mannwhitneyu(AFTER, BEFORE, method="exact")
    assert (row["u"], row["p"], row["pairs"]) == (test.statistic, test.pvalue, 25)
    assert row["claim_false"] == pytest.approx(ttest_ind(AFTER, BEFORE, equal_var=False, alternative="greater").pvalue)
    assert (row["before_mean"], row["after_n"]) == (pytest.approx(0.72), 5)
    assert row["low"] < row["shift"] < row["high"]


@pytest.mark.parametrize(
    ("before", "after", "u", "printed"),
    [([3, 5, 7, 9, 10], [1, 2, 4, 6, 8], 6, "0.22"), ([2, 3, 4, 8, 10], [1, 5, 6, 7, 9], 13, "1.00")],
)
def test_published_p_values_come_out(before, after, u, printed):
    # DeGrave et al. 2021: U = 6 and U = 13 of 25 pairs.
    row = group_row({}, before, after, level=0.95)
    assert (row["u"], f"{row['p']:.2f}", row["method"]) == (u, printed, "exact")


def test_small_groups_are_noted_and_single_ones_have_no_claim():
    rows = finish_groups([group_row({}, BEFORE[:3], AFTER[:3], level=0.95)], level=0.95, correction="holm")
    assert note_small_groups(rows, 0.95) == [
        "3 and 3 replicates cannot show a difference: without ties the smallest p-value is 0.1"
    ]
    assert rows[0]["low"] is None and rows[0]["reason"] == "3 and 3 replicates are too few for limits"
    single = group_row({}, [0.7], AFTER, level=0.95)
    assert (single["claim_false"], single["before_deviation"]) == (None, None)
    assert (
        note_small_groups(
            finish_groups([group_row({}, BEFORE, AFTER, level=0.95)], level=0.95, correction="holm"), 0.95
        )
        == []
    )


def test_groups_of_a_table_are_read_in_order(tmp_path: Path) -> None:
    names, families, notes = read(runs(tmp_path))
    assert (names, families, notes) == (("a", "b"), [("", BEFORE, AFTER)], [])
    assert read(runs(tmp_path), before="b")[0] == ("b", "a")
    by_label = read(runs(tmp_path), by="label")[1]
    assert [(key, len(before), len(after)) for key, before, after in by_label] == [("x", 3, 2), ("y", 2, 3)]
    empty = read(runs(tmp_path, auc=[None, *BEFORE[1:], *AFTER]))
    assert (empty[2], empty[1][0][1]) == (["1 of 10 rows lack a number and are left out"], BEFORE[1:])


@pytest.mark.parametrize(
    ("columns", "options", "expected"),
    [
        ({}, {"after": "c"}, (65, "runs.csv: column 'method' does not hold 'c'", "one of: 'a', 'b'")),
        ({}, {"before": "a", "after": "a"}, (2, "'a' cannot be compared with itself", "choose two groups")),
        (
            {"method": ["a"] * 10},
            {},
            (65, "runs.csv: column 'method' holds one group, and a comparison needs two", "add rows"),
        ),
        (
            {"method": ["a", "b", "c", "d", "e"] * 2},
            {},
            (2, "runs.csv: column 'method' holds 5 groups", "--before and --after choose: 'a', 'b', 'c', 'd', 'e'"),
        ),
        (
            {"label": ["x"] * 5 + ["y"] * 5},
            {"by": "label"},
            (65, "runs.csv: label 'x': 'b' has no number", "a test of groups needs both"),
        ),
    ],
)
def test_wrong_groups_are_refused(tmp_path: Path, columns: dict, options: dict, expected: tuple) -> None:
    with pytest.raises(CxrshortError) as caught:
        read(runs(tmp_path, **columns), **options)
    assert (caught.value.exit_code, caught.value.message, caught.value.hint) == expected


def test_replicates_of_predictions_count_the_images_that_they_share(tmp_path: Path) -> None:
    pairs = read_pairs(written(two_trainings(replicates=3), tmp_path), label="Edema")
    rows = contest_rows(pairs.contests, level=0.95)
    assert [(row["dataset"], row["before_n"], row["after_n"]) for row in rows] == [
        ("hospital-a", 3, 3),
        ("hospital-b", 3, 3),
    ]
    assert {row["claim_method"] for row in rows} == {"normal form, 3 and 3 seeds"}
    single = read_pairs(written(two_trainings(), tmp_path), label="Edema")
    assert contest_rows(single.contests, level=0.95) == []
