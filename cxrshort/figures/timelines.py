"""Events over time, a line for each thing that they happened to, and moments that divide them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.lines import Line2D

from cxrshort.errors import DataError
from cxrshort.figures.style import (
    DATASET_COLOURS,
    FAINT,
    FALLBACK_COLOURS,
    INK,
    NORMAL,
    SMALL,
    add_axes,
    fit,
    new_figure,
    place_text,
    save_figure,
    wrap,
)

MOST_LINES = 60
"""Lines that a figure shows."""
_STEP, _LEFT, _WIDTH, _TOP = 0.34, 2.6, 4.6, 0.55
_COLOURS = (DATASET_COLOURS["III"], DATASET_COLOURS["external"], *FALLBACK_COLOURS)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Hold what happened to one thing.

    Args:
        name: what stands beside the line.
        events: a time and a kind for each.
    """

    name: str
    events: Sequence[tuple[datetime, str]]


def draw_timelines(lines: Sequence[Timeline], path: Path, *, marks: Sequence[tuple[datetime, str]] = ()) -> Path:
    """Draw a dot for each event, by time, in the colour of its kind, and a vertical line for each mark.

    Args:
        lines: the first `MOST_LINES` are drawn.
        path: the PNG.
        marks: times and what they are called; the names stand above the lines.

    Raises:
        DataError: no event.
    """
    shown = [line for line in lines if line.events][:MOST_LINES]
    if not shown:
        raise DataError("no event to draw", "evaluate a model first")
    height = _STEP * len(shown)
    figure = new_figure(_LEFT + _WIDTH + 0.4, _TOP + height + 0.55)
    axes = add_axes(figure, _LEFT, _TOP, width=_WIDTH, height=height)
    kinds = list(dict.fromkeys(kind for line in shown for _, kind in line.events))
    colours = {kind: _COLOURS[number % len(_COLOURS)] for number, kind in enumerate(kinds)}
    for number, line in enumerate(shown):
        y = number + 0.5
        axes.axhline(y, color=FAINT, linewidth=0.6, zorder=0)
        for kind in kinds:
            times = [_days(time) for time, own in line.events if own == kind]
            axes.plot(times, [y] * len(times), "o", ms=5, color=colours[kind], alpha=0.7, clip_on=False)
        text = fit(line.name, width=_LEFT - 0.3, size=SMALL, lines=2)
        place_text(figure, text, left=0.15, top=_TOP + _STEP * y, size=SMALL).set_verticalalignment("center")
    moments = [time for line in shown for time, _ in line.events] + [time for time, _ in marks]
    margin = max((max(moments) - min(moments)) * 0.04, timedelta(minutes=1))
    for time, name in marks:
        where = _days(time)
        axes.axvline(where, color=INK, linewidth=1, linestyle="--")
        late = time - min(moments) > (max(moments) - min(moments)) / 2
        place: dict[str, Any] = {"xytext": (-3 if late else 3, 4), "ha": "right" if late else "left"}
        text = wrap(f"registered: {name}", 48, lines=1)
        axes.annotate(text, (where, 0), textcoords="offset points", size=SMALL, parse_math=False, **place)
    limits = _days(min(moments) - margin), _days(max(moments) + margin)
    axes.set(xlim=limits, ylim=(len(shown), 0), yticks=[])
    locator = AutoDateLocator(minticks=3, maxticks=6)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.xaxis.get_offset_text().set_fontsize(SMALL)
    axes.spines["left"].set_visible(False)
    keys = [Line2D([], [], marker="o", linestyle="", ms=5, color=colours[kind], label=kind) for kind in kinds]
    legend = axes.legend(
        handles=keys, loc="lower left", bbox_to_anchor=(-_LEFT / _WIDTH, 1.0), ncol=4, frameon=False, fontsize=SMALL
    )
    legend.set_in_layout(False)
    axes.set_xlabel("time (UTC)", size=NORMAL, color=INK, labelpad=2)
    return save_figure(figure, path)


def _days(time: datetime) -> float:
    """Return a time as matplotlib counts it, in days since 1970."""
    return time.timestamp() / 86_400
