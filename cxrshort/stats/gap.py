"""The generalization gap: internal AUC minus external AUC, with an interval for both kinds of chance.

Two things vary: which persons happened to be in the test sets, and which model a training replicate happened to
produce. Replicates share test images, so their AUCs are not independent measurements, and SD / sqrt(R) is no standard
error. Here the two parts are separated:

- test sampling T: the covariance of the mean internal and the mean external AUC over all replicates, from each person's
  influence on each AUC (DeLong; Obuchowski 1997 for persons with several images). A person who is in several
  replicates' test folds, or on both sides, moves all those AUCs together, and is counted so. This is the limit of a
  bootstrap that gives a person the same weight in every replicate (``bootstrap.py``), without its noise.
- replicates M: the spread of AUCs between replicates beyond what sampling alone would produce, S - D, where S is the
  observed covariance over replicates (ddof 1) and D its expectation if all models were equally good. Never negative.

The mean of R replicates has variance T + M/R and Satterthwaite's degrees of freedom, so two replicates get the wide
interval they deserve. With one replicate M is unknown: the interval then holds for that one model only.

Each side has the limits of ``auc_limits.py``, or the exact bound at perfect separation. The interval of the difference
is built from these two (method of variance estimates recovery: Zou & Donner, Stat. Med. 27:1693, 2008), so a perfect
internal AUC does not count as known without error.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.auc import AucInterval, auc_interval, check_level
from cxrshort.stats.auc_limits import auc_limits, hanley_mcneil_error
from cxrshort.stats.differences import difference_limits
from cxrshort.stats.midranks import CheckedRows, Components, Floats, auc_components, covariance_of, number_jointly
from cxrshort.stats.midranks import Sample as Sample

# Exact Mann-Whitney with ties enumerates all splits; 200,000 (10 against 10 has 184,756) take a few seconds at most.
MOST_SPLITS = 200_000


@dataclass(frozen=True, slots=True)
class MeanAuc:
    """The AUC of one or more replicates on their test sets.

    Args:
        mean: over replicates, in [0, 1]; None where some replicate has no AUC.
        deviation: standard deviation over replicates (ddof 1); None for one replicate.
        low: lower limit of the mean; None where no interval can be given.
        high: upper limit of the mean; None where no interval can be given.
        aucs: one per replicate, None where a class is missing.
        reason: why a number is missing or an exact bound stands in; "" when all is well.
        caution: what makes the interval of the first such replicate unreliable; "" when nothing does.
    """

    mean: float | None
    deviation: float | None
    low: float | None
    high: float | None
    aucs: tuple[float | None, ...]
    reason: str = ""
    caution: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """Internal minus external AUC.

    Args:
        internal: mean over replicates on their own dataset's test folds.
        external: mean over replicates on another dataset.
        difference: internal minus external; positive when the model generalizes badly.
        low: lower limit of the difference; None where no interval can be given.
        high: upper limit of the difference; None where no interval can be given.
        correlation: of the two means, from shared persons and shared models.
        replicates: how many.
        level: coverage of all intervals.
        reason: why a number is missing; "" when all is well.
    """

    internal: MeanAuc
    external: MeanAuc
    difference: float | None
    low: float | None
    high: float | None
    correlation: float
    replicates: int
    level: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MannWhitney:
    """A two-sided Mann-Whitney test.

    Args:
        u: pairs in which the first sample is larger, ties counted half.
        p_value: two-sided.
        method: how p was computed, to be printed with it.
    """

    u: float
    p_value: float
    method: str


def mean_auc(samples: Sequence[Sample], *, level: float = 0.95) -> MeanAuc:
    """Compute the mean AUC of replicates and its interval.

    Args:
        samples: one per replicate; with more than one, each with person ids.
        level: coverage in (0, 1).

    Raises:
        DataError: no sample, several samples without person ids, NaN scores, lengths that differ.
        UsageError: a level outside (0, 1).

    Example:
        >>> result = mean_auc([Sample([0, 0, 0, 1, 1, 1], [1, 2, 6, 5, 7, 9])])
        >>> f"{result.mean:.3f} [{result.low:.3f}, {result.high:.3f}]"
        '0.889 [0.261, 0.995]'
    """
    check_level(level)
    return _means([samples], level)[0][0]


def generalization_gap(internal: Sequence[Sample], external: Sequence[Sample], *, level: float = 0.95) -> Gap:
    """Compute internal minus external AUC over replicates, with an interval (see the module's opening).

    Args:
        internal: one sample per replicate: its own dataset's test fold.
        external: the same replicates, in the same order, on another dataset.
        level: coverage in (0, 1).

    Raises:
        DataError: no replicate, unequal numbers of them, several without person ids, NaN scores, lengths that differ.
        UsageError: a level outside (0, 1).

    Example:
        >>> inside = Sample([0] * 4 + [1] * 4, [1, 2, 3, 6, 5, 7, 8, 9])
        >>> outside = Sample([0] * 4 + [1] * 4, [1, 5, 6, 8, 2, 4, 7, 9])
        >>> gap = generalization_gap([inside], [outside])
        >>> f"{gap.difference:.3f} [{gap.low:.3f}, {gap.high:.3f}]"
        '0.375 [-0.228, 0.787]'
    """
    check_level(level)
    if len(internal) != len(external):
        raise DataError(
            f"{len(internal)} internal and {len(external)} external replicates: they must be the same models",
            "evaluate every replicate on both datasets",
        )
    (inside, outside), correlation = _means([internal, external], level)
    reason = "; ".join(
        f"{name}: {side.reason}" for name, side in (("internal", inside), ("external", outside)) if side.reason
    )
    if inside.mean is None or outside.mean is None:
        return Gap(inside, outside, None, None, None, correlation, len(internal), level, reason)
    low, high = gap_limits(inside, outside, correlation)
    return Gap(inside, outside, inside.mean - outside.mean, low, high, correlation, len(internal), level, reason)


def _means(sides: list[Sequence[Sample]], level: float) -> tuple[list[MeanAuc], float]:
    """Return the mean AUC of each side, and the correlation of the first and the last."""
    samples = [sample for side in sides for sample in side]
    replicates = len(sides[0])
    if not replicates:
        raise DataError("no replicate to average: at least one is needed", "evaluate a model first")
    if replicates > 1 and any(sample.clusters is None for sample in samples):
        raise DataError("replicates without person ids: the images they share cannot be known", "give person ids")
    singles = [auc_interval(sample.targets, sample.scores, sample.clusters, level=level) for sample in samples]
    spread = Spread(np.zeros((len(sides), len(sides))), np.full(len(sides), math.inf), np.zeros(len(sides)), [])
    if all(single.method != "none" for single in singles):
        spread = _spread_of_means(samples, len(sides))
    means = [mean_of_side(singles[side * replicates :][:replicates], spread, side) for side in range(len(sides))]
    return means, spread.correlation


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """What the interval of each side's mean AUC rests on.

    Args:
        covariance: (sides, sides) T + M/R.
        freedom: (sides,) degrees of freedom of each variance.
        independent: (sides,) mean of the replicates' DeLong variances, which take images for independent.
        persons: fewest persons in a class of any replicate, per side.
    """

    covariance: Floats
    freedom: Floats
    independent: Floats
    persons: list[int]

    @property
    def correlation(self) -> float:
        """Return the correlation of the first and the last side."""
        scale = math.sqrt(max(0.0, self.covariance[0, 0] * self.covariance[-1, -1]))
        return float(np.clip(self.covariance[0, -1] / scale, -1, 1)) if scale > 0 else 0.0


def mean_of_side(singles: list[AucInterval], spread: Spread, side: int) -> MeanAuc:
    """Return the mean AUC of one side, from the AUC of each replicate and the spread of all of them."""
    aucs = tuple(single.auc for single in singles)
    reason = ", ".join(dict.fromkeys(single.reason for single in singles if single.reason))
    defined = [value for value in aucs if value is not None]
    if len(defined) < len(aucs):
        return MeanAuc(None, None, None, None, aucs, reason)
    mean = float(np.mean(defined))
    deviation = float(np.std(defined, ddof=1)) if len(defined) > 1 else None
    lows = [single.low for single in singles if single.low is not None]
    highs = [single.high for single in singles if single.high is not None]
    if len(lows) < len(aucs):
        return MeanAuc(mean, deviation, None, None, aucs, reason)
    low, high = min(lows), max(highs)  # of one replicate its own; of several, where no variance can be estimated
    variance = float(spread.covariance[side, side])
    if len(aucs) > 1 and variance > 0 and 0 < mean < 1:
        bounds = float(np.mean(lows)), float(np.mean(highs))
        low, high = auc_limits(
            mean,
            variance=variance,
            independent=float(spread.independent[side]),
            counts=(
                _mean_count(single.positives for single in singles),
                _mean_count(single.negatives for single in singles),
            ),
            persons=spread.persons[side],
            quantile=float(stdtrit(spread.freedom[side], 0.5 + singles[0].level / 2)),
        )
        if any(value in (0.0, 1.0) for value in defined):
            # At 0 or 1 the estimated variance is 0, whatever the number of images; the exact bound is not.
            low, high = min(low, bounds[0]), max(high, bounds[1])
    caution = next((single.caution for single in singles if single.caution), "")
    return MeanAuc(mean, deviation, low, high, aucs, reason, caution)


def _mean_count(counts: Iterable[int]) -> int:
    return round(float(np.mean(list(counts))))


def _spread_of_means(samples: list[Sample], sides: int) -> Spread:
    rows, codes, persons = number_jointly(samples)
    parts = [auc_components(kept, numbers, persons) for kept, numbers in zip(rows, codes, strict=True)]
    return spread_of_parts(parts, rows, sides)


def spread_of_parts(parts: list[Components], rows: Sequence[CheckedRows], sides: int) -> Spread:
    """Return the spread of the mean AUC of each side.

    Args:
        parts: of each sample, the replicates of one side after those of the other; their persons are numbered jointly.
        rows: of each sample.
        sides: how many.
    """
    replicates = len(parts) // sides
    blocks = covariance_of(parts).reshape(sides, replicates, sides, replicates)
    sampling: Floats = blocks.mean(axis=(1, 3))
    independent = np.array([part.independent[0] for part in parts]).reshape(sides, replicates).mean(axis=1)
    fewest = np.array([min(kept.persons_by_class) for kept in rows]).reshape(sides, replicates).min(axis=1).tolist()
    if replicates == 1:
        return Spread(sampling, np.full(sides, math.inf), independent, fewest)
    aucs = np.array([part.aucs[0] for part in parts]).reshape(sides, replicates)
    within_replicates = np.einsum("arbr->ab", blocks) / replicates
    between_replicates = (replicates * sampling - within_replicates) / (replicates - 1)
    models = _without_negative_part(np.atleast_2d(np.cov(aucs)) - (within_replicates - between_replicates)) / replicates
    total = sampling + models
    share = np.diag(models) / np.maximum(np.diag(total), np.finfo(float).tiny)
    return Spread(total, (replicates - 1) / np.maximum(share, 1e-9) ** 2, independent, fewest)


def _without_negative_part(covariance: Floats) -> Floats:
    """Return the nearest covariance: negative eigenvalues become 0."""
    values, vectors = np.linalg.eigh(covariance)
    nearest: Floats = (vectors * np.maximum(values, 0)) @ vectors.T
    return nearest


def gap_limits(inside: MeanAuc, outside: MeanAuc, correlation: float) -> tuple[float | None, float | None]:
    """Combine the two intervals into one of their difference; None where a side has none."""
    sides = [(side.mean, side.low, side.high) for side in (inside, outside)]
    first, second = ([number for number in side if number is not None] for side in sides)
    if len(first) < 3 or len(second) < 3:
        return None, None
    return difference_limits((first[0], first[1], first[2]), (second[0], second[1], second[2]), correlation=correlation)


def mann_whitney(first: ArrayLike, second: ArrayLike) -> MannWhitney:
    """Test two-sided whether one sample tends to be larger, exactly wherever that is feasible.

    Replicate AUCs on shared test images are not independent, and five against five show a difference of 0.03 (standard
    deviation 0.035) with a power of 16 % only: a large p here is not evidence of equality.

    Args:
        first: (m,) numbers, e.g. AUCs of replicates.
        second: (n,) numbers.

    Returns:
        U of ``first``, p, and the method that gave it.

    Raises:
        DataError: an empty sample, or NaN.

    Example:
        >>> mann_whitney([0.76, 0.71, 0.79, 0.78], [0.69, 0.70, 0.66, 0.72])
        MannWhitney(u=15.0, p_value=0.05714285714285714, method='exact')
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if not x.size or not y.size:
        raise DataError(f"samples of {x.size} and {y.size} numbers: a Mann-Whitney test needs both")
    if np.isnan(x).any() or np.isnan(y).any():
        raise DataError("a Mann-Whitney test cannot rank NaN", "leave out replicates without an AUC")
    from scipy.stats import PermutationMethod, mannwhitneyu  # half a second to import, which no AUC needs

    tied = len(np.unique(np.concatenate([x, y]))) < x.size + y.size
    if not tied and max(x.size, y.size) <= 50:
        result, method = mannwhitneyu(x, y, method="exact"), "exact"
    elif min(x.size, y.size) == 1:
        return MannWhitney(*_exact_of_one(x, y), "exact permutation, with ties")
    elif math.comb(x.size + y.size, x.size) <= MOST_SPLITS:
        every_split = PermutationMethod(n_resamples=MOST_SPLITS)
        result, method = mannwhitneyu(x, y, method=every_split), "exact permutation, with ties"
    else:
        result, method = mannwhitneyu(x, y, method="asymptotic"), "normal, tie-corrected, continuity-corrected"
    return MannWhitney(float(result.statistic), float(result.pvalue), method)


def _exact_of_one(first: Floats, second: Floats) -> tuple[float, float]:
    """Return U and the exact p-value where one sample is a single number: SciPy permutes no such samples."""
    from scipy.stats import rankdata

    below = rankdata(np.concatenate([first, second])) - 1
    single = below[0] if len(first) == 1 else below[-1]
    tail = min(float((below <= single).mean()), float((below >= single).mean()))
    u = float(single) if len(first) == 1 else len(first) - float(single)
    return u, min(1.0, 2 * tail)


def smallest_detectable_difference(
    positives: int,
    negatives: int,
    *,
    auc: float,
    level: float = 0.95,
    power: float = 0.8,
    reference: tuple[int, int] | None = None,
) -> float | None:
    """Return the smallest drop below an AUC that a test set of this size would have shown.

    Every "no evidence of a drop" needs this number beside it. The drop d solves d = z_(1 + level)/2 * SE(auc) +
    z_power * SE(auc - d), with Hanley & McNeil's standard errors.

    Args:
        positives: of the test set; with several images per person, give persons.
        negatives: likewise.
        auc: where the drop starts, in (0, 1].
        level: 1 minus the two-sided error of the first kind.
        power: the chance to find a drop of this size.
        reference: positives and negatives of the independent set on which ``auc`` itself was measured; None when
            ``auc`` is taken as known.

    Returns:
        The drop in (0, auc], or None when not even an AUC of 0 would be shown.

    Raises:
        UsageError: an AUC, level or power out of range, or a class without images.

    Example:
        >>> round(smallest_detectable_difference(100, 900, auc=0.85), 3)
        0.072
    """
    check_level(level)
    if not 0 < auc <= 1 or not 0 < power < 1:
        raise UsageError(f'auc "{auc:g}" must be in (0, 1] and power "{power:g}" in (0, 1)')
    if min(positives, negatives, *(reference or (1, 1))) < 1:
        raise UsageError("a test set without images of both classes can show no difference")
    reference_error = hanley_mcneil_error(auc, positives=reference[0], negatives=reference[1]) if reference else 0.0
    sure, likely = float(ndtri(0.5 + level / 2)), float(ndtri(power))

    def surplus(drop: float) -> float:
        before = math.hypot(reference_error, hanley_mcneil_error(auc, positives=positives, negatives=negatives))
        after = math.hypot(reference_error, hanley_mcneil_error(auc - drop, positives=positives, negatives=negatives))
        return drop - sure * before - likely * after

    return float(brentq(surplus, 1e-12, auc)) if surplus(auc) > 0 else None
