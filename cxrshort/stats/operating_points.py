"""Decisions at a threshold: sensitivity, specificity and predictive values, clustered by person.

An image is positive where its score is at least the threshold. What would invalidate the numbers:

- A threshold chosen on the images that it is judged on: choose it on validation images, then measure on test images.
- Predictive values at the prevalence of a test set that was composed by hand (as many positives as negatives, say).
  Give the prevalence of the place of use; sensitivity and specificity are then taken as they are, which assumes that
  patients differ in how many are ill, not in how ill they are.
- Several images of one person without person ids.

Sources: Youden, Cancer 3:32 (1950); Mercaldo, Lau & Zhou, Stat. Med. 26:2170 (2007) for predictive values at another
prevalence, here with the limits of sensitivity and specificity recovered (Zou & Donner, Stat. Med. 27:1693, 2008),
which hold with no false positive too.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.auc import check_level
from cxrshort.stats.changes import Interval, rate_interval
from cxrshort.stats.midranks import Bools, CheckedRows, Floats, check_rows, missing_class


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Hold what decisions at a threshold are worth.

    Args:
        threshold: from which on a score is positive.
        true_positives: images.
        false_positives: images.
        false_negatives: images.
        true_negatives: images.
        sensitivity: None without positives.
        specificity: None without negatives.
        ppv: positive predictive value; None where nothing is called positive, or a class is missing.
        npv: negative predictive value; None where nothing is called negative, or a class is missing.
        prevalence: that the predictive values are for.
        persons: all images persons of their own where no person ids were given.
        left_out: images whose target is neither 0 nor 1.
        level: coverage of each interval.
    """

    threshold: float
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    sensitivity: Interval | None
    specificity: Interval | None
    ppv: Interval | None
    npv: Interval | None
    prevalence: float
    persons: int
    left_out: int
    level: float


def youden_threshold(targets: ArrayLike, scores: ArrayLike) -> float:
    """Return the score at which sensitivity + specificity is largest; of equal ones the largest.

    Args:
        targets: (N,) truth of validation images; rows that are not exactly 0 or 1 are left out.
        scores: (N,).

    Raises:
        DataError: one class, NaN scores, lengths that differ.

    Example:
        >>> youden_threshold([0, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.9])
        0.3
    """
    levels, sensitivity, false = _curve(targets, scores)
    return _largest(levels, sensitivity - false)


def threshold_at_sensitivity(targets: ArrayLike, scores: ArrayLike, *, sensitivity: float) -> float:
    """Return the largest score at which at least this share of positives is found.

    Args:
        targets: (N,) truth of validation images; rows that are not exactly 0 or 1 are left out.
        scores: (N,).
        sensitivity: in (0, 1].

    Raises:
        DataError: one class, NaN scores, lengths that differ.
        UsageError: a sensitivity outside (0, 1].

    Example:
        >>> threshold_at_sensitivity([0, 1, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.9], sensitivity=0.6)
        0.3
    """
    _check_share("sensitivity", sensitivity)
    levels, true, _ = _curve(targets, scores)
    return float(levels[true >= sensitivity - 1e-12].max())


def threshold_at_specificity(targets: ArrayLike, scores: ArrayLike, *, specificity: float) -> float:
    """Return the smallest score at which at least this share of negatives is left alone.

    Args:
        targets: (N,) truth of validation images; rows that are not exactly 0 or 1 are left out.
        scores: (N,).
        specificity: in (0, 1].

    Returns:
        A score, or the next number above the largest one where only that leaves enough negatives alone.

    Raises:
        DataError: one class, NaN scores, lengths that differ.
        UsageError: a specificity outside (0, 1].

    Example:
        >>> threshold_at_specificity([0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.9], specificity=1)
        0.4
    """
    _check_share("specificity", specificity)
    levels, _, false = _curve(targets, scores)
    return float(levels[1 - false >= specificity - 1e-12].min())


def cheapest_threshold(
    targets: ArrayLike, scores: ArrayLike, *, miss_cost: float, prevalence: float | None = None
) -> float:
    """Return the score at which decisions cost least; of equal ones the largest.

    Args:
        targets: (N,) truth of validation images; rows that are not exactly 0 or 1 are left out.
        scores: (N,).
        miss_cost: what a missed positive costs, in false alarms; above 0.
        prevalence: where the decisions will be made, in (0, 1); that of the images where None.

    Raises:
        DataError: one class, NaN scores, lengths that differ.
        UsageError: a cost or a prevalence out of range.

    Example:
        >>> cheapest_threshold([0, 1, 0, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.9], miss_cost=10)
        0.2
    """
    if not 0 < miss_cost < math.inf:
        raise UsageError(
            f'miss cost "{miss_cost:g}" must be above 0', "it is the number of false alarms worth one miss"
        )
    levels, sensitivity, false = _curve(targets, scores)
    share = used_prevalence(check_rows(targets, scores).positive, prevalence)
    return _largest(levels, -(share * miss_cost * (1 - sensitivity) + (1 - share) * false))


def _curve(targets: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return every threshold, ascending, one above all scores included, with true and false positive rates."""
    rows = check_rows(targets, scores)
    if reason := missing_class(rows):
        raise DataError(f"{reason}: a threshold is chosen on images of both classes")
    values = rows.scores[:, 0]
    levels = np.append(np.unique(values), np.nextafter(values.max(), math.inf))
    rates = [
        1 - np.searchsorted(np.sort(part), levels) / len(part)
        for part in (values[rows.positive], values[~rows.positive])
    ]
    return levels, rates[0], rates[1]


def _largest(levels: Floats, worth: Floats) -> float:
    # 1e-12 is rounding of sums of two rates.
    return float(levels[worth >= worth.max() - 1e-12].max())


def _check_share(name: str, share: float) -> None:
    if not 0 < share <= 1:
        raise UsageError(f'{name} "{share:g}" is not in (0, 1]', "try 0.9")


def used_prevalence(positive: Bools, prevalence: float | None) -> float:
    """Return the prevalence that numbers are wanted for: the stated one, else that of the images.

    Raises:
        UsageError: a prevalence outside (0, 1).
    """
    if prevalence is None:
        return float(positive.mean())
    if not 0 < prevalence < 1:
        raise UsageError(f'prevalence "{prevalence:g}" is not between 0 and 1', "try 0.05")
    return prevalence


def operating_point(
    targets: ArrayLike,
    scores: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    threshold: float,
    prevalence: float | None = None,
    level: float = 0.95,
) -> OperatingPoint:
    """Measure decisions at a threshold, each rate with an interval clustered by person.

    Args:
        targets: (N,) truth; rows that are not exactly 0 or 1 are left out and counted.
        scores: (N,).
        clusters: (N,) person ids; None where every row is a person of its own.
        threshold: from which on a score is positive; chosen on other images.
        prevalence: that predictive values are wanted for, in (0, 1); that of the images where None.
        level: coverage of each interval, in (0, 1).

    Raises:
        DataError: no exact target, NaN scores, a row without a person, lengths that differ.
        UsageError: a level or a prevalence out of range, or a threshold that is NaN.

    Example:
        >>> point = operating_point([0] * 50 + [1] * 50, [0] * 45 + [1] * 45 + [0] * 10, threshold=1, prevalence=0.1)
        >>> f"{point.sensitivity.value:.2f} {point.specificity.value:.2f}"
        '0.80 0.90'
        >>> f"{point.ppv.value:.2f} [{point.ppv.low:.2f}, {point.ppv.high:.2f}]"
        '0.47 [0.28, 0.73]'
    """
    check_level(level)
    if math.isnan(threshold):
        raise UsageError('threshold "nan" is not a number')
    rows = check_rows(targets, scores, clusters)
    if not len(rows.positive):
        raise DataError(f"{missing_class(rows)}: there is nothing to decide")
    truth, called = rows.positive, rows.scores[:, 0] >= threshold
    share = used_prevalence(truth, prevalence)
    sensitivity, specificity = _rate(rows, called, truth, level), _rate(rows, ~called, ~truth, level)
    if prevalence is None:
        ppv, npv = _rate(rows, truth, called, level), _rate(rows, ~truth, ~called, level)
    else:
        ppv, npv = _predictive_values(rows, called, share, sensitivity, specificity)
    counts = [int((truth == image).sum()) for image in (True, False)]
    hits, alarms = int((truth & called).sum()), int((~truth & called).sum())
    return OperatingPoint(
        threshold,
        hits,
        alarms,
        counts[0] - hits,
        counts[1] - alarms,
        sensitivity,
        specificity,
        ppv,
        npv,
        share,
        rows.persons,
        rows.left_out,
        level,
    )


def _rate(rows: CheckedRows, hits: Bools, among: Bools, level: float) -> Interval | None:
    return rate_interval(hits[among], rows.codes[among], level=level) if among.any() else None


def _predictive_values(
    rows: CheckedRows, called: Bools, share: float, sensitivity: Interval | None, specificity: Interval | None
) -> tuple[Interval | None, Interval | None]:
    if sensitivity is None or specificity is None:
        return None, None
    shared = _correlation(rows, called)
    # The correlation of the complements of two rates is that of the rates.
    return (
        _predictive(share, sensitivity, _complement(specificity), shared),
        _predictive(1 - share, specificity, _complement(sensitivity), shared),
    )


def _complement(rate: Interval) -> Interval:
    return Interval(1 - rate.value, 1 - rate.high, 1 - rate.low)


def _correlation(rows: CheckedRows, called: Bools) -> float:
    """Return the correlation of sensitivity and false positive rate, from persons with images of both classes."""
    sums = []
    for inside in (rows.positive, ~rows.positive):
        residuals = np.where(inside, called - called[inside].mean(), 0.0)
        sums.append(np.bincount(rows.codes, weights=residuals))
    scale = math.sqrt(float((sums[0] ** 2).sum() * (sums[1] ** 2).sum()))
    return float(sums[0] @ sums[1]) / scale if scale > 0 else 0.0


def _predictive(share: float, right: Interval, wrong: Interval, correlation: float) -> Interval | None:
    """Return a predictive value: odds = share / (1 - share) * right / wrong, limits recovered from those of the rates.

    Args:
        share: of the class that is predicted.
        right: the rate at which it is called.
        wrong: the rate at which the other class is called so.
        correlation: of the two rates.
    """
    prior = share / (1 - share)

    def value(numerator: float, denominator: float) -> float:
        odds = prior * numerator
        return odds / (odds + denominator) if odds + denominator > 0 else math.nan

    point = value(right.value, wrong.value)
    if math.isnan(point):
        return None
    corners = value(right.low, wrong.high), value(right.high, wrong.low)
    if min(right.low, wrong.low) <= 0:  # no logarithm: the limits of both rates at once, which are wide
        return Interval(point, *corners)
    down, up = math.log(right.value / right.low), math.log(right.high / right.value)
    below, above = math.log(wrong.value / wrong.low), math.log(wrong.high / wrong.value)
    low = math.sqrt(max(0.0, down**2 + above**2 - 2 * correlation * down * above))
    high = math.sqrt(max(0.0, up**2 + below**2 - 2 * correlation * up * below))
    odds = prior * right.value / wrong.value
    limits = [odds * math.exp(-low), odds * math.exp(high)]
    return Interval(point, *(limit / (1 + limit) for limit in limits))
