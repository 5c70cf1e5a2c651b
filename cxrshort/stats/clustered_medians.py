"""The median over images with limits that hold where persons have more than one image.

Order statistics (the sign test inverted; Thompson, Ann. Math. Stat. 7:122, 1936), as
:func:`~cxrshort.stats.paired_differences.median_limits`, at the ranks of the number of independent images that would
give the share of images below the median the same variance (Woodruff, JASA 47:635, 1952; Korn & Graubard, Surv.
Methodol. 24:193, 1998, for the effective number and its correction for few persons). With one image per person the
limits are exact. Resampled percentiles of a median are not used: with few persons they cover too little.

What would invalidate them: persons who are not independent of one another.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom, t

from cxrshort.stats.changes import Interval, effective_size
from cxrshort.stats.midranks import Floats, Integers, number_persons


def clustered_median(values: ArrayLike, persons: ArrayLike, *, level: float = 0.95) -> Interval:
    """Return the median over images, with limits over persons; these are NaN where so few persons give none.

    Args:
        values: (N,) finite numbers, at least one.
        persons: (N,) whose image it is.
        level: coverage, in (0, 1).

    Raises:
        DataError: lengths that differ, or a row without a person.

    Example:
        >>> clustered_median([1, 2, 3, 4, 5, 6], list("abcdef"))
        Interval(value=3.5, low=1.0, high=6.0)
        >>> clustered_median([1, 2, 3, 4, 5, 6], list("aabbcc"))
        Interval(value=3.5, low=nan, high=nan)
    """
    numbers = np.asarray(values, np.float64).ravel()
    ordered, median = np.sort(numbers), float(np.median(numbers))
    size = effective_number(numbers, number_persons(persons, len(numbers)), median, level=level)
    # The largest k with P(fewer than k values lie below the median) at most half the error.
    rank = int(binom.ppf((1 - level) / 2, size, 0.5))
    if binom.cdf(rank, size, 0.5) <= (1 - level) / 2:
        rank += 1
    if rank < 1:
        return Interval(median, np.nan, np.nan)
    place = max(1, rank * len(ordered) // size)
    return Interval(median, float(ordered[place - 1]), float(ordered[-place]))


def effective_number(values: Floats, codes: Integers, median: float, *, level: float) -> int:
    """Return how many independent images would tell as much of a median, at most as many as there are.

    Args:
        values: (N,).
        codes: (N,) numbers of persons from 0, all in use.
        median: of the values.
        level: coverage that the correction for few persons is for.
    """
    people, images = int(codes.max()) + 1, len(values)
    if people == images:
        return images
    if people == 1:
        return 1
    below = (values < median) + 0.5 * (values == median)
    residuals = np.bincount(codes, weights=below - 0.5).astype(np.float64, copy=False)
    size = effective_size(0.5, residuals, images)
    few = float((t.ppf((1 + level) / 2, images - 1) / t.ppf((1 + level) / 2, people - 1)) ** 2)
    return max(1, min(images, int(size * few)))
