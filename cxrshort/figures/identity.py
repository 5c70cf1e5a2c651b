"""Distances of edits from their originals beside those of other persons and of follow-ups, a panel for each embedding.

As RoentMod 2025, Supplemental Table 2. What would mislead: one axis for embeddings of different scales. Each panel has
an axis of its own, which begins at 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from cxrshort.errors import DataError
from cxrshort.figures.style import (
    DATASET_COLOURS,
    FAINT,
    INK,
    LARGE,
    SMALL,
    add_axes,
    fit,
    fit_title,
    new_figure,
    place_text,
    save_figure,
)

MOST_PANELS = 6
_ACROSS = 3
"""Panels beside each other."""
_WIDTH, _ROW, _NAMES, _GAP, _BELOW = 2.35, 0.36, 1.15, 0.3, 0.5
_OWN, _OTHER, _FOLLOW_UP = DATASET_COLOURS["III"], DATASET_COLOURS["I"], DATASET_COLOURS["II"]
COLOURS = {
    "control": _OTHER,
    "edit": _OWN,
    "sham": "#8aa5c8",
    "round trip": "#8aa5c8",
    "real": _FOLLOW_UP,
    "real control": "#c98d8e",
}
"""Other persons are red, edits blue, follow-ups teal; kinds of other names are grey."""
_FARTHEST = 99.0
"""Percentile of all distances at which a panel ends, so that one odd pair does not squeeze the others."""


@dataclass(frozen=True, slots=True, eq=False)
class DistancePanel:
    """Hold the distances of one embedding.

    Args:
        embedding: its name.
        distances: (N,) of each kind of pair, in the order of rows from above.
        medians: of each edit, by kind, in any order; drawn as small ticks.
        beyond: filled by :func:`draw_identity`: how many distances lie beyond the end of the axis.
    """

    embedding: str
    distances: Mapping[str, NDArray[np.float64]]
    medians: Mapping[str, Sequence[float]] = field(default_factory=dict)


def draw_identity(panels: Sequence[DistancePanel], path: Path, *, title: str = "", measure: str = "distance") -> Path:
    """Draw the distributions of distances, a row for each kind of pair, with median and quartiles.

    Args:
        panels: 1 to `MOST_PANELS`, with the same kinds of pairs.
        path: the PNG.
        title: above; three lines at most.
        measure: what the distance is; stands below each axis.

    Raises:
        DataError: no panel, too many, or one without distances.

    Example:
        >>> import tempfile
        >>> rows = {"control": np.linspace(1, 2, 20), "edit": np.linspace(0, 1, 20)}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     draw_identity([DistancePanel("pixels", rows)], Path(folder, "identity.png")).name
        'identity.png'
    """
    kinds = list(dict.fromkeys(kind for panel in panels for kind in panel.distances))
    if not 0 < len(panels) <= MOST_PANELS or not kinds:
        raise DataError(f"{len(panels)} embeddings cannot be drawn: 1 to {MOST_PANELS} with distances", "name fewer")
    columns, rows = min(_ACROSS, len(panels)), -(-len(panels) // _ACROSS)
    across = max(_NAMES + columns * (_WIDTH + _GAP) + 0.05, 4.6)
    heading, above = fit_title(title, across)
    tall = _ROW * len(kinds)
    figure = new_figure(across, above + rows * (0.26 + tall + _BELOW) + 0.24)
    place_text(figure, heading, left=0.15, top=0.12, size=LARGE)
    for number, panel in enumerate(panels):
        left = _NAMES + number % _ACROSS * (_WIDTH + _GAP)
        top = above + number // _ACROSS * (0.26 + tall + _BELOW)
        place_text(figure, fit(panel.embedding, width=_WIDTH, lines=1), left=left, top=top)
        axes = add_axes(figure, left, top + 0.22, width=_WIDTH, height=tall)
        beyond = _draw_panel(axes, panel, kinds)
        names = [kind.replace(" control", "\ncontrol") for kind in kinds]
        axes.set_yticks(range(len(kinds)), names if number % _ACROSS == 0 else [""] * len(kinds), size=SMALL)
        further = f" ({beyond} further on)" if beyond else ""
        axes.set_xlabel(f"{measure}{further}", size=SMALL, color=INK, labelpad=2)
    note = "dot: median; bar: middle half; ticks: medians of single edits"
    foot = fit(note, width=across - 0.3, size=SMALL)
    place_text(figure, foot, left=0.15, top=above + rows * (0.26 + tall + _BELOW) + 0.02, size=SMALL)
    return save_figure(figure, path)


def _draw_panel(axes: Axes, panel: DistancePanel, kinds: Sequence[str]) -> int:
    """Draw the rows of one panel, and return how many distances lie beyond its end."""
    values = np.concatenate(list(panel.distances.values()))
    end = float(np.percentile(values, _FARTHEST)) * 1.06 or 1.0
    axes.set(xlim=(0, end), ylim=(len(kinds) - 0.5, -0.5))
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=5)
    for place, kind in enumerate(kinds):
        own = panel.distances.get(kind)
        axes.axhline(place, color=FAINT, linewidth=0.5, zorder=0)
        if own is None or not len(own):
            axes.text(0.02 * end, place, "none", size=SMALL, color=INK, va="center", backgroundcolor="white")
            continue
        colour = COLOURS.get(kind, "#777777")
        shown = own[own <= end]
        if len(shown) > 1 and shown.max() > shown.min():
            violin = axes.violinplot([shown], [place], orientation="horizontal", widths=0.8, showextrema=False)
            for body in violin["bodies"]:  # type: ignore[attr-defined]
                body.set(facecolor=colour, alpha=0.35, edgecolor="none")
        low, middle, high = np.percentile(own, [25, 50, 75])
        axes.plot([low, high], [place, place], color=colour, linewidth=2.2, solid_capstyle="butt", clip_on=True)
        axes.plot([middle], [place], "o", color=colour, ms=4.5, clip_on=False, zorder=3)
        medians = list(panel.medians.get(kind, ()))
        axes.plot(medians, np.full(len(medians), place + 0.36), "|", color=INK, ms=4, mew=0.8)
    return int((values > end).sum())
