"""Is the largest gap between the groups of a column larger than chance makes it: groups permuted by person.

What would invalidate the p-value:

- Rows permuted as if each were a person: images of one person share errors, so that small p-values come by chance.
- Groups permuted between ill and healthy persons: a group with more ill persons would then count as different. Here
  persons change places only with persons alike in disease.

Under the null hypothesis the group says nothing of the scores of persons alike in disease. Where a column is constant
within persons, whole persons change places among those with a positive image, a negative one, or both. Where it is not
(views, say), persons change places among those with as many positive and as many negative images, and within a person
the groups of the images of one class are shuffled. A person whose counts nobody shares is shuffled within himself only.

Draws end early where the answer is clear (Besag & Clifford, Biometrika 78:301, 1991): once `EXCEEDANCES` draws reach
the observed gap, p is their share, which is as valid as the usual p-value.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from cxrshort.stats.midranks import Bools, Floats, Integers

EXCEEDANCES = 20
"""Draws that reach the observed gap after which no more are drawn."""
DRAWS = 1000


@dataclass(frozen=True, slots=True)
class GroupGap:
    """Hold the largest gap between groups.

    Args:
        lowest: number of the group with the smallest value.
        highest: number of the group with the largest value.
        gap: largest value minus smallest one.
        p: by permutation, never 0.
        draws: permutations that it rests on.
    """

    lowest: int
    highest: int
    gap: float
    p: float
    draws: int


def largest_gaps(
    statistics: Mapping[str, Callable[[Integers], Floats]],
    numbers: Integers,
    *,
    positive: Bools,
    codes: Integers,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> dict[str, GroupGap]:
    """Test the largest gap of each statistic.

    Args:
        statistics: by name, from the group of each row to a value for each group.
        numbers: (N,) group of each row, from 0.
        positive: (N,) whether the target is 1.
        codes: (N,) person numbers from 0, all in use.
        rng: permutes.
        draws: permutations at most.

    Example:
        >>> values = np.r_[np.zeros(20), np.ones(20)]
        >>> def means(numbers):
        ...     return np.bincount(numbers, weights=values) / np.bincount(numbers)
        >>> gaps = largest_gaps(
        ...     {"mean": means},
        ...     np.repeat([0, 1], 20),
        ...     positive=np.full(40, True),
        ...     codes=np.arange(40),
        ...     rng=np.random.default_rng(0),
        ...     draws=999,
        ... )
        >>> gaps["mean"]
        GroupGap(lowest=0, highest=1, gap=1.0, p=0.001, draws=999)
    """
    observed = {name: statistic(numbers) for name, statistic in statistics.items()}
    gaps = {name: _spread(values) for name, values in observed.items()}
    reached, drawn = dict.fromkeys(gaps, 0), dict.fromkeys(gaps, 0)
    permute = permutation(numbers, positive=positive, codes=codes)
    for _ in range(draws):
        undecided = [name for name in gaps if reached[name] < EXCEEDANCES]
        if not undecided:
            break
        permuted = permute(rng)
        for name in undecided:
            drawn[name] += 1
            # Gaps of the same permutation may differ in the last bit, as sums do.
            reached[name] += _spread(statistics[name](permuted)) >= gaps[name] - 1e-12
    return {
        name: GroupGap(
            int(np.argmin(values)),
            int(np.argmax(values)),
            gaps[name],
            _p_value(reached[name], drawn[name]),
            drawn[name],
        )
        for name, values in observed.items()
    }


def _spread(values: Floats) -> float:
    return float(values.max() - values.min())


def _p_value(reached: int, drawn: int) -> float:
    return reached / drawn if reached >= EXCEEDANCES else (reached + 1) / (drawn + 1)


def permutation(numbers: Integers, *, positive: Bools, codes: Integers) -> Callable[[np.random.Generator], Integers]:
    """Return what permutes groups by person, see the opening of this module.

    Args:
        numbers: (N,) group of each row.
        positive: (N,) whether the target is 1.
        codes: (N,) person numbers from 0, all in use.
    """
    persons = int(codes.max()) + 1
    of_person = np.zeros(persons, np.int64)
    of_person[codes] = numbers
    positives = np.bincount(codes, weights=positive, minlength=persons).astype(np.int64)
    negatives = np.bincount(codes, minlength=persons) - positives
    if (of_person[codes] == numbers).all():
        alike = 2 * (positives > 0) + (negatives > 0)
        strata = [np.flatnonzero(alike == kind) for kind in np.unique(alike)]

        def exchange(rng: np.random.Generator) -> Integers:
            moved = of_person.copy()
            for stratum in strata:
                moved[stratum] = of_person[rng.permutation(stratum)]
            permuted: Integers = moved[codes]
            return permuted

        return exchange
    kinds = np.unique(np.stack([positives, negatives]), axis=1, return_inverse=True)[1].reshape(-1)
    places = np.argsort(_blocks(np.argsort(kinds, kind="stable"), positive, codes), kind="stable")

    def shuffle(rng: np.random.Generator) -> Integers:
        # Persons of one kind in random order, and the images of a class in random order: blocks of equal lengths.
        blocks = _blocks(np.argsort(kinds + rng.random(persons)), positive, codes)
        permuted = np.empty_like(numbers)
        permuted[places] = numbers[np.argsort(blocks + rng.random(len(codes)))]
        return permuted

    return shuffle


def _blocks(order: Integers, positive: Bools, codes: Integers) -> Integers:
    """Return the number of each row's block: of the images of a class of one person, persons in this order."""
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    blocks: Integers = 2 * rank[codes] + positive
    return blocks
