"""What is read off the maps of a population: shares of regions, signed contributions, and how well maps add up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort.attribution.explained_images import POSITIVE, ExplainedImages
from cxrshort.attribution.explained_regions import BORDER, ExplainedRegions
from cxrshort.attribution.finding_boxes import localisation_table
from cxrshort.attribution.map_blocks import Maps
from cxrshort.attribution.method_settings import more_passes
from cxrshort.attribution.shares import RegionShares, concatenate_shares, most_driven, region_shares, share_table
from cxrshort.errors import DataError
from cxrshort.regions import RegionBatch
from cxrshort.stats.midranks import Floats

TOLERANCE = 0.1
"""What a map of a path method may miss of the difference of logits that it must add up to, as a share of it.

Of that difference, or of the median one of its label where that is larger, since the difference itself may be zero.
With 200 draws, 0 to 16 % of the maps of seven small networks miss it by more; with 4 to 20 draws, more than half.
"""
_ROUNDING = 1e-5
"""Error of float32 that no number of draws lowers, as a share of the logit."""
_AT_ONCE = 64
"""Maps that are read at a time: 13 MB of 224 pixels, and 54 MB of regions."""


@dataclass(frozen=True, eq=False)
class Measurements:
    """Hold what is read off N maps.

    Args:
        shares: of absolute attribution by region.
        contributions: (N, R) signed sums of the maps over each region, in logits; NaN where the region is unknown.
        sums: (N,) of the whole maps, in logits.
    """

    shares: RegionShares
    contributions: Floats
    sums: Floats


def measure_maps(maps: Maps, explained: ExplainedImages, regions: ExplainedRegions) -> Measurements:
    """Read all maps once, some at a time."""
    images, parts, contributions, sums = explained.images, [], [], []
    for start in range(0, len(maps.maps), _AT_ONCE):
        values = np.asarray(maps.maps[start : start + _AT_ONCE])
        batch = regions.take(images[start : start + _AT_ONCE])
        parts.append(region_shares(values, batch, names=regions.names))
        contributions.append(signed_sums(values, batch))
        sums.append(values.sum(axis=(1, 2), dtype=np.float64))
    return Measurements(concatenate_shares(parts), np.concatenate(contributions), np.concatenate(sums))


def signed_sums(maps: npt.NDArray[np.float32], regions: RegionBatch) -> Floats:
    """Return the sum of each map over each region, (N, R); NaN where the region is unknown.

    Example:
        >>> areas = np.array([[[[True, False]], [[True, True]]]])
        >>> signed_sums(np.array([[[2.0, -3.0]]], np.float32), RegionBatch(areas, np.array([[True, True]]))).tolist()
        [[2.0, -1.0]]
    """
    sums = np.zeros(regions.areas.shape[:2])
    for row, (chart, areas) in enumerate(zip(maps, regions.areas, strict=True)):
        with np.errstate(invalid="ignore"):  # of a map with infinity, which counts nowhere
            sums[row] = areas.reshape(len(areas), -1).astype(np.float32) @ chart.ravel()
    return np.where(regions.available, sums, np.nan)


def check_logits(maps: Maps, *, model: str, dataset: str) -> None:
    """Refuse a model that returns no number for an image.

    Raises:
        DataError: it is so; the message counts the images.
    """
    if wrong := int((~np.isfinite(maps.logits)).sum()):
        raise DataError(
            f"'{model}' returns no number for {wrong} of {len(maps.logits)} images of {dataset}",
            "check its weights, and for a model trained elsewhere range=, mean= and std= of its pixels",
        )


def map_table(explained: ExplainedImages, maps: Maps, measured: Measurements) -> pd.DataFrame:
    """Return ``maps.csv``: for each map its image, label and logit, how it adds up, and the shares of its regions.

    ``sum``, ``difference``, ``error`` and ``adds_up`` (whether the error is within :data:`TOLERANCE`) are there for
    methods whose maps add up to a difference of logits, and ``share_se.REGION`` for those that draw at random.
    """
    table = explained.table.drop(columns=["image", "output"]).assign(logit=maps.logits)
    if np.isfinite(maps.starts).any():
        differences = maps.logits - maps.starts
        table = table.assign(sum=measured.sums, difference=differences, error=measured.sums - differences)
        table = table.assign(adds_up=_adds_up(table))
    names = measured.shares.names
    columns = {f"share.{name}": measured.shares.shares[:, number] for number, name in enumerate(names)}
    if np.isfinite(maps.errors).any():
        columns |= {f"share_se.{name}": maps.errors[:, number] for number, name in enumerate(names)}
    return table.assign(**columns)


def _adds_up(table: pd.DataFrame) -> "pd.Series[bool]":
    """Return whether each map misses its difference of logits by no more than the tolerance."""
    magnitudes = table["difference"].abs()
    scales = np.maximum(magnitudes, magnitudes.groupby(table["label"]).transform("median"))
    allowed = np.maximum(TOLERANCE * scales, _ROUNDING * np.maximum(table["logit"].abs(), 1))
    return table["error"].abs() <= allowed  # not of a broken map, whose error is no number


def class_shares(explained: ExplainedImages, measured: Measurements, *, seed: int) -> pd.DataFrame:
    """Return ``shares.csv``: for each label, class and region the mean share, beside the area, with intervals."""
    by = explained.table[["label", "class"]]
    return share_table(measured.shares, explained.table["person_id"], by=by, rng=np.random.default_rng(seed))


def label_localisation(maps: Maps, explained: ExplainedImages, regions: ExplainedRegions, *, seed: int) -> pd.DataFrame:
    """Return ``localisation.csv``: for each label how well the maps of its positives agree with what outlines it.

    The average anatomy is nobody's outline and is left out.
    """
    table, parts = explained.table, []
    for label in dict.fromkeys(table["label"]):
        rows = np.flatnonzero((table["label"] == label) & (table["class"] == POSITIVE))
        parts.append(
            localisation_table(
                maps.maps,
                rows,
                regions.outlined,
                table["person_id"],
                label=label,
                rng=np.random.default_rng((seed, 3)),
                images=explained.images,
            )
        )
    filled = [part for part in parts if len(part)] or parts[:1]
    return pd.concat(filled, ignore_index=True)


def driven_table(explained: ExplainedImages, measured: Measurements) -> pd.DataFrame:
    """Return ``most-driven.csv``: the maps with the most in borders and corners first."""
    ranked = most_driven(measured.shares)
    own = explained.table.drop(columns=["image", "output", "row"]).iloc[ranked["row"]].reset_index(drop=True)
    return ranked.reset_index(drop=True).join(own)


def adding_up(table: pd.DataFrame) -> dict[str, Any]:
    """Return how well the maps of ``maps.csv`` add up; nothing where they need not.

    Returns:
        ``difference`` and ``error``, absolute, in logits, in medians over the maps; ``tolerance``, see
        :data:`TOLERANCE`; ``maps``, and of these ``failed``, those that miss it.
    """
    if "error" not in table:
        return {}
    medians = {name: float(table[name].abs().median()) for name in ("difference", "error")}
    return {**medians, "tolerance": TOLERANCE, "maps": len(table), "failed": int((~table["adds_up"]).sum())}


def incomplete_maps(table: pd.DataFrame, settings: Any) -> list[str]:
    """Return how many maps of each label do not add up, and the option that would help, in words.

    Args:
        table: ``maps.csv``.
        settings: of the method.
    """
    notes = []
    for label, rows in table.groupby("label", sort=False) if "adds_up" in table else ():
        if failed := int((~rows["adds_up"]).sum()):
            notes.append(
                f"{failed} of {len(rows)} maps of {label} miss the difference of logits that they must add up to by "
                f"more than {100 * TOLERANCE:g} % (adds_up in maps.csv): {more_passes(settings)} makes maps more exact"
            )
    return notes


def typical_error(table: pd.DataFrame, names: Sequence[str] = ("lungs", BORDER)) -> dict[str, float]:
    """Return the median standard error of some regions' shares over random draws; nothing where nothing is drawn."""
    columns = {name: table[f"share_se.{name}"].median() for name in names if f"share_se.{name}" in table}
    return {name: float(value) for name, value in columns.items() if np.isfinite(value)}


def missing_shares(explained: ExplainedImages, measured: Measurements) -> list[str]:
    """Return how many maps of each label have no share, and why, in words."""
    notes = []
    reasons = {"zero everywhere": measured.shares.zero_maps, "not finite": measured.shares.broken_maps}
    for label in dict.fromkeys(explained.table["label"]):
        own = (explained.table["label"] == label).to_numpy(dtype=bool)
        for reason, flags in reasons.items():
            if count := int(flags[own].sum()):
                notes.append(f"{count} of {int(own.sum())} maps of {label} are {reason} and have no share")
    return notes
