"""Reliability diagrams: observed rates in bins of predicted probability, and the probabilities of each class.

What would invalidate the points: scores that are no probabilities, which are refused outside [0, 1] only; bins chosen
after looking; and bands that ignore that several images are of one person, so give person ids.

Each band is the exact binomial one of :func:`cxrshort.stats.changes.rate_interval`. Bands hold each for itself: of ten
bins of a perfectly calibrated model some are outside their 95 % band in up to 40 % of test sets.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.auc import check_level
from cxrshort.stats.changes import Interval, binomial_limits, effective_images, rate_interval
from cxrshort.stats.midranks import Floats, Integers, check_rows, missing_class, number_persons

BinRule = Literal["width", "mass"]


@dataclass(frozen=True, slots=True)
class ReliabilityPoint:
    """Hold one bin of a reliability diagram.

    Args:
        start: lower edge of the bin; a probability equal to it belongs to the bin before.
        end: upper edge, which belongs to the bin.
        predicted: mean probability.
        observed: share of positives, with limits clustered by person.
        images: images in the bin.
        persons: persons in the bin.
    """

    start: float
    end: float
    predicted: float
    observed: Interval
    images: int
    persons: int


@dataclass(frozen=True, slots=True)
class ClassProbabilities:
    """Hold the distribution of predicted probabilities in one class.

    Args:
        target: 0 or 1.
        edges: (B + 1,) edges of bins of equal width.
        counts: (B,) images in each bin.
        quartiles: 25th, 50th and 75th percentile.
        median: with limits clustered by person, the smallest and the largest value where persons are few.
        images: images of the class.
    """

    target: int
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    quartiles: tuple[float, float, float]
    median: Interval
    images: int


@dataclass(frozen=True, slots=True, eq=False)
class ProbabilityRows:
    """The rows that count: truth 0 or 1, probabilities in [0, 1], persons from 0; and how many were left out."""

    truth: Floats
    probabilities: Floats
    codes: Integers
    left_out: int

    @property
    def persons(self) -> int:
        """Return how many persons there are."""
        return int(self.codes.max()) + 1


def check_probabilities(
    targets: ArrayLike, probabilities: ArrayLike, clusters: ArrayLike | None, bins: int
) -> ProbabilityRows:
    """Keep the rows with an exact target and check the rest.

    Raises:
        DataError: no exact target, NaN, a number outside [0, 1], lengths that differ, a row without a person.
        UsageError: no bin.
    """
    rows = check_rows(targets, probabilities, clusters)
    values = rows.scores[:, 0]
    if wrong := int(((values < 0) | (values > 1)).sum()):
        raise DataError(
            f"{wrong} of {len(values)} scores are not in [0, 1]: calibration is of probabilities",
            "turn logits into probabilities first",
        )
    if not len(values):
        raise DataError(f"{missing_class(rows)}: calibration needs images of both classes")
    if bins < 1:
        raise UsageError(f'bins "{bins}" must be at least 1', "try 10")
    return ProbabilityRows(rows.positive.astype(np.float64), values, rows.codes, rows.left_out)


def bin_edges(probabilities: Floats, bins: int, rule: BinRule) -> Floats:
    """Return the inner edges of the bins; equal probabilities are always in one bin."""
    if rule == "width":
        inner: Floats = np.linspace(0, 1, bins + 1)[1:-1]
        return inner
    quantiles: Floats = np.unique(np.quantile(probabilities, np.linspace(0, 1, bins + 1)[1:-1]))
    return quantiles


def bin_numbers(probabilities: Floats, edges: Floats) -> Integers:
    """Return each probability's bin, from 0; one equal to an inner edge belongs to the bin before it."""
    return np.searchsorted(edges, probabilities, side="left").astype(np.int64)


def reliability_points(
    targets: ArrayLike,
    probabilities: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    bins: int = 10,
    rule: BinRule = "mass",
    level: float = 0.95,
) -> list[ReliabilityPoint]:
    """Return the points of a reliability diagram, without empty bins, with exact limits for repeated persons.

    Args:
        targets: (N,) truth; rows that are not exactly 0 or 1 are left out.
        probabilities: (N,) in [0, 1].
        clusters: (N,) person ids; None where every row is a person of its own.
        bins: bins asked for; of equal mass there are fewer where probabilities tie.
        rule: "width" or "mass".
        level: coverage of each band, in (0, 1).

    Raises:
        DataError: no exact target, NaN, a number outside [0, 1], lengths that differ.
        UsageError: a level outside (0, 1), or no bin.

    Example:
        >>> point = reliability_points([0, 0, 1, 1], [0.1, 0.2, 0.2, 0.9], bins=2, rule="width")[0]
        >>> point.images, round(point.predicted, 3), round(point.observed.value, 3)
        (3, 0.167, 0.333)
    """
    check_level(level)
    rows = check_probabilities(targets, probabilities, clusters, bins)
    edges = bin_edges(rows.probabilities, bins, rule)
    numbers = bin_numbers(rows.probabilities, edges)
    bounds = [0.0, *edges.tolist(), 1.0]
    points = []
    for number in np.unique(numbers).tolist():
        inside = numbers == number
        codes = rows.codes[inside]
        points.append(
            ReliabilityPoint(
                bounds[number],
                bounds[number + 1],
                float(rows.probabilities[inside].mean()),
                rate_interval(rows.truth[inside], codes, level=level),
                int(inside.sum()),
                len(np.unique(codes)),
            )
        )
    return points


def class_probabilities(
    targets: ArrayLike,
    probabilities: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    bins: int = 20,
    level: float = 0.95,
) -> list[ClassProbabilities]:
    """Return the distribution of predicted probabilities in each class that there is, negatives first.

    Args:
        targets: (N,) truth; rows that are not exactly 0 or 1 are left out.
        probabilities: (N,) in [0, 1].
        clusters: (N,) person ids; None where every row is a person of its own.
        bins: bins of equal width.
        level: coverage of the medians' limits, in (0, 1).

    Raises:
        DataError: no exact target, NaN, a number outside [0, 1], lengths that differ.
        UsageError: a level outside (0, 1), or no bin.

    Example:
        >>> classes = class_probabilities([0, 0, 1], [0.1, 0.3, 0.9], bins=2)
        >>> [(part.target, part.counts, part.median.value) for part in classes]
        [(0, (2, 0), 0.2), (1, (0, 1), 0.9)]
    """
    check_level(level)
    rows = check_probabilities(targets, probabilities, clusters, bins)
    parts = []
    for target in (0, 1):
        inside = rows.truth == target
        if not inside.any():
            continue
        values = rows.probabilities[inside]
        counts = np.bincount(bin_numbers(values, bin_edges(values, bins, "width")), minlength=bins)
        low, middle, high = (float(value) for value in np.quantile(values, [0.25, 0.5, 0.75]))
        median = _median_limits(values, rows.codes[inside], level)
        edges = tuple(np.linspace(0, 1, bins + 1).tolist())
        parts.append(
            ClassProbabilities(target, edges, tuple(counts.tolist()), (low, middle, high), median, len(values))
        )
    return parts


def _median_limits(values: Floats, codes: Integers, level: float) -> Interval:
    """Return the median with the quantiles at the limits of the share below it (Woodruff, JASA 47:635, 1952).

    That share is a half, whatever the share of a sample in which many values equal the median; how much persons repeat
    themselves is measured on the side of the equal values on which the share is nearer to a half.
    """
    median = float(np.median(values))
    below = min((values < median, values <= median), key=lambda share: abs(float(share.mean()) - 0.5))
    size = effective_images(below.astype(np.float64), number_persons(codes, len(codes)))
    low, high = np.quantile(values, binomial_limits(0.5, size, level=level))
    return Interval(median, float(low), float(high))
