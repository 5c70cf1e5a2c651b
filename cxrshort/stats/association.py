"""How well a category or a number alone ranks a label: an AUC, with an interval that counts persons.

What would invalidate these numbers:

- Optimism. Ordering many categories by the very labels they are judged on makes independent columns look predictive.
  So a category is scored by its prevalence in one random half of the persons and judged on the other half. (Five- or
  ten-fold scoring judges on everybody, but its folds teach each other: its intervals covered 0.5 in 77 to 88 % of
  simulations, those of halves in 95 %.) Numbers are scored as they are, so nothing is fitted and nobody is set aside;
  an AUC below 0.5 means that small values go with the label.
- Images of one person treated as independent. Persons are counted.
- Few positives that happen to share one category: DeLong's error is then near zero. The AUC of a category has that
  error or the one under independence, whichever is larger.
- Missing cells. Rows without the label or without the category or number are left out, and ``images`` says how many
  remain.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata

from cxrshort.errors import DataError
from cxrshort.stats.auc import auc_interval, check_level
from cxrshort.stats.auc_limits import logit_limits
from cxrshort.stats.midranks import CheckedRows, Integers, Sample, check_rows, count_distinct, why_no_variance

POWER = 0.8
MOST_CATEGORIES = 20
FEWEST_PERSONS = 10
"""Rarer categories, or below a quarter of the persons if that is less, are taken together: the prevalence in half of so
few persons says nothing of the other half."""


@dataclass(frozen=True, slots=True)
class Association:
    """How strongly one column goes with one label.

    Args:
        value: the AUC, 0.5 for none; None where it cannot be computed.
        low: lower limit; None where no interval can be given.
        high: upper limit; None where no interval can be given.
        images: with both the label, exactly 0 or 1, and the column.
        smallest: what this many images would have shown with a chance of 80 %; None without an interval.
        reason: why a number is missing or unreliable; "" when all is well.
    """

    value: float | None
    low: float | None
    high: float | None
    images: int
    smallest: float | None = None
    reason: str = ""

    @property
    def strength(self) -> float:
        """Return |2 AUC - 1|, 0 for independence to 1 for a perfect relation; -1 where unknown."""
        return -1.0 if self.value is None else abs(2 * self.value - 1)


def category_auc(
    targets: ArrayLike,
    categories: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    rng: np.random.Generator,
    level: float = 0.95,
) -> Association:
    """Compute the AUC of a category's prevalence, learned on one half of the persons and judged on the other.

    Args:
        targets: (N,) truth; rows that are not exactly 0 or 1 are left out.
        categories: (N,) text; empty ones are left out. Those of fewer than 10 persons (or a quarter of all, if that is
            less), and those beyond the 19 largest, are taken together.
        clusters: (N,) person ids; None where every row is a person of its own.
        rng: draws the halves, each with half of the persons who have a positive.
        level: coverage in (0, 1).

    Raises:
        DataError: a row without a person, lengths that differ.
        UsageError: a level outside (0, 1).

    Example:
        >>> targets, views = [0, 0, 0, 1, 1, 1] * 20, ["PA", "PA", "AP", "AP", "AP", "AP"] * 20
        >>> found = category_auc(targets, views, rng=np.random.default_rng(0))
        >>> f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
        '0.82 [0.67, 0.91]'
    """
    check_level(level)
    rows, groups = _grouped(targets, categories, clusters)
    if reason := _single_group(rows, groups) or why_no_variance(rows):
        return Association(None, None, None, len(groups), reason=reason)
    learned = _half_of_persons(rows, rng)[rows.codes]
    hits = np.bincount(groups[learned], weights=rows.positive[learned], minlength=groups.max() + 1)
    images = np.bincount(groups[learned], minlength=groups.max() + 1)
    prevalence = np.where(images > 0, hits / np.maximum(images, 1), hits.sum() / images.sum())
    judged = Sample(rows.positive[~learned], prevalence[groups[~learned]], rows.codes[~learned])
    association = _auc(judged, images=len(groups), level=level, least_error=_error_under_independence(judged))
    return (
        replace(association, reason=f"{association.reason} in the half that judges")
        if association.reason
        else association
    )


def _half_of_persons(rows: CheckedRows, rng: np.random.Generator) -> NDArray[np.bool_]:
    with_positive = np.zeros(rows.persons, dtype=np.bool_)
    with_positive[rows.codes[rows.positive]] = True
    half = np.zeros(rows.persons, dtype=np.bool_)
    for stratum in (np.flatnonzero(with_positive), np.flatnonzero(~with_positive)):
        half[rng.permutation(stratum)[: len(stratum) // 2]] = True
    return half


def number_auc(
    targets: ArrayLike, numbers: ArrayLike, *, clusters: ArrayLike | None = None, level: float = 0.95
) -> Association:
    """Compute the AUC of a number as it stands; below 0.5 where small numbers go with the label.

    Only a rising or falling relation is seen: a label of both the young and the old gives 0.5.

    Args:
        targets: (N,) truth; rows that are not exactly 0 or 1 are left out.
        numbers: (N,), NaN where missing; those rows are left out.
        clusters: (N,) person ids; None where every row is a person of its own.
        level: coverage in (0, 1).

    Raises:
        DataError: a row without a person, lengths that differ.
        UsageError: a level outside (0, 1).

    Example:
        >>> number_auc([0, 0, 1, 1], [20, 50, 40, 70]).value
        0.75
    """
    truth, values = np.asarray(targets, dtype=np.float64), np.asarray(numbers, dtype=np.float64)
    used = np.isin(truth, (0.0, 1.0)) & ~np.isnan(values)
    if reason := _single_value(values[used], "value"):
        return Association(None, None, None, int(used.sum()), reason=reason)
    persons = None if clusters is None else np.asarray(clusters)[used]
    return _auc(Sample(truth[used], values[used], persons), images=int(used.sum()), level=level)


def _auc(sample: Sample, *, images: int, level: float, least_error: float = 0.0) -> Association:
    interval = auc_interval(sample.targets, sample.scores, sample.clusters, level=level)
    if interval.auc is None or interval.low is None or interval.high is None:
        return Association(interval.auc, None, None, images, reason=interval.reason)
    if interval.standard_error is None:
        smallest = min(1.0, max(interval.high, 1 - interval.low))
        return Association(interval.auc, interval.low, interval.high, images, smallest, interval.caution)
    error, quantile = max(interval.standard_error, least_error), float(norm.ppf(0.5 + level / 2))
    low, high = logit_limits(interval.auc, error, quantile)
    low, high = min(low, interval.low), max(high, interval.high)
    smallest = min(1.0, 0.5 + (quantile + float(norm.ppf(POWER))) * error)
    return Association(interval.auc, low, high, images, smallest, interval.caution)


def _error_under_independence(sample: Sample) -> float:
    """Return the standard error of an AUC if the scores had nothing to do with the targets; 0 where a class is missing.

    An AUC is 0.5 + the sum of (rank - mean rank) (target - prevalence) over PN, and persons are independent. DeLong's
    error vanishes where the few positives happen to share one category; this one does not.
    """
    rows = check_rows(sample.targets, sample.scores, sample.clusters)
    ranks = rankdata(rows.scores[:, 0])
    products = (ranks - ranks.mean()) * (rows.positive - rows.positive.mean())
    pairs = math.prod(rows.counts)
    return float(np.linalg.norm(np.bincount(rows.codes, weights=products))) / pairs if pairs else 0.0


def _grouped(targets: ArrayLike, categories: ArrayLike, clusters: ArrayLike | None) -> tuple[CheckedRows, Integers]:
    """Keep the rows with a target and a category; number the categories from 0, rare ones under one number."""
    names = pd.Series(np.asarray(categories))
    truth = np.asarray(targets, dtype=np.float64)
    if len(names) != truth.size:
        raise DataError(f"{truth.size} targets and {len(names)} categories: they must be as many")
    has_category = (names.notna() & (names != "")).to_numpy(dtype=np.bool_)
    codes = pd.factorize(names[has_category])[0].astype(np.float64)
    rows = check_rows(truth[has_category], codes, None if clusters is None else np.asarray(clusters)[has_category])
    return rows, pool_rare(rows.scores[:, 0].astype(np.int64), rows.codes)


def pool_rare(groups: Integers, persons: Integers) -> Integers:
    """Return categories numbered anew, the largest first, those of few persons under one last number.

    Args:
        groups: (N,) numbers of categories from 0.
        persons: (N,) numbers of persons.
    """
    if not len(groups):
        return groups
    people = int(persons.max()) + 1
    sizes = np.bincount(pd.unique(groups * people + persons) // people)
    largest = np.argsort(-sizes, kind="stable")
    kept = largest[: MOST_CATEGORIES - 1]
    kept = kept[sizes[kept] >= min(FEWEST_PERSONS, count_distinct(persons) / 4)]
    numbers = np.full(len(sizes), len(kept))
    numbers[kept] = np.arange(len(kept))
    pooled: Integers = numbers[groups]
    return pooled


def _single_group(rows: CheckedRows, groups: Integers) -> str:
    return _single_value(rows.scores, "category") or ("" if groups.any() else "every category is rare")


def _single_value(values: NDArray[Any], noun: str) -> str:
    if not values.size:
        return f"no {noun} is known"
    return "" if values.min() < values.max() else f"only one {noun}"
