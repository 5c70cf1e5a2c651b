"""The share of a map that lies in each region, beside the share of the area that the region holds.

A share is a sum of absolute attribution over a region, divided by that over the image; regions may overlap, so shares
need not add up to 1. A large region holds much by chance: read a share beside its area, or as their ratio.

What would invalidate a share, and the rule for each case:

- A map that is zero everywhere has no share: NaN, listed in ``zero_maps``. It is not a share of 0.
- A map with a value that is NaN or infinite has no share either: NaN, listed in ``broken_maps``.
- A region without a source for an image is unknown there: share and area are NaN.
- A known region that is empty in an image (no marker) has share 0 and area 0, and no ratio there.

Means over images leave out what is NaN, and say how many images are left (:mod:`cxrshort.stats.region_shares`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import ArrayLike

from cxrshort.errors import DataError
from cxrshort.regions import CORNERS, EDGES, RegionBatch
from cxrshort.stats.midranks import Floats
from cxrshort.stats.region_shares import share_intervals

Booleans = npt.NDArray[np.bool_]
_FIELDS = (
    "share", "share_low", "share_high", "area", "ratio", "ratio_low", "ratio_high", "images", "persons", "reason",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class RegionShares:
    """Hold the share of each region in each map.

    Args:
        names: the R regions.
        shares: (N, R) shares of absolute attribution, in [0, 1]; NaN where there is none.
        areas: (N, R) shares of the pixels, in [0, 1]; NaN where the region is unknown.
        zero_maps: (N,) whether the map is zero everywhere.
        broken_maps: (N,) whether the map holds NaN or infinity.
    """

    names: tuple[str, ...]
    shares: Floats
    areas: Floats
    zero_maps: Booleans
    broken_maps: Booleans

    @property
    def ratios(self) -> Floats:
        """Return share over area, (N, R); 1 is what an even map has, NaN where the region is unknown or empty."""
        ratios: Floats = np.divide(self.shares, self.areas, out=np.full_like(self.shares, np.nan), where=self.areas > 0)
        return ratios


def region_shares(maps: ArrayLike, regions: RegionBatch, *, names: Sequence[str]) -> RegionShares:
    """Measure how much of each map's absolute attribution lies in each region.

    Args:
        maps: (N, H, W) signed.
        regions: (N, R, H, W) areas and (N, R) which are known, as :meth:`cxrshort.regions.Regions.take` gives them.
        names: the R regions.

    Raises:
        DataError: maps and regions are of other images.

    Example:
        >>> left = np.zeros((1, 1, 2, 4), bool)
        >>> left[..., :1] = True
        >>> batch = RegionBatch(left, np.ones((1, 1), bool))
        >>> found = region_shares([[[-3.0, 1, 0, 0], [3, 1, 0, 0]]], batch, names=["left"])
        >>> [round(value.item(), 6) for value in (found.shares, found.areas, found.ratios)]
        [0.75, 0.25, 3.0]
    """
    values = checked_maps(maps)
    expected = (len(values), len(names), *values.shape[1:])
    if regions.areas.shape != expected or regions.available.shape != expected[:2]:
        raise DataError(
            f"regions of shape {regions.areas.shape} do not fit maps of shape {values.shape} and {len(names)} names",
            "give the regions of the images that were explained",
        )
    areas, pixels = regions.areas.reshape(*expected[:2], -1), values[0].size if len(values) else 1
    sums, sizes = np.zeros(expected[:2]), np.zeros(expected[:2])
    totals, peaks = np.zeros(len(values)), np.zeros(len(values))
    # One image at a time, so that what a product needs stays in the processor's cache: 2.8 MB for 14 regions of 224 px.
    weights = np.empty((len(names), pixels), np.float32)
    for row, area in enumerate(areas):
        absolute = np.abs(values[row].ravel())
        peaks[row] = absolute.max()
        sizes[row] = [np.count_nonzero(region) for region in area]
        if 0 < peaks[row] < np.inf:
            absolute /= peaks[row]  # no sum can overflow, whatever the unit of the map
            np.copyto(weights, area)
            sums[row], totals[row] = weights @ absolute, absolute.sum(dtype=np.float64)
    usable = (totals > 0)[:, None] & regions.available
    shares = np.divide(sums, totals[:, None], out=np.full(sums.shape, np.nan), where=usable)
    covered = np.where(regions.available, sizes / pixels, np.nan)
    return RegionShares(tuple(names), np.minimum(shares, 1), covered, peaks == 0, ~np.isfinite(peaks))


def checked_maps(maps: ArrayLike) -> npt.NDArray[np.float32]:
    """Return maps as (N, H, W) float32, without a copy where they are.

    Raises:
        DataError: they have another number of axes.
    """
    values = np.asarray(maps, dtype=np.float32)
    if values.ndim != 3:
        raise DataError(f"maps of shape {values.shape} cannot be read", "give maps of shape (N, H, W)")
    return values


def concatenate_shares(parts: Sequence[RegionShares]) -> RegionShares:
    """Join the shares of batches of the same regions, in their order.

    Raises:
        DataError: the batches are of different regions, or there are none.
    """
    if len({part.names for part in parts}) != 1:
        raise DataError(f"shares of {len({part.names for part in parts})} lists of regions cannot be joined")
    fields = ("shares", "areas", "zero_maps", "broken_maps")
    joined = [np.concatenate([getattr(part, field) for part in parts]) for field in fields]
    return RegionShares(parts[0].names, *joined)


def share_standard_errors(groups: ArrayLike, regions: RegionBatch, *, names: Sequence[str]) -> Floats:
    """Return how far shares would move if the references were drawn again, as a standard error, (N, R).

    The map is a mean over reference draws, which are split into K groups of equal size. A share is not linear in the
    map, and a map of fewer draws is rougher, so the spread of the groups' own shares would overstate it: the error is
    that of the jackknife, sqrt((K - 1) / K x sum of squared deviations) over maps that lack one group (Tukey 1958).

    Args:
        groups: (K, N, H, W) the mean map of each group of draws.
        regions: as for :func:`region_shares`.
        names: the R regions.

    Returns:
        (N, R); NaN where a share is.

    Raises:
        DataError: fewer than two groups, or other images.
    """
    values = np.asarray(groups, dtype=np.float32)
    if values.ndim != 4 or len(values) < 2:
        raise DataError(
            f"group maps of shape {values.shape} have no standard error",
            "give two groups of draws or more, (K, N, H, W)",
        )
    count, total = len(values), values.sum(axis=0, dtype=np.float64)
    without = np.stack([region_shares((total - group) / (count - 1), regions, names=names).shares for group in values])
    deviations = without - without.mean(axis=0)
    errors: Floats = np.sqrt((count - 1) / count * (deviations**2).sum(axis=0))
    return errors


def share_table(
    measured: RegionShares, persons: ArrayLike, *, by: pd.DataFrame, rng: np.random.Generator, level: float = 0.95
) -> pd.DataFrame:
    """Return the mean share, area and ratio of each region in each group, with intervals clustered by person.

    Args:
        measured: shares of N maps.
        persons: (N,) whose images they are.
        by: N rows; each combination of its values, such as a finding and its class, is a group. Rows with an empty
            value are in none.
        rng: draws the persons.
        level: coverage of the intervals.

    Returns:
        The columns of ``by``, ``region``, the fields of
        :class:`~cxrshort.stats.region_shares.ShareInterval`, and ``left_out``: maps of the group without a share
        because they are zero or not finite.

    Raises:
        DataError: lengths that differ.
    """
    people, keys = np.asarray(persons), list(by.columns)
    if not len(people) == len(by) == len(measured.shares):
        raise DataError(
            f"{len(measured.shares)} maps, {len(people)} persons and {len(by)} groups: they must be as many"
        )
    rows = []
    for values, places in by.reset_index(drop=True).groupby(keys, sort=True).indices.items():
        group = dict(zip(keys, values if isinstance(values, tuple) else (values,), strict=True))
        left_out = int((measured.zero_maps | measured.broken_maps)[places].sum())
        intervals = share_intervals(
            measured.shares[places], measured.areas[places], people[places], rng=rng, level=level
        )
        for name, interval in zip(measured.names, intervals, strict=True):
            numbers = {field: getattr(interval, field) for field in _FIELDS}
            rows.append({**group, "region": name, **numbers, "left_out": left_out})
    return pd.DataFrame(rows, columns=[*keys, "region", *_FIELDS, "left_out"])


def most_driven(measured: RegionShares, *, regions: Sequence[str] = (*EDGES, *CORNERS)) -> pd.DataFrame:
    """Rank images by the share of their map in some regions, the highest first.

    Args:
        measured: shares of N maps.
        regions: names; their shares are added up, so they should not overlap. Borders and corners do not.

    Returns:
        ``row`` (position of the map), ``share``, ``area`` and ``ratio``; maps without a share are not listed, and of
        equal shares the earlier map comes first.

    Raises:
        DataError: a region that was not measured.
    """
    if missing := sorted(set(regions) - set(measured.names)):
        raise DataError(f"region '{missing[0]}' was not measured", f"the regions are {', '.join(measured.names)}")
    columns = [measured.names.index(name) for name in regions]
    shares, areas = measured.shares[:, columns].sum(axis=1), measured.areas[:, columns].sum(axis=1)
    order = np.argsort(-shares, kind="stable")
    order = order[~np.isnan(shares[order])]
    ratios = np.divide(shares, areas, out=np.full_like(shares, np.nan), where=areas > 0)
    return pd.DataFrame({"row": order, "share": shares[order], "area": areas[order], "ratio": ratios[order]})
