"""Decision curves: the net benefit of treating whom a model calls positive, of treating everyone and of no one.

What would invalidate the numbers:

- Probabilities that are not calibrated: a threshold of 0.1 then does not mean 1 in 10. Measure calibration first.
- The prevalence of a test set that was composed by hand. Give that of the place of use; sensitivity and specificity are
  then taken as they are.
- Several images of one person without person ids.

Source: Vickers & Elkin, Med. Decis. Making 26:565 (2006).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.auc import check_level
from cxrshort.stats.changes import Interval
from cxrshort.stats.midranks import Floats, count_distinct
from cxrshort.stats.operating_points import used_prevalence
from cxrshort.stats.reliability import ProbabilityRows, check_probabilities

FEWEST_TREATED = 20
"""Persons called positive: with fewer, 95 % limits of the net benefit hold the truth in 65 to 92 % of cases, with more
in 92 to 97 % (``tests/studies/interval_coverage.py``)."""


@dataclass(frozen=True, slots=True)
class DecisionPoint:
    """Hold the net benefit at one threshold, in true positives per image; treating no one has 0.

    Args:
        threshold: probability from which on a patient is treated.
        net_benefit: of treating whom the model calls positive.
        treat_all: of treating everyone.
        over_all: the first minus the second.
        caution: why the limits of `net_benefit` may hold the truth less often than they claim; "" when there is no
            cause for doubt.
    """

    threshold: float
    net_benefit: Interval
    treat_all: Interval
    over_all: Interval
    caution: str = ""

    @property
    def is_useful(self) -> bool:
        """Return whether the model is shown to be better than treating all and than treating no one."""
        return self.net_benefit.low > 0 and self.over_all.low > 0


def decision_curve(
    targets: ArrayLike,
    probabilities: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    thresholds: Sequence[float],
    prevalence: float | None = None,
    level: float = 0.95,
) -> list[DecisionPoint]:
    """Return the net benefit of a model and of treating everyone at each threshold.

    Net benefit at t is TP/N - FP/N * t/(1 - t): true positives, less the false positives that t says are worth one.
    Each is a mean over images, so the limits come from the variance of its sums by person, and Student's t.

    Args:
        targets: (N,) truth; rows that are not exactly 0 or 1 are left out.
        probabilities: (N,) calibrated, in [0, 1].
        clusters: (N,) person ids; None where every row is a person of its own.
        thresholds: in (0, 1): the chance of disease from which on one would treat.
        prevalence: where the decisions will be made; that of the images where None.
        level: coverage of each interval, in (0, 1).

    Raises:
        DataError: one class with a prevalence given, fewer than two persons, NaN, a number outside [0, 1], lengths that
            differ.
        UsageError: a level, threshold or prevalence out of range.

    Example:
        >>> point = decision_curve([0, 0, 0, 1], [0.1, 0.1, 0.6, 0.6], thresholds=[0.2])[0]
        >>> f"{point.net_benefit.value:.4f}, all {point.treat_all.value:.4f}"
        '0.1875, all 0.0625'
    """
    check_level(level)
    for threshold in thresholds:
        if not 0 < threshold < 1:
            raise UsageError(f'threshold "{threshold:g}" is not between 0 and 1', "it is a probability of disease")
    rows = check_probabilities(targets, probabilities, clusters, 1)
    if rows.persons < 2:
        raise DataError(f"all {len(rows.truth)} images are of one person: net benefit needs at least two")
    used_prevalence(rows.truth == 1, prevalence)  # refuses what is out of range
    if prevalence is not None and rows.truth.min() == rows.truth.max():
        raise DataError("only one class: net benefit at another prevalence needs images of both")
    quantile = float(t.ppf(0.5 + level / 2, rows.persons - 1))
    points = []
    for threshold in thresholds:
        called, odds = (rows.probabilities >= threshold).astype(np.float64), threshold / (1 - threshold)
        everyone = np.ones_like(called)
        own, all_treated, gain = (
            _worth(rows, decisions, odds=odds, prevalence=prevalence, quantile=quantile)
            for decisions in (called, everyone, called - everyone)
        )
        treated = count_distinct(rows.codes[called > 0])
        caution = f"only {treated} persons are called positive" if treated < FEWEST_TREATED else ""
        points.append(DecisionPoint(float(threshold), own, all_treated, gain, caution))
    return points


def _worth(
    rows: ProbabilityRows, decisions: Floats, *, odds: float, prevalence: float | None, quantile: float
) -> Interval:
    """Return the net benefit of decisions (1 to treat, 0 not to, -1 for a treatment less) with limits."""
    positive = rows.truth == 1
    gains = decisions * np.where(positive, 1.0, -odds)
    if prevalence is None:
        value = float(gains.mean())
        moved = (gains - value) / len(gains)
    else:
        value, moved = 0.0, np.zeros(len(gains))
        for inside, share in ((positive, prevalence), (~positive, 1 - prevalence)):
            mean = float(gains[inside].mean())
            value += share * mean
            moved[inside] = share * (gains[inside] - mean) / inside.sum()
    sums = np.bincount(rows.codes, weights=moved)
    half = quantile * math.sqrt(rows.persons / (rows.persons - 1) * float((sums**2).sum()))
    return Interval(value, value - half, value + half)
