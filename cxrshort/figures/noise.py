"""Evaluation noise beside the winner gap, as Varoquaux & Cheplygina 2022, Fig. 3.

What would mislead: one axis for measures of different scales. Each row has an axis of its own, with 0 marked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

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

MOST_ROWS = 40
_STEP, _LEFT, _WIDTH, _RIGHT, _TOP = 0.85, 2.2, 3.9, 2.1, 0.5
_NOISE, _GAP = DATASET_COLOURS["III"], "#8a5a2b"


@dataclass(frozen=True, slots=True, eq=False)
class NoiseRow:
    """Hold what one row of the figure shows.

    Args:
        name: of the challenge or test set; three lines at most.
        differences: (N,) of scores between test sets.
        noise: half of their width from the 5th to the 95th percentile.
        gap: what the winner is ahead.
        verdict: in words.
    """

    name: str
    differences: NDArray[np.float64]
    noise: float
    gap: float
    verdict: str


def draw_noise(rows: Sequence[NoiseRow], path: Path, *, measure: str) -> Path:
    """Draw the distribution of differences between test sets, and the winner gap as a bar below it.

    Args:
        rows: the first `MOST_ROWS` are drawn.
        path: the PNG.
        measure: what the differences are of; stands below the last axis.

    Raises:
        DataError: no row.

    Example:
        >>> import tempfile
        >>> row = NoiseRow("nodules", np.linspace(-0.02, 0.02, 50), 0.018, 0.004, "within noise")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     draw_noise([row], Path(folder, "noise.png"), measure="AUC").name
        'noise.png'
    """
    if not rows:
        raise DataError("no evaluation noise to draw: the table has none", "see its reasons")
    shown = rows[:MOST_ROWS]
    figure = new_figure(_LEFT + _WIDTH + _RIGHT, _TOP + _STEP * len(shown) + 0.12)
    for place, (text, colour) in enumerate((("evaluation noise", _NOISE), ("winner gap", _GAP))):
        place_text(figure, f"■ {text}", left=_LEFT + 1.5 * place, top=0.15, colour=colour)
    for number, row in enumerate(shown):
        top = _TOP + _STEP * number
        axes = add_axes(figure, _LEFT, top, width=_WIDTH, height=_STEP - 0.38)
        _draw_row(axes, row)
        middle = top + (_STEP - 0.38) / 2
        for text, left in (
            (wrap(row.name, 34, lines=3), 0.15),
            (f"noise ±{row.noise:.3g}, gap {row.gap:.3g}\n{row.verdict}", _LEFT + _WIDTH + 0.2),
        ):
            place_text(figure, text, left=left, top=middle, size=SMALL).set_verticalalignment("center")
        if number == len(shown) - 1:
            axes.set_xlabel(wrap(measure, 70, lines=1), size=NORMAL, color=INK, labelpad=2, parse_math=False)
    return save_figure(figure, path)


def _draw_row(axes: Axes, row: NoiseRow) -> None:
    axes.axvline(0, color=FAINT, linewidth=1, zorder=0)
    if len(row.differences) > 1:
        violin = axes.violinplot([row.differences], [1.0], orientation="horizontal", widths=0.9, showextrema=False)
        for body in violin["bodies"]:  # type: ignore[attr-defined]
            body.set(facecolor=_NOISE, alpha=0.45, edgecolor="none")
    low, high = np.percentile(row.differences, [5, 95])
    axes.plot([low, high], [1, 1], color=_NOISE, linewidth=2)
    axes.plot([float(np.median(row.differences))], [1], "o", color=_NOISE, ms=4)
    axes.barh([0.25], [row.gap], height=0.32, color=_GAP)
    ends = [float(row.differences.min()), float(row.differences.max()), 0.0, row.gap]
    margin = 0.04 * (max(ends) - min(ends)) or 0.01
    axes.set(ylim=(0, 1.5), yticks=[], xlim=(min(ends) - margin, max(ends) + margin))
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=6)
