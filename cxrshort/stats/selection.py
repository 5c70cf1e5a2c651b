"""What it costs to look at one test set often: levels that are left for p-values, and how much the best model flatters.

What would invalidate these numbers:

- Looks that nobody counted. Every model that was scored and then thrown away belongs to ``k``.
- Models that are not compared on the same images. The covariance of their AUCs is that of paired scores; models that
  agree on most images have less room for luck than independent ones.
- The expected optimism is that of picking the highest AUC. Whoever picks by something else, such as validation images,
  gains nothing from luck in the test.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_ndtr

from cxrshort.errors import UsageError
from cxrshort.stats.midranks import Floats

DRAWS = 20_000
_MOST_STANDARD_ERRORS, _POINTS = 12.0, 20_001


def spent_level(alpha: float, look: int) -> float:
    """Return the level at which the n-th look may be tested, where nobody knows how many will follow.

    The levels alpha x 6 / (pi n)^2 of all looks add up to alpha, so the chance of any false finding stays below it.
    Bonferroni's alpha / k needs k beforehand.

    Args:
        alpha: of all looks together, in (0, 1).
        look: the number of this look, from 1.

    Example:
        >>> [round(spent_level(0.05, look), 4) for look in (1, 2, 5)]
        [0.0304, 0.0076, 0.0012]
    """
    check_count(look)
    return alpha * 6 / (math.pi * look) ** 2


def false_finding(alpha: float, tests: int) -> float:
    """Return the chance of at least one false finding in independent tests at a level.

    Example:
        >>> round(false_finding(0.05, 10), 3)
        0.401
    """
    check_count(tests)
    return 1 - (1 - alpha) ** tests


def expected_maximum(count: int) -> float:
    """Return the expected maximum of independent standard normal numbers.

    Example:
        >>> [round(expected_maximum(count), 3) for count in (1, 2, 10, 100)]
        [0.0, 0.564, 1.539, 2.508]
    """
    check_count(count)
    if count == 1:
        return 0.0

    values = np.linspace(-_MOST_STANDARD_ERRORS, _MOST_STANDARD_ERRORS, _POINTS)
    # Logarithms, since the powers of many models underflow.
    density = np.exp(-(values**2) / 2 - math.log(2 * math.pi) / 2 + (count - 1) * log_ndtr(values))
    # On a grid this fine the trapezium rule is exact to rounding: the integrand and all its derivatives end at 0.
    return float(count * np.sum(values * density) * (values[1] - values[0]))


def best_of_equals(standard_error: float, count: int, *, correlation: float = 0.0) -> float:
    """Return by how much the best of equally good models is expected to exceed what they all reach.

    Args:
        standard_error: of the AUC of each.
        count: number of models.
        correlation: between the errors of two of them, in [0, 1].

    Raises:
        UsageError: no model, or a correlation outside [0, 1].

    Example:
        >>> round(best_of_equals(0.02, 10), 3), round(best_of_equals(0.02, 10, correlation=0.75), 3)
        (0.031, 0.015)
    """
    if not 0 <= correlation <= 1:
        raise UsageError(f'correlation "{correlation}" is not in [0, 1]')
    return expected_maximum(count) * standard_error * math.sqrt(1 - correlation)


@dataclass(frozen=True, slots=True)
class Optimism:
    """Hold how much the best of several models on one test set flatters.

    Args:
        count: number of models.
        best: the highest AUC.
        expected: by how much it is expected to exceed the truth of the model that has it, if the models are as far
            apart as they seem to be.
        at_most: the same if all of them are equally good, which is when luck decides most.
        correlation: the mean correlation between the errors of two models; None for one model.
    """

    count: int
    best: float
    expected: float
    at_most: float
    correlation: float | None


def best_of_models(aucs: ArrayLike, covariance: ArrayLike, *, rng: np.random.Generator, draws: int = DRAWS) -> Optimism:
    """Return the expected optimism of the best of several models that were scored on the same images.

    Args:
        aucs: (K,).
        covariance: (K, K) of these, as :func:`cxrshort.stats.auc.auc_covariance` gives it.
        rng: draws the errors.
        draws: number of draws.

    Example:
        >>> optimism = best_of_models([0.8, 0.8], np.eye(2) * 0.01**2, rng=np.random.default_rng(0))
        >>> f"{optimism.expected:.4f} {optimism.at_most:.4f}"
        '0.0057 0.0057'
    """
    values = np.asarray(aucs, dtype=np.float64)
    matrix = np.asarray(covariance, dtype=np.float64)
    count = len(values)
    check_count(count)
    if count == 1:
        return Optimism(1, float(values[0]), 0.0, 0.0, None)
    errors = _draw(matrix, rng, draws)
    winners = np.argmax(values + errors, axis=1)
    # Antithetic pairs: the mean of all errors is exactly 0, as it is in truth.
    expected = float(errors[np.arange(len(errors)), winners].mean())
    spread = np.sqrt(np.diag(matrix))
    products = np.outer(spread, spread)
    apart = ~np.eye(count, dtype=bool) & (products > 0)
    correlation = float((matrix[apart] / products[apart]).mean()) if apart.any() else 1.0
    return Optimism(count, float(values.max()), max(expected, 0.0), float(errors.max(axis=1).mean()), correlation)


def _draw(covariance: Floats, rng: np.random.Generator, draws: int) -> Floats:
    """Return errors (draws, K) of this covariance, each with its opposite."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    half: Floats = rng.standard_normal((draws // 2, len(covariance))) @ root.T
    return np.concatenate([half, -half])


def check_count(count: int) -> None:
    """Refuse a number of models, looks or tests below 1.

    Raises:
        UsageError: it is.
    """
    if count < 1:
        raise UsageError(f'count "{count}" is below 1', "count from 1")
