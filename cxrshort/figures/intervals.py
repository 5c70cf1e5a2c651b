"""Numbers with their intervals, one below the other: what a table of estimates looks like.

What would mislead: rows of different scales in one figure. All rows share one axis, which ends where the outermost
limit does, so that no interval is cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes

from cxrshort.errors import DataError
from cxrshort.figures.style import (
    DATASET_COLOURS,
    FAINT,
    INK,
    NORMAL,
    SMALL,
    add_axes,
    new_figure,
    place_text,
    save_figure,
    wrap,
)
from cxrshort.results import interval_text

MOST_ROWS = 120
"""Rows that a figure shows; more would be taller than a poster."""

_STEP, _HEADING, _LEFT, _WIDTH, _RIGHT = 0.3, 0.36, 2.75, 3.3, 1.75
_COLOUR = DATASET_COLOURS["III"]

_TICKS = 5
"""Intervals between ticks at most, so that numbers of four decimals have room."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Hold a number with its interval.

    Args:
        name: what stands beside it; two lines at most.
        heading: rows of one heading stand together below it; "" for none.
        value: the dot.
        low: lower limit; None where there is none.
        high: upper limit; None where there is none.
    """

    name: str
    heading: str
    value: float
    low: float | None
    high: float | None


def draw_intervals(
    estimates: Sequence[Estimate],
    path: Path,
    *,
    measure: str,
    reference: float | None = None,
) -> Path:
    """Draw each number as a dot with its interval, and write both beside it.

    Args:
        estimates: in order; the first `MOST_ROWS` are drawn.
        path: the PNG.
        measure: what the numbers are; stands below the axis.
        reference: where a grey line is drawn, such as the value that chance reaches; None for none.

    Raises:
        DataError: no number.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     draw_intervals([Estimate("PA", "Edema", 0.8, 0.7, 0.9)], Path(folder, "auc.png"), measure="AUC").name
        'auc.png'
    """
    if not estimates:
        raise DataError("no number to draw: the table has none", "see its reasons")
    headings = list(dict.fromkeys(estimate.heading for estimate in estimates))
    rows = sorted(estimates, key=lambda estimate: headings.index(estimate.heading))[:MOST_ROWS]
    headed = len(dict.fromkeys(row.heading for row in rows if row.heading))
    height = 0.12 + _HEADING * headed + _STEP * len(rows)
    figure = new_figure(_LEFT + _WIDTH + _RIGHT, height + 0.55)
    axes = add_axes(figure, _LEFT, 0.05, width=_WIDTH, height=height)
    y = 0.06
    for number, row in enumerate(rows):
        if row.heading and (number == 0 or rows[number - 1].heading != row.heading):
            heading = place_text(figure, wrap(row.heading, 90, lines=1), left=0.15, top=y + 0.12)
            heading.set(fontweight="bold", backgroundcolor="white")
            y += _HEADING
        middle = y + _STEP / 2
        _draw(axes, row, middle - 0.05)
        name = place_text(figure, wrap(row.name, 42, lines=2), left=0.3, top=middle, size=SMALL)
        numbers = place_text(figure, _numbers(row), left=_LEFT + _WIDTH + 0.15, top=middle, size=SMALL)
        for text in (name, numbers):
            text.set_verticalalignment("center")
        y += _STEP
    axes.set(xlim=_bounds(rows, reference), ylim=(height, 0), yticks=[])
    axes.locator_params(axis="x", nbins=_TICKS)
    if reference is not None:
        first = 0.0 if rows[0].heading == "" else _HEADING
        axes.plot([reference, reference], [first, height], color=FAINT, linewidth=1, zorder=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(wrap(measure, 60, lines=1), size=NORMAL, color=INK, labelpad=2, parse_math=False)
    return save_figure(figure, path)


def _draw(axes: Axes, row: Estimate, y: float) -> None:
    if row.low is not None and row.high is not None:
        axes.plot([row.low, row.high], [y, y], color=_COLOUR, linewidth=1.6, clip_on=False)
    axes.plot([row.value], [y], "o", color=_COLOUR, ms=5, clip_on=False)


def _numbers(row: Estimate) -> str:
    if row.low is None or row.high is None:
        return f"{row.value:z.3f} (no interval)"
    return interval_text(row.value, row.low, row.high).replace("-", "−")


def _bounds(rows: Sequence[Estimate], reference: float | None) -> tuple[float, float]:
    """Return the outermost limits, with a margin."""
    ends = [end for row in rows for end in (row.low, row.value, row.high) if end is not None]
    ends += [reference] if reference is not None else []
    margin = 0.03 * (max(ends) - min(ends)) or 0.05
    return min(ends) - margin, max(ends) + margin
