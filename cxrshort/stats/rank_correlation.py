"""Spearman's rank correlation of a number with what a model says of it, with an interval that respects persons.

What would invalidate the interval: fewer than about 20 persons, since it is a percentile interval of persons drawn
again (1,000 times), and persons of one value only.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import spearmanr

DRAWS = 1000


@dataclass(frozen=True)
class RankCorrelation:
    """Hold a rank correlation.

    Args:
        value: Spearman's rho, -1 to 1; None where it cannot be computed.
        low: lower limit of the interval; None where there is none.
        high: upper limit.
        images: number of images with a known value.
        reason: why something is missing.
    """

    value: float | None
    low: float | None
    high: float | None
    images: int
    reason: str = ""


def rank_correlation(
    targets: ArrayLike, scores: ArrayLike, persons: ArrayLike, *, rng: np.random.Generator, level: float = 0.95
) -> RankCorrelation:
    """Measure how well scores order known values.

    Args:
        targets: (N,) numbers, NaN where unknown.
        scores: (N,) what the model says.
        persons: (N,) whose images they are; persons are drawn, not images.
        rng: draws the persons.
        level: coverage of the interval, in (0, 1).

    Example:
        >>> found = rank_correlation([1, 2, 3, 4], [1, 3, 2, 9], list("abcd"), rng=np.random.default_rng(0))
        >>> round(found.value, 3), found.images
        (0.8, 4)
    """
    truth, said = np.asarray(targets, np.float64), np.asarray(scores, np.float64)
    known = ~np.isnan(truth)
    truth, said = truth[known], said[known]
    codes = np.unique(np.asarray(persons)[known], return_inverse=True)[1]
    people = int(codes.max()) + 1 if len(codes) else 0
    if len(truth) < 3 or np.ptp(truth) == 0 or np.ptp(said) == 0:
        return RankCorrelation(None, None, None, len(truth), "fewer than three images, or all alike")
    value = float(spearmanr(truth, said).statistic)
    if people < 3:
        return RankCorrelation(value, None, None, len(truth), f"only {people} persons")
    rows = [np.flatnonzero(codes == person) for person in range(people)]
    drawn = []
    for _ in range(DRAWS):
        chosen = np.concatenate([rows[person] for person in rng.integers(0, people, people)])
        if np.ptp(truth[chosen]) > 0 and np.ptp(said[chosen]) > 0:
            drawn.append(float(spearmanr(truth[chosen], said[chosen]).statistic))
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return RankCorrelation(value, float(low), float(high), len(truth))
