"""The critical difference diagram of several methods over several datasets (Demsar 2006, Fig. 1).

What would mislead: a bar read as equality. It joins methods whose mean ranks are not told apart.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes

from cxrshort.errors import DataError
from cxrshort.figures.style import (
    DATASET_COLOURS,
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

_LEFT, _WIDTH, _STEP, _BAR = 2.6, 4.2, 0.26, 0.14
_COLOUR = DATASET_COLOURS["III"]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Hold the mean ranks of methods over datasets.

    Args:
        name: what they are of; stands above the diagram.
        methods: in any order.
        mean_ranks: one per method, 1 is best.
        critical: mean ranks that differ by at least this much are told apart.
        groups: sets of methods that are not told apart, as positions.
    """

    name: str
    methods: Sequence[str]
    mean_ranks: Sequence[float]
    critical: float
    groups: Sequence[Sequence[int]]


def draw_critical_differences(rankings: Sequence[Ranking], path: Path) -> Path:
    """Draw the mean ranks on an axis, the best on the left, with a bar for each set that is not told apart.

    Args:
        rankings: one diagram each, one below the other.
        path: the PNG.

    Raises:
        DataError: no ranking.

    Example:
        >>> import tempfile
        >>> ranking = Ranking("AUC", ["erm", "tea", "dro"], [1.2, 2.1, 2.7], 1.0, [(0, 1), (1, 2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     draw_critical_differences([ranking], Path(folder, "consensus.png")).name
        'consensus.png'
    """
    if not rankings:
        raise DataError("no ranking to draw: the table has none", "three methods are needed")
    heights = [_height(ranking) for ranking in rankings]
    figure = new_figure(2 * _LEFT + _WIDTH, sum(heights) + 0.1)
    top = 0.0
    for ranking, height in zip(rankings, heights, strict=True):
        title = place_text(figure, wrap(ranking.name, 90, lines=1), left=0.15, top=top + 0.12, size=LARGE)
        title.set_fontweight("bold")
        axes = add_axes(figure, _LEFT, top + 0.45, width=_WIDTH, height=height - 0.55)
        _draw_axis(axes, ranking, height - 0.55)
        _draw_methods(axes, ranking, len(_bars(ranking)))
        top += height
    return save_figure(figure, path)


def _bars(ranking: Ranking) -> list[Sequence[int]]:
    return [group for group in ranking.groups if len(group) > 1]


def _height(ranking: Ranking) -> float:
    return 0.55 + _axis_height(ranking) + 0.15


def _axis_height(ranking: Ranking) -> float:
    """Return the inches from the upper end of an axis to its lowest name."""
    names = math.ceil(len(ranking.methods) / 2)
    return 0.72 + _BAR * len(_bars(ranking)) + _STEP * names


def _draw_axis(axes: Axes, ranking: Ranking, height: float) -> None:
    """Draw the ranks above, and the critical difference as a ruler over them; y is in inches from the top."""
    count = len(ranking.methods)
    axes.set(xlim=(1, count), ylim=(height, 0), yticks=[], xticks=[])
    axes.spines[:].set_visible(False)
    axes.plot([1, count], [0.5, 0.5], color=INK, linewidth=1, clip_on=False)
    for rank in range(1, count + 1):
        axes.plot([rank, rank], [0.44, 0.5], color=INK, linewidth=1, clip_on=False)
        axes.text(rank, 0.42, str(rank), ha="center", va="bottom", size=SMALL, color=INK)
    end = min(count, 1 + ranking.critical)
    axes.plot([1, end], [0.14, 0.14], color=INK, linewidth=1, marker="|", ms=6, clip_on=False)
    beyond = " (more than the axis)" if 1 + ranking.critical > count else ""
    text = f"critical difference {ranking.critical:.2f}{beyond}"
    axes.text(1, 0.08, text, ha="left", va="bottom", size=SMALL, color=INK)


def _draw_methods(axes: Axes, ranking: Ranking, bars: int) -> None:
    """Draw a line from each rank to its name, the better half on the left, and the bars between them."""
    count = len(ranking.methods)
    for place, group in enumerate(_bars(ranking)):
        ends = [ranking.mean_ranks[method] for method in group]
        y = 0.6 + _BAR * place
        margin = 0.012 * (count - 1)
        axes.plot([min(ends) - margin, max(ends) + margin], [y, y], color=_COLOUR, linewidth=3.2, clip_on=False)
    order = sorted(range(count), key=lambda method: ranking.mean_ranks[method])
    left = math.ceil(count / 2)
    for place, method in enumerate(order):
        row = place if place < left else count - 1 - place
        y = 0.72 + _BAR * bars + _STEP * row
        rank, edge, side = ranking.mean_ranks[method], *((1, "right") if place < left else (count, "left"))
        outside = edge + (-0.02 if place < left else 0.02) * (count - 1)
        axes.plot([rank, rank, outside], [0.5, y, y], color=INK, linewidth=0.9, clip_on=False)
        text = f"{wrap(ranking.methods[method], 30, lines=1)}  {rank:.2f}"
        axes.text(
            outside + (-0.01 if place < left else 0.01) * (count - 1),
            y,
            text,
            ha=side,
            va="center",
            size=NORMAL,
            color=INK,
            parse_math=False,
        )
