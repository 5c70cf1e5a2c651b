"""Area under the ROC curve with an honest interval: DeLong, and Obuchowski's form for repeated persons.

What would invalidate these numbers:

- Several images of one person treated as independent. With five images each, a nominal 95 % DeLong interval covers
  the truth 64 % of the time; Obuchowski's covers 93 %. So pass ``clusters`` (person ids) whenever there are any.
- A symmetric interval near 1, or one whose variance is that of the estimate: see :mod:`cxrshort.stats.auc_limits`.
- Perfect separation. The estimated variance is then zero, which says nothing; see :func:`auc_interval`.

Sources: DeLong, DeLong & Clarke-Pearson, Biometrics 44:837 (1988); Sun & Xu, IEEE Signal Process. Lett. 21:1389 (2014)
for the mid-rank computation; Obuchowski, Biometrics 53:567 (1997) for clusters.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit, ndtri, stdtr, stdtrit

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.auc_limits import auc_limits, few_errors
from cxrshort.stats.midranks import (
    CheckedRows,
    Floats,
    auc_components,
    check_rows,
    covariance_of,
    disjoint_pairs,
    mid_counts,
    missing_class,
    number_jointly,
    why_no_variance,
)
from cxrshort.stats.midranks import Sample as Sample

_ROUNDING = 1e-12
"""Of a variance, as a share of the one of independent images."""

FEWEST_PERSONS = 6
"""In the smaller class: with fewer, intervals of a difference hold the truth in less than 92 % of cases."""


@dataclass(frozen=True, slots=True)
class AucInterval:
    """An AUC, its interval, and what they rest on.

    Args:
        auc: in [0, 1]; None where a class is missing.
        low: lower limit, in [0, 1]; None where no interval can be given.
        high: upper limit, in [0, 1]; None where no interval can be given.
        standard_error: of the AUC, on its own scale; None where it cannot be estimated.
        positives: images with target 1.
        negatives: images with target 0.
        clusters: persons among the images used; None when no person ids were given.
        left_out: rows whose target is neither 0 nor 1.
        level: coverage of the interval, e.g. 0.95.
        method: "DeLong", "Obuchowski", "exact bound" or "none".
        reason: why the AUC or the usual interval is missing; "" when all is well.
        caution: what makes the interval unreliable although it could be computed; "" when nothing does.
    """

    auc: float | None
    low: float | None
    high: float | None
    standard_error: float | None
    positives: int
    negatives: int
    clusters: int | None
    left_out: int
    level: float
    method: str
    reason: str = ""
    caution: str = ""


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """Two models on the same images; the difference is after minus before.

    Args:
        before: AUC of the first model; None where a class is missing.
        after: AUC of the second model; None where a class is missing.
        difference: after minus before.
        standard_error: of the difference.
        low: lower limit of the difference.
        high: upper limit of the difference.
        p_value: two-sided; 1 when both models rank the images alike, None where it cannot be computed.
        method: "DeLong", "Obuchowski" or "none".
        reason: why a number is missing or unreliable; "" when all is well.
        caution: why the interval may hold the truth less often than it claims, in 92 of 100 cases or fewer; "" when
            there is no cause for doubt.
    """

    before: float | None
    after: float | None
    difference: float | None
    standard_error: float | None
    low: float | None
    high: float | None
    p_value: float | None
    method: str
    reason: str = ""
    caution: str = ""


def auc(targets: ArrayLike, scores: ArrayLike) -> float | None:
    """Return the area under the ROC curve, ties counted half; None where a class is missing.

    Example:
        >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.9])
        0.875
    """
    rows = check_rows(targets, scores)
    positives, negatives = rows.counts
    if not positives or not negatives:
        return None
    return float(mid_counts(rows.positive, rows.scores[:, 0])[rows.positive].sum()) / (positives * negatives)


def macro_auc(targets: ArrayLike, scores: ArrayLike) -> tuple[float | None, int]:
    """Return the mean AUC over the labels that have both classes, and how many those are.

    Args:
        targets: (N, L) truth.
        scores: (N, L).
    """
    truth, table = np.asarray(targets, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    values = [auc(truth[:, label], table[:, label]) for label in range(truth.shape[1])]
    defined = [value for value in values if value is not None]
    return (sum(defined) / len(defined) if defined else None), len(defined)


def macro_auc_limits(samples: Sequence[Sample], *, level: float = 0.95) -> tuple[float, float] | None:
    """Return the limits of the mean AUC over several labels of the same persons; None where there is no variance.

    The variance is that of Obuchowski's covariance of all AUCs, so that labels which occur together count as such; the
    limits are symmetric on the logit scale, which keeps them within (0, 1).

    Args:
        samples: of each label, with both classes.
        level: coverage in (0, 1).
    """
    check_level(level)
    rows, codes, persons = number_jointly(samples)
    if any(why_no_variance(label) for label in rows):
        return None
    parts = [auc_components(label, own, persons) for label, own in zip(rows, codes, strict=True)]
    value, variance = float(np.mean([part.aucs[0] for part in parts])), float(covariance_of(parts).mean())
    if not 0 < value < 1 or variance <= 0:
        return None
    half = float(ndtri(0.5 + level / 2)) * math.sqrt(variance) / (value * (1 - value))
    low, high = (float(expit(logit(value) + side * half)) for side in (-1, 1))
    return low, high


def auc_covariance(
    targets: ArrayLike, scores_matrix: ArrayLike, clusters: ArrayLike | None = None
) -> tuple[Floats, Floats]:
    """Return the AUCs of several models on the same images and the covariance of these AUCs.

    Args:
        targets: (N,) truth.
        scores_matrix: (N, K), a column per model.
        clusters: (N,) person ids, or None.

    Returns:
        (K,) AUCs and their (K, K) covariance.

    Raises:
        DataError: fewer than two persons with a positive or with a negative, NaN scores, lengths that differ.
    """
    rows = check_rows(targets, scores_matrix, clusters)
    if reason := why_no_variance(rows):
        raise DataError(f"no covariance of AUCs: {reason}", "use a larger test set")
    parts = auc_components(rows, rows.codes, rows.persons)
    return parts.aucs, covariance_of([parts])


def auc_interval(
    targets: ArrayLike, scores: ArrayLike, clusters: ArrayLike | None = None, *, level: float = 0.95
) -> AucInterval:
    """Compute an AUC and its interval, from Obuchowski's variance when a person repeats, else from DeLong's.

    The limits are those of :func:`cxrshort.stats.auc_limits.auc_limits`, which hold with few positives too.

    Perfect separation (AUC 0 or 1) and scores that are all equal leave no variance to estimate. Then an exact bound
    takes over. Of k disjoint pairs (one positive person, one negative person) all were ranked right; if the AUC were A,
    that would happen with probability at most A**k, so A below (1 - level)**(1/k) is refuted: the one-sided
    Clopper-Pearson limit, about 1 - 3/k for 95 % (the "rule of three", Hanley & Lippman-Hand, JAMA 249:1743, 1983).
    It holds for any distribution and is wide on purpose. When all k pairs tie, ties have at least that probability t,
    and the AUC lies in [t/2, 1 - t/2].

    Args:
        targets: (N,) truth; rows that are not exactly 0 or 1 are left out and counted.
        scores: (N,) without NaN; infinite scores are ranked.
        clusters: (N,) person ids; None where every row is a person of its own.
        level: coverage in (0, 1).

    Raises:
        DataError: NaN scores, a row without a person, lengths that differ.
        UsageError: a level outside (0, 1).

    Example:
        >>> result = auc_interval([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.6, 0.5, 0.7, 0.9])
        >>> f"{result.auc:.3f} [{result.low:.3f}, {result.high:.3f}] {result.method}"
        '0.889 [0.261, 0.995] DeLong'
    """
    check_level(level)
    return interval_of_rows(check_rows(targets, scores, clusters), level=level)


def interval_of_rows(rows: CheckedRows, *, level: float) -> AucInterval:
    """Return the AUC of rows of one model that are checked, see :func:`auc_interval`."""
    if reason := missing_class(rows):
        return _interval(rows, None, level=level, reason=reason)
    if reason := why_no_variance(rows):
        return _interval(rows, auc(rows.positive, rows.scores[:, 0]), level=level, reason=reason)
    parts = auc_components(rows, rows.codes, rows.persons)
    value, variance = float(parts.aucs[0]), float(covariance_of([parts])[0, 0])
    if reason := _no_spread(rows, value):
        low, high = _exact_limits(value, disjoint_pairs(rows), level)
        return _interval(rows, value, level=level, low=low, high=high, method="exact bound", reason=reason)
    # Possible in Obuchowski's form only: its cross term may be as negative as the rest is positive, but for rounding.
    if variance <= _ROUNDING * float(parts.independent[0]):
        return _interval(rows, value, level=level, reason=f"no positive variance from {rows.persons} persons")
    low, high = auc_limits(
        value,
        variance=variance,
        independent=float(parts.independent[0]),
        counts=rows.counts,
        persons=min(rows.persons_by_class),
        quantile=float(ndtri(0.5 + level / 2)),
    )
    method = "Obuchowski" if rows.repeated else "DeLong"
    return _interval(rows, value, level=level, low=low, high=high, error=math.sqrt(variance), method=method)


def _interval(
    rows: CheckedRows,
    value: float | None,
    *,
    level: float,
    low: float | None = None,
    high: float | None = None,
    error: float | None = None,
    method: str = "none",
    reason: str = "",
) -> AucInterval:
    positives, negatives = rows.counts
    persons = rows.persons if rows.has_clusters else None
    fewest = min(rows.persons_by_class)
    caution = ""
    if value is not None and error is not None and few_errors(value, fewest):
        caution = f"only {fewest} persons in the smaller class for an AUC of {value:.2f}"
    counts = (positives, negatives, persons, rows.left_out, level, method, reason, caution)
    return AucInterval(value, low, high, error, *counts)


def check_level(level: float) -> None:
    """Refuse a coverage outside (0, 1).

    Raises:
        UsageError: naming the level.
    """
    if not 0 < level < 1:
        raise UsageError(f'level "{level:g}" is not between 0 and 1', "try 0.95")


def _no_spread(rows: CheckedRows, value: float) -> str:
    if value == 1.0:
        return "perfect separation"
    if value == 0.0:
        return "reversed: every positive below every negative"
    return "all scores are equal" if (rows.scores == rows.scores[0]).all() else ""


def _exact_limits(value: float, pairs: int, level: float) -> tuple[float, float]:
    bound = (1 - level) ** (1 / pairs)
    if value == 1.0:
        return bound, 1.0
    return (0.0, 1 - bound) if value == 0.0 else (bound / 2, 1 - bound / 2)


def compare_paired(
    targets: ArrayLike,
    *,
    before: ArrayLike,
    after: ArrayLike,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
) -> PairedComparison:
    """Compare two models on the same images: difference after minus before, interval, two-sided p.

    Limits and p are those of Student's t with one degree of freedom less than the smaller class has persons: with the
    normal distribution, as DeLong has them, 95 % intervals hold the truth in 80 % of cases with 4 positives and in 90 %
    with 8 (``tests/studies/interval_coverage.py``). With 100 and more there is no difference.

    Args:
        targets: (N,) truth.
        before: (N,) scores of the first model.
        after: (N,) scores of the second model.
        clusters: (N,) person ids, or None.
        level: coverage in (0, 1).

    Raises:
        DataError: NaN scores, a row without a person, lengths that differ.
        UsageError: a level outside (0, 1).

    Example:
        >>> compare_paired([0, 0, 1, 1], before=[1, 3, 2, 4], after=[1, 2, 3, 4]).difference
        0.25
    """
    check_level(level)
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if first.shape != second.shape:
        raise DataError(f"{first.size} scores before and {second.size} after: they must be as many")
    rows = check_rows(targets, np.stack([first, second], axis=1), clusters)
    if reason := missing_class(rows):
        return PairedComparison(None, None, None, None, None, None, None, "none", reason)
    old, new = (auc(rows.positive, rows.scores[:, model]) or 0.0 for model in (0, 1))
    if reason := why_no_variance(rows):
        return PairedComparison(old, new, new - old, None, None, None, None, "none", reason)
    parts = auc_components(rows, rows.codes, rows.persons)
    contrast = np.array([-1.0, 1.0])
    error = math.sqrt(max(0.0, float(contrast @ covariance_of([parts]) @ contrast)))
    if error < 1e-12 and old != new:  # AUCs of 0 and 1 have no variance to test against; 1e-12 is rounding
        return PairedComparison(old, new, new - old, None, None, None, None, "none", "perfect separation")
    fewest = min(rows.persons_by_class)
    half = float(stdtrit(fewest - 1, 0.5 + level / 2)) * error
    p_value = 1.0 if old == new else float(2 * stdtr(fewest - 1, -abs(new - old) / error))
    reason = "perfect separation" if {old, new} & {0.0, 1.0} else ""
    method = "Obuchowski" if rows.repeated else "DeLong"
    # No difference of two AUCs is beyond 1; with two persons of a class the quantile of t alone is 12.7.
    limits = (max(-1.0, new - old - half), min(1.0, new - old + half))
    extreme = max(old, new, key=lambda value: abs(value - 0.5))
    caution = ""
    if fewest < FEWEST_PERSONS or fewest * min(extreme, 1 - extreme) < 1:
        caution = f"only {fewest} persons in the smaller class for an AUC of {extreme:.2f}"
    return PairedComparison(old, new, new - old, error, *limits, p_value, method, reason, caution)


def roc_curve(targets: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats]:
    """Return false and true positive rates at every distinct score, from (0, 0) to (1, 1).

    Args:
        targets: (N,) truth; rows that are not exactly 0 or 1 are left out.
        scores: (N,).

    Returns:
        Two arrays of one more point than there are distinct scores.

    Raises:
        DataError: a class is missing, NaN scores, lengths that differ.

    Example:
        >>> [rates.tolist() for rates in roc_curve([0, 1, 0, 1], [1, 2, 2, 3])]
        [[0.0, 0.0, 0.5, 1.0], [0.0, 0.5, 1.0, 1.0]]
    """
    rows = check_rows(targets, scores)
    if reason := missing_class(rows):
        raise DataError(f"no ROC curve: {reason}", "use images of both classes")
    from scipy.stats import rankdata  # these two take half a second to import, and no AUC needs them
    from sklearn import metrics

    # Ranks instead of scores: scikit-learn refuses infinite ones.
    false, true, _ = metrics.roc_curve(rows.positive, rankdata(rows.scores[:, 0]), drop_intermediate=False)
    return false, true
