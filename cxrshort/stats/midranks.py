"""Mid-ranks of scores, and how much each person moves an AUC: what every variance of an AUC here is made of.

Sun & Xu, IEEE Signal Process. Lett. 21:1389 (2014), for DeLong's components in O(N log N); Obuchowski, Biometrics
53:567 (1997), for summing them by person.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cxrshort.errors import DataError
from cxrshort.quantities import quantity

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One model's scores on one test set.

    Args:
        targets: (N,) truth; rows that are not exactly 0 or 1 (empty, soft) are left out and counted.
        scores: (N,) any number that grows with suspicion: logit or probability.
        clusters: (N,) person ids; None where every row is a person of its own.
    """

    targets: ArrayLike
    scores: ArrayLike
    clusters: ArrayLike | None = None


@dataclass(frozen=True, eq=False)
class CheckedRows:
    """The rows that count: exact targets, finite order, one integer per person.

    ``falling`` holds the places of the rows by falling score, equal ones in their order, where the rows are of one
    model and were sorted before; None where they were not.
    """

    positive: Bools
    scores: Floats
    codes: Integers
    has_clusters: bool
    left_out: int
    falling: Integers | None = None

    @cached_property
    def persons(self) -> int:
        """Return the number of codes, used or not."""
        return int(self.codes.max()) + 1 if len(self.codes) else 0

    @cached_property
    def repeated(self) -> bool:
        """Return whether some person has more than one row."""
        return self.persons < len(self.codes)

    @cached_property
    def counts(self) -> tuple[int, int]:
        """Return (positives, negatives)."""
        positives = int(self.positive.sum())
        return positives, len(self.positive) - positives

    @cached_property
    def persons_by_class(self) -> tuple[int, int]:
        """Return the persons with a positive row and the persons with a negative row."""
        if not self.repeated:
            return self.counts
        return count_distinct(self.codes[self.positive]), count_distinct(self.codes[~self.positive])


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """How much each person moves each AUC.

    Args:
        aucs: (K,) one per model.
        positive: (persons, K) sum of (V10 - AUC) over the person's positives, divided by all positives.
        negative: (persons, K) the same of V01 over the negatives.
        factors: (3,) small-sample factors I/(I - 1) for persons with a positive, with a negative, and all.
        independent: (K,) DeLong's variance, which takes every image for a person of its own.
    """

    aucs: Floats
    positive: Floats
    negative: Floats
    factors: Floats
    independent: Floats


def check_rows(targets: ArrayLike, scores: ArrayLike, clusters: ArrayLike | None = None) -> CheckedRows:
    """Keep the rows with an exact target, count the others, number the persons.

    Args:
        targets: (N,) truth.
        scores: (N,) or (N, K).
        clusters: (N,) person ids, or None.

    Returns:
        The kept rows; scores are (N, K) float64.

    Raises:
        DataError: lengths differ, a score is NaN, or a row has no person.
    """
    truth = np.asarray(targets, dtype=np.float64)
    table = np.asarray(scores, dtype=np.float64)
    table = table[:, None] if table.ndim == 1 else table
    if truth.ndim != 1 or table.ndim != 2 or len(truth) != len(table):
        raise DataError(
            f"{quantity(truth.size, 'target')} and {quantity(len(table), 'row')} of scores: they must be as many"
        )
    if missing := int(np.isnan(table).any(axis=1).sum()):
        raise DataError(f"{missing} of {len(table)} scores are NaN: a score must be a number", "score the images again")
    keep = is_exact(truth)
    codes = np.arange(len(truth)) if clusters is None else number_persons(clusters, len(truth))
    present = np.bincount(codes[keep]) > 0
    kept_codes = (np.cumsum(present) - 1)[codes[keep]]
    return CheckedRows(truth[keep] == 1, table[keep], kept_codes, clusters is not None, int((~keep).sum()))


def count_distinct(codes: Integers) -> int:
    """Return how many different codes there are; they are small, so that counting beats sorting.

    Example:
        >>> count_distinct(np.array([4, 0, 4]))
        2
    """
    return int(np.count_nonzero(np.bincount(codes)))


def is_exact(targets: ArrayLike) -> Bools:
    """Return which targets are exactly 0 or 1; empty and soft ones are not."""
    truth = np.asarray(targets, dtype=np.float64)
    exact: Bools = (truth == 0) | (truth == 1)
    return exact


def number_persons(clusters: ArrayLike, rows: int) -> Integers:
    """Number the persons from 0 in order of appearance.

    Raises:
        DataError: there is not one person id per row, or one is empty.
    """
    names = pd.Series(np.asarray(clusters).ravel())
    if len(names) != rows:
        raise DataError(f"{len(names)} person ids for {rows} rows: they must be as many")
    if empty := int((names.isna() | (names == "")).sum()):
        raise DataError(f"{empty} of {rows} rows have no person: every row needs one", "fill the column of persons")
    return pd.factorize(names)[0].astype(np.int64)


def number_jointly(samples: Sequence[Sample]) -> tuple[list[CheckedRows], list[Integers], int]:
    """Check several samples and number their persons together, so that one person has one number everywhere.

    The rows of a sample without person ids get numbers that no other sample has.

    Returns:
        Per sample the rows that count and the numbers of their persons; and how many numbers there are.
    """
    rows = [check_rows(sample.targets, sample.scores, sample.clusters) for sample in samples]
    named = [sample.clusters for sample in samples if sample.clusters is not None]
    names = np.concatenate([np.asarray(clusters, dtype=object) for clusters in named]) if named else np.empty(0)
    numbers = number_persons(names, len(names))
    persons, start, codes = int(numbers.max(initial=-1)) + 1, 0, []
    for sample, kept in zip(samples, rows, strict=True):
        if sample.clusters is None:
            codes.append(np.arange(persons, persons + len(kept.codes)))
            persons += len(kept.codes)
        else:
            exact = is_exact(sample.targets)
            codes.append(numbers[start : start + len(exact)][exact])
            start += len(exact)
    return rows, codes, persons


def auc_components(rows: CheckedRows, codes: Integers, persons: int) -> Components:
    """Compute AUCs and their person-wise components from mid-ranks, in O(N log N).

    Args:
        rows: both classes present, at least two persons in each.
        codes: (N,) person numbers in [0, persons); those of ``rows`` or of a larger numbering.
        persons: persons in the numbering.
    """
    positive = rows.positive
    positives, negatives = rows.counts
    rising = None if rows.falling is None else rows.falling[::-1]
    below = np.stack([mid_counts(positive, column, order=rising) for column in rows.scores.T], axis=1)
    v10 = below[positive] / negatives
    v01 = 1.0 - below[~positive] / positives
    aucs: Floats = v10.mean(axis=0)
    by_class = np.array([*rows.persons_by_class, rows.persons], dtype=np.float64)
    return Components(
        aucs,
        _sum_by_person(v10 - aucs, codes[positive], persons) / positives,
        _sum_by_person(v01 - aucs, codes[~positive], persons) / negatives,
        by_class / (by_class - 1),
        v10.var(axis=0, ddof=1) / positives + v01.var(axis=0, ddof=1) / negatives,
    )


def mid_counts(positive: Bools, scores: Floats, *, order: Integers | None = None) -> Floats:
    """Return how many rows of the other class lie below each row, those at its level counted half.

    Args:
        positive: (N,) the class of each row, N at least 1.
        scores: (N,) without NaN.
        order: (N,) places of the rows by rising score, equal ones in any order; None where they are not sorted yet.

    Example:
        >>> mid_counts(np.array([False, False, True, True]), np.array([0.1, 0.4, 0.4, 0.9]))
        array([0. , 0.5, 1.5, 2. ])
    """
    order = np.argsort(scores) if order is None else order
    ordered, is_positive = scores[order], positive[order]
    positives: Integers = np.cumsum(is_positive, dtype=np.int64)
    negatives = np.arange(1, len(order) + 1) - positives
    starts = np.append(True, ordered[1:] != ordered[:-1])
    if starts.all():
        below = np.where(is_positive, negatives, positives).astype(np.float64)
    else:
        below = np.where(is_positive, _mid_sums(negatives, starts), _mid_sums(positives, starts))
    counts = np.empty(len(scores))
    counts[order] = below
    return counts


def _mid_sums(sums: Integers, starts: Bools) -> Floats:
    """Return for each row the mean of a running sum before its level and at the end of it.

    Args:
        sums: (N,) running sum over sorted rows.
        starts: (N,) where a level starts.
    """
    first = np.flatnonzero(starts)
    ends = np.append(first[1:], len(sums))
    up_to = sums[ends - 1]
    middle: Floats = (up_to + np.append(0, up_to[:-1])) / 2
    return np.repeat(middle, ends - first)


def _sum_by_person(values: Floats, codes: Integers, persons: int) -> Floats:
    columns = [np.bincount(codes, weights=column, minlength=persons) for column in values.T]
    return np.stack(columns, axis=1)


def covariance_of(parts: list[Components]) -> Floats:
    """Return the covariance of all AUCs of all parts, which share one numbering of persons (Obuchowski 1997, eq. 5).

    With one row per person this is DeLong's covariance exactly; parts without a common person are uncorrelated.
    """
    root = np.sqrt(np.concatenate([np.repeat(part.factors[:, None], len(part.aucs), axis=1) for part in parts], axis=1))
    positive = np.concatenate([part.positive for part in parts], axis=1)
    negative = np.concatenate([part.negative for part in parts], axis=1)
    within = (positive * root[0]).T @ (positive * root[0]) + (negative * root[1]).T @ (negative * root[1])
    across = (positive * root[2]).T @ (negative * root[2])
    covariance: Floats = within + across + across.T
    return covariance


def missing_class(rows: CheckedRows) -> str:
    """Return which class is missing; "" when both are there."""
    positives, negatives = rows.counts
    if not positives and not negatives:
        return "no target is 0 or 1"
    if not positives:
        return "only negatives"
    return "" if negatives else "only positives"


def why_no_variance(rows: CheckedRows) -> str:
    """Return why no variance can be estimated: a class without two persons; "" when it can."""
    if reason := missing_class(rows):
        return reason
    for name, images, persons in zip(("positive", "negative"), rows.counts, rows.persons_by_class, strict=True):
        if images < 2:
            return f"only 1 {name}"
        if persons < 2:
            return f"all {images} {name}s are of one person"
    return ""


def disjoint_pairs(rows: CheckedRows) -> int:
    """Return how many pairs (positive person, negative person) can be formed without using a person twice."""
    return min(*rows.persons_by_class, rows.persons // 2)
