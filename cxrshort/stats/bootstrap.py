"""The one bootstrap by person, for every statistic: integer weights, many resamples at once.

A resample is a weight per person, how often that person was drawn; no row is ever copied. A statistic takes the weights
of many resamples and returns its values (:func:`resample`). All samples of :func:`bootstrap_aucs` share the weights, so
AUCs of several models, replicates or subgroups stay paired and any function of them (difference, mean, macro average)
can be taken resample by resample.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from cxrshort.errors import DataError
from cxrshort.stats.midranks import (
    CheckedRows,
    Floats,
    Integers,
    Sample,
    check_rows,
    missing_class,
    number_jointly,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Weights held at once: 500,000 float64 are 4 MB, which stays near the processor.
WEIGHTS_AT_ONCE = 500_000
_MARKS_AT_ONCE = 20
"""Columns of marks that are read as one binary number, beside the number of a stratum."""


@dataclass(frozen=True, slots=True, eq=False)
class Resamples:
    """A statistic in every resample.

    Args:
        values: (draws, K) a row per resample; without NaN.
        redrawn: resamples thrown away because the statistic was not defined.
    """

    values: Floats
    redrawn: int


@dataclass(frozen=True, slots=True, eq=False)
class BootstrapAucs:
    """Resampled AUCs.

    Args:
        aucs: (draws, K) a column per sample; a row is one resample of the persons.
        redrawn: resamples thrown away because some sample had lost a class.
    """

    aucs: Floats
    redrawn: int


@dataclass(frozen=True, slots=True, eq=False)
class RankedSample:
    """A sample sorted once: which persons' negatives lie between two levels of the positives, as a sparse matrix.

    All sums are of whole numbers, so that their order does not matter.

    Args:
        positives: (P,) person of each positive.
        between: (levels + 1, persons) negatives of each person below the first level, between two, and above the last.
        below: (P,) how many rows of ``between`` lie below each positive.
        up_to: (P,) the same with the negatives at its level.
    """

    positives: Integers
    between: "csr_array"
    below: Integers
    up_to: Integers

    @classmethod
    def of(cls, rows: CheckedRows, codes: Integers, persons: int) -> "RankedSample":
        """Sort the first column of scores; ``codes`` are the columns of the weights to come, of ``persons``."""
        from scipy.sparse import csr_array  # takes a tenth of a second, and most statistics need none

        scores = rows.scores[:, 0]
        order = np.argsort(scores[~rows.positive], kind="stable")
        negatives = scores[~rows.positive][order]
        ends = [np.searchsorted(negatives, scores[rows.positive], side=side) for side in ("left", "right")]
        cuts = np.unique(np.concatenate(ends))
        starts = np.concatenate([[0], cuts, [len(negatives)]])
        between = csr_array(
            (np.ones(len(negatives)), codes[~rows.positive][order], starts), shape=(len(cuts) + 1, persons)
        )
        return cls(codes[rows.positive], between, *(np.searchsorted(cuts, end) for end in ends))

    def aucs(self, weights: Floats) -> Floats:
        """Return the (B,) weighted AUCs for (B, persons) weights; NaN where a class has no weight."""
        by_person = np.ascontiguousarray(weights.T)  # the resamples of a person side by side, added at once
        cumulative: Floats = np.cumsum(self.between @ by_person, axis=0)
        hits = by_person[self.positives]
        pairs = hits.sum(axis=0) * cumulative[-1]
        won = np.einsum("pb,pb->b", hits, cumulative[self.below] + cumulative[self.up_to]) / 2
        aucs: Floats = np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)
        return aucs


def weighted_aucs(targets: ArrayLike, scores: ArrayLike, *, weights: ArrayLike) -> Floats:
    """Return the AUC under each row of weights, ties counted half.

    Args:
        targets: (N,) truth, exactly 0 or 1.
        scores: (N,).
        weights: (B, N), not negative.

    Returns:
        (B,) AUCs; NaN where a class has no weight.

    Raises:
        DataError: NaN scores, targets other than 0 and 1, lengths that differ.
    """
    rows = check_rows(targets, scores)
    table = np.asarray(weights, dtype=np.float64)
    if rows.left_out:
        raise DataError(f"{rows.left_out} targets are neither 0 nor 1: weights need exact targets")
    if table.ndim != 2 or table.shape[1] != len(rows.codes):
        raise DataError(f"weights of shape {table.shape} for {len(rows.codes)} rows: they must be (resamples, rows)")
    return RankedSample.of(rows, rows.codes, rows.persons).aucs(table)


def bootstrap_aucs(samples: Sequence[Sample], *, draws: int, rng: np.random.Generator) -> BootstrapAucs:
    """Resample persons, with all their images, and compute every sample's AUC in each resample.

    Persons are drawn within strata: the samples they appear in, and whether they have a positive there, so a small
    class keeps its size. A resample in which some sample has lost a class is drawn again, and counted.

    Args:
        samples: test sets that may share persons (same id, same person); without ids, every row is a person.
        draws: resamples wanted, 2,000 or more for an interval.
        rng: the only source of randomness.

    Raises:
        DataError: a sample without both classes, or one that loses a class in most resamples.

    Example:
        >>> sample = Sample([0, 0, 1, 1, 1], [0.1, 0.6, 0.5, 0.8, 0.9], ["a", "b", "c", "d", "e"])
        >>> result = bootstrap_aucs([sample], draws=200, rng=np.random.default_rng(0))
        >>> result.aucs.shape
        (200, 1)
    """
    rows, codes, persons = number_jointly(samples)
    for number, kept in enumerate(rows):
        if reason := missing_class(kept):
            raise DataError(f"sample {number} cannot be resampled: {reason}", "use a test set with both classes")
    ranked = [RankedSample.of(kept, numbers, persons) for kept, numbers in zip(rows, codes, strict=True)]
    largest = max(persons, *(len(numbers) for numbers in codes))
    resamples = resample(
        lambda weights: np.stack([sample.aucs(weights) for sample in ranked], axis=1),
        strata=_strata(rows, codes, persons),
        draws=draws,
        rng=rng,
        largest=largest,
        undefined="lost a class",
    )
    return BootstrapAucs(resamples.values, resamples.redrawn)


def resample(
    statistic: Callable[[Floats], Floats],
    *,
    strata: Integers,
    draws: int,
    rng: np.random.Generator,
    largest: int = 0,
    undefined: str = "left the statistic undefined",
) -> Resamples:
    """Draw persons within strata and compute a statistic of each resample.

    A resample in which the statistic is NaN is drawn again, and counted.

    Args:
        statistic: takes (B, persons) weights, how often each person was drawn, and returns (B, K) values.
        strata: (persons,) stratum of each person; zeros for one stratum.
        draws: resamples wanted.
        rng: the only source of randomness.
        largest: columns of the largest array that the statistic makes, which bounds B; the persons where smaller.
        undefined: what a resample whose statistic is NaN did, for the message.

    Raises:
        DataError: the statistic is not defined in most resamples.

    Example:
        >>> values = np.array([1.0, 2.0, 6.0])
        >>> found = resample(
        ...     lambda weights: (weights @ values / 3)[:, None],
        ...     strata=np.zeros(3, np.int64),
        ...     draws=500,
        ...     rng=np.random.default_rng(0),
        ... )
        >>> found.values.shape, bool(2.8 < found.values.mean() < 3.2)
        ((500, 1), True)
    """
    block = max(1, WEIGHTS_AT_ONCE // max(len(strata), largest))
    kept, missing, redrawn = [], draws, 0
    while missing:
        values = statistic(draw_weights(strata, draws=min(block, missing), rng=rng))
        finite = ~np.isnan(values).any(axis=1)
        kept.append(values[finite])
        missing -= int(finite.sum())
        redrawn += int((~finite).sum())
        if redrawn > 10 * draws:
            raise DataError(f"{redrawn} resamples of {draws} wanted {undefined}: there are too few persons")
    return Resamples(np.concatenate(kept), redrawn)


def _strata(rows: list[CheckedRows], codes: list[Integers], persons: int) -> Integers:
    marks = np.zeros((persons, 2 * len(rows)), dtype=bool)
    for column, (kept, numbers) in enumerate(zip(rows, codes, strict=True)):
        marks[numbers, 2 * column] = True
        marks[numbers[kept.positive], 2 * column + 1] = True
    strata = np.zeros(persons, np.int64)
    for start in range(0, marks.shape[1], _MARKS_AT_ONCE):  # as np.unique of rows, 50 times as fast
        block = marks[:, start : start + _MARKS_AT_ONCE]
        numbers = strata << block.shape[1] | block @ (1 << np.arange(block.shape[1])[::-1])
        strata = np.unique(numbers, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return strata


def draw_weights(strata: Integers, *, draws: int, rng: np.random.Generator) -> Floats:
    """Draw how often each person is in each resample; within a stratum the weights sum to its size.

    Args:
        strata: (persons,) stratum of each person.
        draws: resamples.
        rng: the only source of randomness.

    Returns:
        (draws, persons) whole numbers as float64, exact in sums up to 2**53.
    """
    weights = np.empty((draws, len(strata)))
    sizes = np.bincount(strata)
    for stratum in np.flatnonzero(sizes):
        members = slice(None) if sizes[stratum] == len(strata) else np.flatnonzero(strata == stratum)
        picks = rng.integers(0, sizes[stratum], size=(draws, sizes[stratum]))
        for row, pick in zip(weights, picks, strict=True):  # counts of one resample stay near the processor
            row[members] = np.bincount(pick, minlength=sizes[stratum])
    return weights


def percentile_interval(values: ArrayLike, *, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of resampled values (draws,)."""
    low, high = np.quantile(np.asarray(values, dtype=np.float64), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
