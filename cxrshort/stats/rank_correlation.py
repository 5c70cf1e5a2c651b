"""Spearman's rank correlation of a number with what a model says of it, with an interval that respects persons.

What would invalidate the interval: fewer than about 20 persons, since it is a percentile interval of persons drawn
again (2,000 times), and persons of one value only.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cxrshort.errors import DataError
from cxrshort.stats.bootstrap import percentile_interval, resample
from cxrshort.stats.midranks import Floats, number_persons

DRAWS = 2000


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

    Raises:
        DataError: NaN scores of images with a known number, a row without a person, lengths that differ.

    Example:
        >>> found = rank_correlation([1, 2, 3, 4], [1, 3, 2, 9], list("abcd"), rng=np.random.default_rng(0))
        >>> round(found.value, 3), found.images
        (0.8, 4)
    """
    truth, predicted = np.asarray(targets, np.float64), np.asarray(scores, np.float64)
    if truth.ndim != 1 or truth.shape != predicted.shape:
        raise DataError(f"{truth.size} targets and {predicted.size} scores: they must be as many")
    has_value = ~np.isnan(truth)
    truth, predicted, codes = truth[has_value], predicted[has_value], number_persons(persons, len(truth))[has_value]
    if missing := int(np.isnan(predicted).sum()):
        raise DataError(
            f"{missing} of {len(predicted)} scores are NaN: a score must be a number", "score the images again"
        )
    codes = np.unique(codes, return_inverse=True)[1]
    people = int(codes.max(initial=-1)) + 1
    if len(truth) < 3 or truth.min() == truth.max() or predicted.min() == predicted.max():
        return RankCorrelation(None, None, None, len(truth), "fewer than three images, or all alike")
    from scipy.stats import spearmanr  # half a second to import, which no AUC needs

    value = float(spearmanr(truth, predicted).statistic)
    if people < 3:
        return RankCorrelation(value, None, None, len(truth), f"only {people} persons")
    resamples = resample(
        lambda weights: weighted_spearman(truth, predicted, weights=weights[:, codes])[:, None],
        strata=np.zeros(people, np.int64),
        draws=DRAWS,
        rng=rng,
        largest=len(truth),
        undefined="have one value only",
    )
    low, high = percentile_interval(resamples.values[:, 0], level=level)
    return RankCorrelation(value, low, high, len(truth))


def weighted_spearman(first: Floats, second: Floats, *, weights: Floats) -> Floats:
    """Return Spearman's rho under each row of whole weights, as if every row stood there that many times.

    Args:
        first: (N,) numbers.
        second: (N,) numbers.
        weights: (B, N), not negative.

    Returns:
        (B,) correlations of the mid-ranks; NaN where a side has one value only.
    """
    x, y = (_centred_ranks(values, weights) for values in (first, second))
    products = np.einsum("bn,bn,bn->b", weights, x, y)
    spread = np.einsum("bn,bn,bn->b", weights, x, x) * np.einsum("bn,bn,bn->b", weights, y, y)
    rho: Floats = np.divide(products, np.sqrt(spread), out=np.full(len(weights), np.nan), where=spread > 0)
    return rho


def _centred_ranks(values: Floats, weights: Floats) -> Floats:
    """Return the (B, N) weighted mid-ranks, minus their weighted mean, which is (sum of weights + 1) / 2."""
    order = np.argsort(values, kind="stable")
    level = np.unique(values, return_inverse=True)[1]
    starts = np.flatnonzero(np.diff(level[order], prepend=-1))
    counts = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks = np.cumsum(counts, axis=1) - (counts - 1) / 2
    centred: Floats = ranks[:, level] - (weights.sum(axis=1, keepdims=True) + 1) / 2
    return centred
