"""Recalibration: probabilities put right by one or two numbers fitted on validation images.

What would invalidate the result: fitting on the images that it is then judged on; a validation set whose prevalence is
not that of the place of use (Platt's intercept carries it over); a slope that is not positive, which turns the ranking
around and means that the model does not order these images at all.

An order is never changed by a positive slope, so AUCs stay what they were. Sources: Guo et al., ICML 2017, for the
temperature; Platt, Advances in Large Margin Classifiers, 61 (1999), with his smoothed targets, which keep the fit
finite where classes are separated.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from cxrshort.errors import DataError
from cxrshort.stats.auc import check_level
from cxrshort.stats.changes import Interval
from cxrshort.stats.logistic import fit_logistic
from cxrshort.stats.midranks import CheckedRows, Floats, check_rows, missing_class


@dataclass(frozen=True, slots=True)
class Recalibration:
    """Hold a line from logits to better logits.

    Args:
        method: "temperature" or "Platt".
        slope: 1 over the temperature; 1 changes nothing.
        intercept: log-odds that are added; 0 changes nothing, and is not fitted with a temperature.
        images: that it was fitted on.
        persons: that it was fitted on.
        caution: what speaks against using it; "" when nothing does.
    """

    method: str
    slope: Interval
    intercept: Interval
    images: int
    persons: int
    caution: str = ""

    @property
    def temperature(self) -> float:
        """Return what logits are divided by."""
        return 1 / self.slope.value

    def logits(self, logits: ArrayLike) -> Floats:
        """Return recalibrated logits."""
        line: Floats = self.slope.value * np.asarray(logits, np.float64) + self.intercept.value
        return line

    def probabilities(self, logits: ArrayLike) -> Floats:
        """Return recalibrated probabilities."""
        recalibrated: Floats = expit(self.logits(logits))
        return recalibrated


def fit_temperature(
    targets: ArrayLike, logits: ArrayLike, clusters: ArrayLike | None = None, *, level: float = 0.95
) -> Recalibration:
    """Fit a temperature by maximum likelihood.

    Args:
        targets: (N,) truth of validation images; rows that are not exactly 0 or 1 are left out.
        logits: (N,) finite.
        clusters: (N,) person ids; None where every row is a person of its own.
        level: coverage of the intervals, in (0, 1).

    Raises:
        DataError: one class, fewer than two persons, logits that are not finite, all zero, or whose signs are the
            truth, lengths that differ.
        UsageError: a level outside (0, 1).

    Example:
        >>> truth, logits = [0, 0, 0, 1, 0, 1, 1, 1], [-2.0] * 4 + [2.0] * 4
        >>> fit = fit_temperature(truth, logits)
        >>> f"T = {fit.temperature:.3f}, {fit.probabilities([2.0])[0]:.2f}"
        'T = 1.820, 0.75'
    """
    rows = _check(targets, logits, clusters, level)
    truth, values = rows.positive.astype(np.float64), rows.scores[:, 0]
    if not values.any():
        raise DataError("all logits are 0: no temperature changes them")
    signed = np.where(rows.positive, values, -values)
    if (signed >= 0).all() or (signed <= 0).all():
        raise DataError(
            "the sign of every validation logit tells the truth or its opposite: no finite temperature fits",
            "use more validation images, or Platt's recalibration",
        )
    fit = fit_logistic(truth, values[:, None], codes=rows.codes)
    slope = fit.interval(0, level=level)
    return Recalibration("temperature", slope, Interval(0.0, 0.0, 0.0), len(truth), rows.persons, _caution(slope))


def fit_platt(
    targets: ArrayLike, logits: ArrayLike, clusters: ArrayLike | None = None, *, level: float = 0.95
) -> Recalibration:
    """Fit slope and intercept by maximum likelihood, with Platt's targets (P + 1)/(P + 2) and 1/(N + 2).

    Args:
        targets: (N,) truth of validation images; rows that are not exactly 0 or 1 are left out.
        logits: (N,) finite.
        clusters: (N,) person ids; None where every row is a person of its own.
        level: coverage of the intervals, in (0, 1).

    Raises:
        DataError: one class, fewer than two persons, logits that are not finite or all equal, lengths that differ.
        UsageError: a level outside (0, 1).

    Example:
        >>> fit = fit_platt([0, 0, 0, 1, 0, 1, 1, 1] * 50, ([-3.0] * 4 + [1.0] * 4) * 50)
        >>> [f"{probability:.2f}" for probability in fit.probabilities([-3.0, 1.0])]
        ['0.25', '0.75']
    """
    rows = _check(targets, logits, clusters, level)
    values = rows.scores[:, 0]
    if np.ptp(values) == 0:
        raise DataError(f'all logits are "{values[0]:g}": no slope can be fitted')
    positives, negatives = rows.counts
    smoothed = np.where(rows.positive, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    fit = fit_logistic(smoothed, np.column_stack([np.ones(len(values)), values]), codes=rows.codes)
    slope, intercept = fit.interval(1, level=level), fit.interval(0, level=level)
    return Recalibration("Platt", slope, intercept, len(values), rows.persons, _caution(slope))


def _check(targets: ArrayLike, logits: ArrayLike, clusters: ArrayLike | None, level: float) -> CheckedRows:
    check_level(level)
    rows = check_rows(targets, logits, clusters)
    if reason := missing_class(rows):
        raise DataError(f"{reason}: recalibration needs images of both classes")
    if wrong := int((~np.isfinite(rows.scores)).sum()):
        raise DataError(f"{wrong} of {len(rows.scores)} logits are not finite: each must be a number")
    if rows.persons < 2:
        raise DataError(f"all {len(rows.scores)} images are of one person: recalibration needs at least two")
    return rows


def _caution(slope: Interval) -> str:
    if slope.value <= 0:
        return f"a slope of {slope.value:.2f} turns the ranking around"
    return f"the interval of the slope reaches down to {slope.low:.2f}" if slope.low <= 0 else ""
