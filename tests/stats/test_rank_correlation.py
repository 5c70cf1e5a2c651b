"""Rank correlations against SciPy, and how often their intervals hold the truth."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from cxrshort.errors import DataError
from cxrshort.stats.rank_correlation import rank_correlation, weighted_spearman


def test_value_is_spearmans_and_unknown_targets_are_left_out() -> None:
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 6, 80).astype(float)
    predicted = truth + draw.normal(0, 2, 80)
    truth[::10] = np.nan
    actual = rank_correlation(truth, predicted, np.arange(80), rng=np.random.default_rng(1))
    has_value = ~np.isnan(truth)
    assert actual.value == pytest.approx(spearmanr(truth[has_value], predicted[has_value]).statistic)
    assert actual.images == 72 and actual.low < actual.value < actual.high


def test_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """A rank correlation of normal pairs is (6 / pi) asin(r / 2); 60 persons with two images each."""
    draw, inside = np.random.default_rng(2), 0
    truth = 6 / np.pi * np.arcsin(0.6 / 2)
    for number in range(60):
        person = draw.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 60).repeat(2, axis=0)
        actual = rank_correlation(
            person[:, 0], person[:, 1], np.arange(60).repeat(2), rng=np.random.default_rng(number)
        )
        inside += actual.low <= truth <= actual.high
    assert inside >= 51  # 95 % of 60 are 57; at a true 95 %, fewer than 51 have a chance below 1 in 1,000


@pytest.mark.parametrize(
    ("targets", "persons", "reason"),
    [
        ([1, 1, 1, 1], "abcd", "fewer than three images, or all alike"),
        ([1, np.nan, np.nan, 2], "abcd", "fewer than three images, or all alike"),
        ([1, 2, 3, 4], "aabb", "only 2 persons"),
    ],
)
def test_reason_is_said_where_there_is_no_interval(targets: list[float], persons: str, reason: str) -> None:
    actual = rank_correlation(targets, [1, 2, 3, 4], list(persons), rng=np.random.default_rng(0))
    assert (actual.low, actual.reason) == (None, reason)


def test_weighted_spearman_equals_scipys_of_repeated_rows() -> None:
    draw = np.random.default_rng(3)
    first, second = draw.integers(0, 5, 30).astype(float), draw.integers(0, 7, 30).astype(float)
    weights = draw.integers(0, 4, (20, 30)).astype(float)
    expected = [spearmanr(first.repeat(row.astype(int)), second.repeat(row.astype(int))).statistic for row in weights]
    assert weighted_spearman(first, second, weights=weights) == pytest.approx(expected, abs=1e-12)
    one_value = np.where(first == first[0], 1.0, 0.0)
    assert np.isnan(weighted_spearman(first, second, weights=one_value[None])).all()


@pytest.mark.parametrize(
    ("targets", "scores", "persons", "message"),
    [
        ([1, 2, 3], [1, np.nan, 3], "abc", "1 of 3 scores are NaN: a score must be a number"),
        ([1, 2, 3], [np.nan] * 3, "abc", "3 of 3 scores are NaN: a score must be a number"),
        ([1, 2, 3], [1, 2], "abc", "3 targets and 2 scores: they must be as many"),
        ([1, 2, 3], [1, 2, 3], "ab", "2 person ids for 3 rows: they must be as many"),
        ([1, 2, 3], [1, 2, 3], ["a", "", "b"], "1 of 3 rows have no person: every row needs one"),
    ],
)
def test_rows_that_cannot_be_ranked_are_refused(targets, scores, persons, message) -> None:
    with pytest.raises(DataError) as caught:
        rank_correlation(targets, scores, list(persons), rng=np.random.default_rng(0))
    assert caught.value.message == message


def test_nan_scores_of_images_without_a_known_number_do_not_matter() -> None:
    actual = rank_correlation([1, 2, 3, 4, np.nan], [1, 3, 2, 9, np.nan], list("abcde"), rng=np.random.default_rng(0))
    assert actual.value == pytest.approx(0.8) and actual.images == 4
