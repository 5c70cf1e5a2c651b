"""How many images: for an interval of an AUC of a given width, for a paired difference, and what a test set can show.

What would invalidate the numbers:

- An AUC that is hoped for. Take the lowest that would still be useful; near 0.5 the error is largest.
- A correlation of two models taken too high: that of models from one training is not that of other methods. Where
  scores of both exist, :func:`auc_correlation` measures it.
- Images of one person counted as new information. ``images_per_person`` and ``person_correlation`` give the design
  effect 1 + (k - 1) * rho, an approximation that holds when persons have about equally many images.
- Power computed for the difference that was observed: it says nothing that the p-value has not said.

The error of an AUC that is to be measured is Hanley & McNeil's (Radiology 143:29, 1982; 148:839, 1983, for pairs). It
supposes exponential scores: positives that scatter more than negatives. Tests of the size for a power of 80 % had 82 %
where scores were such, and 96 % where both classes were normal with one variance (AUCs of 0.91 and 0.84, 20 %
positives, 300 simulated tests each): the sizes are on the safe side.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.stats import norm

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.auc import auc_covariance, check_level
from cxrshort.stats.auc_limits import hanley_mcneil_error
from cxrshort.stats.midranks import check_rows, missing_class

MOST_IMAGES = 10**9
"""Images beyond which a design is called out of reach."""
LIKELY_AUCS = (0.7, 0.8, 0.9, 0.95)
"""AUCs for which a test set's reach is reported."""


@dataclass(frozen=True, slots=True)
class Design:
    """Hold what a test set must be like.

    Args:
        images: in all.
        positives: among them.
        negatives: among them.
        persons: that the images are of.
        design_effect: by which repeated persons raise the number of images.
    """

    images: int
    positives: int
    negatives: int
    persons: int
    design_effect: float


@dataclass(frozen=True, slots=True)
class Reach:
    """Hold what a test set can show of a model with some AUC.

    Args:
        auc: of the model.
        half_width: half the width of the AUC's interval.
        smallest_drop: the smallest difference to a paired model that will be shown; None where none would be.
    """

    auc: float
    half_width: float
    smallest_drop: float | None


@dataclass(frozen=True, slots=True)
class SetPower:
    """Hold what a test set can show.

    Args:
        images: with a target of 0 or 1.
        positives: among them.
        negatives: among them.
        persons: all images persons of their own where no person ids were given.
        images_per_person: mean.
        design_effect: by which the numbers of images are divided.
        correlation: between the AUCs of two models, as taken.
        level: coverage of the interval, and 1 minus the error of the two-sided test.
        power: the chance with which ``smallest_drop`` is shown.
        reach: one per AUC.
    """

    images: int
    positives: int
    negatives: int
    persons: int
    images_per_person: float
    design_effect: float
    correlation: float
    level: float
    power: float
    reach: tuple[Reach, ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    """Say how a test set will be drawn.

    Args:
        prevalence: share of positives among the images, in (0, 1).
        images_per_person: mean, at least 1.
        person_correlation: of scores of images of one person, in [0, 1].

    Raises:
        UsageError: a number out of range.
    """

    prevalence: float
    images_per_person: float = 1.0
    person_correlation: float = 0.5

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        if not 0 < self.prevalence < 1:
            raise UsageError(f'prevalence "{self.prevalence:g}" is not between 0 and 1', "try 0.1")
        _design_effect(self.images_per_person, self.person_correlation)

    @property
    def design_effect(self) -> float:
        """Return by how much repeated persons raise the number of images."""
        return _design_effect(self.images_per_person, self.person_correlation)

    def design(self, independent: int) -> Design:
        """Return the test set that is worth so many independent images."""
        images = math.ceil(independent * self.design_effect)
        positives = round(images * self.prevalence)
        persons = math.ceil(images / self.images_per_person)
        return Design(images, positives, images - positives, persons, self.design_effect)


def _design_effect(images_per_person: float, correlation: float) -> float:
    if not 1 <= images_per_person < math.inf:
        raise UsageError(f'images per person "{images_per_person:g}" must be at least 1')
    if not 0 <= correlation <= 1:
        raise UsageError(f'person correlation "{correlation:g}" is not in [0, 1]', "try 0.5")
    return 1 + (images_per_person - 1) * correlation


def images_for_width(auc: float, *, sampling: Sampling, half_width: float, level: float = 0.95) -> Design:
    """Return the smallest test set whose interval of an AUC will be at most so wide.

    Args:
        auc: expected, in (0, 1).
        sampling: how images will be drawn.
        half_width: of the interval, above 0.
        level: its coverage, in (0, 1).

    Raises:
        UsageError: a number out of range, or a width that no test set reaches.

    Example:
        >>> images_for_width(0.85, sampling=Sampling(0.15), half_width=0.04)
        Design(images=984, positives=148, negatives=836, persons=984, design_effect=1.0)
    """
    check_level(level)
    _check_auc(auc)
    if not 0 < half_width < 1:
        raise UsageError(f'half width "{half_width:g}" is not between 0 and 1', "try 0.05")
    quantile = float(norm.ppf(0.5 + level / 2))
    return sampling.design(_smallest(lambda images: quantile * _error(auc, images, sampling.prevalence) <= half_width))


def images_for_difference(
    auc: float, other: float, *, sampling: Sampling, correlation: float = 0.5, level: float = 0.95, power: float = 0.8
) -> Design:
    """Return the smallest test set on which a paired two-sided test will show two AUCs to differ.

    Args:
        auc: of one model, in (0, 1).
        other: of the other model on the same images, in (0, 1).
        sampling: how images will be drawn.
        correlation: between the two estimated AUCs, in [-1, 1).
        level: 1 minus the error of the first kind, in (0, 1).
        power: the chance to show it, in (0, 1).

    Raises:
        UsageError: a number out of range, or AUCs that are equal.

    Example:
        >>> images_for_difference(0.85, 0.82, sampling=Sampling(0.15), correlation=0.6).images
        3084
    """
    check_level(level)
    _check_auc(auc)
    _check_auc(other)
    _check_test(correlation, power)
    if auc == other:
        raise UsageError(f'AUCs of "{auc:g}" and "{other:g}": no test set shows a difference that is not there')
    sure, likely = float(norm.ppf(0.5 + level / 2)), float(norm.ppf(power))

    def shows(images: int) -> bool:
        error = _paired_error(
            _error(auc, images, sampling.prevalence), _error(other, images, sampling.prevalence), correlation
        )
        return abs(auc - other) >= (sure + likely) * error

    return sampling.design(_smallest(shows))


def _check_auc(auc: float) -> None:
    if not 0 < auc < 1:
        raise UsageError(f'auc "{auc:g}" is not between 0 and 1', "try 0.8")


def _check_test(correlation: float, power: float) -> None:
    if not -1 <= correlation < 1:
        raise UsageError(f'correlation "{correlation:g}" is not in [-1, 1)', "try 0.5")
    if not 0 < power < 1:
        raise UsageError(f'power "{power:g}" is not between 0 and 1', "try 0.8")


def _error(auc: float, images: int, prevalence: float) -> float:
    """Return the error of an AUC; infinite without two images of each class."""
    positives = round(images * prevalence)
    if min(positives, images - positives) < 2:
        return math.inf
    return hanley_mcneil_error(auc, positives=positives, negatives=images - positives)


def _paired_error(first: float, second: float, correlation: float) -> float:
    if math.isinf(first) or math.isinf(second):
        return math.inf
    return math.sqrt(max(0.0, first**2 + second**2 - 2 * correlation * first * second))


def _smallest(reaches: Callable[[int], bool]) -> int:
    """Return the smallest number of images from which on a goal is reached.

    Rounding of class sizes makes the error fall in small steps, now and then upwards; so the bisection is followed by a
    walk down over the last few.
    """
    high = 4
    while not reaches(high):
        high *= 2
        if high > MOST_IMAGES:
            raise UsageError(f"more than {MOST_IMAGES:,} images would be needed", "ask for less")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return min(number for number in range(max(4, high - 20), high + 1) if reaches(number))


def auc_correlation(
    targets: ArrayLike, first: ArrayLike, second: ArrayLike, clusters: ArrayLike | None = None
) -> float:
    """Return the correlation of the estimated AUCs of two models on the same images.

    Args:
        targets: (N,) truth; rows that are not exactly 0 or 1 are left out.
        first: (N,) scores.
        second: (N,) scores.
        clusters: (N,) person ids; None where every image is a person of its own.

    Raises:
        DataError: a class without two persons, NaN scores, lengths that differ, or an AUC without variance.
    """
    columns = [np.asarray(scores, np.float64) for scores in (first, second)]
    if columns[0].shape != columns[1].shape:
        raise DataError(f"{columns[0].size} and {columns[1].size} scores: they must be as many")
    _, covariance = auc_covariance(targets, np.stack(columns, axis=1), clusters)
    scale = math.sqrt(max(0.0, float(covariance[0, 0] * covariance[1, 1])))
    if scale <= 1e-18:
        raise DataError("an AUC without variance: perfect separation or equal scores have no correlation")
    return float(np.clip(covariance[0, 1] / scale, -1, 1))


def set_power(
    targets: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    aucs: tuple[float, ...] = LIKELY_AUCS,
    correlation: float = 0.5,
    person_correlation: float = 0.5,
    level: float = 0.95,
    power: float = 0.8,
) -> SetPower:
    """Return what a test set can show, before any model is looked at.

    Args:
        targets: (N,) truth; rows that are not exactly 0 or 1 are left out.
        clusters: (N,) person ids; None where every image is a person of its own.
        aucs: of the models to be judged, each in (0, 1).
        correlation: between the AUCs of two models on these images, in [-1, 1).
        person_correlation: of scores of images of one person, in [0, 1].
        level: coverage of the interval, and 1 minus the error of the test.
        power: the chance with which ``smallest_drop`` is to be shown, in (0, 1).

    Raises:
        DataError: one class, a row without a person, lengths that differ.
        UsageError: a number out of range.

    Example:
        >>> power = set_power([1] * 100 + [0] * 900, aucs=(0.85,))
        >>> f"{power.reach[0].half_width:.3f}, {power.reach[0].smallest_drop:.3f}"
        '0.048, 0.075'
    """
    check_level(level)
    _check_test(correlation, power)
    for auc in aucs:
        _check_auc(auc)
    rows = check_rows(targets, np.zeros(np.asarray(targets).shape), clusters)
    if reason := missing_class(rows):
        raise DataError(f"{reason}: a test set needs images of both classes")
    positives, negatives = rows.counts
    repeated = len(rows.codes) / rows.persons
    effect = _design_effect(repeated, person_correlation)
    quantile, likely = float(norm.ppf(0.5 + level / 2)), float(norm.ppf(power))

    def error(auc: float) -> float:
        sizes = [max(1, round(count / effect)) for count in (positives, negatives)]
        return hanley_mcneil_error(auc, positives=sizes[0], negatives=sizes[1])

    def smallest_drop(auc: float) -> float | None:
        def surplus(drop: float) -> float:
            return drop - (quantile + likely) * _paired_error(error(auc), error(auc - drop), correlation)

        return float(brentq(surplus, 1e-12, auc)) if surplus(auc) > 0 else None

    reach = tuple(Reach(auc, quantile * error(auc), smallest_drop(auc)) for auc in aucs)
    return SetPower(
        len(rows.codes), positives, negatives, rows.persons, repeated, effect, correlation, level, power, reach
    )
