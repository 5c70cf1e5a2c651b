"""What an intervention does to a population: changes of a logit against the mean change by random patches.

The unit is the person: changes of a person's images are averaged before a test, and intervals draw persons. What would
invalidate the numbers: images that are not those of the population, and a direction chosen after looking.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv

from cxrshort.errors import DataError
from cxrshort.stats.bootstrap import percentile_interval, resample
from cxrshort.stats.midranks import Floats, Integers, number_persons
from cxrshort.stats.random_changes import check_changes
from cxrshort.stats.signed_rank import (
    critical_statistic,
    signed_rank,
    smallest_signed_rank_p,
)

DRAWS = 2000
POWER_DRAWS = 400
"""Resampled populations from which power is read off: a power of 0.8 then has a standard error of 0.02."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Hold a number with its limits; these are NaN where one person alone leaves nothing to resample."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PopulationChange:
    """Hold what an intervention in one region does to a population.

    Args:
        median: median change of the logit over images, after minus before, with limits.
        flips: share of images whose predicted class changes, with limits.
        statistic: T of the signed-rank test of changes against mean random changes.
        p_normal: two-sided, normal approximation: the published test.
        p_exact: two-sided, exact; None above :data:`~cxrshort.stats.signed_rank.MOST_EXACT` persons.
        smallest_p: the smallest exact p-value that so many persons can reach.
        smallest_effect: the smallest shift of the difference to the mean random change, in log-odds, that a
            population like this would have shown with a power of 80 %; None where no shift would have.
        images: number of images.
        persons: number of persons, the unit of the test.
    """

    median: Interval
    flips: Interval
    statistic: float
    p_normal: float
    p_exact: float | None
    smallest_p: float
    smallest_effect: float | None
    images: int
    persons: int


def population_change(
    before: ArrayLike,
    after: ArrayLike,
    *,
    random_logits: ArrayLike,
    persons: ArrayLike,
    rng: np.random.Generator,
    magnitudes: bool,
    threshold: float = 0.0,
    level: float = 0.05,
) -> PopulationChange:
    """Summarise an intervention in one region over a population.

    Args:
        before: (N,) logits of the images as they are.
        after: (N,) after the intervention.
        random_logits: (N, n) after the intervention in n random patches.
        persons: (N,) whose images they are.
        rng: the only source of randomness.
        magnitudes: whether magnitudes are compared, as the paper does where half of the images should gain and half
            lose (markers swapped both ways), or signed changes (shoulders moved).
        threshold: logit from which on an image counts as positive.
        level: error of the first kind of the test that ``smallest_effect`` is for; over R regions give level / R.

    Raises:
        DataError: no image, a number that is not finite, lengths that differ, or a row without a person.

    Example:
        >>> found = population_change(
        ...     np.zeros(8),
        ...     np.arange(1, 9),
        ...     random_logits=np.zeros((8, 10)),
        ...     persons=list("abcdefgh"),
        ...     rng=np.random.default_rng(0),
        ...     magnitudes=True,
        ... )
        >>> found.median.value, found.flips.value, found.p_exact
        (4.5, 0.0, 0.0078125)
    """
    logits, edited = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if not len(logits) or logits.shape != edited.shape:
        raise DataError(f"{edited.size} logits after and {logits.size} before: they must be as many, and at least one")
    changes, random_changes = check_changes(edited - logits, np.asarray(random_logits, np.float64) - logits[:, None])
    codes = number_persons(persons, len(changes))
    differences = mean_by_person(differences_from_random(changes, random_changes, magnitudes=magnitudes), codes)
    test = signed_rank(differences)
    return PopulationChange(
        median=median_interval(changes, codes, rng=rng),
        flips=rate_interval((logits >= threshold) != (edited >= threshold), codes),
        statistic=test.statistic,
        p_normal=test.p_normal,
        p_exact=test.p_exact,
        smallest_p=smallest_signed_rank_p(len(differences)),
        smallest_effect=smallest_shift(differences, rng=rng, level=level),
        images=len(changes),
        persons=len(differences),
    )


def differences_from_random(changes: Floats, random_changes: Floats, *, magnitudes: bool) -> Floats:
    """Return each image's change minus its mean random change, (N,), of magnitudes or signed."""
    if magnitudes:
        changes, random_changes = np.abs(changes), np.abs(random_changes)
    differences: Floats = changes - random_changes.mean(axis=1)
    return differences


def mean_by_person(values: Floats, codes: Integers) -> Floats:
    """Return the mean of each person's values, (persons,).

    Example:
        >>> mean_by_person(np.array([1.0, 3.0, 5.0]), np.array([0, 0, 1]))
        array([2., 5.])
    """
    means: Floats = np.bincount(codes, weights=values) / np.bincount(codes)
    return means


def median_interval(
    values: ArrayLike, persons: ArrayLike, *, rng: np.random.Generator, level: float = 0.95
) -> Interval:
    """Return the median over images, with a bootstrap interval over persons.

    Args:
        values: (N,) finite numbers.
        persons: (N,) whose image it is; a person is drawn with all images.
        rng: the only source of randomness.
        level: coverage, in (0, 1).

    Raises:
        DataError: lengths that differ, or a row without a person.
    """
    numbers = np.asarray(values, np.float64)
    codes = number_persons(persons, len(numbers))
    people = int(codes.max(initial=-1)) + 1
    value = float(np.median(numbers))
    if people < 2:
        return Interval(value, np.nan, np.nan)
    medians = resample(
        lambda weights: weighted_median(numbers, weights=weights[:, codes])[:, None],
        strata=np.zeros(people, np.int64),
        draws=DRAWS,
        rng=rng,
        largest=len(numbers),
    )
    return Interval(value, *percentile_interval(medians.values[:, 0], level=level))


def weighted_median(values: Floats, *, weights: Floats) -> Floats:
    """Return the median under each row of whole weights, as if every value stood there that many times.

    Args:
        values: (N,).
        weights: (B, N), not negative, not all zero in a row.

    Returns:
        (B,); the mean of the two middle values where their number is even.
    """
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[:, order], axis=1)
    half = cumulative[:, -1:] / 2
    lower, upper = np.argmax(cumulative >= half, axis=1), np.argmax(cumulative > half, axis=1)
    medians: Floats = (values[order][lower] + values[order][upper]) / 2
    return medians


def rate_interval(hits: ArrayLike, persons: ArrayLike, *, level: float = 0.95) -> Interval:
    """Return the share of images that are hits, with exact binomial limits for the effective number of images.

    Clopper and Pearson's limits with the number of images that independent ones would need for the same variance
    (Korn & Graubard, Surv. Methodol. 24:193, 1998); where all or none are hits that number is of persons. So a rate of
    0 has an upper limit above 0, which a bootstrap would not give.

    Args:
        hits: (N,) true or false, at least one.
        persons: (N,) whose image it is.
        level: coverage, in (0, 1).

    Raises:
        DataError: lengths that differ, or a row without a person.

    Example:
        >>> found = rate_interval([False] * 20, range(20))
        >>> f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
        '0.00 [0.00, 0.17]'
    """
    values = np.asarray(hits, np.float64)
    rate = float(values.mean())
    size = effective_images(values, number_persons(persons, len(values)))
    return Interval(rate, *binomial_limits(rate, size, level=level))


def effective_images(hits: Floats, codes: Integers) -> float:
    """Return the number of independent images that a rate would have the same variance from.

    Args:
        hits: (N,) 0 or 1, at least one image.
        codes: (N,) person numbers from 0, all in use.
    """
    rate = float(hits.mean())
    residuals = np.bincount(codes, weights=hits - rate).astype(np.float64, copy=False)
    return effective_size(rate, residuals, len(hits))


def effective_size(rate: float, residuals: Floats, images: int) -> float:
    """Return the same from sums by person.

    Args:
        rate: share of hits.
        residuals: (persons,) hits minus the rate, summed over the images of a person.
        images: how many.
    """
    people = len(residuals)
    if not 0 < rate < 1 or people == 1:
        return float(people)
    variance = people / (people - 1) * float((residuals**2).sum()) / images**2
    return min(images, rate * (1 - rate) / variance) if variance > 0 else float(images)


def binomial_limits(rate: float, size: float, *, level: float) -> tuple[float, float]:
    """Return Clopper and Pearson's limits of a rate among so many independent images, which need not be whole."""
    successes, tail = rate * size, (1 - level) / 2
    # The quantiles of a beta distribution; scipy.stats gives the same numbers in 20 times the time.
    low = float(betaincinv(successes, size - successes + 1, tail)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, size - successes, 1 - tail)) if successes < size else 1.0
    return low, high


def smallest_shift(
    differences: ArrayLike, *, rng: np.random.Generator, level: float = 0.05, power: float = 0.8
) -> float | None:
    """Return the smallest shift that a signed-rank test of a population like this would have shown.

    Every "no evidence" needs this number beside it. Populations of the same size are drawn from the differences about
    their median, with random signs (the test's own null hypothesis) and spread by sqrt(n / (n - 1)), which centring
    takes away. All are shifted alike, and the shift is the smallest at which the test reaches the level in a share
    ``power`` of them; populations are the same for all shifts. On normal differences such a
    shift was found in 80 % (10 persons), 82 % (20) and 80 % (40) of new populations.

    Args:
        differences: (n,) one per person.
        rng: draws the populations.
        level: error of the first kind, two-sided.
        power: the chance to find a shift of this size.

    Returns:
        The shift, not negative; None where not even differences of one sign would reach the level.
    """
    values = np.asarray(differences, np.float64)
    critical = critical_statistic(len(values), level=level)
    if critical < 0:
        return None
    centred = (values - np.median(values)) * np.sqrt(len(values) / (len(values) - 1))
    drawn = rng.choice(np.concatenate([centred, -centred]), (POWER_DRAWS, len(values)))
    low, high = 0.0, 2.0 * float(np.abs(centred).max())
    for _ in range(20):
        middle = (low + high) / 2
        detected = np.mean(_negative_ranks(drawn + middle) <= critical)
        low, high = (low, middle) if detected >= power else (middle, high)
    return high


def _negative_ranks(values: Floats) -> Floats:
    """Return the sum of the ranks of negative values in each row; ties are ordered as they come."""
    ranks = np.argsort(np.argsort(np.abs(values), axis=1), axis=1) + 1
    sums: Floats = (ranks * (values < 0)).sum(axis=1)
    return sums
