"""Confusion matrices: counts, on a shade of grey that is the share of the true class."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from cxrshort.errors import DataError
from cxrshort.figures.style import (
    INK,
    LARGE,
    NORMAL,
    SMALL,
    add_axes,
    fit,
    new_figure,
    place_text,
    save_figure,
    wrap,
)

MOST_MATRICES = 30
"""Panels that a figure shows; more would be taller than a poster."""
_CELL, _LEFT, _ABOVE, _FOOT, _GUTTER = 0.7, 1.35, 0.62, 0.85, 0.5


@dataclass(frozen=True, slots=True, eq=False)
class MatrixPanel:
    """Hold one confusion matrix.

    Args:
        title: what decides; two lines at most.
        classes: K names.
        counts: (K, K) images by true class (rows) and decision (columns).
    """

    title: str
    classes: Sequence[str]
    counts: ArrayLike


def draw_matrices(panels: Sequence[MatrixPanel], path: Path) -> Path:
    """Draw each matrix: counts and shares of the true class, darker where the share is larger.

    Args:
        panels: in order; the first `MOST_MATRICES` are drawn.
        path: the PNG.

    Raises:
        DataError: no panel.
    """
    if not panels:
        raise DataError("no confusion matrix to draw", "see the reasons in the table")
    shown = panels[:MOST_MATRICES]
    side = _CELL * max(2, *(len(panel.classes) for panel in shown))
    width, height = _LEFT + max(side, 1.6) + _GUTTER, _ABOVE + side + _FOOT
    columns = max(1, min(3, len(shown), int(12 / width)))
    figure = new_figure(columns * width, math.ceil(len(shown) / columns) * height)
    for number, panel in enumerate(shown):
        left, top = number % columns * width + _LEFT, number // columns * height
        counts = np.asarray(panel.counts, np.float64)
        sums = counts.sum(axis=1, keepdims=True)
        shares = np.divide(counts, sums, out=np.zeros_like(counts), where=sums > 0)
        title = fit(panel.title, width=width - 0.3, size=LARGE)
        place_text(figure, title, left=left - 1.15, top=top + _ABOVE - 0.12, size=LARGE).set_verticalalignment("bottom")
        size = _CELL * len(panel.classes)
        axes = add_axes(figure, left, top + _ABOVE, width=size, height=size)
        axes.imshow(shares, cmap="Greys", vmin=0, vmax=1.2)
        for (row, column), share in np.ndenumerate(shares):
            colour = "white" if share > 0.65 else INK
            text = f"{counts[row, column]:,.0f}\n{100 * share:.0f} %"
            axes.text(column, row, text, ha="center", va="center", size=SMALL, color=colour)
        names = [wrap(name, 14, lines=2) for name in panel.classes]
        across = [wrap(name, 9, lines=2) for name in panel.classes]
        axes.set_xticks(range(len(names)), across, size=SMALL)
        axes.set_yticks(range(len(names)), names, size=SMALL)
        axes.set_xlabel("decision", size=NORMAL, color=INK, labelpad=2)
        axes.set_ylabel("true class", size=NORMAL, color=INK, labelpad=2)
    return save_figure(figure, path)
