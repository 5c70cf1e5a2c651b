"""Logistic regression of a truth on a model's own logit, with errors that respect persons.

What would invalidate the errors: fewer than about 30 persons, since the sandwich variance is one of large samples; and
targets that the logit separates perfectly, which have no finite slope and are refused.

Newton's method with halved steps: those of statsmodels are not halved, and miss the finite optimum that Platt's
smoothed targets have for separated classes. The sandwich by clusters is that of Liang & Zeger, Biometrika 73:13 (1986),
with the usual correction I / (I - 1) * (N - 1) / (N - K).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from scipy.stats import t

from cxrshort.errors import DataError
from cxrshort.stats.changes import Interval
from cxrshort.stats.midranks import Floats, Integers

_STEPS = 100
_SMALLEST_GAIN = 1e-13
"""Relative gain in likelihood below which a step is the last one: rounding of a sum of float64."""
_LONGEST_STEP = 5.0
"""Log-odds per root mean square of a column."""
_LARGEST = 50.0
"""Log-odds per root mean square of a column that no finite fit reaches: beyond, the classes are separated."""


@dataclass(frozen=True, slots=True, eq=False)
class LogisticFit:
    """Hold the coefficients of a logistic regression.

    Args:
        coefficients: (K,).
        covariance: (K, K), by persons.
        persons: how many.
    """

    coefficients: Floats
    covariance: Floats
    persons: int

    def interval(self, number: int, *, level: float) -> Interval:
        """Return a coefficient with its limits, from Student's t with one degree of freedom less than persons."""
        value, error = float(self.coefficients[number]), float(np.sqrt(self.covariance[number, number]))
        half = float(t.ppf(0.5 + level / 2, self.persons - 1)) * error
        return Interval(value, value - half, value + half)


def fit_logistic(targets: Floats, design: Floats, *, codes: Integers, offset: Floats | None = None) -> LogisticFit:
    """Fit a logistic regression without an intercept of its own.

    Args:
        targets: (N,) in [0, 1].
        design: (N, K) columns; a column of ones where an intercept is wanted.
        codes: (N,) person numbers from 0, all in use, at least two.
        offset: (N,) added to the linear predictor with a coefficient of 1; None for none.

    Raises:
        DataError: there are no finite coefficients, as where a column separates the classes.

    Example:
        >>> fit = fit_logistic(np.array([0.0, 1, 1, 1]), np.ones((4, 1)), codes=np.arange(4))
        >>> round(float(fit.coefficients[0]), 4)  # log(3)
        1.0986
    """
    shift = np.zeros(len(targets)) if offset is None else offset
    scale = np.sqrt((design**2).mean(axis=0))
    columns = design / scale
    coefficients = _maximise(targets, columns, shift)
    if coefficients is None:
        raise DataError("the logistic regression has no finite coefficients", "use more images of both classes")
    chances = expit(columns @ coefficients + shift)
    bread = np.linalg.inv((columns * (chances * (1 - chances))[:, None]).T @ columns)
    moved = (targets - chances)[:, None] * columns
    sums = np.stack([np.bincount(codes, weights=column) for column in moved.T], axis=1)
    images, persons, count = len(targets), len(sums), design.shape[1]
    factor = persons / (persons - 1) * (images - 1) / max(images - count, 1)
    covariance = factor * bread @ sums.T @ sums @ bread
    return LogisticFit(coefficients / scale, covariance / np.outer(scale, scale), persons)


def _maximise(targets: Floats, columns: Floats, shift: Floats) -> Floats | None:
    """Return the coefficients of maximum likelihood; None where they are not finite."""
    coefficients = np.zeros(columns.shape[1])
    loss = _loss(targets, shift)
    for _ in range(_STEPS):
        chances = expit(columns @ coefficients + shift)
        curvature = (columns * (chances * (1 - chances))[:, None]).T @ columns
        try:
            step = np.linalg.solve(curvature, columns.T @ (targets - chances))
        except np.linalg.LinAlgError:
            return None
        # Far from the optimum the curvature is next to 0, and a step of any length may lower the loss.
        step *= _LONGEST_STEP / max(float(np.abs(step).max()), _LONGEST_STEP)
        size, better = 1.0, loss
        while size > 1e-9:
            better = _loss(targets, columns @ (coefficients + size * step) + shift)
            if better <= loss:
                break
            size /= 2
        coefficients = coefficients + (size * step if better <= loss else 0)
        if np.abs(coefficients).max() > _LARGEST:
            return None
        if loss - better <= _SMALLEST_GAIN * max(loss, 1.0):
            return coefficients
        loss = better
    return None


def _loss(targets: Floats, logits: Floats) -> float:
    return float((np.logaddexp(0, logits) - targets * logits).sum())


def is_separated(targets: Floats, values: Floats) -> bool:
    """Return whether a threshold on the values divides the classes, ties at the threshold allowed.

    Example:
        >>> is_separated(np.array([0.0, 0, 1]), np.array([1.0, 2, 2])), is_separated(np.ones(2) * [0, 1], np.ones(2))
        (True, True)
    """
    above, below = values[targets == 1], values[targets == 0]
    return bool(above.min() >= below.max() or above.max() <= below.min())
