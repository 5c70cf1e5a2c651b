"""How many images an interval of a given width and a paired difference need, for several AUCs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

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
)

_COLOURS = (*DATASET_COLOURS.values(), *FALLBACK_COLOURS)
_WIDTH, _HEIGHT, _LEFT, _GUTTER, _ABOVE, _FOOT = 3.1, 2.5, 0.85, 0.85, 0.5, 0.6
_TICKS = (0.01, 0.02, 0.05, 0.1)


@dataclass(frozen=True, slots=True, eq=False)
class PowerCurve:
    """Hold the images that one AUC needs.

    Args:
        name: of the curve.
        goals: (G,) half widths, and differences.
        for_width: (G,) images for an interval of each half width.
        for_difference: (G,) images for each paired difference; 0 where there is none.
    """

    name: str
    goals: Sequence[float]
    for_width: Sequence[int]
    for_difference: Sequence[int]


def draw_power(curves: Sequence[PowerCurve], path: Path, *, title: str) -> Path:
    """Draw images against half width, and against the paired difference, on logarithmic axes.

    Args:
        curves: one per AUC.
        path: the PNG.
        title: stands above, such as the prevalence.

    Raises:
        DataError: no curve.
    """
    if not curves:
        raise DataError("no AUC to draw: the list is empty", "name one")
    figure = new_figure(_LEFT + 2 * _WIDTH + _GUTTER + 1.0, _ABOVE + _HEIGHT + _FOOT)
    place_text(figure, title, left=_LEFT, top=0.12, size=LARGE)
    fields = (("for_width", "half width of the interval"), ("for_difference", "paired difference of AUCs"))
    for number, (field, goal) in enumerate(fields):
        axes = add_axes(figure, _LEFT + number * (_WIDTH + _GUTTER), _ABOVE, width=_WIDTH, height=_HEIGHT)
        _draw(axes, curves, field)
        axes.set_xlabel(goal, size=NORMAL, color=INK, labelpad=2)
        axes.set_ylabel("images", size=NORMAL, color=INK, labelpad=2)
    axes.legend(frameon=False, fontsize=SMALL, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return save_figure(figure, path)


def _draw(axes: Axes, curves: Sequence[PowerCurve], field: str) -> None:
    for number, curve in enumerate(curves):
        pairs = [(goal, images) for goal, images in zip(curve.goals, getattr(curve, field), strict=True) if images]
        goals, images = zip(*pairs, strict=True) if pairs else ((), ())
        axes.plot(goals, images, color=_COLOURS[number % len(_COLOURS)], linewidth=1.5, label=curve.name)
    axes.set(xscale="log", yscale="log", xticks=_TICKS)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(color=FAINT, linewidth=0.4, alpha=0.6)
    axes.tick_params(labelsize=SMALL)
