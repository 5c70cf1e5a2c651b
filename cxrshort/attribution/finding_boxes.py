"""Localisation over a population: do the maps of positives lie where the finding is outlined?

What outlines a finding: the boxes and masks that bear its name (such as those of ``BBox_List_2017.csv``, which
build-dataset writes into ``regions.csv`` under the label), regions named ``severity...`` of graded films, and the
lungs. Each is compared with the maps by relevance mass, relevance rank and the pointing game
(:mod:`cxrshort.attribution.localisation`), beside the share of the area, which is what chance would give.

What would invalidate the table: boxes of another finding; lungs of the average anatomy, which are nobody's outline (so
make the regions without it); negatives, in whose maps nothing is to be found. An image without an outline is in no row,
and a map without any positive value, or not finite, is left out and counted.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import ArrayLike

from cxrshort.attribution.localisation import localise
from cxrshort.errors import DataError
from cxrshort.images.prefetch import Indices
from cxrshort.regions import Regions
from cxrshort.results import Column, Table
from cxrshort.stats.midranks import Floats
from cxrshort.stats.region_shares import share_intervals
from cxrshort.tables import records

BLOCK = 32
"""Maps read at a time, with all regions of their images: 32 MB at 224 px."""
MEASURES = ("mass", "rank", "pointing")
LOCALISATION_COLUMNS = (
    "label", "region", *(f"{measure}{end}" for measure in MEASURES for end in ("", "_low", "_high")), "area",
    "mass_ratio", "mass_ratio_low", "mass_ratio_high", "images", "persons", "left_out", "reason",
)  # fmt: skip
_LUNGS, _SEVERITY = "lungs", "severity"


def finding_regions(names: Sequence[str], label: str) -> list[str]:
    """Return which regions outline a finding, in their order.

    Args:
        names: of all regions.
        label: the finding.

    Example:
        >>> finding_regions(["lungs", "marker", "Mass", "pleural_thickening", "severity_A"], "Pleural Thickening")
        ['lungs', 'pleural_thickening', 'severity_A']
    """
    own = _plain(label)
    return [name for name in names if name == _LUNGS or _plain(name) == own or _plain(name).startswith(_SEVERITY)]


def _plain(name: str) -> str:
    return name.casefold().replace("_", " ").replace("-", " ")


def localisation_table(
    maps: ArrayLike,
    rows: ArrayLike,
    regions: Regions,
    persons: ArrayLike,
    *,
    label: str,
    rng: np.random.Generator,
    tolerance: float = 0.0,
    images: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return how well the maps of positives agree with what outlines the finding, a row for each such region.

    Args:
        maps: (N, H, W) signed; a memory map is read in blocks. It may hold maps of other labels too.
        rows: positions among the maps of those of positives, of this label.
        regions: of the images.
        persons: (N,) whose image each map is of.
        label: the finding.
        rng: draws the persons for the intervals.
        tolerance: pixels that the pointing game allows, see :func:`~cxrshort.attribution.localisation.localise`.
        images: (N,) the image of each map, by its position in ``regions``; None where maps and images are in one order.

    Returns:
        `LOCALISATION_COLUMNS`: mean mass, rank and pointing with 95 % intervals clustered by person; the mean ``area``
        of the same images; ``mass_ratio``, mean mass over mean area; and ``left_out``, images with an outline whose map
        holds nothing positive. No row where no positive has an outline.

    Raises:
        DataError: maps, regions and persons are of other images.
    """
    values, people = (maps if isinstance(maps, np.ndarray) else np.asarray(maps)), np.asarray(persons)
    places = np.arange(len(values)) if images is None else np.asarray(images, dtype=np.int64)
    if not len(values) == len(people) == len(places) or (images is None and len(regions) != len(values)):
        raise DataError(
            f"{len(values)} maps, regions of {len(regions)} images and {len(people)} persons: they must be as many",
            "make all of them of the images that were explained",
        )
    names = finding_regions(regions.names, label)
    columns = [regions.names.index(name) for name in names]
    positions = np.asarray(rows, dtype=np.int64)
    positions = positions[regions.available[places[positions]][:, columns].any(axis=1)]
    pairs = np.stack([positions, places[positions]], axis=1)
    measured, outlined = _measure(values, pairs, regions, columns, tolerance=tolerance)
    table = []
    for number, name in enumerate(names):
        if outlined[:, number].any():
            own = measured[outlined[:, number], number]
            means = _summarise(own, people[positions][outlined[:, number]], rng=rng)
            table.append({"label": label, "region": name, **means})
    return pd.DataFrame(table, columns=list(LOCALISATION_COLUMNS))


def _measure(
    maps: npt.NDArray[Any], pairs: Indices, regions: Regions, columns: Sequence[int], *, tolerance: float
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Measure maps; pairs hold the position of a map and that of its image, (n, 2).

    Returns:
        Mass, rank, pointing and area of each region, (n, R, 4), and which images have it outlined, (n, R).
    """
    numbers = np.full((len(pairs), len(columns), len(MEASURES) + 1), np.nan)
    outlined = np.zeros(numbers.shape[:2], bool)
    for start in range(0, len(pairs), BLOCK):
        part = pairs[start : start + BLOCK]
        charts, batch = np.asarray(maps[part[:, 0]], np.float32), regions.take(part[:, 1])
        for number, column in enumerate(columns):
            masks = batch.areas[:, column]
            scores = localise(charts, masks, tolerance=tolerance)
            block = np.stack([scores.mass, scores.rank, scores.pointing, scores.area], axis=1)
            numbers[start : start + BLOCK, number] = block
            outlined[start : start + BLOCK, number] = batch.available[:, column] & masks.any(axis=(1, 2))
    return numbers, outlined


def _summarise(
    measured: Floats, persons: npt.NDArray[Any], *, rng: np.random.Generator
) -> dict[str, float | int | str | None]:
    """Return the means of one region, with limits from persons drawn again; the three measures share the draws."""
    shares, areas = measured[:, : len(MEASURES)], np.repeat(measured[:, -1:], len(MEASURES), axis=1)
    intervals = share_intervals(shares, areas, persons, rng=rng)
    row: dict[str, float | int | str | None] = {}
    for measure, interval in zip(MEASURES, intervals, strict=True):
        row |= {measure: interval.share, f"{measure}_low": interval.share_low, f"{measure}_high": interval.share_high}
    mass = intervals[0]
    return {
        **row,
        "area": mass.area,
        "mass_ratio": mass.ratio,
        "mass_ratio_low": mass.ratio_low,
        "mass_ratio_high": mass.ratio_high,
        "images": mass.images,
        "persons": mass.persons,
        "left_out": len(measured) - mass.images,
        "reason": mass.reason.replace("no image has a share", "no map has a positive value"),
    }


def localisation_block(table: pd.DataFrame) -> Table:
    """Return what people see of a table of localisation; chance is the share of the area."""
    heads = [
        Column("finding", "label", folds=True),
        Column("outline", "region"),
        Column("images", "images", "count"),
        Column("relevance mass", "mass", "interval"),
        Column("relevance rank", "rank", "interval"),
        Column("pointing game", "pointing", "interval"),
        Column("by chance", "chance", "count"),
    ]
    shown = [{**row, "chance": "" if row["area"] is None else f"{row['area']:.3f}"} for row in records(table)]
    return Table(heads, shown, title="maps of positives against outlines, with 95 % interval")
