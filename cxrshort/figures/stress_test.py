"""The charts of a stress test: the matrix of changes of each model, and median probabilities beside co-occurrence.

As RoentMod 2025, Fig. 3 and Supplemental Fig. 6. Models stand side by side on one scale, so that they can be compared.
An output that never varies is hatched, not blank: blank says that nothing changed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

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
    fit_title,
    new_figure,
    place_text,
    save_figure,
)
from cxrshort.figures.swap_test import VERDICT_COLOURS
from cxrshort.stats.verdicts import SHORTCUT, SUSPICIOUS

MOST_MODELS, MOST_ROWS, MOST_COLUMNS = 6, 30, 30
_CELL, _TALL, _LEFT, _GAP, _RIGHT = 0.52, 0.36, 1.55, 0.35, 0.85
_FEWEST = 30.0
"""Percentile points at the end of the scale, unless changes are larger: a small change shall look small."""
CHANGES = LinearSegmentedColormap.from_list("changes", ["#b43335", "#ffffff", "#1e579a"])
"""Red for less, white for no change, blue for more, as the paper has it."""


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """Hold a cell of a matrix.

    Args:
        added: its row.
        predicted: its column.
        change: median change in percentile points; None where the output is not available.
        on_target: whether it is framed as the diagonal is.
        verdict: one of :data:`~cxrshort.stats.verdicts.VERDICTS`; "" on target and for controls.
    """

    added: str
    predicted: str
    change: float | None
    on_target: bool = False
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class ProbabilityCell:
    """Hold the median probabilities of a cell.

    Args:
        added: its row.
        predicted: its column.
        before: of the originals; None where the output is not available.
        after: of the edits.
        cooccurrence: share of the edits that show the finding; None where it is not known.
    """

    added: str
    predicted: str
    before: float | None
    after: float | None
    cooccurrence: float | None = None


def draw_changes(matrices: Mapping[str, Sequence[MatrixCell]], path: Path, *, title: str = "") -> Path:
    """Draw the matrix of each model, side by side: rows are added findings, columns predicted ones.

    Args:
        matrices: cells by model, of the same rows and columns, 1 to `MOST_MODELS` models.
        path: the PNG.
        title: above; three lines at most.

    Raises:
        DataError: no cell, or too many models, rows or columns.

    Example:
        >>> import tempfile
        >>> cells = [MatrixCell("Edema", "Edema", 40.0, on_target=True), MatrixCell("Edema", "Mass", None)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     draw_changes({"erm": cells}, Path(folder, "matrix.png")).name
        'matrix.png'
    """
    rows, columns = _sides([cell for cells in matrices.values() for cell in cells])
    _check_size(len(matrices), len(rows), len(columns))
    wide, tall = _CELL * len(columns), _TALL * len(rows)
    across = max(_LEFT + len(matrices) * (wide + _GAP) - _GAP + _RIGHT, 4.8)
    heading, above = fit_title(title, across)
    names = [fit(model, width=wide if len(matrices) > 1 else across - _LEFT - 0.2) for model in matrices]
    above += 0.05 + 0.17 * max(name.count("\n") + 1 for name in names)
    below = 0.3 + _label_depth(columns)
    figure = new_figure(across, above + tall + below + 0.3)
    place_text(figure, heading, left=0.15, top=0.12, size=LARGE)
    sizes = [abs(cell.change) for cells in matrices.values() for cell in cells if cell.change is not None]
    scale = Normalize(-max([_FEWEST, *sizes]), max([_FEWEST, *sizes]))
    for number, (name, cells) in enumerate(zip(names, matrices.values(), strict=True)):
        left = _LEFT + number * (wide + _GAP)
        place_text(figure, name, left=left, top=above - 0.06).set_verticalalignment("bottom")
        axes = _grid(figure, left, above, rows=rows, columns=columns, with_names=number == 0)
        for cell in cells:
            _draw_change(axes, cell, (columns.index(cell.predicted), rows.index(cell.added)), scale)
    _scale_bar(figure, scale, left=_LEFT + len(matrices) * (wide + _GAP) - _GAP + 0.12, top=above, height=tall)
    note = "red frame: shortcut; dashed: suspicious; black: on target; hatched: not available"
    foot = fit(note, width=across - 0.3, size=SMALL)
    place_text(figure, foot, left=0.15, top=above + tall + below + 0.02, size=SMALL)
    return save_figure(figure, path)


def _sides(cells: Sequence[MatrixCell] | Sequence[ProbabilityCell]) -> tuple[list[str], list[str]]:
    """Return the names of rows and columns, in order."""
    return list(dict.fromkeys(cell.added for cell in cells)), list(dict.fromkeys(cell.predicted for cell in cells))


def _check_size(models: int, rows: int, columns: int) -> None:
    if not (models and rows and columns):
        raise DataError("no cell to draw", "see the reasons in the table")
    for count, most, noun in (
        (models, MOST_MODELS, "models"),
        (rows, MOST_ROWS, "rows"),
        (columns, MOST_COLUMNS, "columns"),
    ):
        if count > most:
            raise DataError(f"{count} {noun} are more than the {most} that a matrix shows", "choose fewer by --label")


def _label_depth(columns: Sequence[str]) -> float:
    """Return the height in inches that slanted names of columns take."""
    return 0.14 + 0.036 * max(min(len(name), 20) for name in columns)


def _short(name: str, most: int = 20) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _grid(
    figure: Figure, left: float, top: float, *, rows: Sequence[str], columns: Sequence[str], with_names: bool
) -> Axes:
    """Add the axes of a matrix, whose cells are squares of one unit with their middle at whole numbers."""
    axes = add_axes(figure, left, top, width=_CELL * len(columns), height=_TALL * len(rows))
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xticks(range(len(columns)), [_short(name) for name in columns], size=SMALL, rotation=40, ha="right")
    axes.set_yticks(range(len(rows)), [fit(name, width=_LEFT - 0.3, size=SMALL) if with_names else "" for name in rows])
    if with_names:
        axes.set_ylabel("added", size=NORMAL, color=INK, labelpad=2)
    axes.set_xlabel("predicted", size=NORMAL, color=INK, labelpad=2)
    return axes


def _draw_change(axes: Axes, cell: MatrixCell, place: tuple[int, int], scale: Normalize) -> None:
    x, y = place
    corner = (x - 0.5, y - 0.5)
    if cell.change is None:
        axes.add_patch(Rectangle(corner, 1, 1, facecolor="white", edgecolor=FAINT, hatch="////", linewidth=0.4))
        return
    colour = CHANGES(scale(cell.change))
    axes.add_patch(Rectangle(corner, 1, 1, facecolor=colour, edgecolor="white", linewidth=0.8))
    dark = abs(cell.change) > 0.55 * scale.vmax if scale.vmax is not None else False
    text = f"{cell.change:+z.0f}".replace("-", "−") if round(cell.change) else "0"
    axes.text(x, y, text, size=SMALL, color="white" if dark else INK, ha="center", va="center")
    frame = {SHORTCUT: "-", SUSPICIOUS: "--"}.get(cell.verdict, "-" if cell.on_target else "")
    if frame:
        inner = (x - 0.44, y - 0.44)
        edge = INK if cell.on_target else VERDICT_COLOURS[SHORTCUT]
        axes.add_patch(
            Rectangle(inner, 0.88, 0.88, fill=False, edgecolor=edge, linewidth=1.3, linestyle=frame, zorder=3)
        )


def _scale_bar(figure: Figure, scale: Normalize, *, left: float, top: float, height: float) -> None:
    """Draw what colours mean, beside the last matrix."""
    axes = add_axes(figure, left, top, width=0.12, height=max(height, 0.7))
    bar = figure.colorbar(ScalarMappable(scale, CHANGES), cax=axes)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=SMALL, colors=INK, length=2)
    bar.set_label("change, points", size=SMALL, color=INK, labelpad=7)


def draw_probabilities(matrices: Mapping[str, Sequence[ProbabilityCell]], path: Path, *, title: str = "") -> Path:
    """Draw for each added finding the median probabilities before and after, and the co-occurrence.

    Args:
        matrices: cells by model, 1 to `MOST_MODELS` models; a row of panels each.
        path: the PNG.
        title: above; three lines at most.

    Raises:
        DataError: no cell, or too many models, rows or columns.
    """
    rows, columns = _sides([cell for cells in matrices.values() for cell in cells])
    _check_size(len(matrices), len(rows), len(columns))
    lines = math.ceil(len(rows) / 4)
    in_line = math.ceil(len(rows) / lines)
    wide, tall = max(1.5, 0.24 * len(columns)), 1.15
    across = max(0.75 + in_line * (wide + 0.25), 4.6)
    heading, above = fit_title(title, across)
    step = 0.3 + lines * (tall + 0.3) + _label_depth(columns)
    figure = new_figure(across, above + len(matrices) * (step + 0.2) + 0.3)
    place_text(figure, heading, left=0.15, top=0.12, size=LARGE)
    for number, (model, cells) in enumerate(matrices.items()):
        top = above + number * (step + 0.2)
        place_text(figure, fit(model, width=across - 0.3, lines=1), left=0.15, top=top)
        for place, added in enumerate(rows):
            line = place // in_line
            axes = add_axes(
                figure, 0.6 + place % in_line * (wide + 0.25), top + 0.4 + line * (tall + 0.3), width=wide, height=tall
            )
            axes.set_title(_short(f"+ {added}", 24), size=SMALL, color=INK, pad=5, loc="left")
            _draw_points(axes, [cell for cell in cells if cell.added == added], columns)
            lowest = place + in_line >= len(rows)
            axes.set_xticklabels(
                [_short(name) for name in columns] if lowest else [], size=SMALL, rotation=40, ha="right"
            )
            if place % in_line == 0:
                axes.set_ylabel("median probability", size=SMALL, color=INK, labelpad=2)
            else:
                axes.set_yticklabels([])
    _legend(figure)
    return save_figure(figure, path)


_BEFORE, _AFTER = "#8a8a8a", DATASET_COLOURS["III"]


def _draw_points(axes: Axes, cells: Sequence[ProbabilityCell], columns: Sequence[str]) -> None:
    """Draw a panel: an arrow from before to after for each predicted finding, and a bar at its co-occurrence."""
    axes.set_facecolor("none")  # names of the panel above may reach into this one
    for cell in cells:
        x = columns.index(cell.predicted)
        if cell.before is None or cell.after is None:
            axes.text(x, 0.5, "n/a", size=6, color="#777777", rotation=90, ha="center", va="center")
            continue
        if cell.cooccurrence is not None:
            ends, height = [x - 0.35, x + 0.35], [cell.cooccurrence] * 2
            axes.plot(ends, height, color=DATASET_COLOURS["external"], linewidth=1.6, clip_on=False, zorder=3)
        axes.plot([x, x], [cell.before, cell.after], color=FAINT, linewidth=1.2, zorder=1)
        axes.plot([x], [cell.before], "o", ms=4.5, markerfacecolor="white", markeredgecolor=_BEFORE, clip_on=False)
        axes.plot([x], [cell.after], "o", ms=4.5, color=_AFTER, clip_on=False)
    axes.set(xlim=(-0.6, len(columns) - 0.4), ylim=(0, 1), xticks=range(len(columns)), yticks=np.linspace(0, 1, 3))


def _legend(figure: Figure) -> None:
    """Write below all panels what the marks mean."""
    marks = [
        Line2D(
            [], [], marker="o", linestyle="", ms=4.5, markerfacecolor="white", markeredgecolor=_BEFORE, label="before"
        ),
        Line2D([], [], marker="o", linestyle="", ms=4.5, color=_AFTER, label="after"),
        Line2D([], [], color=DATASET_COLOURS["external"], linewidth=1.6, label="share of edits that show it"),
    ]
    figure.legend(handles=marks, loc="lower left", ncols=3, frameon=False, fontsize=SMALL, borderaxespad=0.3)
