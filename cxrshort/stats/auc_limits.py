"""Limits of an AUC that hold with few positives too: the wider of a logit and a score interval.

What would invalidate them, measured by ``tests/studies/auc_coverage.py`` at a nominal 95 %:

- The logit interval alone covers 84 to 91 % where few errors are expected (20 positives and an AUC of 0.95, say), all
  misses on one side: the estimated variance is small exactly when the AUC came out too high.
- A score interval takes its variance from the limit instead of the estimate, but needs a model of how the variance
  depends on the AUC; where positives scatter twice as much as negatives, the model alone covers 87 %.

So the score interval's variance is the estimated one for many persons and the model's for few, and of the two intervals
the wider limit counts on each side.
"""

import math

from scipy.optimize import brentq
from scipy.special import expit, logit

PERSONS_OF_MODEL = 50
"""Persons in the smaller class from whom on the estimated variance weighs more than the model's; chosen by simulation:
20 covers 91 % where positives scatter twice as much, 50 covers 94.0 to 99.7 % in all binormal cells with equal
variances of the study (tests/studies/auc_coverage.py); 89.6 % in the worst cell with positives three times as
scattered."""

FEWEST_ERRORS = 5
"""Expected errors, persons of the smaller class times 1 - AUC, below which the logit interval alone does not hold; the
same number as in the normal approximation of a binomial."""


def auc_limits(
    value: float,
    *,
    variance: float,
    independent: float,
    counts: tuple[int, int],
    persons: int,
    quantile: float,
) -> tuple[float, float]:
    """Return the limits of an AUC that is strictly between 0 and 1.

    The score limits solve (value - A)**2 = quantile**2 V(A). V is Newcombe's form of Hanley & McNeil's variance (Stat.
    Med. 25:559, 2006, method 5), times a factor: with few persons the design effect, the estimated variance over the
    one of independent images; with many the estimated variance over the model's at ``value``. The weight of the latter
    is persons / (persons + 50).

    Args:
        value: the AUC.
        variance: estimated, above 0, of whatever the AUC is (a mean over replicates, of repeated persons).
        independent: DeLong's variance if all images were independent.
        counts: positives and negatives.
        persons: persons in the smaller class.
        quantile: of the normal or t distribution.
    """
    lows, highs = zip(
        logit_limits(value, math.sqrt(variance), quantile),
        _score_limits(value, _factor(value, variance, independent, counts, persons), counts, quantile),
        strict=True,
    )
    return min(lows), max(highs)


def _factor(value: float, variance: float, independent: float, counts: tuple[int, int], persons: int) -> float:
    """Return what the model's variance is multiplied by."""
    weight = persons / (persons + PERSONS_OF_MODEL) if independent > 0 else 1.0
    design = variance / independent if independent > 0 else 0.0
    return weight * variance / newcombe_variance(value, *counts) + (1 - weight) * design


def _score_limits(value: float, factor: float, counts: tuple[int, int], quantile: float) -> tuple[float, float]:
    def excess(auc: float) -> float:
        return (value - auc) ** 2 - quantile**2 * factor * newcombe_variance(auc, *counts)

    # At 0 and at 1 the variance is 0 and the excess positive, at the value it is negative: a root on either side.
    return float(brentq(excess, 0.0, value)), float(brentq(excess, value, 1.0))


def newcombe_variance(auc: float, positives: int, negatives: int) -> float:
    """Return Hanley & McNeil's variance with both class sizes replaced by their mean in its two correction terms.

    Example:
        >>> round(newcombe_variance(0.9, 20, 180), 6)
        0.001422
    """
    size = (positives + negatives) / 2 - 1
    spread = 1 + size * (1 - auc) / (2 - auc) + size * auc / (1 + auc)
    return auc * (1 - auc) * spread / (positives * negatives)


def logit_limits(value: float, error: float, quantile: float) -> tuple[float, float]:
    """Return expit(logit(A) -+ quantile * error / (A (1 - A))), for A strictly between 0 and 1."""
    half = quantile * error / (value * (1 - value))
    return float(expit(logit(value) - half)), float(expit(logit(value) + half))


def few_errors(value: float, persons: int) -> bool:
    """Return whether so few errors are expected that an interval rests on a model more than on the data.

    Args:
        value: an AUC; below 0.5 its mirror image counts.
        persons: in the smaller class.
    """
    return persons * min(value, 1 - value) < FEWEST_ERRORS


def hanley_mcneil_error(auc: float, *, positives: int, negatives: int) -> float:
    """Return the standard error that an AUC will have (Hanley & McNeil, Radiology 143:29, 1982), images independent.

    Args:
        auc: in [0, 1].
        positives: images or, with several per person, persons.
        negatives: likewise.

    Example:
        >>> round(hanley_mcneil_error(0.85, positives=148, negatives=836), 4)
        0.0204
    """
    first, second = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (positives - 1) * (first - auc**2) + (negatives - 1) * (second - auc**2)
    return math.sqrt(max(0.0, spread) / (positives * negatives))
