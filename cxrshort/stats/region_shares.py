"""Mean shares of regions over a population, with intervals that respect persons.

What would invalidate an interval: fewer than about 20 persons, since it is a percentile interval of persons drawn
again. The ratio is that of two means, of shares and of areas, not a mean of ratios: an image with a tiny region would
rule a mean of ratios, and one without the region has none.
"""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cxrshort.errors import DataError
from cxrshort.stats.bootstrap import percentile_interval, resample
from cxrshort.stats.midranks import Floats, Integers, number_persons

DRAWS = 2000
LEAST_PERSONS = 3


@dataclass(frozen=True, slots=True)
class ShareInterval:
    """Hold the share of one region over a population.

    Args:
        share: mean share of absolute attribution, in [0, 1]; None where no image has one.
        share_low: lower limit; None where there is none.
        share_high: upper limit.
        area: mean share of the pixels of the same images.
        ratio: mean share over mean area; None where the area is 0.
        ratio_low: lower limit; None where there is none.
        ratio_high: upper limit.
        images: images with a share.
        persons: whose images they are.
        reason: why something is missing.
    """

    share: float | None
    share_low: float | None
    share_high: float | None
    area: float | None
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    images: int
    persons: int
    reason: str = ""


def share_intervals(
    shares: ArrayLike, areas: ArrayLike, persons: ArrayLike, *, rng: np.random.Generator, level: float = 0.95
) -> list[ShareInterval]:
    """Average shares and areas over images, and draw persons again for the intervals.

    Images without a share or without an area (NaN) are left out, region by region. Regions that are known in the same
    images share the draws, so they stay paired.

    Args:
        shares: (N, R), NaN where there is none.
        areas: (N, R), NaN where the region is unknown.
        persons: (N,) whose images they are.
        rng: draws the persons.
        level: coverage of the intervals, in (0, 1).

    Returns:
        An interval per region.

    Raises:
        DataError: shapes that differ, a row without a person.

    Example:
        >>> shares, areas = [[0.2], [0.4], [0.6]], [[0.1], [0.1], [0.1]]
        >>> found = share_intervals(shares, areas, list("abc"), rng=np.random.default_rng(0))[0]
        >>> round(found.share, 3), round(found.ratio, 3), found.persons
        (0.4, 4.0, 3)
    """
    parts, covered = np.asarray(shares, np.float64), np.asarray(areas, np.float64)
    if parts.ndim != 2 or parts.shape != covered.shape:
        raise DataError(f"shares of shape {parts.shape} and areas of shape {covered.shape}: both must be (N, R)")
    codes = number_persons(persons, len(parts))
    known = ~(np.isnan(parts) | np.isnan(covered))
    patterns, of_region = np.unique(known.T, axis=0, return_inverse=True)
    found: dict[int, ShareInterval] = {}
    for number, pattern in enumerate(patterns):
        columns = np.flatnonzero(of_region.reshape(-1) == number)
        together = _together(parts[pattern][:, columns], covered[pattern][:, columns], codes[pattern], rng, level)
        found.update(zip(columns.tolist(), together, strict=True))
    return [found[column] for column in range(parts.shape[1])]


def _together(
    shares: Floats, areas: Floats, codes: Integers, rng: np.random.Generator, level: float
) -> list[ShareInterval]:
    """Return the intervals of regions that are known in all of these images."""
    if not len(shares):
        nothing = ShareInterval(None, None, None, None, None, None, None, 0, 0, "no image has a share")
        return [nothing] * shares.shape[1]
    codes = np.unique(codes, return_inverse=True)[1]
    people, regions = int(codes.max()) + 1, shares.shape[1]
    sums = np.zeros((people, 2 * regions + 1))
    np.add.at(sums, codes, np.column_stack([shares, areas, np.ones(len(shares))]))
    means = _means(np.ones((1, people)), sums=sums)[0]
    drawn = None
    if people >= LEAST_PERSONS:
        statistic = functools.partial(_means, sums=sums)
        drawn = resample(statistic, strata=np.zeros(people, np.int64), draws=DRAWS, rng=rng, largest=people).values
    return [_interval(means, drawn, region, counts=(len(shares), people), level=level) for region in range(regions)]


def _means(weights: Floats, *, sums: Floats) -> Floats:
    """Return mean shares and mean areas, (B, 2R), of sums per person, (persons, 2R + 1), the last of them images."""
    totals: Floats = weights @ sums
    return totals[:, :-1] / totals[:, -1:]


def _interval(
    means: Floats, drawn: Floats | None, region: int, *, counts: tuple[int, int], level: float
) -> ShareInterval:
    half = len(means) // 2
    share, area = float(means[region]), float(means[half + region])
    ratio = share / area if area > 0 else None
    if drawn is None:
        return ShareInterval(share, None, None, area, ratio, None, None, *counts, f"only {counts[1]} persons")
    limits = percentile_interval(drawn[:, region], level=level)
    if ratio is None:
        return ShareInterval(share, *limits, area, None, None, None, *counts, "the region is empty in every image")
    covered = drawn[:, half + region]
    if (covered <= 0).mean() > (1 - level) / 2:
        return ShareInterval(share, *limits, area, ratio, None, None, *counts, "too few persons have the region")
    ratios = drawn[covered > 0, region] / covered[covered > 0]
    return ShareInterval(share, *limits, area, ratio, *percentile_interval(ratios, level=level), *counts)
