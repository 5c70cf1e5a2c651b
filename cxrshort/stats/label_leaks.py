"""Columns of metadata that give a label away: how well each of them alone ranks it, corrected for chance.

A label that a column knows is a label that a classifier may read off the column's traces in the picture, or that a
careless loader hands it. Strength is ``|2 AUC - 1|``: 0 for independence, 1 for a column that knows the label.

What would invalidate it:

- Optimism. A column of many values "predicts" the labels that it was ordered by. Categories, and numbers cut into
  ranges, are learned on one half of the persons and judged on the other half (see ``association.py``), so that noise of
  200 values has a strength near 0.
- Empty cells. That a cell is empty may give the label away (a date of death, a test that only patients had), so empty
  is a value like any other here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrshort.stats.association import MOST_CATEGORIES, Association, category_auc, number_auc
from cxrshort.stats.leakage import LEAK, NO_EVIDENCE, NOT_TESTABLE, SUSPICIOUS
from cxrshort.stats.midranks import Floats, is_exact

LEAKING, DOUBTFUL = 0.9, 0.8
"""Strengths of a leak and of what is suspicious: AUCs of 0.95 and 0.90 on persons that nothing was learned on."""
LEAST = 0.5
"""Lower limit that the strength of a leak must have, so that a few persons cannot make one."""

EMPTY = "(empty)"
_SCREENED = 0.8
"""AUC in the rows that it is learned on below which a column is not judged on others: it could only be lower."""
_FEW = 0.02
"""Share of cells that may be text in a column of numbers before it counts as one of categories."""


@dataclass(frozen=True, slots=True)
class LabelLeak:
    """Hold how well one column gives one label away.

    Args:
        label: whose targets.
        column: of metadata.
        strength: 0 to 1; None where it cannot be measured. For a column that is screened out it is an upper bound.
        low: lower limit; None where there is none.
        high: upper limit.
        images: with the label.
        verdict: one of :data:`cxrshort.stats.leakage.VERDICTS`.
        why: the numbers behind it, or why it cannot be measured.
    """

    label: str
    column: str
    strength: float | None
    low: float | None
    high: float | None
    images: int
    verdict: str
    why: str


def find_label_leaks(
    targets: Mapping[str, Floats],
    columns: Mapping[str, "pd.Series[str]"],
    *,
    persons: NDArray[Any] | None,
    rng: np.random.Generator,
    level: float = 0.95,
) -> list[LabelLeak]:
    """Measure how well each column alone gives each label away, the strongest first.

    Args:
        targets: (N,) for each label; rows that are not exactly 0 or 1 are left out.
        columns: (N,) text, "" where empty, by name; numbers are recognised.
        persons: (N,) whose image each row is; None where every row is a person of its own.
        rng: draws the halves of the persons.
        level: coverage of the intervals, in (0, 1).

    Example:
        >>> targets = {"COVID-19": np.repeat([0.0, 1.0], 200)}
        >>> columns = {"tested": pd.Series([""] * 200 + ["2020-03-01"] * 200)}
        >>> (leak,) = find_label_leaks(targets, columns, persons=None, rng=np.random.default_rng(0))
        >>> leak.verdict, leak.strength
        ('leak', 1.0)
    """
    prepared = {name: _Cells.of(cells) for name, cells in columns.items()}
    leaks = []
    for label, truth in targets.items():
        exact = is_exact(truth)
        exact_truth = truth[exact]
        own = None if persons is None else persons[exact]
        for name, cells in prepared.items():
            leaks.append(_measure(label, name, exact_truth, cells.take(exact), persons=own, rng=rng, level=level))
    return sorted(leaks, key=lambda leak: (leak.low is None, -(leak.low or 0.0), -(leak.strength or 0.0)))


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """Hold a column as categories, and as numbers where it has some."""

    categories: NDArray[Any]
    numbers: Floats | None

    @classmethod
    def of(cls, cells: "pd.Series[str]") -> "_Cells":
        text = cells.to_numpy(dtype=object)
        filled = text != ""
        numbers = pd.to_numeric(pd.Series(text).mask(~filled), errors="coerce").to_numpy(dtype=np.float64)
        days = pd.Series(text).str.fullmatch(r"\d{4}-\d{2}(-\d{2})?").to_numpy(dtype=np.bool_)
        if filled.any() and days[filled].all():
            numbers = pd.Series(text).str.replace("-", "").str.ljust(8, "0").mask(~filled).astype(float).to_numpy()
        distinct = len(pd.unique(numbers[np.isfinite(numbers)]))
        unread = int((filled & ~np.isfinite(numbers)).sum())
        if distinct <= MOST_CATEGORIES or unread > _FEW * filled.sum():
            return cls(np.where(filled, text, EMPTY), None)
        limits = np.unique(np.nanquantile(numbers[filled], np.arange(1, MOST_CATEGORIES - 1) / (MOST_CATEGORIES - 1)))
        ranges = np.searchsorted(limits, numbers, side="left").astype(str).astype(object)
        ranges[~np.isfinite(numbers)] = EMPTY
        return cls(ranges, numbers)

    def take(self, rows: NDArray[np.bool_]) -> "_Cells":
        """Return some of the rows."""
        return _Cells(self.categories[rows], None if self.numbers is None else self.numbers[rows])


def _measure(
    label: str,
    column: str,
    truth: Floats,
    cells: _Cells,
    *,
    persons: NDArray[Any] | None,
    rng: np.random.Generator,
    level: float,
) -> LabelLeak:
    """Return how well a column gives a label away, by its categories or its numbers: the higher lower limit."""
    images = len(truth)
    if reason := _why_not(truth, cells.categories):
        return LabelLeak(label, column, None, None, None, images, NOT_TESTABLE, reason)
    bound = _screen(truth, cells.categories)
    if bound < _SCREENED:
        strength = 2 * bound - 1
        why = f"at most {strength:.2f}, in the rows that it was learned on"
        return LabelLeak(label, column, strength, None, None, images, NO_EVIDENCE, why)
    measured = [category_auc(truth, cells.categories, clusters=persons, rng=rng, level=level)]
    if cells.numbers is not None:
        measured.append(number_auc(truth, cells.numbers, clusters=persons, level=level))
    return max((_judge(label, column, result, images) for result in measured), key=lambda leak: leak.low or -1.0)


def _why_not(truth: Floats, categories: NDArray[Any]) -> str:
    if len(np.unique(truth)) < 2:
        return "no image has the label" if not len(truth) else f"only {'positives' if truth[0] else 'negatives'}"
    return "one value only" if (categories == categories[0]).all() else ""


def _screen(truth: Floats, categories: NDArray[Any]) -> float:
    """Return the AUC of the prevalence of each category in the very rows that it is counted in: an upper bound."""
    codes, _ = pd.factorize(categories)
    images = np.bincount(codes)
    hits = np.bincount(codes, weights=truth, minlength=len(images))
    order = np.argsort(hits / images)
    positives, negatives = hits[order], (images - hits)[order]
    below = np.cumsum(negatives) - negatives
    return float((positives * (below + negatives / 2)).sum() / (positives.sum() * negatives.sum()))


def _judge(label: str, column: str, association: Association, images: int) -> LabelLeak:
    if association.value is None or association.low is None or association.high is None:
        reason = association.reason or "no interval"
        return LabelLeak(label, column, None, None, None, images, NOT_TESTABLE, reason)
    rising = association.value >= 0.5
    first, second = (association.low, association.high) if rising else (1 - association.high, 1 - association.low)
    low, high, strength = max(2 * first - 1, 0.0), 2 * second - 1, association.strength
    leaks = strength >= LEAKING and low >= LEAST
    verdict = LEAK if leaks else SUSPICIOUS if strength >= DOUBTFUL else NO_EVIDENCE
    why = f"strength {strength:.2f} [{low:.2f}, {high:.2f}]"
    return LabelLeak(label, column, strength, low, high, images, verdict, why)
