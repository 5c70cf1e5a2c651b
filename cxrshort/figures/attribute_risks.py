"""Attributes by utility for a label and detectability in the pixels: the map of what could become a shortcut.

What would mislead: a point without its limits. Each of the numbered points has them; the others have none only because
they lie near an axis, where nothing is at risk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from cxrshort.errors import DataError
from cxrshort.figures.style import (
    DATASET_COLOURS,
    FAINT,
    FALLBACK_COLOURS,
    INK,
    LARGE,
    NORMAL,
    SMALL,
    add_axes,
    new_figure,
    place_text,
    save_figure,
    wrap,
)
from cxrshort.results import interval_text
from cxrshort.stats.verdicts import NO_EVIDENCE, SHORTCUT, SUSPICIOUS

NUMBERED = 12
"""Points that are named, the largest risks first."""
_COLOURS = {SHORTCUT: DATASET_COLOURS["I"], SUSPICIOUS: DATASET_COLOURS["external"], NO_EVIDENCE: FALLBACK_COLOURS[1]}
_SIDE, _LEFT, _TOP, _RIGHT, _STEP = 4.2, 0.7, 0.45, 4.1, 0.3
_START, _END = -0.03, 1.03
_MARKER, _CHARACTER = 11, 4.6
"""Height of a marker, and width of a character in it, in points."""
_PER_POINT = (_END - _START) / (72 * _SIDE)
"""Units of the axes in a point."""

Limits = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class RiskPoint:
    """Hold one attribute of one label.

    Args:
        name: of the attribute, with the label where there are several.
        verdict: one of the verdicts of audits.
        utility: with its limits.
        detectability: with its limits.
        risk: with its limits.
    """

    name: str
    verdict: str
    utility: Limits
    detectability: Limits
    risk: Limits


def draw_risks(points: Sequence[RiskPoint], path: Path, *, margin: float, label: str = "") -> Path:
    """Draw each attribute at its utility and detectability, and name those of the largest risk.

    Args:
        points: in any order.
        path: the PNG.
        margin: the smallest risk that accuses, drawn as a line.
        label: what the attributes tell; stands above.

    Raises:
        DataError: no point.

    Example:
        >>> import tempfile
        >>> point = RiskPoint("view", "shortcut", (0.3, 0.2, 0.4), (0.8, 0.7, 0.9), (0.24, 0.15, 0.33))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     draw_risks([point], Path(folder, "attributes.png"), margin=0.01).name
        'attributes.png'
    """
    if not points:
        raise DataError("no attribute to draw: none has a risk", "see their reasons")
    ranked = sorted(points, key=lambda point: -point.risk[0])
    named = ranked[:NUMBERED]
    height = _TOP + max(_SIDE + 0.65, 0.4 + _STEP * len(named))
    figure = new_figure(_LEFT + _SIDE + _RIGHT, height)
    axes = add_axes(figure, _LEFT, _TOP, width=_SIDE, height=_SIDE)
    _draw_margin(axes, margin)
    for point in ranked[NUMBERED:]:
        axes.plot(max(0, point.utility[0]), max(0, point.detectability[0]), "o", color=FAINT, ms=3, zorder=2)
    for point in reversed(named):
        _draw_limits(axes, point)
    for group in group_overlapping(named):
        _draw_markers(axes, named, group)
    axes.set(xlim=(_START, _END), ylim=(_START, _END), xticks=np.linspace(0, 1, 6), yticks=np.linspace(0, 1, 6))
    utility = f"what the attribute tells of {label}" if label else "what the attribute tells of the label"
    axes.set_xlabel(f"utility: {wrap(utility, 48, lines=1)}", size=NORMAL, color=INK, labelpad=2, parse_math=False)
    axes.set_ylabel("detectability: what pixels tell of the attribute", size=NORMAL, color=INK, labelpad=2)
    top, left = _TOP, _LEFT + _SIDE + 0.35
    place_text(figure, "risk = utility × detectability", left=left, top=0.15, size=LARGE)
    for number, point in enumerate(named, 1):
        colour = _COLOURS.get(point.verdict, INK)
        place_text(figure, f"{number}", left=left, top=top, size=SMALL, colour=colour)
        place_text(figure, wrap(point.name, 34, lines=1), left=left + 0.25, top=top, size=SMALL)
        numbers = interval_text(*point.risk)
        place_text(figure, numbers, left=left + 2.3, top=top, size=SMALL)
        place_text(figure, point.verdict, left=left + 0.25, top=top + 0.125, size=SMALL, colour=colour)
        top += _STEP
    if len(ranked) > len(named):
        place_text(figure, f"{len(ranked) - len(named)} smaller risks in grey", left=left + 0.25, top=top, size=SMALL)
    return save_figure(figure, path)


def _draw_margin(axes: Axes, margin: float) -> None:
    utility = np.linspace(margin, 1, 200)
    axes.plot(utility, margin / utility, color=FAINT, linewidth=1, zorder=1)
    # Beside the lower end of the line, where points are rare.
    axes.text(1.0, margin + 0.012, f"risk {margin:g}", size=SMALL, color=INK, ha="right", va="bottom")


def group_overlapping(points: Sequence[RiskPoint]) -> list[list[int]]:
    """Return the places of points by marker: points whose markers would cover each other share one.

    Args:
        points: the numbered ones, in order.

    Example:
        >>> corner, edge = (1.0, 0.9, 1.0), (0.1, 0.0, 0.2)
        >>> pairs = [(corner, corner), (corner, corner), (edge, corner)]
        >>> group_overlapping([RiskPoint("", "", x, y, edge) for x, y in pairs])
        [[0, 1], [2]]
    """
    groups = [[place] for place in range(len(points))]
    while pair := _overlap(points, groups):
        first, second = pair
        groups[first] = sorted(groups[first] + groups.pop(second))
    return groups


def _overlap(points: Sequence[RiskPoint], groups: Sequence[Sequence[int]]) -> tuple[int, int] | None:
    """Return the first two groups whose markers cover each other."""
    boxes = []
    for group in groups:
        (x, y), parts = _centre(points, group), _labels(points, group)
        boxes.append((x, y, sum(width for _, _, width in parts)))
    for second, (x, y, width) in enumerate(boxes):
        for first, (other_x, other_y, other_width) in enumerate(boxes[:second]):
            if abs(x - other_x) < (width + other_width) / 2 and abs(y - other_y) < _MARKER * _PER_POINT:
                return first, second
    return None


def _position(point: RiskPoint) -> tuple[float, float]:
    return max(0.0, point.utility[0]), max(0.0, point.detectability[0])


def _centre(points: Sequence[RiskPoint], group: Sequence[int]) -> tuple[float, float]:
    x, y = np.mean([_position(points[place]) for place in group], axis=0)
    return float(x), float(y)


def _labels(points: Sequence[RiskPoint], group: Sequence[int]) -> list[tuple[str, str, float]]:
    """Return text, verdict and width, in units of the axes, of the parts of a marker: one for each verdict."""
    verdicts = dict.fromkeys(points[place].verdict for place in group)
    labels = []
    for verdict in verdicts:
        text = list_numbers([place + 1 for place in group if points[place].verdict == verdict])
        width = _MARKER if len(text) < 3 else _CHARACTER * len(text) + 6
        labels.append((text, verdict, width * _PER_POINT))
    return labels


def list_numbers(numbers: Sequence[int]) -> str:
    """Return numbers in rising order, three or more in a row as a range.

    Example:
        >>> list_numbers([1, 2, 4, 5, 6, 12])
        '1, 2, 4–6, 12'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def _draw_limits(axes: Axes, point: RiskPoint) -> None:
    colour = _COLOURS.get(point.verdict, INK)
    x, y = _position(point)
    for limits, other, is_x in ((point.utility, y, True), (point.detectability, x, False)):
        ends = [max(0.0, limits[1]), limits[2]]
        pairs = (ends, [other, other]) if is_x else ([other, other], ends)
        axes.plot(*pairs, color=colour, linewidth=0.8, alpha=0.6, zorder=3)
    axes.plot(x, y, "o", color=colour, ms=3, zorder=3, clip_on=False)


def _draw_markers(axes: Axes, points: Sequence[RiskPoint], group: Sequence[int]) -> None:
    """Draw the numbers of points that lie together, those of each verdict in its colour."""
    (x, y), parts = _centre(points, group), _labels(points, group)
    left = x - sum(width for _, _, width in parts) / 2
    for text, verdict, width in parts:
        colour, middle = _COLOURS.get(verdict, INK), left + width / 2
        length = max(0.0, width - _MARKER * _PER_POINT) / 2
        if length:  # as wide as its numbers, with round ends
            ends = [middle - length, middle + length]
            axes.plot(ends, [y, y], color=colour, lw=_MARKER, solid_capstyle="round", zorder=4, clip_on=False)
        else:
            axes.plot(middle, y, "o", color=colour, ms=_MARKER, zorder=4, clip_on=False)
        axes.text(middle, y, text, size=SMALL, color="white", ha="center", va="center_baseline", zorder=5)
        left += width
