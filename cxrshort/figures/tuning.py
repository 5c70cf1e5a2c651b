"""Figures of a tuning grid: what an image looks like in every cell, and maps of what was measured there.

As RoentMod 2025, Supplemental Fig. 5, with the numbers beside it. An editor without guidance has one column, which is
laid across; its numbers are lines then.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from cxrshort.errors import DataError
from cxrshort.figures.maps import picture_axes, show_picture
from cxrshort.figures.style import (
    FAINT,
    INK,
    LARGE,
    NORMAL,
    SMALL,
    add_axes,
    fit,
    fit_title,
    new_figure,
    place_text,
    save_figure,
)

MOST_VALUES = 40
_SIDE, _BETWEEN, _MARGIN, _LEFT = 1.5, 0.06, 0.15, 0.75
_PROPOSED = "#d98b1f"
_CELL, _TALL = 0.42, 0.28
_BLUES = ("Blues", "Oranges", "Greys")

Place = tuple[float, float | None]
"""Strength (of a phantom: severity) and guidance of a cell."""


@dataclass(frozen=True, slots=True, eq=False)
class Measure:
    """Hold one number of every cell.

    Args:
        name: above its map.
        values: by cell; None or NaN where there is none.
        limit: drawn as a line, and named below, where there is one.
    """

    name: str
    values: Mapping[Place, float | None]
    limit: float | None = None


def draw_tuning_sheet(
    original: NDArray[np.uint8],
    pictures: Mapping[Place, NDArray[np.uint8] | None],
    path: Path,
    *,
    proposed: Place | None = None,
    title: str = "",
) -> Path:
    """Draw an original and its edits: a row for each strength, a column for each guidance.

    Args:
        original: (H, W) uint8.
        pictures: the edit in each cell, of the same size; None where it was not made.
        path: the PNG.
        proposed: the cell that is framed.
        title: above.

    Raises:
        DataError: no cell, or too many.
    """
    strengths, guidances = _sides(list(pictures))
    is_line = guidances == [None]
    places: list[list[Place]] = [[(s, g) for g in guidances] for s in strengths]
    if is_line:
        line = [(s, None) for s in strengths]
        places = [list(line[start : start + 10]) for start in range(0, len(line), 10)]
    height, width = original.shape
    tall, columns = _SIDE * height / width, max(map(len, places))
    step, left = _SIDE + _BETWEEN, _LEFT + _SIDE + 0.25
    across = left + columns * step + _MARGIN
    heading, above = fit_title(title, across)
    top, row_height = above + 0.3, tall + (0.24 if is_line else _BETWEEN)
    figure = new_figure(across, top + max(len(places) * row_height, tall + 0.25) + 0.3)
    place_text(figure, heading, left=_MARGIN, top=0.12, size=LARGE)
    show_picture(picture_axes(figure, _MARGIN, top, width=_SIDE, height=tall), original / 255)
    place_text(figure, "original", left=_MARGIN, top=top + tall + 0.06, size=SMALL)
    for row, line_of_cells in enumerate(places):
        y = top + row * row_height
        if not is_line:
            text = f"strength\n{line_of_cells[0][0]:g}"
            place_text(figure, text, left=left - 0.62, top=y + tall / 2 - 0.15, size=SMALL)
        for column, place in enumerate(line_of_cells):
            x = left + column * step
            _draw_picture(figure, pictures[place], (x, y, tall), is_proposed=place == proposed)
            if is_line:
                place_text(figure, f"severity {place[0]:g}", left=x, top=y + tall + 0.04, size=SMALL)
            elif row == 0:
                place_text(figure, f"guidance {place[1]:g}", left=x, top=top - 0.2, size=SMALL)
    if proposed is not None:
        foot = top + max(len(places) * row_height, tall + 0.25) + 0.06
        place_text(figure, "framed: the cell that the rule proposes", left=_MARGIN, top=foot, size=SMALL)
    return save_figure(figure, path)


def _draw_picture(
    figure: Figure, picture: NDArray[np.uint8] | None, place: tuple[float, float, float], *, is_proposed: bool
) -> None:
    x, y, tall = place
    axes = picture_axes(figure, x, y, width=_SIDE, height=tall)
    if picture is None:
        place_text(figure, "not made", left=x, top=y + 0.06, size=SMALL)
    else:
        show_picture(axes, picture / 255)
    if is_proposed:
        frame = Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, edgecolor=_PROPOSED, linewidth=4)
        axes.add_patch(frame)


def _sides(places: Sequence[Place]) -> tuple[list[float], list[float | None]]:
    """Return the values of both sides of a grid.

    Raises:
        DataError: no cell, or too many.
    """
    strengths = sorted({strength for strength, _ in places})
    stated = sorted({guidance for _, guidance in places if guidance is not None})
    if not places or max(len(strengths), len(stated)) > MOST_VALUES:
        raise DataError(f"a grid of {len(strengths)} by {len(stated)} cells cannot be drawn", "choose fewer values")
    return strengths, [*stated] or [None]


def draw_tuning_maps(
    measures: Sequence[Measure], path: Path, *, proposed: Place | None = None, title: str = ""
) -> Path:
    """Draw what was measured in every cell: a map for each measure, or a line where there is no guidance.

    Args:
        measures: one or more, of the same cells.
        path: the PNG.
        proposed: the cell that is framed.
        title: above.

    Raises:
        DataError: no measure or cell, or too many.
    """
    strengths, guidances = _sides([place for measure in measures for place in measure.values])
    is_line = guidances == [None]
    wide = 2.5 if is_line else max(_CELL * len(guidances), 1.6)
    tall = 1.7 if is_line else max(_TALL * len(strengths), 1.0)
    left, gap = 0.75, 0.65
    across = left + len(measures) * (wide + gap) - gap + 0.2
    heading, above = fit_title(title, across)
    names = [fit(measure.name, width=wide, lines=2) for measure in measures]
    top = above + 0.05 + 0.17 * max(name.count("\n") + 1 for name in names)
    figure = new_figure(across, top + tall + 0.85)
    place_text(figure, heading, left=_MARGIN, top=0.12, size=LARGE)
    for number, (measure, name) in enumerate(zip(measures, names, strict=True)):
        x = left + number * (wide + gap)
        place_text(figure, name, left=x, top=top - 0.06).set_verticalalignment("bottom")
        axes = add_axes(figure, x, top, width=wide, height=tall)
        if is_line:
            _draw_line(axes, measure, strengths, proposed)
        else:
            _draw_map(axes, measure, (strengths, guidances), proposed, colours=_BLUES[number % len(_BLUES)])
        if number == 0 and not is_line:
            axes.set_ylabel("strength", size=NORMAL, color=INK, labelpad=2)
        if measure.limit is not None:
            note = f"limit {measure.limit:.3g}"
            place_text(figure, note, left=x, top=top + tall + 0.5, size=SMALL)
    if proposed is not None:
        foot = "framed: the cell that the rule proposes" if not is_line else "marked: what the rule proposes"
        place_text(figure, foot, left=_MARGIN, top=top + tall + 0.66, size=SMALL)
    return save_figure(figure, path)


def _draw_line(axes: Axes, measure: Measure, strengths: Sequence[float], proposed: Place | None) -> None:
    values = [_number(measure.values.get((strength, None))) for strength in strengths]
    axes.plot(strengths, values, color="#1e579a", linewidth=1.3, marker="o", markersize=3.5, clip_on=False)
    if measure.limit is not None:
        axes.axhline(measure.limit, color=FAINT, linewidth=1, zorder=0)
    if proposed is not None:
        axes.axvline(proposed[0], color=_PROPOSED, linewidth=1.6, zorder=0)
    axes.set_xlabel("severity", size=NORMAL, color=INK, labelpad=2)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.0), high)


def _draw_map(
    axes: Axes,
    measure: Measure,
    sides: tuple[Sequence[float], Sequence[float | None]],
    proposed: Place | None,
    *,
    colours: str,
) -> None:
    """Draw a map with its numbers; a cell without one is hatched."""
    strengths, guidances = sides
    values = np.array([[_number(measure.values.get((s, g))) for g in guidances] for s in strengths])
    stated = values[np.isfinite(values)]
    low, high = (float(stated.min()), float(stated.max())) if len(stated) else (0.0, 1.0)
    low = min(low, 0.0)
    axes.imshow(values, cmap=colours, vmin=low, vmax=max(high, low + 1e-12) * 1.15 if high > 0 else 1.0, aspect="auto")
    for y, x in np.ndindex(values.shape):
        if math.isfinite(values[y, x]):
            dark = (values[y, x] - low) > 0.62 * (max(high, 1e-12) * 1.15 - low)
            axes.text(
                x, y, _short(float(values[y, x])), size=6, color="white" if dark else INK, ha="center", va="center"
            )
        else:
            corner = (x - 0.5, y - 0.5)
            axes.add_patch(Rectangle(corner, 1, 1, facecolor="white", edgecolor=FAINT, hatch="////", linewidth=0.4))
    if proposed is not None and proposed[0] in strengths and proposed[1] in guidances:
        corner = (guidances.index(proposed[1]) - 0.5, strengths.index(proposed[0]) - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=INK, linewidth=1.8, zorder=3, clip_on=False))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xticks(range(len(guidances)), [f"{guidance:.3g}" for guidance in guidances if guidance is not None])
    axes.set_yticks(range(len(strengths)), [f"{strength:.3g}" for strength in strengths])
    axes.set_xlabel("guidance", size=NORMAL, color=INK, labelpad=2)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _short(value: float) -> str:
    """Return a number in at most five characters."""
    if value == 0:
        return "0"
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    text = f"{value:.{digits}f}" if abs(value) >= 0.01 else f"{value:.0e}".replace("e-0", "e-")
    return text.replace("-", "−")
