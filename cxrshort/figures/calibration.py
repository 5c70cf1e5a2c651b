"""Reliability diagrams with the distribution of predicted probabilities in each class below them.

What would mislead: bars read as a band for the whole curve. Each bar is an interval for its own bin, and of ten bins of
a perfectly calibrated model some miss the diagonal in up to 40 % of test sets.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from cxrshort.errors import DataError
from cxrshort.figures.style import (
    DATASET_COLOURS,
    FAINT,
    INK,
    LARGE,
    NORMAL,
    SMALL,
    add_axes,
    fit,
    new_figure,
    place_text,
    save_figure,
)
from cxrshort.stats.reliability import ClassProbabilities, ReliabilityPoint

MOST_PANELS = 30
"""Diagrams that a figure shows; more would be taller than a poster."""

_LINE, _POSITIVE, _NEGATIVE = DATASET_COLOURS["III"], DATASET_COLOURS["I"], "#8a8a8a"
_SIDE, _BELOW, _GUTTER, _LEFT = 2.5, 0.9, 0.75, 0.7
_ABOVE, _FOOT = 0.72, 0.62


@dataclass(frozen=True, slots=True, eq=False)
class ReliabilityPanel:
    """Hold one reliability diagram.

    Args:
        title: what the probabilities are of; two lines at most.
        points: one per bin.
        classes: the distribution of probabilities in each class, negatives first.
        caption: a line in the diagram, such as the slope with its interval.
    """

    title: str
    points: Sequence[ReliabilityPoint]
    classes: Sequence[ClassProbabilities]
    caption: str = ""


def draw_calibration(panels: Sequence[ReliabilityPanel], path: Path) -> Path:
    """Draw observed rates against predicted probabilities, and below them the probabilities in each class.

    Args:
        panels: in order; the first `MOST_PANELS` are drawn.
        path: the PNG.

    Raises:
        DataError: no panel.
    """
    if not panels:
        raise DataError("no reliability diagram to draw: no test set has both classes", "see the reasons in the table")
    shown = panels[:MOST_PANELS]
    columns = min(3, len(shown))
    height = _ABOVE + _SIDE + 0.12 + _BELOW + _FOOT
    across = _LEFT + columns * (_SIDE + _GUTTER) - _GUTTER + 0.25
    figure = new_figure(across, math.ceil(len(shown) / columns) * height)
    for number, panel in enumerate(shown):
        left, top = _LEFT + number % columns * (_SIDE + _GUTTER), number // columns * height
        title = fit(panel.title, width=_SIDE + _GUTTER - 0.1, size=LARGE)
        place_text(figure, title, left=left, top=top + _ABOVE - 0.26, size=LARGE).set_verticalalignment("bottom")
        place_text(figure, panel.caption, left=left, top=top + _ABOVE - 0.2, size=SMALL)
        _draw_points(add_axes(figure, left, top + _ABOVE, width=_SIDE, height=_SIDE), panel.points)
        below = add_axes(figure, left, top + _ABOVE + _SIDE + 0.12, width=_SIDE, height=_BELOW)
        _draw_classes(below, panel.classes)
    return save_figure(figure, path)


def _draw_points(axes: Axes, points: Sequence[ReliabilityPoint]) -> None:
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, zorder=1)
    predicted = [point.predicted for point in points]
    lows, highs = [point.observed.low for point in points], [point.observed.high for point in points]
    axes.fill_between(predicted, lows, highs, color=_LINE, alpha=0.13, linewidth=0)
    axes.vlines(predicted, lows, highs, color=_LINE, linewidth=1)
    axes.plot(predicted, [point.observed.value for point in points], "o-", color=_LINE, lw=1.2, ms=4, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xticks=np.linspace(0, 1, 6), yticks=np.linspace(0, 1, 6))
    axes.set_xticklabels([])
    axes.set_ylabel("observed share of positives", size=NORMAL, color=INK, labelpad=2)


def _draw_classes(axes: Axes, classes: Sequence[ClassProbabilities]) -> None:
    """Draw positives upwards and negatives downwards, each as shares of its class."""
    tallest = 0.0
    for part in classes:
        shares = np.asarray(part.counts) / part.images
        tallest = max(tallest, float(shares.max()))
        widths = np.diff(part.edges)
        colour, sign = (_POSITIVE, 1) if part.target else (_NEGATIVE, -1)
        axes.bar(part.edges[:-1], sign * shares, widths, align="edge", color=colour, linewidth=0)
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.set(xlim=(0, 1), ylim=(-1.6 * tallest, 1.6 * tallest), xticks=np.linspace(0, 1, 6), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("predicted probability", size=NORMAL, color=INK, labelpad=2)
    for part in classes:
        colour, side = (_POSITIVE, "top") if part.target else (_NEGATIVE, "bottom")
        name = f"{('negatives', 'positives')[part.target]}, n = {part.images:,}"
        where = (0.5, 0.99 if part.target else 0.01)
        axes.text(*where, name, transform=axes.transAxes, ha="center", va=side, size=SMALL, color=colour)
