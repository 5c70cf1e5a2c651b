"""Scores as percentiles of a reference cohort, so that models of different calibration can be compared.

The percentile of a score is 100 times the share of the cohort below it, those at its level counted half (mid-ranks).
So a strictly increasing recalibration of a model changes nothing, and ties do no harm: of a constant output every
score has the percentile 50, where counting strictly would say 0 and counting up to the score 100.

What would invalidate percentiles: a cohort with edited images in it; another cohort before an edit than after it;
scores rounded in one of the two alone (a float32 number is not the float64 number of the same digits, so that both are
rounded to float32 here); and probabilities in half precision, of which a quarter may be exactly 1: rank logits.
"""

import numpy as np
from numpy.typing import ArrayLike

from cxrshort.errors import DataError
from cxrshort.stats.midranks import Floats

CONSTANT = 1e-6
"""Range of logits up to which an output counts as constant: what batches of another size change in float32."""
MANY_TIES = 0.1
"""Share of a cohort at one level from which on its percentiles are coarse."""


def percentiles(scores: ArrayLike, reference: ArrayLike) -> Floats:
    """Return the percentile of each score within a reference cohort, 0 to 100.

    Args:
        scores: of any shape; NaN stays NaN.
        reference: (R,) scores of the cohort; NaN is left out.

    Raises:
        DataError: the cohort has no score.

    Example:
        >>> percentiles([0.0, 1.0, 2.5, 9.0], [1.0, 2.0, 3.0, 4.0])
        array([  0. ,  12.5,  50. , 100. ])
    """
    cohort = as_scores(reference).ravel()
    ordered = np.sort(cohort[~np.isnan(cohort)])
    if not len(ordered):
        raise DataError("the reference cohort has no score", "name a cohort that the model has scored")
    values = as_scores(scores)
    counts = np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")
    return np.where(np.isnan(values), np.nan, 50.0 * counts / len(ordered))


def as_scores(scores: ArrayLike) -> Floats:
    """Return scores as float64 with the precision of float32, in which models write and tables are read alike.

    Example:
        >>> bool(as_scores(0.1) == as_scores(np.float32(0.1)))
        True
    """
    with np.errstate(over="ignore"):  # beyond float32 a score is infinite, and its percentile 0 or 100
        return np.asarray(scores, np.float32).astype(np.float64)


def is_constant(*scores: ArrayLike) -> bool:
    """Return whether an output never varies, or is no number anywhere: the model does not know the finding.

    Args:
        scores: of one output, in one or more cohorts.

    Example:
        >>> is_constant([0.0, 0.0], [0.0]), is_constant([0.0, 0.1]), is_constant([np.nan])
        (True, False, True)
    """
    joined = np.concatenate([as_scores(part).ravel() for part in scores])
    finite = joined[np.isfinite(joined)]
    return not len(finite) or float(np.ptp(finite)) <= CONSTANT


def largest_tie(reference: ArrayLike) -> float:
    """Return the share of a cohort at its most frequent score: half of it is how far a percentile may be off.

    Example:
        >>> largest_tie([0.5, 0.5, 0.7, 0.9])
        0.5
    """
    cohort = as_scores(reference).ravel()
    counts = np.unique(cohort[~np.isnan(cohort)], return_counts=True)[1]
    return float(counts.max(initial=0) / max(1, counts.sum()))
