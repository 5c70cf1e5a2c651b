"""The share of a label's entropy that an attribute explains, corrected for chance: adjusted mutual information.

0 is chance and 1 is a perfect relation, whatever the number of levels. Plain mutual information grows with the levels:
noise of 200 levels among 1,000 persons has a normalised one of 0.1 and an adjusted one of 0.

What would invalidate the numbers:

- Several images of a person. Chance is that of exchangeable rows, so one row of each person is drawn, a positive one
  where there is any, which keeps the positives of a rare label.
- A level for every person, which explains every label and predicts none; that is refused.

Sources: Vinh, Epps & Bailey, J. Mach. Learn. Res. 11:2837 (2010), for the expected mutual information of tables with
fixed margins, here normalised by the label's entropy; Winkler et al., NeuroImage 141:502 (2016), for the tail of a
permutation distribution from its first three moments.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import gammaln, xlogy
from scipy.stats import chi2, ncx2, norm, pearson3

from cxrshort.quantities import quantity
from cxrshort.stats.midranks import Bools, Floats, Integers

DRAWS = 999
POWER = 0.8
_TAIL = 10.0
"""Standard deviations of a hypergeometric count beyond which nothing is summed."""
_FICTITIOUS = 2.0
"""Persons who are added, spread as if independent, where the error is computed: a perfect relation has one too."""


@dataclass(frozen=True, slots=True)
class Information:
    """Hold an adjusted mutual information.

    Args:
        value: 0 for chance, 1 for a perfect relation; None where there is none.
        low: lower limit; below 0 where less than chance is possible.
        high: upper limit, at most 1.
        error: standard error.
        p: of as much information by chance, one-sided.
        smallest: what so many persons would have shown in four studies of five, at a level of 0.05.
        persons: that it rests on.
        reason: why there is none; "" where there is.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    error: float | None = None
    p: float | None = None
    smallest: float | None = None
    persons: int = 0
    reason: str = ""


def draw_one_row(targets: Floats, usable: Bools, codes: Integers, *, rng: np.random.Generator) -> Integers:
    """Return one usable row of each person, drawn among those with a positive where there are any.

    Args:
        targets: (N,) 0 or 1 where usable.
        usable: (N,) rows that may be drawn.
        codes: (N,) persons.
        rng: draws them.

    Returns:
        Positions, sorted.

    Example:
        >>> rows = draw_one_row(
        ...     np.array([0.0, 1, 0, 0]), np.array([True] * 4), np.array([7, 7, 8, 9]), rng=np.random.default_rng(0)
        ... )
        >>> rows.tolist()
        [1, 2, 3]
    """
    rows = np.flatnonzero(usable)
    order = np.lexsort((rng.random(len(rows)), -targets[rows], codes[rows]))
    ordered = codes[rows][order]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    drawn: Integers = np.sort(rows[order[first]])
    return drawn


def label_information(
    targets: ArrayLike, levels: ArrayLike, *, rng: np.random.Generator, level: float = 0.95
) -> Information:
    """Return the share of a label's entropy that the levels of an attribute explain, corrected for chance.

    Args:
        targets: (N,) 0 or 1, a row for each person.
        levels: (N,) numbers of levels from 0.
        rng: draws tables of the same margins.
        level: coverage in (0, 1).

    Example:
        >>> targets = np.repeat([0, 1], 500)
        >>> noise = np.random.default_rng(0).integers(0, 200, 1000)
        >>> [f"{label_information(targets, x, rng=np.random.default_rng(0)).value:.2f}" for x in (noise, targets)]
        ['0.00', '1.00']
    """
    truth, numbers = np.asarray(targets, dtype=np.int64), np.unique(np.asarray(levels), return_inverse=True)[1]
    sizes, persons = np.bincount(numbers, minlength=1), len(truth)
    positives = int(truth.sum())
    if reason := _why_not(sizes, positives, persons):
        return Information(None, persons=persons, reason=reason)
    hits = np.bincount(numbers, weights=truth).astype(np.int64)
    tables = np.stack([sizes - hits, hits], axis=1)[None, None]
    null = rng.multivariate_hypergeometric(sizes, positives, size=DRAWS, method="marginals")
    chance = np.stack([sizes - null, null], axis=2)[:, None]
    expected = expected_information(sizes, positives)
    observed, draws = float(table_information(tables)[0]), table_information(chance)
    return adjust_information(tables[0], observed, draws, expected=expected, level=level)


def _why_not(sizes: Integers, positives: int, persons: int) -> str:
    if not persons:
        return "no value is known"
    if len(sizes) < 2:
        return "only one value"
    if min(positives, persons - positives) < 2:
        return f"only {quantity(min(positives, persons - positives), 'person')} in the smaller class"
    return "a value for every person" if len(sizes) == persons else ""


def table_information(tables: ArrayLike) -> Floats:
    """Return the mutual information of rows and columns within strata, in nats.

    Args:
        tables: (D, S, L, M) counts of D draws of S strata.

    Returns:
        (D,) mean over the persons of all strata.
    """
    counts = np.asarray(tables, dtype=np.float64)
    total = counts.sum(axis=(1, 2, 3))
    parts = (
        xlogy(counts, counts).sum(axis=(2, 3))
        - xlogy(counts.sum(axis=3), counts.sum(axis=3)).sum(axis=2)
        - xlogy(counts.sum(axis=2), counts.sum(axis=2)).sum(axis=2)
        + xlogy(counts.sum(axis=(2, 3)), counts.sum(axis=(2, 3)))
    )
    information: Floats = parts.sum(axis=1) / total
    return information


def expected_information(sizes: Integers, positives: int) -> float:
    """Return the mean mutual information, in nats, of all tables of two columns with these margins.

    Args:
        sizes: (L,) persons of each level.
        positives: persons of the second column.
    """
    persons, total = int(sizes.sum()), 0.0
    for size, levels in zip(*np.unique(sizes, return_counts=True), strict=True):
        share = positives / persons
        middle, spread = size * share, math.sqrt(size * share * (1 - share))
        low = max(0, size + positives - persons, math.floor(middle - _TAIL * spread))
        high = min(size, positives, math.ceil(middle + _TAIL * spread))
        hits = np.arange(low, high + 1, dtype=np.float64)
        # SciPy's own probabilities of this distribution take 70 ms for each level of 100,000 persons.
        logs = (
            _log_binomial(size, hits)
            + _log_binomial(persons - size, positives - hits)
            - _log_binomial(persons, positives)
        )
        others = size - hits
        terms = xlogy(hits, hits * persons / (size * positives))
        terms += xlogy(others, others * persons / (size * (persons - positives)))
        total += float(levels) * float((np.exp(logs) * terms).sum()) / persons
    return total


def _log_binomial(whole: Any, part: Any) -> Any:
    """Return the logarithm of the binomial coefficient, the number of ways to choose a part."""
    return gammaln(whole + 1) - gammaln(part + 1) - gammaln(whole - part + 1)


def adjust_information(
    strata: ArrayLike, observed: float, null: Floats, *, expected: float, level: float = 0.95
) -> Information:
    """Return an adjusted mutual information with its limits, as a share of the entropy of columns within strata.

    The error has two parts: of the information as a mean over persons, relative to the entropy (delta method), which
    vanishes under independence; and that of the tables under independence.

    Args:
        strata: (S, L, M) counts; the columns are the variable to be predicted.
        observed: their mutual information, in nats.
        null: (D,) of tables under independence.
        expected: its mean.
        level: coverage in (0, 1).
    """
    counts = np.asarray(strata, dtype=np.float64)
    persons = int(counts.sum())
    columns, sizes = counts.sum(axis=1), counts.sum(axis=(1, 2))
    entropy = float((xlogy(sizes, sizes).sum() - xlogy(columns, columns).sum()) / persons)
    scale = entropy - expected
    if scale <= 1e-9:
        return Information(None, persons=persons, reason="so many values tell any label")
    value = (observed - expected) / scale
    spread = float(null.std(ddof=1)) / scale
    error = math.hypot(_delta_error(counts), spread)
    half = float(norm.ppf(0.5 + level / 2)) * error
    smallest = _noncentrality(2 * persons * expected) / (2 * persons * scale)
    p = tail_p(observed, null)
    return Information(value, value - half, min(1.0, value + half), error, p, min(1.0, smallest), persons)


def _noncentrality(freedom: float) -> float:
    """Return the noncentrality at which a test of chi-square at a level of 0.05 has the power."""
    critical = float(chi2.isf(0.05, freedom))
    top = 10.0
    while ncx2.sf(critical, freedom, top) < POWER:
        top *= 2
    return float(brentq(lambda noncentrality: ncx2.sf(critical, freedom, noncentrality) - POWER, 1e-9, top))


def _delta_error(counts: Floats) -> float:
    """Return the standard error of the mutual information over the entropy of columns, within strata."""
    persons = counts.sum()
    sizes = counts.sum(axis=(1, 2), keepdims=True)
    margins = counts.sum(axis=2, keepdims=True), counts.sum(axis=1, keepdims=True)
    independent = margins[0] * margins[1] / np.maximum(sizes, 1)
    shares = (counts + independent * _FICTITIOUS / persons) / (persons + _FICTITIOUS)
    rows, columns, whole = (shares.sum(axis=axis, keepdims=True) for axis in (2, 1, (1, 2)))
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(shares > 0, np.log(shares * whole / (rows * columns)), 0.0)
        surprise = np.where(columns > 0, -np.log(columns / whole), 0.0) + np.zeros_like(shares)
    information, entropy = float((shares * gain).sum()), float((shares * surprise).sum())
    influence = (gain - information / entropy * surprise) / entropy
    variance = float((shares * influence**2).sum())  # its mean is 0
    return math.sqrt(max(0.0, variance) / persons)


def tail_p(observed: float, null: Floats) -> float:
    """Return the chance of a value at least as large, from the first three moments of draws (Pearson's type III).

    Draws alone give no p below one over their number, which a correction for many tests needs.

    Example:
        >>> draws = np.random.default_rng(0).chisquare(3, 999)
        >>> f"{tail_p(16.27, draws):.4f}"  # exactly 0.001
        '0.0008'
    """
    mean, spread = float(null.mean()), float(null.std(ddof=1))
    if spread <= 1e-15:
        return 1.0 if observed <= mean + 1e-12 else 1 / (len(null) + 1)
    skew = float((((null - mean) / spread) ** 3).mean())
    return float(np.clip(pearson3.sf((observed - mean) / spread, skew), 1e-300, 1.0))
