"""The generalization gap at the same case mix, so that a change of case mix is not taken for a shortcut.

An AUC may fall in the next hospital because its images are harder, with the model as good as ever: more bedside films,
say, where everything is harder to see. Here images inside are weighted so that their case mix is that of the images
outside, given that mix, and the gap is measured again. Two mixes are matched:

- strata alone (views): each view weighs as much as outside. Within a view, the prevalence stays that of the inside.
- strata and class: each view weighs as much as outside among positives, and among negatives. So the prevalence within
  each view is that of the outside too, and a model that knows the view alone gains nothing from knowing it.

Prevalence on its own needs no matching: weights of a whole class cancel out of an AUC.

What would invalidate it: strata that are not there on one side cannot be matched, and are left out on both, counted; a
stratum of a handful of images that is frequent outside carries its weight on few shoulders (``effective``). A gap that
stays is no proof of a shortcut: what no column names is not matched.

The variance counts that the weights were estimated: influences are centred within strata, as after post-stratification
(Holt & Smith, J. R. Stat. Soc. A 142:33, 1979). The mix outside is taken as it is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm

from cxrshort.errors import DataError
from cxrshort.stats.auc import AucInterval, auc_interval, check_level
from cxrshort.stats.auc_limits import auc_limits
from cxrshort.stats.gap import Gap, MeanAuc, gap_limits, mean_of_side, spread_of_parts
from cxrshort.stats.midranks import (
    CheckedRows,
    Components,
    Floats,
    Integers,
    Sample,
    auc_components,
    covariance_of,
    is_exact,
    number_jointly,
)


@dataclass(frozen=True, slots=True)
class Stratified:
    """Hold a sample with the stratum of each row.

    Args:
        sample: one model's scores on one test set.
        strata: (N,) such as views.
    """

    sample: Sample
    strata: ArrayLike


@dataclass(frozen=True, slots=True)
class MatchedGap:
    """Hold a gap at the case mix of the outside.

    Args:
        gap: internal minus external.
        effective: images inside that would do as much with equal weights (Kish), the fewest of any replicate; 0 where
            nothing is left.
        left_out_internal: images inside of strata that the outside lacks, the most of any replicate.
        left_out_external: likewise.
    """

    gap: Gap
    effective: float
    left_out_internal: int
    left_out_external: int


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """Hold the rows of strata that both sides have."""

    inside: Sample
    outside: Sample
    weights: Floats
    codes: Integers
    left_out: tuple[int, int]


def matched_gap(
    internal: Sequence[Stratified], external: Sequence[Stratified], *, by_class: bool, level: float = 0.95
) -> MatchedGap:
    """Compute the generalization gap with the internal images weighted to the case mix of the external ones.

    Args:
        internal: one sample per replicate: its own dataset's test fold.
        external: the same replicates, in the same order, on another dataset.
        by_class: whether positives and negatives are matched apart.
        level: coverage in (0, 1).

    Raises:
        DataError: no replicate, unequal numbers of them, several without person ids, NaN scores, lengths that differ.
        UsageError: a level outside (0, 1).

    Example:
        >>> inside = Stratified(Sample([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6]), ["AP", "PA", "PA", "PA", "AP", "PA"])
        >>> outside = Stratified(Sample([0, 0, 1, 1], [1, 3, 2, 4]), ["AP", "PA", "AP", "PA"])
        >>> comparison = matched_gap([inside], [outside], by_class=False)
        >>> f"{comparison.gap.internal.mean:.3f} - {comparison.gap.external.mean:.3f} = {comparison.gap.difference:.3f}"
        '0.938 - 0.750 = 0.188'
    """
    check_level(level)
    if len(internal) != len(external) or not internal:
        raise DataError(
            f"{len(internal)} internal and {len(external)} external replicates: they must be the same models",
            "evaluate every replicate on both datasets",
        )
    kept = [_keep_shared(*pair, by_class=by_class) for pair in zip(internal, external, strict=True)]
    left_out = [max(part.left_out[side] for part in kept) for side in (0, 1)]
    effective = min(_effective(part.weights) for part in kept)
    return MatchedGap(_gap(kept, level), effective, *left_out)


def _keep_shared(inside: Stratified, outside: Stratified, *, by_class: bool) -> _Kept:
    """Return the rows of the strata that both sides have, and the weights of the inside."""
    sides = [_exact(side) for side in (inside, outside)]
    names = [pd.Series(strata).astype(str) for _, strata in sides]
    if by_class:
        names = [
            name + np.where(np.asarray(sample.targets) == 1, "+", "-")
            for name, (sample, _) in zip(names, sides, strict=True)
        ]
    shared = set(names[0]) & set(names[1])
    masks = [name.isin(shared).to_numpy() for name in names]
    samples = [_take(sample, mask) for (sample, _), mask in zip(sides, masks, strict=True)]
    shares = [name[mask].value_counts(normalize=True) for name, mask in zip(names, masks, strict=True)]
    kept = names[0][masks[0]]
    weights = (kept.map(shares[1]) / kept.map(shares[0])).to_numpy(np.float64)
    codes = pd.factorize(kept)[0].astype(np.int64)
    return _Kept(samples[0], samples[1], weights, codes, (int((~masks[0]).sum()), int((~masks[1]).sum())))


def _exact(side: Stratified) -> tuple[Sample, np.ndarray]:
    """Return the rows whose targets are exactly 0 or 1."""
    exact, strata = is_exact(side.sample.targets), np.asarray(side.strata, dtype=object)
    if len(strata) != len(exact):
        raise DataError(f"{len(strata)} strata for {len(exact)} rows: they must be as many")
    return _take(side.sample, exact), strata[exact]


def _take(sample: Sample, mask: np.ndarray) -> Sample:
    clusters = None if sample.clusters is None else np.asarray(sample.clusters)[mask]
    return Sample(np.asarray(sample.targets)[mask], np.asarray(sample.scores, np.float64)[mask], clusters)


def _effective(weights: Floats) -> float:
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def _gap(kept: Sequence[_Kept], level: float) -> Gap:
    samples = [*(part.inside for part in kept), *(part.outside for part in kept)]
    replicates = len(kept)
    if replicates > 1 and any(sample.clusters is None for sample in samples):
        raise DataError("replicates without person ids: the images they share cannot be known", "give person ids")
    singles = [auc_interval(sample.targets, sample.scores, sample.clusters, level=level) for sample in samples]
    if any(single.method == "none" for single in singles):
        return _without(singles, kept, level)
    rows, codes, persons = number_jointly(samples)
    parts = [_weighted_components(rows[place], codes[place], persons, part) for place, part in enumerate(kept)]
    parts += [auc_components(*pair, persons) for pair in zip(rows[replicates:], codes[replicates:], strict=True)]
    for place in range(replicates):
        singles[place] = _weighted_interval(singles[place], rows[place], parts[place], kept[place].weights)
    spread = spread_of_parts(parts, rows, 2)
    inside, outside = (mean_of_side(singles[side * replicates :][:replicates], spread, side) for side in (0, 1))
    limits = gap_limits(inside, outside, spread.correlation)
    difference = None if inside.mean is None or outside.mean is None else inside.mean - outside.mean
    reason = _reason(inside.reason, outside.reason)
    return Gap(inside, outside, difference, *limits, spread.correlation, replicates, level, reason)


def _without(singles: Sequence[AucInterval], kept: Sequence[_Kept], level: float) -> Gap:
    """Return what there is of a gap where some AUC has no interval: the reasons."""
    sides = []
    for part in (singles[: len(kept)], singles[len(kept) :]):
        why = ", ".join(dict.fromkeys(single.reason for single in part if single.reason))
        sides.append(MeanAuc(None, None, None, None, tuple(None for _ in part), why))
    reason = _reason(sides[0].reason, sides[1].reason)
    if not all(len(part.weights) for part in kept):
        reason = "no stratum is on both sides"
    return Gap(sides[0], sides[1], None, None, None, 0.0, len(kept), level, reason)


def _reason(inside: str, outside: str) -> str:
    return "; ".join(f"{name}: {why}" for name, why in (("internal", inside), ("external", outside)) if why)


def _weighted_components(rows: CheckedRows, codes: Integers, persons: int, part: _Kept) -> Components:
    """Return how much each person moves a weighted AUC whose weights match strata (see the module's opening)."""
    positive, weights = rows.positive, part.weights
    share = weights / np.where(positive, weights[positive].sum(), weights[~positive].sum())
    above = _won(rows.scores[:, 0], share, positive)
    value = float(share[positive] @ above[positive])
    own = share * (above - value)
    sizes = np.bincount(part.codes)
    own = own - (np.bincount(part.codes, weights=own) / sizes)[part.codes]
    gains, losses = (_sums(codes[side], own[side], persons) for side in (positive, ~positive))
    by_class = np.array([*rows.persons_by_class, rows.persons], dtype=np.float64)
    independent = sum(float((own[side] ** 2).sum()) * side.sum() / (side.sum() - 1) for side in (positive, ~positive))
    return Components(np.array([value]), gains, losses, by_class / (by_class - 1), np.array([independent]))


def _sums(codes: Integers, values: Floats, persons: int) -> Floats:
    """Return the sum of each person's values, (persons, 1)."""
    return np.bincount(codes, weights=values, minlength=persons)[:, None].astype(np.float64)


def _won(scores: Floats, share: Floats, positive: np.ndarray) -> Floats:
    """Return for each row the weight of the other class on the right side of it, ties counted half."""
    won = np.empty(len(scores))
    for side, other in ((positive, ~positive), (~positive, positive)):
        order = np.argsort(scores[other], kind="stable")
        values, cumulative = scores[other][order], np.append(0.0, np.cumsum(share[other][order]))
        below = cumulative[np.searchsorted(values, scores[side], "left")]
        up_to = cumulative[np.searchsorted(values, scores[side], "right")]
        won[side] = (below + up_to) / 2
    won[~positive] = 1.0 - won[~positive]
    return won


def _weighted_interval(single: AucInterval, rows: CheckedRows, part: Components, weights: Floats) -> AucInterval:
    """Return the interval of a weighted AUC; at perfect separation, where weights change nothing, as it was."""
    value, variance = float(part.aucs[0]), float(covariance_of([part])[0, 0])
    counts = [max(2, round(_effective(weights[side]))) for side in (rows.positive, ~rows.positive)]
    if single.standard_error is None or not 0 < value < 1 or variance <= 0:
        return single
    low, high = auc_limits(
        value,
        variance=variance,
        independent=float(part.independent[0]),
        counts=(counts[0], counts[1]),
        persons=min(rows.persons_by_class),
        quantile=float(norm.ppf(0.5 + single.level / 2)),
    )
    return replace(
        single,
        auc=value,
        low=low,
        high=high,
        standard_error=math.sqrt(variance),
        positives=counts[0],
        negatives=counts[1],
    )
