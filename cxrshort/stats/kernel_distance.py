"""How far apart two sets of images are by their features: the kernel inception distance, with an interval over persons.

The squared maximum mean discrepancy under the kernel (x . y / D + 1)**3 (Binkowski et al., ICLR 2018, section 4), in
its unbiased form: 0 in expectation for two sets of one distribution, whatever their size. The Frechet distance has no
such form, and of a few hundred images it mostly measures how few they are, so that it is not offered.

What would invalidate it:

- Features of another network, or at another scale: the number has no unit, and only distances by one network compare.
- Images of one person taken for independent. Pairs of one person are left out, in both sets and between them, and the
  limits are those of the jackknife over persons (Arvesen, Ann. Math. Stat. 40:2076, 1969), with Student's quantile.
- Limits of sets of one distribution: the jackknife is too wide there, since the first-order term vanishes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t

from cxrshort.errors import DataError
from cxrshort.stats.midranks import Floats, Integers, number_persons

FEWEST_PERSONS = 3
"""In each set: with two, the jackknife would leave one person, who makes no pair."""


@dataclass(frozen=True, slots=True)
class KernelDistance:
    """Hold the distance of two sets.

    Args:
        value: unbiased estimate of the squared distance; below 0 by chance where the sets are alike.
        low: lower limit.
        high: upper limit.
        images: images of both sets.
        persons: of whom they are.
    """

    value: float
    low: float
    high: float
    images: tuple[int, int]
    persons: int


def kernel_distance(
    first: ArrayLike, second: ArrayLike, *, persons: tuple[ArrayLike, ArrayLike], level: float = 0.95
) -> KernelDistance:
    """Return the squared kernel distance of two sets of features.

    Args:
        first: (N, D).
        second: (M, D), of the same network.
        persons: whose images they are, (N,) and (M,); one person may be in both sets.
        level: coverage of the interval, in (0, 1).

    Raises:
        DataError: features that do not fit each other or are not finite, or fewer than `FEWEST_PERSONS` in a set.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> alike = kernel_distance(rng.normal(size=(40, 4)), rng.normal(size=(40, 4)), persons=(range(40), range(40)))
        >>> alike.low < 0 < alike.high
        True
        >>> apart = kernel_distance(
        ...     rng.normal(size=(40, 4)), rng.normal(2, size=(40, 4)), persons=(range(40), range(40))
        ... )
        >>> apart.low > 0
        True
    """
    features = _checked(first, second)
    sizes = len(features[0]), len(features[1])
    codes = number_persons(np.concatenate([np.asarray(part).astype(str) for part in persons]), sum(sizes))
    own = codes[: sizes[0]], codes[sizes[0] :]
    fewest = min(len(np.unique(part)) for part in own)
    if fewest < FEWEST_PERSONS:
        raise DataError(
            f"a set of {fewest} persons has no kernel distance: {FEWEST_PERSONS} are needed", "give more images"
        )
    people = int(codes.max()) + 1
    pairs = ((0, 0, 1.0), (1, 1, 1.0), (0, 1, -2.0))
    value, without = 0.0, np.zeros(people)
    for left, right, factor in pairs:
        sums = _sums_by_person(features[left], features[right], own[left], own[right], people=people)
        counts = np.outer(np.bincount(own[left], minlength=people), np.bincount(own[right], minlength=people))
        mean, leaving = _jackknife_means(sums, counts.astype(np.float64))
        value, without = value + factor * mean, without + factor * leaving
    error = float(np.sqrt((people - 1) / people * ((without - without.mean()) ** 2).sum()))
    reach = float(t.ppf(0.5 + level / 2, people - 1)) * error
    return KernelDistance(value, value - reach, value + reach, sizes, people)


def _checked(first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats]:
    left, right = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if left.ndim != 2 or right.ndim != 2 or left.shape[1:] != right.shape[1:] or not left.size or not right.size:
        raise DataError(
            f"features of shape {left.shape} and {right.shape} cannot be compared",
            "give (N, D) and (M, D) of one model",
        )
    if wrong := int((~np.isfinite(left)).any(axis=1).sum() + (~np.isfinite(right)).any(axis=1).sum()):
        raise DataError(f"features of {wrong} images are not finite", "check the weights of the network")
    return left, right


def _sums_by_person(first: Floats, second: Floats, of_first: Integers, of_second: Integers, *, people: int) -> Floats:
    """Return the sum of the kernel over the images of each pair of persons, (people, people)."""
    kernel = (first @ second.T / first.shape[1] + 1) ** 3
    by_first, sums = np.zeros((people, len(second))), np.zeros((people, people))
    np.add.at(by_first, of_first, kernel)
    np.add.at(sums.T, of_second, by_first.T)
    return sums


def _jackknife_means(sums: Floats, counts: Floats) -> tuple[float, Floats]:
    """Return the mean over pairs of different persons, and the same without each person, (people,)."""
    totals = []
    for table in (sums, counts):
        apart = table - np.diag(np.diag(table))
        whole = float(apart.sum())
        totals.append((whole, whole - apart.sum(axis=0) - apart.sum(axis=1)))
    (total, left), (pairs, left_pairs) = totals
    return total / pairs, left / left_pairs
