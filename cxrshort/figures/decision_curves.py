"""Decision curves: the net benefit of a model over all thresholds, beside treating everyone and treating no one.

What would mislead: the whole range of thresholds read as if every one were in use. Only those at which a physician
would really treat count.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from cxrshort.errors import DataError
from cxrshort.figures.style import (
    DATASET_COLOURS,
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
from cxrshort.stats.decision_curves import DecisionPoint

MOST_CURVES = 30
"""Panels that a figure shows; more would be taller than a poster."""

_MODEL, _ALL, _NONE = DATASET_COLOURS["III"], DATASET_COLOURS["external"], "#6a6a6a"
_WIDTH, _HEIGHT, _GUTTER, _LEFT, _ABOVE, _FOOT = 2.9, 2.1, 0.8, 0.75, 0.72, 0.62


@dataclass(frozen=True, slots=True, eq=False)
class DecisionPanel:
    """Hold one decision curve.

    Args:
        title: what decides; two lines at most.
        points: thresholds in ascending order.
        caption: a line below the title, such as the prevalence.
    """

    title: str
    points: Sequence[DecisionPoint]
    caption: str = ""


def draw_decision_curves(panels: Sequence[DecisionPanel], path: Path) -> Path:
    """Draw the net benefit of each model with its band, of treating all, and of treating none.

    Args:
        panels: in order; the first `MOST_CURVES` are drawn.
        path: the PNG.

    Raises:
        DataError: no panel.
    """
    if not panels:
        raise DataError("no decision curve to draw: no test set has two persons", "see the reasons in the table")
    shown = panels[:MOST_CURVES]
    columns = min(3, len(shown))
    height = _ABOVE + _HEIGHT + _FOOT
    across = _LEFT + columns * (_WIDTH + _GUTTER) - _GUTTER + 0.25
    figure = new_figure(across, math.ceil(len(shown) / columns) * height + 0.25)
    for number, panel in enumerate(shown):
        left, top = _LEFT + number % columns * (_WIDTH + _GUTTER), number // columns * height
        title = fit(panel.title, width=_WIDTH + _GUTTER - 0.1, size=LARGE)
        place_text(figure, title, left=left, top=top + _ABOVE - 0.26, size=LARGE).set_verticalalignment("bottom")
        place_text(figure, panel.caption, left=left, top=top + _ABOVE - 0.2, size=SMALL)
        _draw_curve(add_axes(figure, left, top + _ABOVE, width=_WIDTH, height=_HEIGHT), panel.points)
    _draw_key(figure, math.ceil(len(shown) / columns) * height)
    return save_figure(figure, path)


def _draw_curve(axes: Axes, points: Sequence[DecisionPoint]) -> None:
    thresholds = [point.threshold for point in points]
    model = [point.net_benefit.value for point in points]
    lows, highs = [point.net_benefit.low for point in points], [point.net_benefit.high for point in points]
    everyone = [point.treat_all.value for point in points]
    axes.axhline(0, color=_NONE, linewidth=1.2)
    axes.plot(thresholds, everyone, color=_ALL, linewidth=1.2)
    axes.fill_between(thresholds, lows, highs, color=_MODEL, alpha=0.15, linewidth=0)
    axes.plot(thresholds, model, color=_MODEL, linewidth=1.6)
    highest = max([*model, *everyone, 0.01])
    # Beyond the last threshold at which the model is worth something, there is nothing to see.
    last = max([0.1, *(threshold for threshold, worth in zip(thresholds, model, strict=True) if worth > 0)])
    axes.set(xlim=(0, min(1.0, 1.2 * last)), ylim=(-0.25 * highest, 1.1 * highest))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel("threshold probability", size=NORMAL, color=INK, labelpad=2)
    axes.set_ylabel("net benefit", size=NORMAL, color=INK, labelpad=2)


def _draw_key(figure: Figure, top: float) -> None:
    across, down = figure.get_size_inches()
    left, y = _LEFT, 1 - (top + 0.02) / down
    for name, colour in (("model", _MODEL), ("treat all", _ALL), ("treat none", _NONE)):
        figure.add_artist(Line2D([left / across, (left + 0.2) / across], [y, y], color=colour, linewidth=2.2))
        place_text(figure, name, left=left + 0.26, top=top - 0.04, size=SMALL)
        left += 0.95
