"""Does an edit keep the person? Distances between embeddings of two pictures, and how often the right one is nearer.

The pairwise Fréchet distance (pFID; RoentMod 2025, Supplemental Table 2) is the Fréchet distance of two sets of one
image each: |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) without covariances, which is the squared Euclidean distance of
the two embeddings. It is taken of raw embeddings where these are pooled features of a convolutional network, and of
unit-normalised ones where they were trained by their angle, as CLIP's.

What would invalidate a comparison: distances of two embeddings, or of two preparations of the pixels, on one scale; a
control image of the same person; one embedding alone, since the published verdict changes with it. The unit is the
person. Limits of medians are those of :mod:`cxrshort.stats.clustered_medians`, whose coverage was simulated
(``tests/stats/test_clustered_medians.py``); those of shares are exact binomial ones for the effective number of images.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cxrshort.errors import DataError
from cxrshort.stats.changes import Interval, rate_interval
from cxrshort.stats.clustered_medians import clustered_median
from cxrshort.stats.midranks import Floats, Integers, number_persons
from cxrshort.stats.verdicts import NOT_TESTABLE

KEPT, LOST, UNDECIDED = "kept", "not kept", "undecided"
LEAST_SHARE = 0.75
"""Share of edits that must be nearer to their original than another person's edit is: midway from chance to always."""
NEARER, FARTHER = "nearer", "farther"


def pairwise_frechet(first: ArrayLike, second: ArrayLike) -> Floats:
    """Return the Fréchet distance of pairs of single embeddings, (N,): their squared Euclidean distance.

    Args:
        first: (N, D).
        second: (N, D).

    Raises:
        DataError: shapes that differ.

    Example:
        >>> pairwise_frechet([[0.0, 3.0]], [[4.0, 0.0]])
        array([25.])
    """
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if x.shape != y.shape or x.ndim != 2:
        raise DataError(f"embeddings {x.shape} and {y.shape} cannot be compared", "take both from one network")
    distances: Floats = ((x - y) ** 2).sum(axis=1)
    return distances


def _euclidean(first: ArrayLike, second: ArrayLike) -> Floats:
    distances: Floats = np.sqrt(pairwise_frechet(first, second))
    return distances


def _cosine(first: ArrayLike, second: ArrayLike) -> Floats:
    # Half the squared distance of unit vectors is 1 - cos, and exactly 0 for equal ones.
    return pairwise_frechet(to_unit_length(first), to_unit_length(second)) / 2


DISTANCES: Mapping[str, Callable[[ArrayLike, ArrayLike], Floats]] = {
    "frechet": pairwise_frechet,
    "l2": _euclidean,
    "cosine": _cosine,
}
"""Distances by name; the first one is the published one."""


def to_unit_length(embeddings: ArrayLike) -> Floats:
    """Return embeddings (N, D) divided by their lengths; those of length 0 stay as they are."""
    values = np.asarray(embeddings, np.float64)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    units: Floats = np.divide(values, lengths, out=np.zeros_like(values), where=lengths > 0)
    return units


def derange_persons(persons: ArrayLike, *, rng: np.random.Generator) -> Integers:
    """Return for each image the position of an image of another person, (N,).

    Every image is taken once. Only where more than half of the images are of one person are those of the others taken
    more than once.

    Args:
        persons: (N,) whose image it is.
        rng: orders the persons.

    Raises:
        DataError: there are fewer than two persons, or a row has none.

    Example:
        >>> derange_persons(["a", "a", "b", "b"], rng=np.random.default_rng(0)).tolist()
        [2, 3, 0, 1]
    """
    count = len(np.asarray(persons, dtype=object).ravel())
    codes = number_persons(persons, count)
    people = int(codes.max(initial=-1)) + 1
    if people < 2:
        raise DataError(f"{people} person has no other person's image beside it", "compare images of two or more")
    order = np.argsort(rng.permutation(people)[codes], kind="stable")
    sizes = np.bincount(codes)
    largest, partners = int(sizes.max()), np.empty(count, np.int64)
    if 2 * largest <= count:
        # Images of a person stand together, so that whoever stands that much further on is somebody else.
        partners[order] = np.roll(order, -largest)
        return partners
    of_largest = codes[order] == int(np.argmax(sizes))
    many, others = order[of_largest], order[~of_largest]
    partners[many] = np.resize(others, len(many))
    partners[others] = many[: len(others)]
    return partners


@dataclass(frozen=True, slots=True)
class DistanceSummary:
    """Hold the distances of the pairs of one kind.

    Args:
        median: over pairs, with limits over persons; these are NaN where there are too few persons.
        lower_quartile: of the distances.
        upper_quartile: of the distances.
        pairs: how many.
        persons: of whom the first images are.
    """

    median: Interval
    lower_quartile: float
    upper_quartile: float
    pairs: int
    persons: int

    @property
    def interquartile_range(self) -> float:
        """Return the width of the middle half of the distances."""
        return self.upper_quartile - self.lower_quartile


def summarise_distances(values: ArrayLike, persons: ArrayLike, *, level: float = 0.95) -> DistanceSummary:
    """Return median and quartiles of distances.

    Args:
        values: (N,) finite numbers, at least one.
        persons: (N,) of whom the first image of each pair is.
        level: coverage of the limits.

    Raises:
        DataError: lengths that differ, or a row without a person.
    """
    numbers = np.asarray(values, np.float64)
    low, high = np.percentile(numbers, [25, 75])
    people = len(np.unique(number_persons(persons, len(numbers))))
    return DistanceSummary(
        clustered_median(numbers, persons, level=level), float(low), float(high), len(numbers), people
    )


@dataclass(frozen=True, slots=True)
class WinRate:
    """Hold how often the first picture of a comparison is nearer than the second.

    Args:
        share: of the comparisons, ties counted half, with limits over persons.
        images: comparisons.
        persons: of whom they are.
    """

    share: Interval
    images: int
    persons: int

    @property
    def keeps(self) -> str:
        """Return whether edits that are compared with those of other persons keep the person."""
        if math.isnan(self.share.low):
            return UNDECIDED
        if self.share.low > LEAST_SHARE:
            return KEPT
        return LOST if self.share.high < LEAST_SHARE else UNDECIDED

    @property
    def direction(self) -> str:
        """Return whether the first picture is nearer, farther, or neither beyond doubt."""
        if self.share.low > 0.5:
            return NEARER
        return FARTHER if self.share.high < 0.5 else UNDECIDED


def win_rate(first: ArrayLike, second: ArrayLike, persons: ArrayLike, *, level: float = 0.95) -> WinRate:
    """Return the share of images whose first distance is smaller than the second.

    Args:
        first: (N,) distances, at least one.
        second: (N,) distances of the same images to something else.
        persons: (N,) whose images they are.
        level: coverage of the limits.

    Raises:
        DataError: lengths that differ, or a row without a person.

    Example:
        >>> rate = win_rate([1.0] * 20, [2.0] * 20, range(20))
        >>> f"{rate.share.value:.2f} [{rate.share.low:.2f}, {rate.share.high:.2f}]", rate.keeps
        ('1.00 [0.83, 1.00]', 'kept')
    """
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if x.shape != y.shape or not len(x):
        raise DataError(f"{len(x)} and {len(y)} distances cannot be paired", "give both of the same images")
    hits = (x < y) + 0.5 * (x == y)
    codes = number_persons(persons, len(hits))
    people = len(np.unique(codes))
    if people < 2:
        return WinRate(Interval(float(hits.mean()), math.nan, math.nan), len(hits), people)
    return WinRate(rate_interval(hits, persons, level=level), len(hits), people)


def keeps_word(rate: WinRate | None) -> str:
    """Return what is said of an edit's identity: of a comparison, or that there is none."""
    return NOT_TESTABLE if rate is None else rate.keeps
