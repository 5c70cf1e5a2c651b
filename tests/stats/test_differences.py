"""Differences of numbers with limits: against the z test, and p-values that agree with their intervals."""

import numpy as np
import pytest
from scipy.stats import norm

from cxrshort.stats.changes import binomial_limits
from cxrshort.stats.differences import SMALLEST_P, Limits, compare_numbers, difference_limits


def symmetric(value: float, error: float) -> Limits:
    def limits(level: float) -> tuple[float, float]:
        half = float(norm.isf((1 - level) / 2)) * error
        return value - half, value + half

    return limits


def test_uneven_limits_are_recovered_on_their_own_side() -> None:
    """Zou and Donner 2008, equation 7, by hand: 0.5 - sqrt(0.1^2 + 0.3^2), 0.5 + sqrt(0.2^2 + 0.05^2)."""
    assert difference_limits((0.8, 0.7, 1.0), (0.3, 0.25, 0.6)) == pytest.approx((0.5 - 0.1**0.5, 0.5 + 0.0425**0.5))


@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.7])
@pytest.mark.parametrize(("first", "second"), [(0.9, 0.8), (0.6, 0.85)])
def test_symmetric_limits_give_the_z_test(first: float, second: float, correlation: float) -> None:
    errors = 0.03, 0.05
    comparison = compare_numbers(
        (first, symmetric(first, errors[0])), (second, symmetric(second, errors[1])), correlation=correlation, level=0.9
    )
    spread = np.sqrt(errors[0] ** 2 + errors[1] ** 2 - 2 * correlation * errors[0] * errors[1])
    assert comparison.value == pytest.approx(first - second)
    half = norm.ppf(0.95) * spread
    assert (comparison.low, comparison.high) == pytest.approx((first - second - half, first - second + half))
    assert comparison.p == pytest.approx(2 * norm.sf(abs(first - second) / spread), rel=1e-4)


@pytest.mark.parametrize(("rate", "other"), [(0.0, 0.2), (1.0, 0.7), (0.35, 0.2)])
def test_interval_at_the_level_of_p_ends_at_zero(rate: float, other: float) -> None:
    sides = [
        (value, lambda level, value=value, size=size: binomial_limits(value, size, level=level))
        for value, size in ((rate, 40.0), (other, 90.0))
    ]
    p = compare_numbers(*sides, correlation=0.0, level=0.95).p
    again = compare_numbers(*sides, correlation=0.0, level=1 - p)
    assert min(abs(again.low), abs(again.high)) < 1e-5
    assert 0 < p < 1


def test_equal_numbers_have_a_p_of_one_and_far_ones_the_smallest() -> None:
    assert compare_numbers((0.5, symmetric(0.5, 0.1)), (0.5, symmetric(0.5, 0.1)), correlation=0, level=0.95).p == 1.0
    far = compare_numbers((1.0, symmetric(1.0, 0.01)), (0.0, symmetric(0.0, 0.01)), correlation=0, level=0.95)
    assert far.p == SMALLEST_P
