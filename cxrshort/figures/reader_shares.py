"""What readers see in edits: matrices of shares, side by side, as RoentMod 2025, Supplemental Fig. 2 and 3.

Rows are what was added, columns what readers were asked about; the framed cells are the adherence. A cell without an
answer is hatched: nobody looked, which is not the same as nobody having seen it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cxrshort.errors import DataError
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

MOST_MATRICES, MOST_ROWS, MOST_COLUMNS = 8, 30, 20
_CELL, _TALL, _LEFT, _GAP, _RIGHT = 0.5, 0.36, 1.6, 0.4, 0.85
SHARES = LinearSegmentedColormap.from_list("shares", ["#ffffff", "#1e579a"])
_SCALE = Normalize(0, 1)


@dataclass(frozen=True, slots=True)
class ShareCell:
    """Hold a cell of a matrix.

    Args:
        added: its row.
        seen: its column.
        share: 0 to 1; None where nobody answered.
        on_target: whether the finding was asked for.
    """

    added: str
    seen: str
    share: float | None
    on_target: bool = False


def draw_shares(matrices: Mapping[str, Sequence[ShareCell]], path: Path, *, title: str = "", foot: str = "") -> Path:
    """Draw matrices of shares side by side, four in a line.

    Args:
        matrices: cells by what stands above, 1 to `MOST_MATRICES`; a row or column that one lacks is hatched in it.
        path: the PNG.
        title: above; three lines at most.
        foot: below.

    Raises:
        DataError: no cell, or too many matrices, rows or columns.

    Example:
        >>> import tempfile
        >>> cells = [ShareCell("Edema", "Edema", 0.97, on_target=True), ShareCell("Edema", "Mass", None)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     draw_shares({"2 readers": cells}, Path(folder, "shares.png")).name
        'shares.png'
    """
    every = [cell for cells in matrices.values() for cell in cells]
    rows, columns = (
        (list(dict.fromkeys(names)) for names in zip(*((c.added, c.seen) for c in every), strict=True))
        if every
        else ([], [])
    )
    _check_size(len(matrices), len(rows), len(columns))
    in_line = min(len(matrices), max(1, int((16 - _LEFT - _RIGHT) / (_CELL * len(columns) + _GAP))))
    lines = math.ceil(len(matrices) / in_line)
    wide, tall = _CELL * len(columns), _TALL * len(rows)
    across = max(_LEFT + in_line * (wide + _GAP) - _GAP + _RIGHT, 4.8)
    heading, above = fit_title(title, across)
    names = [fit(name, width=max(wide, 1.2) if in_line > 1 else across - _LEFT - 0.2) for name in matrices]
    over = 0.05 + 0.17 * max(name.count("\n") + 1 for name in names)
    below = 0.4 + 0.036 * max(min(len(name), 20) for name in columns)
    step = over + tall + below
    footing = fit(foot, width=across - 0.3, size=SMALL)
    figure = new_figure(across, above + lines * step + (0.15 + 0.15 * (footing.count("\n") + 1) if foot else 0.1))
    place_text(figure, heading, left=0.15, top=0.12, size=LARGE)
    for number, (name, cells) in enumerate(zip(names, matrices.values(), strict=True)):
        left, top = _LEFT + number % in_line * (wide + _GAP), above + number // in_line * step + over
        place_text(figure, name, left=left, top=top - 0.06).set_verticalalignment("bottom")
        axes = _grid(figure, left, top, rows=rows, columns=columns, with_names=number % in_line == 0)
        _draw_cells(axes, cells, rows, columns)
    _scale_bar(figure, left=_LEFT + in_line * (wide + _GAP) - _GAP + 0.12, top=above + over, height=tall)
    place_text(figure, footing, left=0.15, top=above + lines * step + 0.05, size=SMALL)
    return save_figure(figure, path)


def _check_size(matrices: int, rows: int, columns: int) -> None:
    if not (matrices and rows and columns):
        raise DataError("no cell to draw", "see the tables")
    for count, most, noun in (
        (matrices, MOST_MATRICES, "matrices"),
        (rows, MOST_ROWS, "rows"),
        (columns, MOST_COLUMNS, "columns"),
    ):
        if count > most:
            raise DataError(f"{count} {noun} are more than the {most} that a figure shows", "see the tables")


def _grid(
    figure: Figure, left: float, top: float, *, rows: Sequence[str], columns: Sequence[str], with_names: bool
) -> Axes:
    """Add the axes of a matrix, whose cells are squares of one unit with their middle at whole numbers."""
    axes = add_axes(figure, left, top, width=_CELL * len(columns), height=_TALL * len(rows))
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    shown = [name if len(name) <= 20 else f"{name[:19]}…" for name in columns]
    axes.set_xticks(range(len(columns)), shown, size=SMALL, rotation=40, ha="right")
    axes.set_yticks(
        range(len(rows)), [fit(name, width=_LEFT - 0.35, size=SMALL) if with_names else "" for name in rows]
    )
    if with_names:
        axes.set_ylabel("added", size=NORMAL, color=INK, labelpad=2)
    axes.set_xlabel("seen", size=NORMAL, color=INK, labelpad=2)
    return axes


def _draw_cells(axes: Axes, cells: Sequence[ShareCell], rows: Sequence[str], columns: Sequence[str]) -> None:
    """Draw the cells of a matrix, hatched ones where it has none."""
    by_place = {(cell.added, cell.seen): cell for cell in cells}
    for y, added in enumerate(rows):
        for x, seen in enumerate(columns):
            cell = by_place.get((added, seen))
            corner = (x - 0.5, y - 0.5)
            if cell is None or cell.share is None:
                axes.add_patch(Rectangle(corner, 1, 1, facecolor="white", edgecolor=FAINT, hatch="////", linewidth=0.4))
                continue
            axes.add_patch(Rectangle(corner, 1, 1, facecolor=SHARES(cell.share), edgecolor=FAINT, linewidth=0.4))
            colour = "white" if cell.share > 0.55 else INK
            axes.text(x, y, f"{cell.share:.2f}", size=SMALL, color=colour, ha="center", va="center")
            if cell.on_target:
                inner = (x - 0.44, y - 0.44)
                axes.add_patch(Rectangle(inner, 0.88, 0.88, fill=False, edgecolor=INK, linewidth=1.3, zorder=3))


def _scale_bar(figure: Figure, *, left: float, top: float, height: float) -> None:
    axes = add_axes(figure, left, top, width=0.12, height=max(height, 0.7))
    bar = figure.colorbar(ScalarMappable(_SCALE, SHARES), cax=axes)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=SMALL, colors=INK, length=2)
    bar.set_label("share of images", size=SMALL, color=INK, labelpad=7)
