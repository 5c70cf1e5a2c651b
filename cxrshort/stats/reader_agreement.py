"""How well readers agree with one another, and with themselves, beyond what chance would give.

Answers are nominal: 0 (absent), 1 (present) and 2 (unsure) are three words, not amounts. What would mislead: agreement
where one answer fills nearly all readings, since chance then explains nearly all of it (every coefficient can be near 0
at 98 % of equal answers, so that the share of equal answers stands beside it); coefficients of other sets of images;
images of one person as if they were independent, so that intervals draw persons.

Sources: Cohen, Educ. Psychol. Meas. 20:37 (1960); Fleiss, Psychol. Bull. 76:378 (1971); Krippendorff, Content Analysis,
3rd ed. (2013), chapter 12, whose alpha allows for answers that are missing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cxrshort.errors import DataError
from cxrshort.stats.bootstrap import percentile_interval, resample
from cxrshort.stats.midranks import Floats, Integers, number_persons

DRAWS = 2000
COHEN, FLEISS, KRIPPENDORFF = "Cohen's kappa", "Fleiss' kappa", "Krippendorff's alpha"
_TINY = 1e-12
"""Disagreement by chance below which it is none: rounding."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Hold one coefficient of agreement.

    Args:
        coefficient: its name.
        value: 1 for no disagreement, 0 for as much as chance would give; None where it is not defined.
        low: lower limit; None where there is none.
        high: upper limit; None where there is none.
        equal: share of pairs of answers to one image that are equal; None where no image has two.
        images: how many have two answers or more.
        persons: of whom these are.
        reason: why a number is missing; "" where none is.
    """

    coefficient: str
    value: float | None
    low: float | None
    high: float | None
    equal: float | None
    images: int
    persons: int
    reason: str = ""


def cohen_kappa(
    first: ArrayLike, second: ArrayLike, persons: ArrayLike, *, rng: np.random.Generator, level: float = 0.95
) -> Agreement:
    """Return the agreement of two readers, or of two readings by one, with a bootstrap interval over persons.

    Args:
        first: (N,) answers, whole numbers from 0; NaN where there is none.
        second: (N,) answers to the same images.
        persons: (N,) whose images they are.
        rng: the only source of randomness.
        level: coverage, in (0, 1).

    Raises:
        DataError: lengths that differ, or an answer that is no whole number.

    Example:
        >>> answers = [0, 0, 1, 1, 0, 1], [0, 0, 1, 0, 0, 1]
        >>> round(cohen_kappa(*answers, range(6), rng=np.random.default_rng(0)).value, 3)
        0.667
    """
    answers = np.stack([_column(first), _column(second)], axis=1) if np.size(first) == np.size(second) else None
    if answers is None:
        raise DataError(f"{np.size(first)} and {np.size(second)} answers: they must be to the same images")
    counts, codes = _complete(answers, persons)
    kinds = counts.shape[1]
    chosen = answers[~np.isnan(answers).any(axis=1)].astype(np.int64)
    table = np.zeros((len(chosen), kinds, kinds))
    table[np.arange(len(chosen)), chosen[:, 0], chosen[:, 1]] = 1

    def coefficient(weights: Floats) -> Floats:
        shares = np.tensordot(weights, table, axes=1) / np.maximum(weights.sum(axis=1), 1)[:, None, None]
        observed = np.trace(shares, axis1=1, axis2=2)
        chance = (shares.sum(axis=1) * shares.sum(axis=2)).sum(axis=1)
        return _beyond_chance(1 - observed, 1 - chance)

    return _with_interval(COHEN, coefficient, counts, codes, rng=rng, level=level)


def fleiss_kappa(answers: ArrayLike, persons: ArrayLike, *, rng: np.random.Generator, level: float = 0.95) -> Agreement:
    """Return the agreement of several readers over the images that all of them read.

    Args:
        answers: (N, readers) whole numbers from 0; NaN where there is none.
        persons: (N,) whose images they are.
        rng: the only source of randomness.
        level: coverage, in (0, 1).

    Raises:
        DataError: an answer that is no whole number, or a row without a person.
    """
    counts, codes = _complete(_matrix(answers), persons)
    readers = np.shape(answers)[1]

    def coefficient(weights: Floats) -> Floats:
        images = np.maximum(weights.sum(axis=1), 1)
        observed = weights @ (counts * (counts - 1)).sum(axis=1) / (images * readers * (readers - 1))
        chance = ((weights @ counts / (images * readers)[:, None]) ** 2).sum(axis=1)
        return _beyond_chance(1 - observed, 1 - chance)

    return _with_interval(FLEISS, coefficient, counts, codes, rng=rng, level=level)


def krippendorff_alpha(
    answers: ArrayLike, persons: ArrayLike, *, rng: np.random.Generator, level: float = 0.95
) -> Agreement:
    """Return the agreement of readers over all images that at least two of them read.

    Args:
        answers: (N, readers) whole numbers from 0; NaN where there is none.
        persons: (N,) whose images they are.
        rng: the only source of randomness.
        level: coverage, in (0, 1).

    Raises:
        DataError: an answer that is no whole number, or a row without a person.

    Example:
        >>> answers = [[1, 1], [0, 0], [1, np.nan], [0, 1]]
        >>> round(krippendorff_alpha(answers, range(4), rng=np.random.default_rng(0)).value, 3)
        0.444
    """
    matrix = _matrix(answers)
    paired = (~np.isnan(matrix)).sum(axis=1) >= 2
    counts, codes = _counts(matrix[paired]), number_persons(np.asarray(persons, object)[paired], int(paired.sum()))
    readings = counts.sum(axis=1)
    equal_pairs = (counts * (counts - 1)).sum(axis=1) / np.maximum(readings - 1, 1)

    def coefficient(weights: Floats) -> Floats:
        totals = weights @ counts
        every = np.maximum(totals.sum(axis=1), 2)
        observed = 1 - weights @ equal_pairs / every
        chance = 1 - (totals * (totals - 1)).sum(axis=1) / (every * (every - 1))
        return _beyond_chance(observed, chance)

    return _with_interval(KRIPPENDORFF, coefficient, counts, codes, rng=rng, level=level)


def _column(answers: ArrayLike) -> Floats:
    return np.asarray(answers, np.float64).ravel()


def _matrix(answers: ArrayLike) -> Floats:
    matrix = np.asarray(answers, np.float64)
    if matrix.ndim != 2 or matrix.shape[1] < 2:
        raise DataError(f"answers of shape {matrix.shape}: agreement needs two readers or more")
    return matrix


def _complete(answers: Floats, persons: ArrayLike) -> tuple[Floats, Integers]:
    """Return how often each answer was given to each image that all read, and whose images these are."""
    rows = ~np.isnan(answers).any(axis=1)
    return _counts(answers[rows]), number_persons(np.asarray(persons, object)[rows], int(rows.sum()))


def _counts(answers: Floats) -> Floats:
    """Return how often each answer was given to each image, (N, kinds of answers)."""
    stated = answers[~np.isnan(answers)]
    if (stated < 0).any() or (stated != np.floor(stated)).any():
        raise DataError("answers must be whole numbers from 0", "see the coding of the sheets")
    kinds = int(stated.max(initial=0)) + 1
    return np.stack([(answers == kind).sum(axis=1) for kind in range(kinds)], axis=1).astype(np.float64)


def _beyond_chance(observed: Floats, chance: Floats) -> Floats:
    """Return 1 minus disagreement over disagreement by chance; NaN where chance leaves none."""
    possible = chance > _TINY
    return np.where(possible, 1 - observed / np.where(possible, chance, 1), np.nan)


def _with_interval(
    name: str,
    coefficient: Callable[[Floats], Floats],
    counts: Floats,
    codes: Integers,
    *,
    rng: np.random.Generator,
    level: float,
) -> Agreement:
    """Return a coefficient of (B, images) weights with its interval over persons."""
    images, persons = len(counts), int(codes.max(initial=-1)) + 1
    if not images:
        return Agreement(name, None, None, None, None, 0, 0, "no image was read twice")
    readings = counts.sum(axis=1)
    equal = float(((counts * (counts - 1)).sum(axis=1) / (readings * (readings - 1))).mean())
    value = float(coefficient(np.ones((1, images)))[0])
    if np.isnan(value):
        return Agreement(name, None, None, None, equal, images, persons, "all answers are the same")
    if persons < 2:
        return Agreement(name, value, None, None, equal, images, persons, "no interval: one person")
    if equal == 1:
        return Agreement(name, value, None, None, equal, images, persons, "no interval: no two answers differ")
    try:
        draws = resample(
            lambda weights: coefficient(weights[:, codes])[:, None],
            strata=np.zeros(persons, np.int64),
            draws=DRAWS,
            rng=rng,
            largest=images,
        )
    except DataError:
        return Agreement(name, value, None, None, equal, images, persons, "no interval: answers hardly vary")
    limits = percentile_interval(draws.values[:, 0], level=level)
    return Agreement(name, value, *limits, equal, images, persons)
