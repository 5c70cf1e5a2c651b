"""Mid-ranks and components of an AUC against all pairs."""

import numpy as np
import pytest

from cxrshort.errors import DataError
from cxrshort.stats.midranks import (
    Sample,
    auc_components,
    check_rows,
    count_distinct,
    covariance_of,
    disjoint_pairs,
    is_exact,
    missing_class,
    number_jointly,
    number_persons,
    why_no_variance,
)

TARGETS = np.array([1, 1, 1, 0, 0, 0, 0])
SCORES = np.array([0.9, 0.5, 0.2, 0.5, 0.1, 0.3, 0.2])


def test_components_are_means_over_all_pairs_ties_counting_half():
    rows = check_rows(TARGETS, SCORES)
    parts = auc_components(rows, rows.codes, rows.persons)
    difference = SCORES[TARGETS == 1][:, None] - SCORES[TARGETS == 0]
    wins = (difference > 0) + 0.5 * (difference == 0)
    assert parts.aucs[0] == pytest.approx(wins.mean())
    np.testing.assert_allclose(parts.positive[:3, 0], (wins.mean(1) - wins.mean()) / 3)
    np.testing.assert_allclose(parts.negative[3:, 0], (wins.mean(0) - wins.mean()) / 4)
    delong = wins.mean(1).var(ddof=1) / 3 + wins.mean(0).var(ddof=1) / 4
    assert parts.independent[0] == pytest.approx(delong)
    assert covariance_of([parts])[0, 0] == pytest.approx(delong)


def test_check_rows_leaves_out_soft_and_empty_targets_and_their_persons():
    rows = check_rows([1, 0.5, np.nan, 0], [1, 2, 3, 4], ["a", "b", "c", "a"])
    assert rows.left_out == 2 and rows.codes.tolist() == [0, 0]
    assert rows.counts == (1, 1) and rows.persons_by_class == (1, 1) and rows.repeated
    assert is_exact([1, 0, 0.5, np.nan]).tolist() == [True, True, False, False]


def test_check_rows_refuses_what_is_no_score():
    with pytest.raises(DataError, match="1 of 2 scores are NaN"):
        check_rows([0, 1], [0.1, np.nan])
    with pytest.raises(DataError, match="2 targets and 3 rows of scores"):
        check_rows([0, 1], [0.1, 0.2, 0.3])


def test_number_persons_refuses_rows_without_a_person():
    assert number_persons(["x", "y", "x"], 3).tolist() == [0, 1, 0]
    assert count_distinct(np.array([4, 0, 4])) == 2
    with pytest.raises(DataError, match="1 of 2 rows have no person"):
        number_persons(["x", ""], 2)
    with pytest.raises(DataError, match="1 person ids for 2 rows"):
        number_persons(["x"], 2)


def test_number_jointly_gives_a_person_one_number_in_all_samples():
    samples = [
        Sample([1, 0], [1, 2], ["a", "b"]),
        Sample([0, 1], [1, 2]),
        Sample([0, 0.5, 1], [1, 2, 3], ["b", "z", "c"]),
    ]
    _, codes, persons = number_jointly(samples)
    assert codes[0].tolist() == [0, 1] and codes[2].tolist() == [1, 3]
    assert not set(codes[1]) & {0, 1, 2, 3} and persons == 6


@pytest.mark.parametrize(
    ("targets", "clusters", "reason"),
    [
        ([0.5], None, "no target is 0 or 1"),
        ([0, 0], None, "only negatives"),
        ([1], None, "only positives"),
        ([1, 0, 0], None, "only 1 positive"),
        ([1, 1, 0, 0], ["a", "a", "b", "c"], "all 2 positives are of one person"),
        ([1, 1, 0, 0], None, ""),
    ],
)
def test_reasons_why_there_is_no_variance(targets, clusters, reason):
    rows = check_rows(targets, np.arange(len(targets)), clusters)
    assert why_no_variance(rows) == reason
    assert missing_class(rows) == (reason if reason.startswith(("no ", "only n", "only positives")) else "")


def test_disjoint_pairs_use_no_person_twice():
    rows = check_rows([1, 0, 1, 0, 0], range(5), ["a", "a", "b", "b", "c"])
    assert disjoint_pairs(rows) == 1
    assert disjoint_pairs(check_rows([1, 0, 1, 0], range(4))) == 2
