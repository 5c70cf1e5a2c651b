"""Where transformed images differ from the original ones: each region's share of the difference beside its area.

Two comparisons say whether a region was changed for a reason. Against space: whole maps of differences are shifted, so
that the same shape lies elsewhere (:func:`cxrshort.stats.space.shift_test`). Against the sham: the same generator is
given images that are of its goal already, and need no change; what it changes there it changes whatever it is given,
such as the edges, where padding leaves traces. A generator that was trained without an identity loss has never been
told to leave such images alone, so that its sham may be large and the comparison strict.

What would invalidate the numbers: images of the wrong side, and those of :mod:`cxrshort.attribution.shares`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from cxrshort.attribution.shares import RegionShares, concatenate_shares, region_shares
from cxrshort.generative.cyclegan.audit.regions import PackedRegions
from cxrshort.stats.bootstrap import percentile_interval, resample
from cxrshort.stats.changes import DRAWS
from cxrshort.stats.midranks import number_persons
from cxrshort.stats.region_shares import share_intervals
from cxrshort.stats.space import shift_test
from cxrshort.stats.verdicts import Rule

Floats = npt.NDArray[np.float64]
_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class MeasuredEdits:
    """Hold the differences of some images by region.

    Args:
        maps: (N, H, W) differences, after minus before.
        regions: of the same images.
        persons: (N,) whose they are.
        shares: of the absolute difference.
        means: (N, R) mean absolute difference within the region; NaN where it is unknown or empty.
    """

    maps: npt.NDArray[np.float32]
    regions: PackedRegions
    persons: npt.NDArray[np.str_]
    shares: RegionShares
    means: Floats


def measure_edits(maps: npt.NDArray[np.float32], regions: PackedRegions, persons: ArrayLike) -> MeasuredEdits:
    """Measure how much of the difference of each image lies in each region.

    Args:
        maps: (N, H, W) after minus before.
        regions: of the same images.
        persons: (N,) whose they are.
    """
    parts = [
        region_shares(maps[rows], regions.batch(rows), names=regions.names)
        for rows in (slice(start, start + _AT_ONCE) for start in range(0, len(maps), _AT_ONCE))
    ]
    shares = concatenate_shares(parts)
    totals = np.abs(maps).mean(axis=(1, 2), dtype=np.float64)
    filled = np.where(shares.zero_maps[:, None] & (shares.areas > 0), 0.0, shares.ratios)
    return MeasuredEdits(maps, regions, np.asarray(persons, dtype=str), shares, filled * totals[:, None])


def join_edits(parts: Sequence[MeasuredEdits]) -> MeasuredEdits:
    """Join measured images, such as those of both directions."""
    packed = [part.regions for part in parts]
    return MeasuredEdits(
        np.concatenate([part.maps for part in parts]),
        PackedRegions.join(packed),
        np.concatenate([part.persons for part in parts]),
        concatenate_shares([part.shares for part in parts]),
        np.concatenate([part.means for part in parts]),
    )


def change_records(edits: MeasuredEdits, shams: MeasuredEdits, *, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return for each region how much of it changed, beside its area, other places and the sham.

    Args:
        edits: images that were transformed to the other side.
        shams: images that were of that side already, transformed by the same generators.
        rng: draws the persons.

    Returns:
        ``mean_difference``, in grey values of [0, 1]; ``share`` of the absolute difference, ``area`` and their
        ``ratio`` with limits; ``p_shift``; ``sham_ratio``, the mean difference over that of the sham, with limits; and
        ``change_reason`` where a number is missing.
    """
    intervals = share_intervals(edits.shares.shares, edits.shares.areas, edits.persons, rng=rng)
    records = []
    for number, (name, interval) in enumerate(zip(edits.regions.names, intervals, strict=True)):
        means = edits.means[:, number]
        changed = means[np.isfinite(means)]
        record = {"region": name, "images": interval.images, "persons": interval.persons}
        record["mean_difference"] = float(changed.mean()) if len(changed) else None
        for field in ("share", "share_low", "share_high", "area", "ratio", "ratio_low", "ratio_high"):
            record[f"difference_{field}" if field.startswith("share") else field] = getattr(interval, field)
        record["p_shift"] = _p_of_shifts(edits, number)
        record |= _sham_ratio(edits, shams, number, rng=rng)
        records.append({**record, "change_reason": interval.reason})
    return records


def _p_of_shifts(edits: MeasuredEdits, number: int) -> float | None:
    """Return the p-value of a region among the same shape in other places; None where no map has a share."""
    usable = np.isfinite(edits.shares.shares[:, number])
    areas = edits.regions.region(number)[usable]
    if not areas.any():
        return None
    return shift_test(edits.maps[usable], areas, edits.persons[usable]).p


def _sham_ratio(
    edits: MeasuredEdits, shams: MeasuredEdits, number: int, *, rng: np.random.Generator
) -> dict[str, float | None]:
    """Return the mean difference over that of the sham; persons of both are drawn again together."""
    names = ("sham_ratio", "sham_ratio_low", "sham_ratio_high")
    values = [part.means[:, number] for part in (edits, shams)]
    present = [np.isfinite(part) for part in values]
    if not all(part.any() for part in present):
        return dict.fromkeys(names)
    ids = np.concatenate([part.persons[rows] for part, rows in zip((edits, shams), present, strict=True)])
    codes = number_persons(ids, len(ids))
    people, split = int(codes.max()) + 1, int(present[0].sum())
    columns = []
    for part, own in ((values[0][present[0]], codes[:split]), (values[1][present[1]], codes[split:])):
        columns += [np.bincount(own, weights=part, minlength=people), np.bincount(own, minlength=people)]
    sums = np.stack(columns, axis=1).astype(np.float64)

    def ratio(weights: Floats) -> Floats:
        totals = weights @ sums
        changed, sham = totals[:, 0] * totals[:, 3], totals[:, 1] * totals[:, 2]
        ratios: Floats = np.divide(changed, sham, out=np.full(len(totals), np.nan), where=sham > 0)
        return ratios[:, None]

    value = float(ratio(np.ones((1, people)))[0, 0])
    if not np.isfinite(value) or people < 3:
        return dict.fromkeys(names)
    # Within strata, so that a resample cannot lose one of the two sets.
    strata = (sums[:, 1] > 0).astype(np.int64) + 2 * (sums[:, 3] > 0).astype(np.int64)
    drawn = resample(ratio, strata=strata, draws=DRAWS, rng=rng, undefined="had no difference in the sham")
    return dict(zip(names, (value, *percentile_interval(drawn.values[:, 0])), strict=True))


def unchanged_regions(records: Sequence[dict[str, Any]], rule: Rule) -> dict[str, str]:
    """Return the regions that were not changed more than their area or the sham say, with the numbers as a clause.

    Args:
        records: of :func:`change_records`.
        rule: whose level holds for the test over space.
    """
    clauses = {}
    for record in records:
        clause = _why_unchanged(record, rule)
        if clause:
            clauses[str(record["region"])] = clause
    return clauses


def _why_unchanged(record: dict[str, Any], rule: Rule) -> str:
    ratio, low, p = record["ratio"], record["ratio_low"], record["p_shift"]
    if ratio is None or low is None or p is None:
        return "how much of it was changed could not be measured"
    if low <= 1:
        return f"it was not changed more than its area says (ratio {ratio:.2f}, lower limit {low:.2f})"
    if p > rule.level:
        return f"it was not changed more than the same shape elsewhere (p = {p:.2g})"
    sham, sham_low = record["sham_ratio"], record["sham_ratio_low"]
    if sham_low is not None and sham_low <= 1:
        return f"images that need no change were changed there as much (ratio to them {sham:.2f}, from {sham_low:.2f})"
    return ""
