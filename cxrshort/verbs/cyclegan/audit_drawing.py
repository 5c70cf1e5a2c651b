"""The figures of an audit by a CycleGAN: transformed images, the largest changes, regions and flips."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from cxrshort.attribution.explained_regions import BORDER
from cxrshort.attribution.explained_regions import EXPECTED as EXPECTED_REGIONS
from cxrshort.figures.intervals import Estimate, draw_intervals
from cxrshort.figures.style import signed
from cxrshort.figures.transformations import (
    EDGE,
    ELSEWHERE,
    EXPECTED,
    MOST_EXAMPLES,
    MOST_TILES,
    Box,
    Transformation,
    draw_change_sheet,
    draw_transformations,
)
from cxrshort.generative.cyclegan.audit.classifiers import HALF
from cxrshort.generative.cyclegan.audit.edits import Edits
from cxrshort.generative.cyclegan.audit.images import SIDES, AuditedImages
from cxrshort.generative.cyclegan.audit.region_changes import MeasuredEdits
from cxrshort.generative.cyclegan.audit.regions import PackedRegions
from cxrshort.generative.cyclegan.audit.results import BOTH, ScoredClassifier
from cxrshort.generative.cyclegan.networks import Direction
from cxrshort.models.sources.opening import short_titles
from cxrshort.regions import CORNERS, EDGES

EDITS, LARGEST, REGIONS, CARRIED, FLIPS = (
    "edits.png",
    "largest-changes.png",
    "regions.png",
    "carried.png",
    "flips.png",
)
_EXAMPLES = 3
"""Images of each direction: from the smaller to the larger changes."""
_BOXES = 3
_PARTS = 2
"""Connected parts of a region that are outlined."""
_SHARED = 0.5
"""Share of the smaller region from which on a second region says nothing new."""


@dataclass(frozen=True, eq=False)
class DrawnAudit:
    """Hold what pictures are drawn from, by direction.

    Args:
        images: the audited ones.
        edits: the transformed ones.
        regions: of the same images.
        measured: differences by region.
        scored: of the classifiers; the first one's log-odds are written beside pictures.
    """

    images: AuditedImages
    edits: Mapping[Direction, Edits]
    regions: Mapping[Direction, PackedRegions]
    measured: Mapping[Direction, MeasuredEdits]
    scored: Sequence[ScoredClassifier]


def draw_audit(path_of: Callable[[str], Path], drawn: DrawnAudit, summary: Mapping[str, Any]) -> list[Path]:
    """Draw all figures, and return their paths.

    Args:
        path_of: gives the path of a named output.
        drawn: the images.
        summary: the numbers.
    """
    names = short_titles([entry["classifier"] for entry in summary["classifiers"]])
    figures = [_draw_typical(drawn, path_of(EDITS), names=names), _draw_largest(drawn, path_of(LARGEST), names=names)]
    changed = [row for row in summary["regions"] if row["direction"] == BOTH and row["ratio"] is not None]
    if changed:
        measure = "share of the difference over share of the area"
        figures.append(draw_intervals(_ratios(changed), path_of(REGIONS), measure=measure, reference=1.0))
    carried = _carried(summary, names)
    if carried:
        measure = "share of the whole change that the region alone brings about"
        figures.append(draw_intervals(carried, path_of(CARRIED), measure=measure, reference=0.0))
    figures.append(
        draw_intervals(_flips(summary, names), path_of(FLIPS), measure="share of images whose decision flips")
    )
    return figures


def _draw_typical(drawn: DrawnAudit, path: Path, *, names: Mapping[str, str]) -> Path:
    """Draw images of small, typical and large changes, with the log-odds of every classifier."""
    typical = [
        _transformation(drawn, direction, row) for direction in SIDES[::-1] for row in _typical(drawn.edits[direction])
    ]
    numbers = [f"{number}: " if len(names) > 1 else "" for number in range(1, len(names) + 1)]
    listed = "; ".join(f"{number}{name}" for number, name in zip(numbers, names.values(), strict=True))
    title = f"Images that change little, typically and much; log-odds of {_label(drawn)} by {listed}"
    return draw_transformations(typical[:MOST_EXAMPLES], path, title=title)


def _draw_largest(drawn: DrawnAudit, path: Path, *, names: Mapping[str, str]) -> Path:
    """Draw the largest changes of both directions, with the log-odds of the first classifier."""
    first = replace(drawn, scored=drawn.scored[:1])
    count = sum(len(edits.rows) for edits in drawn.edits.values())
    largest = [
        _transformation(first, direction, int(row))
        for direction in SIDES[::-1]
        for row in np.argsort(-drawn.edits[direction].changes, kind="stable")[: MOST_TILES // 2]
    ]
    title = (
        f"The {len(largest)} largest of {count} changes, of both directions; log-odds of {_label(drawn)} by "
        f"{next(iter(names.values()))}"
    )
    return draw_change_sheet(largest, path, title=title)


def _label(drawn: DrawnAudit) -> str:
    return drawn.scored[0].classifier.label


def _typical(edits: Edits) -> list[int]:
    """Return images from the smaller to the larger changes, so that the largest alone do not accuse by eye."""
    order = np.argsort(edits.changes, kind="stable")
    count = min(_EXAMPLES, len(order))
    return [int(order[int((place + 0.5) / count * len(order))]) for place in range(count)]


def _transformation(drawn: DrawnAudit, direction: Direction, row: int) -> Transformation:
    edits = drawn.edits[direction]
    name = str(drawn.images.data.manifest["image_id"].iloc[int(edits.rows[row])])
    lines = []
    for number, entry in enumerate(drawn.scored, start=1):
        before, after = entry.parts[direction].before[row], entry.parts[direction].after[row]
        title = f" (classifier {number})" if len(drawn.scored) > 1 else ""
        lines.append(f"{signed(float(before))} → {signed(float(after))}{title}")
    lines.append(f"mean difference {255 * edits.changes[row]:.1f} of 255")
    regions = drawn.regions[direction]
    changed = most_changed(drawn.measured[direction].means[row], regions, row, mean=edits.changes[row])
    if changed:
        lines += ["", f"most changed: {', '.join(regions.names[number].replace('_', ' ') for number in changed)}"]
    goal, boxes = drawn.images.goal(direction), outline_regions(changed, regions, row)
    return Transformation(name, goal, edits.before[row], edits.after[row], lines, boxes)


def most_changed(means: npt.NDArray[np.float64], regions: PackedRegions, row: int, *, mean: float) -> list[int]:
    """Return the regions of an image that changed most, and more than the whole image, without what others show.

    Args:
        means: (R,) mean absolute difference within each region; NaN where it is unknown or empty.
        regions: of all images.
        row: the image.
        mean: mean absolute difference of the whole image.
    """
    areas = regions.image(row)
    order = [int(number) for number in np.argsort(-np.nan_to_num(means, nan=-1.0), kind="stable")]
    chosen: list[int] = []
    for number in order:
        if len(chosen) == _BOXES or not np.isfinite(means[number]) or means[number] <= mean:
            break
        if regions.names[number] == BORDER or any(_share(areas[number], areas[other]) > _SHARED for other in chosen):
            continue
        chosen.append(number)
    return chosen


def outline_regions(numbers: Sequence[int], regions: PackedRegions, row: int) -> list[tuple[str, Box]]:
    """Return boxes around regions of an image, by kind; of a region of several parts around the largest of them."""
    areas = regions.image(row)
    return [(_kind(regions.names[number]), box) for number in numbers for box in _part_boxes(areas[number])]


def _share(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> float:
    return float((first & second).sum() / max(1, min(first.sum(), second.sum())))


def _kind(region: str) -> str:
    return EXPECTED if region in EXPECTED_REGIONS else EDGE if region in (*EDGES, *CORNERS) else ELSEWHERE


def _part_boxes(area: npt.NDArray[np.bool_]) -> list[Box]:
    """Return the boxes of the largest connected parts of an area."""
    labelled, count = ndimage.label(area)
    sizes = np.bincount(labelled.ravel())[1:]
    slices = ndimage.find_objects(labelled)
    largest = np.argsort(-sizes, kind="stable")[: min(count, _PARTS)]
    boxes = []
    for number in largest.tolist():
        rows, columns = slices[number]
        boxes.append((columns.start, rows.start, columns.stop, rows.stop))
    return boxes


def _ratios(changed: Sequence[Mapping[str, Any]]) -> list[Estimate]:
    heading = "Difference beside area, both directions"
    return [
        Estimate(str(row["region"]).replace("_", " "), heading, row["ratio"], row["ratio_low"], row["ratio_high"])
        for row in changed
    ]


def _carried(summary: Mapping[str, Any], names: Mapping[str, str]) -> list[Estimate]:
    rows = [row for row in summary["carried"] if row["direction"] == BOTH and row["share"] is not None]
    rows.sort(key=lambda row: -row["share"])
    return [
        Estimate(
            str(row["region"]).replace("_", " "),
            f"{names[row['classifier']]}: {row['label']}",
            row["share"],
            row["share_low"],
            row["share_high"],
        )
        for row in rows
    ]


def _flips(summary: Mapping[str, Any], names: Mapping[str, str]) -> list[Estimate]:
    return [
        Estimate(
            f"to {row['goal']}, {_decision(row['decision'])}",
            f"{names[row['classifier']]}: {row['label']}",
            row["flips"],
            row["flips_low"],
            row["flips_high"],
        )
        for row in summary["population"]
    ]


def _decision(name: str) -> str:
    return "at p = 0.5" if name == HALF else f"at {name}'s threshold"
