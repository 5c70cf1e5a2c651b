"""Wilcoxon's signed-rank test with its exact null distribution, ties included, and Holm's correction.

What would invalidate it: differences that are not independent (average those of a person first), or whose distribution
is not symmetric about its centre under the null hypothesis.

Differences of exactly zero are left out and counted (Wilcoxon's own rule); ties have mid-ranks. The exact p-value is
conditional on the ranks that occurred, so it is exact with ties too, where SciPy has only the approximation. The normal
approximation has the variance corrected for ties and no correction for continuity: it is what DeGrave et al. 2021
report (n = 20, T = 0: P = 8.86e-5; exact: 1.9e-6).
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm, rankdata

from cxrshort.errors import DataError
from cxrshort.stats.midranks import Floats, Integers

MOST_EXACT = 300
"""Differences up to which the exact distribution is computed: some 10 ms there, growing with the third power."""


@dataclass(frozen=True, slots=True)
class SignedRank:
    """Hold the result of a two-sided signed-rank test.

    Args:
        statistic: T, the smaller of the two sums of ranks.
        differences: how many are not zero.
        zeros: how many are zero, and left out.
        p_exact: None above `MOST_EXACT` differences.
        p_normal: 1 without differences.
    """

    statistic: float
    differences: int
    zeros: int
    p_exact: float | None
    p_normal: float

    @property
    def p(self) -> float:
        """Return the exact p-value where there is one, else the approximate one."""
        return self.p_normal if self.p_exact is None else self.p_exact


def signed_rank(differences: ArrayLike) -> SignedRank:
    """Test whether differences scatter about zero.

    Args:
        differences: (n,), independent of one another.

    Raises:
        DataError: a difference is not finite.

    Example:
        >>> found = signed_rank(range(1, 21))
        >>> f"T = {found.statistic:g}, P = {found.p_normal:.3g}, exact {found.p_exact:.2g}"
        'T = 0, P = 8.86e-05, exact 1.9e-06'
    """
    values = np.asarray(differences, np.float64).ravel()
    if wrong := int(np.count_nonzero(~np.isfinite(values))):
        raise DataError(
            f"{wrong} of {len(values)} differences are not finite: each must be a number",
            "leave out rows that hold infinity",
        )
    kept = values[values != 0]
    if not len(kept):
        return SignedRank(0.0, 0, len(values), 1.0, 1.0)
    # Mid-ranks are multiples of a half; doubled they are whole numbers, and sums of them exact.
    doubled = np.rint(2 * rankdata(np.abs(kept))).astype(np.int64)
    least = min(int(doubled[kept > 0].sum()), int(doubled[kept < 0].sum()))
    exact = _exact_p(doubled, least) if len(kept) <= MOST_EXACT else None
    return SignedRank(least / 2, len(kept), len(values) - len(kept), exact, _normal_p(doubled, least))


def _exact_p(doubled: Integers, least: int) -> float:
    """Return twice the chance that a sum of doubled ranks with random signs is at most the observed one, at most 1."""
    return min(1.0, 2 * float(_chances(tuple(sorted(doubled.tolist())))[: least + 1].sum()))


@functools.lru_cache(maxsize=32)
def _chances(doubled: tuple[int, ...]) -> Floats:
    """Return the chance of each sum of the doubled ranks that have a positive sign, each with a chance of a half."""
    chances = np.ones(1)
    for rank in doubled:
        longer = np.zeros(len(chances) + rank)
        longer[: len(chances)] = chances / 2
        longer[rank:] += chances / 2
        chances = longer
    return chances


def _normal_p(doubled: Integers, least: int) -> float:
    # Var T = sum of squared ranks / 4, which holds with ties as it stands.
    total = doubled.sum()
    z = (least - total / 2) / (math.sqrt(float((doubled.astype(np.float64) ** 2).sum())) / 2)
    return min(1.0, 2 * float(norm.cdf(z)))


def smallest_signed_rank_p(count: int) -> float:
    """Return the smallest exact two-sided p-value that so many differences can reach: all of one sign.

    Example:
        >>> smallest_signed_rank_p(5), smallest_signed_rank_p(6)
        (0.0625, 0.03125)
    """
    return min(1.0, 2.0 ** (1 - count))


def fewest_differences(level: float) -> int:
    """Return how many differences a two-sided signed-rank test needs to be able to reach a level.

    Args:
        level: error of the first kind, above 0; over R regions give level / R, Holm's hardest step.

    Example:
        >>> fewest_differences(0.05), fewest_differences(0.05 / 4)
        (6, 8)
    """
    return max(1, math.ceil(1 - math.log2(level)))


def critical_statistic(count: int, *, level: float) -> float:
    """Return the largest T, without ties, whose two-sided p-value is at most a level; -1 where none is.

    Args:
        count: differences, none of them zero.
        level: error of the first kind.
    """
    if count <= MOST_EXACT:
        tails = 2 * np.cumsum(_chances(tuple(range(2, 2 * count + 1, 2))))[::2]
        return float(np.count_nonzero(tails <= level) - 1)
    mean, variance = count * (count + 1) / 4, count * (count + 1) * (2 * count + 1) / 24
    return math.floor(mean + float(norm.ppf(level / 2)) * math.sqrt(variance))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted over several regions (Holm, Scand. J. Stat. 6:65, 1979).

    Args:
        p_values: one per region; None where it was not testable, which then is not counted.

    Example:
        >>> holm([0.01, None, 0.04, 0.03])
        [0.03, None, 0.06, 0.06]
    """
    tested = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for number, (p, place) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - number) * p))
        adjusted[place] = largest
    return adjusted
