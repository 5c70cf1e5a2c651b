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

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from cxrshort.stats.midranks import Bools, Floats, Integers

EXCEEDANCES = 20
"""Draws that reach the observed gap after which no more are drawn."""
DRAWS = 1000
_COMPARED = 8
"""Images of a block up to which they are compared with each other, many blocks at once, instead of sorted."""


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
    by_kind = np.argsort(kinds, kind="stable")
    blocks = _blocks(positive, codes)

    def shuffle(rng: np.random.Generator) -> Integers:
        # Persons of one kind in random order, and the images of a class in random order: blocks of equal lengths.
        giver = np.empty(persons, np.int64)
        giver[by_kind] = np.argsort(kinds + rng.random(persons))
        chances = rng.random(len(codes))
        permuted = np.empty_like(numbers)
        for block in blocks:
            images = block.images[:, block.places[giver[block.persons], block.classes]]
            permuted[block.images] = numbers[_in_order(images, chances[images])]
        return permuted

    return shuffle


@dataclass(frozen=True, slots=True, eq=False)
class _Blocks:
    """Hold the blocks of one length: all images of a class of one person.

    Args:
        images: (length, blocks) rows.
        persons: (blocks,) number of the person.
        classes: (blocks,) 1 for positive images.
        places: (persons, 2) which block holds a person's images of a class, where they are of this length.
    """

    images: Integers
    persons: Integers
    classes: Integers
    places: Integers


def _blocks(positive: Bools, codes: Integers) -> list[_Blocks]:
    """Return the blocks, those of equal length together."""
    numbers = 2 * codes + positive
    order, lengths = np.argsort(numbers, kind="stable"), np.bincount(numbers, minlength=2 * (int(codes.max()) + 1))
    ends = np.cumsum(lengths)
    groups = []
    for length in np.unique(lengths[lengths > 0]).tolist():
        own = np.flatnonzero(lengths == length)
        images = order[ends[own] - length + np.arange(length)[:, None]]
        places = np.zeros(len(lengths), np.int64)
        places[own] = np.arange(len(own))
        groups.append(_Blocks(images, own // 2, own % 2, places.reshape(-1, 2)))
    return groups


def _in_order(images: Integers, chances: Floats) -> Integers:
    """Return the images (length, blocks) of each block by rising chance."""
    length, blocks = images.shape
    if length == 1:
        return images
    if length > _COMPARED:
        return np.take_along_axis(images, np.argsort(chances, axis=0), axis=0)
    ranks = np.zeros((length, blocks), np.int64)
    for first, second in itertools.combinations(range(length), 2):
        is_later = chances[first] > chances[second]
        ranks[first] += is_later
        ranks[second] += ~is_later
    ordered = np.empty_like(images)
    ordered[ranks, np.arange(blocks)] = images
    return ordered
