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
    for number, point in reversed(list(enumerate(named, 1))):
        _draw_point(axes, point, number)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xticks=np.linspace(0, 1, 6), yticks=np.linspace(0, 1, 6))
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


def _draw_point(axes: Axes, point: RiskPoint, number: int) -> None:
    colour = _COLOURS.get(point.verdict, INK)
    x, y = (max(0.0, limits[0]) for limits in (point.utility, point.detectability))
    for limits, other, is_x in ((point.utility, y, True), (point.detectability, x, False)):
        ends = [max(0.0, limits[1]), limits[2]]
        pairs = (ends, [other, other]) if is_x else ([other, other], ends)
        axes.plot(*pairs, color=colour, linewidth=0.8, alpha=0.6, zorder=3)
    axes.plot(x, y, "o", color=colour, ms=11, zorder=4, clip_on=False)
    axes.text(x, y, str(number), size=SMALL, color="white", ha="center", va="center_baseline", zorder=5)
