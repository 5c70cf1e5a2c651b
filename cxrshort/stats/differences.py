"""The difference of two numbers whose own limits are known: its interval, and the p-value that agrees with it.

What would invalidate them: two numbers of the same persons whose correlation is left out.

The interval recovers the variances from the limits of both numbers (Zou & Donner, Stat. Med. 27:1693, 2008, with
correlation), so that it holds as far as these do, near 0 and 1 too. The p-value is the largest level of error at which
the interval still excludes 0, so that no interval contradicts its p-value.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy.optimize import brentq

SMALLEST_P = 1e-12
"""Below it a p-value is not told apart."""

Limits = Callable[[float], tuple[float, float]]
"""From a coverage in (0, 1) to the limits of a number."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Hold the first number minus the second.

    Args:
        value: the difference.
        low: lower limit.
        high: upper limit.
        p: two-sided, at least `SMALLEST_P`.
    """

    value: float
    low: float
    high: float
    p: float


def difference_limits(
    first: tuple[float, float, float], second: tuple[float, float, float], *, correlation: float = 0.0
) -> tuple[float, float]:
    """Return the limits of a difference from those of both numbers.

    Args:
        first: the number and its limits, (value, low, high).
        second: likewise; it is subtracted.
        correlation: of the two estimates; 0 for those of different persons.

    Example:
        >>> [round(limit, 9) for limit in difference_limits((0.9, 0.6, 1.2), (0.8, 0.4, 1.2))]
        [-0.4, 0.6]
    """
    value = first[0] - second[0]
    down, up = first[0] - first[1], first[2] - first[0]
    fall, rise = second[0] - second[1], second[2] - second[0]
    squares = down**2 + rise**2 - 2 * correlation * down * rise, up**2 + fall**2 - 2 * correlation * up * fall
    # Not max(0.0, square), which makes 0 of a limit that is missing.
    below, above = (math.sqrt(0.0 if square < 0 else square) for square in squares)
    return value - below, value + above


def compare_numbers(
    first: tuple[float, Limits], second: tuple[float, Limits], *, correlation: float, level: float
) -> Difference:
    """Compare two numbers by their limits.

    Args:
        first: the number, and what gives its limits.
        second: likewise.
        correlation: of the two estimates; 0 for those of different persons.
        level: coverage of the interval, in (0, 1).

    Example:
        >>> from scipy.stats import norm
        >>> def limits(value, error):
        ...     return lambda level: (
        ...         value - norm.ppf(0.5 + level / 2) * error,
        ...         value + norm.ppf(0.5 + level / 2) * error,
        ...     )
        >>> found = compare_numbers((0.9, limits(0.9, 0.03)), (0.8, limits(0.8, 0.04)), correlation=0, level=0.95)
        >>> f"{found.value:.2f} [{found.low:.3f}, {found.high:.3f}], p {found.p:.4f}"  # z = 0.1 / 0.05
        '0.10 [0.002, 0.198], p 0.0455'
    """
    value = first[0] - second[0]

    def limits(coverage: float) -> tuple[float, float]:
        both = (first[0], *first[1](coverage)), (second[0], *second[1](coverage))
        return difference_limits(*both, correlation=correlation)

    return Difference(value, *limits(level), _p_value(value, limits))


def _p_value(value: float, limits: Limits) -> float:
    """Return the level of error at which the interval's limit is 0."""
    if value == 0:
        return 1.0

    def margin(log_error: float) -> float:
        coverage = -math.expm1(log_error)
        low, high = limits(coverage)
        return low if value > 0 else -high

    smallest = math.log(SMALLEST_P)
    if margin(smallest) > 0:
        return SMALLEST_P
    almost_one = math.log1p(-1e-9)
    if margin(almost_one) <= 0:
        return 1.0
    return math.exp(float(brentq(margin, smallest, almost_one, xtol=1e-6)))
