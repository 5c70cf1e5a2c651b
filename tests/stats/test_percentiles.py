"""Percentiles against SciPy, and what ties, constants and precision do."""

import numpy as np
import pytest
from scipy import stats

from cxrshort.errors import DataError
from cxrshort.stats.percentiles import as_scores, is_constant, largest_tie, percentiles


@pytest.mark.parametrize("digits", [1, 6])
def test_percentiles_are_the_mean_ranks_of_scipy(digits: int) -> None:
    rng = np.random.default_rng(0)
    reference, scores = rng.normal(size=300).round(digits), rng.normal(size=40).round(digits)
    expected = stats.percentileofscore(as_scores(reference), as_scores(scores), kind="mean")
    assert percentiles(scores, reference) == pytest.approx(expected)


def test_increasing_recalibration_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    reference, scores = rng.normal(size=200), rng.normal(size=50)
    assert np.array_equal(percentiles(scores, reference), percentiles(np.exp(scores), np.exp(reference)))


def test_constant_cohort_puts_its_value_in_the_middle() -> None:
    assert percentiles([0.4, 0.5, 0.6], [0.5] * 8).tolist() == [0, 50, 100]


def test_float32_and_float64_of_the_same_digits_are_one_score() -> None:
    assert percentiles([0.1], np.array([0.1], np.float32)).tolist() == [50]
    assert percentiles(np.array([0.1], np.float32), [0.1]).tolist() == [50]


def test_missing_scores_stay_missing_and_count_nowhere() -> None:
    assert np.array_equal(percentiles([np.nan, 2.0], [1.0, np.nan, 3.0]), [np.nan, 50], equal_nan=True)


def test_infinite_scores_and_scores_beyond_float32_lie_at_the_ends() -> None:
    assert percentiles([-np.inf, 1e300], [0.0, 1.0]).tolist() == [0, 100]


def test_cohort_without_scores_is_refused() -> None:
    with pytest.raises(DataError, match="the reference cohort has no score"):
        percentiles([1.0], [np.nan])


def test_output_that_never_varies_is_constant_in_all_cohorts_together() -> None:
    assert is_constant([0.5, 0.5 + 1e-8], [0.5]) and is_constant([np.nan])
    assert not is_constant([0.5, 0.5], [0.51])


def test_share_of_the_largest_tie() -> None:
    assert largest_tie([1.0, 1.0, 1.0, 2.0, np.nan]) == 0.75 and largest_tie([]) == 0
