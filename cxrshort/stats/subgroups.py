"""How good the scores are in a group, and whether that differs from everybody else.

What would invalidate these numbers:

- A threshold for each group. One threshold for all is what a deployed model has, and what makes its rates unfair.
- A group chosen after looking. Every group that was looked at belongs into the correction of the p-values.
- Average precision compared between groups: scores that know nothing reach the prevalence, which differs. It has an
  interval in each group, and is compared with nothing.
- Several images of one person without person ids, or a person with images inside and outside of a group (views, say)
  taken for two. Persons are counted, and those on both sides make the two numbers correlated.
- A handful of positives. Groups below a minimum size are listed and not judged.

Everybody else is the rest of the images. A group is compared by AUC, sensitivity and specificity (limits of the
difference recovered from the limits of both, see :mod:`cxrshort.stats.differences`) and by calibration in the large:
the log-odds that are missing in the predicted probabilities, above 0 where the risk of the group is underestimated.

Seyyed-Kalantari et al., Nat. Med. 27:2176 (2021), call the share of ill patients that a model calls healthy the
underdiagnosis rate: 1 - sensitivity for one label, and :func:`compare_rate` for "no finding" flags over all labels.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, ndtri, stdtr, stdtrit

from cxrshort.stats.auc import interval_of_rows
from cxrshort.stats.auc_limits import auc_limits
from cxrshort.stats.changes import binomial_limits, effective_size
from cxrshort.stats.curve_areas import precision_of_rows
from cxrshort.stats.differences import SMALLEST_P, Difference, Limits, compare_numbers
from cxrshort.stats.midranks import (
    Bools,
    CheckedRows,
    Floats,
    Integers,
    auc_components,
    covariance_of,
    disjoint_pairs,
)

AUC, PRECISION, SENSITIVITY, SPECIFICITY, CALIBRATION = (
    "auc",
    "average precision",
    "sensitivity",
    "specificity",
    "calibration",
)
METRICS = (AUC, PRECISION, SENSITIVITY, SPECIFICITY, CALIBRATION)
COMPARED = (AUC, SENSITIVITY, SPECIFICITY, CALIBRATION)
NOT_COMPARED = "its chance level is the prevalence, which differs between groups"
_STEPS = 50


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRows:
    """Hold the rows that groups are made of; all have an exact target.

    Args:
        positive: (N,) whether the target is 1.
        scores: (N,) higher for 1.
        codes: (N,) person numbers from 0, all in use.
        called: (N,) whether the score reaches the threshold; None without a threshold.
        logits: (N,) log-odds of the predicted probabilities, finite; None where the scores are no probabilities.
        falling: (N,) places of the rows by falling score, see :meth:`sort`; None where they are not sorted.
    """

    positive: Bools
    scores: Floats
    codes: Integers
    called: Bools | None = None
    logits: Floats | None = None
    falling: Integers | None = None

    def sort(self) -> "ScoredRows":
        """Return the same rows, in the same order, knowing that of their scores: all groups share it."""
        return self if self.falling is not None else replace(self, falling=np.argsort(-self.scores, kind="stable"))

    def take(self, rows: Bools) -> "ScoredRows":
        """Return some of the rows, their persons numbered anew."""
        places = np.flatnonzero(rows)  # taking by places is several times as fast as by truth values
        codes = self.codes[places]
        codes = (np.cumsum(np.bincount(codes) > 0) - 1)[codes]
        called = None if self.called is None else self.called[places]
        logits = None if self.logits is None else self.logits[places]
        falling = None
        if self.falling is not None:
            moved = np.cumsum(rows) - 1
            falling = moved[self.falling[np.flatnonzero(rows[self.falling])]]
        return ScoredRows(self.positive[places], self.scores[places], codes, called, logits, falling)

    def checked(self) -> CheckedRows:
        """Return the rows as the variance of an AUC takes them."""
        return CheckedRows(self.positive, self.scores[:, None], self.codes, True, 0, self.falling)


@dataclass(frozen=True, slots=True)
class GroupMetric:
    """Hold one number of a group beside that of everybody else.

    Args:
        metric: one of `METRICS`.
        value: in the group; None where it cannot be computed.
        low: lower limit; None where there is none.
        high: upper limit; None where there is none.
        rest: of everybody else; None where it cannot be computed, or is not compared.
        difference: group minus rest, with limits and p-value; None where they are not compared.
        reason: why a number is missing; "" when none is.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    rest: float | None = None
    difference: Difference | None = None
    reason: str = ""


def compare_group(rows: ScoredRows, member: Bools, *, level: float = 0.95) -> list[GroupMetric]:
    """Measure a group, and compare it with everybody else.

    Args:
        rows: the group and everybody else.
        member: (N,) whether a row is of the group.
        level: coverage of each interval, in (0, 1).

    Returns:
        A number for each of `METRICS` that the rows allow.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> truth, member = np.arange(400) % 2 == 0, np.arange(400) < 100
        >>> scores = rng.normal(size=400) + 2 * truth * ~member  # the model sees nothing in the group
        >>> area = compare_group(ScoredRows(truth, scores, np.arange(400)), member)[0]
        >>> f"{area.value:.2f} against {area.rest:.2f}, p {area.difference.p:.0e}"
        '0.44 against 0.91, p 1e-12'
    """
    rows = rows.sort()
    group, rest = (replace(rows, called=None, logits=None).take(side).checked() for side in (member, ~member))
    results = [_compare_auc(rows, member, group, rest, level), _precision(group, level)]
    if rows.called is not None:
        for metric, among, hits in (
            (SENSITIVITY, rows.positive, rows.called),
            (SPECIFICITY, ~rows.positive, ~rows.called),
        ):
            results.append(compare_rate(hits, among, rows.codes, member, metric=metric, level=level))
    if rows.logits is not None:
        results.append(_compare_calibration(rows, member, level))
    return results


def _precision(group: CheckedRows, level: float) -> GroupMetric:
    area = precision_of_rows(group, level=level)
    return GroupMetric(PRECISION, area.value, area.low, area.high, reason=area.reason or NOT_COMPARED)


def _compare_auc(rows: ScoredRows, member: Bools, group: CheckedRows, rest: CheckedRows, level: float) -> GroupMetric:
    area, other = (interval_of_rows(side, level=level) for side in (group, rest))
    reason = next((interval.reason for interval in (area, other) if interval.method == "none"), "")
    if reason or area.auc is None:
        return GroupMetric(AUC, area.auc, area.low, area.high, reason=reason)
    persons = int(rows.codes.max()) + 1
    parts = [auc_components(side, rows.codes[inside], persons) for side, inside in ((group, member), (rest, ~member))]
    covariance = covariance_of(parts)
    values = [float(part.aucs[0]) for part in parts]
    limits = [
        _auc_limits(side, value, float(covariance[place, place]), float(part.independent[0]))
        for place, (side, value, part) in enumerate(zip((group, rest), values, parts, strict=True))
    ]
    correlation = _correlation(float(covariance[0, 1]), float(covariance[0, 0]), float(covariance[1, 1]))
    difference = compare_numbers((values[0], limits[0]), (values[1], limits[1]), correlation=correlation, level=level)
    return GroupMetric(AUC, values[0], area.low, area.high, values[1], difference)


def _auc_limits(rows: CheckedRows, value: float, variance: float, independent: float) -> Limits:
    """Return what gives the limits of an AUC, those of :func:`cxrshort.stats.auc.auc_interval`."""
    if not 0 < value < 1 or variance <= 0:
        pairs = disjoint_pairs(rows)

        def exact(level: float) -> tuple[float, float]:
            bound = (1 - level) ** (1 / pairs)
            return (bound, 1.0) if value == 1 else (0.0, 1 - bound) if value == 0 else (bound / 2, 1 - bound / 2)

        return exact

    def usual(level: float) -> tuple[float, float]:
        return auc_limits(
            value,
            variance=variance,
            independent=independent,
            counts=rows.counts,
            persons=min(rows.persons_by_class),
            quantile=-float(ndtri((1 - level) / 2)),
        )

    return usual


def compare_rate(
    hits: Bools, among: Bools, codes: Integers, member: Bools, *, metric: str, level: float = 0.95
) -> GroupMetric:
    """Compare the share of hits in a group with that of everybody else.

    Args:
        hits: (N,) whether an image is a hit.
        among: (N,) the images that the share is of.
        codes: (N,) person numbers.
        member: (N,) whether a row is of the group.
        metric: what the share is called.
        level: coverage of each interval, in (0, 1).

    Example:
        >>> flagged, member = np.arange(200) % 4 == 0, np.arange(200) < 100
        >>> share = compare_rate(flagged, np.full(200, True), np.arange(200), member, metric="no finding")
        >>> f"{share.value} against {share.rest}, p {share.difference.p:.2f}"
        '0.25 against 0.25, p 1.00'
    """
    sides, persons = [], int(codes.max()) + 1
    for inside in (np.flatnonzero(among & member), np.flatnonzero(among & ~member)):
        if not len(inside):
            return GroupMetric(metric, None, None, None, reason="no image of this class inside or outside the group")
        values, numbers = hits[inside].astype(np.float64), codes[inside]
        rate = float(values.mean())
        moved = np.bincount(numbers, weights=values - rate, minlength=persons).astype(np.float64, copy=False)
        own = moved[np.bincount(numbers, minlength=persons) > 0]
        sides.append((rate, _rate_limits(rate, effective_size(rate, own, len(values))), moved))
    (value, limits, moved), (rest, rest_limits, rest_moved) = sides
    correlation = _correlation(float(moved @ rest_moved), float(moved @ moved), float(rest_moved @ rest_moved))
    difference = compare_numbers((value, limits), (rest, rest_limits), correlation=correlation, level=level)
    return GroupMetric(metric, value, *limits(level), rest, difference)


def _rate_limits(rate: float, size: float) -> Limits:
    return lambda level: binomial_limits(rate, size, level=level)


def _correlation(covariance: float, first: float, second: float) -> float:
    scale = math.sqrt(max(0.0, first * second))
    return min(1.0, max(-1.0, covariance / scale)) if scale > 0 else 0.0


def _compare_calibration(rows: ScoredRows, member: Bools, level: float) -> GroupMetric:
    persons = int(rows.codes.max()) + 1
    sides = [_intercept(rows, np.flatnonzero(inside), persons) for inside in (member, ~member)]
    if any(side is None for side in sides):
        return GroupMetric(CALIBRATION, None, None, None, reason="only one class: no finite log-odds are missing")
    (value, moved), (rest, rest_moved) = (side for side in sides if side is not None)
    counts = [int(np.count_nonzero(np.bincount(rows.codes[inside]))) for inside in (member, ~member)]
    if min(counts) < 2:
        return GroupMetric(CALIBRATION, value, None, None, reason="one person")
    quantile = float(stdtrit(counts[0] - 1, 0.5 + level / 2))
    error = math.sqrt(counts[0] / (counts[0] - 1) * float(moved @ moved))
    apart = moved - rest_moved
    spread = math.sqrt(max(count / (count - 1) for count in counts) * float(apart @ apart))
    freedom = min(counts) - 1
    half, gap = float(stdtrit(freedom, 0.5 + level / 2)) * spread, value - rest
    p = max(SMALLEST_P, float(2 * stdtr(freedom, -abs(gap) / spread))) if spread > 0 else 1.0
    difference = Difference(gap, gap - half, gap + half, p)
    return GroupMetric(CALIBRATION, value, value - quantile * error, value + quantile * error, rest, difference)


def _intercept(rows: ScoredRows, inside: Integers, persons: int) -> tuple[float, Floats] | None:
    """Return the log-odds that are missing, and how much each person moves them; None for one class."""
    all_logits = rows.logits
    truth = rows.positive[inside].astype(np.float64)
    if all_logits is None or truth.min() == truth.max():
        return None
    logits = all_logits[inside]
    value = float(missing_log_odds(truth.sum(keepdims=True), logits)[0])
    chances = expit(logits + value)
    moved = np.bincount(rows.codes[inside], weights=truth - chances, minlength=persons)
    return value, moved / float((chances * (1 - chances)).sum())


def missing_log_odds(positives: Floats, logits: Floats, counts: Floats | None = None, *, start: float = 0.0) -> Floats:
    """Return, for each group, what must be added to the logits for its probabilities to add up to its positives.

    These are intercepts of a logistic regression whose slope is 1, by Newton's method in steps of 2 log-odds at most.

    Args:
        positives: (groups,) positive images, neither none nor all.
        logits: (L,) finite.
        counts: (groups, L) images of each logit in each group; None for one of each.
        start: a guess, which saves steps.

    Example:
        >>> missing_log_odds(np.array([50.0]), np.zeros(1), np.array([[200.0]])).round(4)  # log(1 / 3)
        array([-1.0986])
    """
    shift = np.full(len(positives), start)
    for _ in range(_STEPS):
        chances = expit(logits + shift[:, None])
        expected = chances if counts is None else counts * chances
        missing = positives - expected.sum(axis=1)
        slope = (expected * (1 - chances)).sum(axis=1)
        step = np.clip(missing / np.maximum(slope, 1e-12), -2.0, 2.0)
        shift += step
        if np.abs(step).max() < 1e-10:
            break
    return shift
