"""Differences of pairs: the signed-rank test with what must stand beside its p-value.

What would invalidate it: pairs of one person taken for independent ones (give persons: their differences are averaged
first), or differences whose distribution is not symmetric about its centre under the null hypothesis. A large p is no
evidence of equality; so the smallest shift that so many pairs would have shown stands beside it, and the smallest p
that they can reach.

The interval of the median is that of the order statistics (the sign test inverted; Thompson, Ann. Math. Stat. 7:122,
1936): it needs no model and covers at least what it says, where percentiles of a bootstrap do not with a few pairs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

from cxrshort.errors import DataError
from cxrshort.quantities import quantity
from cxrshort.stats.auc import check_level
from cxrshort.stats.changes import mean_by_person, smallest_shift
from cxrshort.stats.midranks import number_persons
from cxrshort.stats.signed_rank import SignedRank, signed_rank, smallest_signed_rank_p


@dataclass(frozen=True, slots=True)
class PairedDifferences:
    """Hold what pairs say.

    Args:
        test: the signed-rank test of the differences, one per person.
        median: of these differences.
        low: lower limit of the median; None where so few differences give none.
        high: upper limit.
        positive: how many differences are above 0.
        negative: how many are below 0.
        pairs: how many pairs there are.
        persons: how many differences, after the average over a person's.
        smallest_p: the smallest exact p-value that so many differences can reach.
        smallest_shift: the smallest shift that a test at 1 - level would have shown with a power of 80 %; None where no
            shift would have.
        reason: why the median has no interval; "" when it has one.
    """

    test: SignedRank
    median: float
    low: float | None
    high: float | None
    positive: int
    negative: int
    pairs: int
    persons: int
    smallest_p: float
    smallest_shift: float | None
    reason: str = ""


def paired_differences(
    differences: ArrayLike,
    persons: ArrayLike | None = None,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
) -> PairedDifferences:
    """Test whether differences scatter about zero, and estimate their median.

    Args:
        differences: (N,) finite numbers, after minus before.
        persons: (N,) whose pair it is; None where every pair is of a person of its own.
        rng: draws the populations of which ``smallest_shift`` is read off.
        level: coverage of the interval of the median, in (0, 1).

    Raises:
        DataError: fewer than two persons, a difference that is not finite, lengths that differ.
        UsageError: a level outside (0, 1).

    Example:
        >>> differences = paired_differences(np.arange(1.0, 21.0), rng=np.random.default_rng(0))
        >>> differences.test.statistic, differences.median, differences.low, differences.high
        (0.0, 10.5, 6.0, 15.0)
    """
    check_level(level)
    values = np.asarray(differences, np.float64).ravel()
    pairs = len(values)
    if persons is not None and pairs:
        values = mean_by_person(values, number_persons(persons, pairs))
    if len(values) < 2:
        raise DataError(
            f"differences of {quantity(len(values), 'person')}: a test needs at least two", "use more pairs"
        )
    test = signed_rank(values)
    limits = median_limits(values, level=level)
    low, high = limits or (None, None)
    fewest = "" if limits else f"{len(values)} differences are too few"
    return PairedDifferences(
        test,
        float(np.median(values)),
        low,
        high,
        int((values > 0).sum()),
        int((values < 0).sum()),
        pairs,
        len(values),
        smallest_signed_rank_p(test.differences),
        smallest_shift(values, rng=rng, level=1 - level) if test.differences else None,
        fewest,
    )


def median_limits(values: ArrayLike, *, level: float = 0.95) -> tuple[float, float] | None:
    """Return the limits of a median: two order statistics; None where not even the outermost two cover enough.

    Args:
        values: (n,) independent of one another.
        level: coverage, which the limits have at least.

    Example:
        >>> median_limits([1, 2, 3, 4, 5, 6]), median_limits([1, 2, 3, 4, 5])
        ((1.0, 6.0), None)
    """
    ordered = np.sort(np.asarray(values, np.float64).ravel())
    # The largest k with P(fewer than k values lie below the median) at most half the error.
    rank = int(binom.ppf((1 - level) / 2, len(ordered), 0.5))
    if binom.cdf(rank, len(ordered), 0.5) <= (1 - level) / 2:
        rank += 1
    return None if rank < 1 else (float(ordered[rank - 1]), float(ordered[-rank]))
