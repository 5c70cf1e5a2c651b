"""Rank correlations against SciPy, and how often their intervals hold the truth."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from cxrshort.stats.rank_correlation import rank_correlation


def test_value_is_spearmans_and_unknown_targets_are_left_out() -> None:
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 6, 80).astype(float)
    said = truth + draw.normal(0, 2, 80)
    truth[::10] = np.nan
    found = rank_correlation(truth, said, np.arange(80), rng=np.random.default_rng(1))
    known = ~np.isnan(truth)
    assert found.value == pytest.approx(spearmanr(truth[known], said[known]).statistic)
    assert found.images == 72 and found.low < found.value < found.high


def test_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """A rank correlation of normal pairs is (6 / pi) asin(r / 2); 60 persons with two images each."""
    draw, inside = np.random.default_rng(2), 0
    truth = 6 / np.pi * np.arcsin(0.6 / 2)
    for number in range(60):
        person = draw.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 60).repeat(2, axis=0)
        found = rank_correlation(person[:, 0], person[:, 1], np.arange(60).repeat(2), rng=np.random.default_rng(number))
        inside += found.low <= truth <= found.high
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
    found = rank_correlation(targets, [1, 2, 3, 4], list(persons), rng=np.random.default_rng(0))
    assert (found.low, found.reason) == (None, reason)
