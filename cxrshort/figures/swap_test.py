"""Pictures of single images of a swap-test: the change among changes by random patches, and strips of before and after.

As DeGrave et al. 2021, Fig. 3 and Supplementary Fig. 12. Panels of one figure share their axes and their bins, so that
they can be compared, and no random change is left out, however far it lies. What would mislead: changes of different
models in one figure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from cxrshort.errors import DataError
from cxrshort.figures.maps import picture_axes
from cxrshort.figures.style import (
    DATASET_COLOURS,
    FAINT,
    INK,
    LARGE,
    NORMAL,
    SMALL,
    add_axes,
    fit,
    new_figure,
    place_text,
    save_figure,
    signed,
)

MOST_PANELS = 8
MOST_STRIPS = 12
CHANGE, RANDOM = DATASET_COLOURS["I"], "#9a9a9a"
"""The colours of an observed change and of random changes."""

_BINS = 60
_PANEL, _TALL, _LEFT, _GAP, _LINE = 2.35, 1.35, 0.7, 0.3, 0.17


@dataclass(frozen=True, slots=True, eq=False)
class NullPanel:
    """Hold the null of one image or region, for :func:`draw_null`.

    Args:
        name: such as ``"NIH/00001, marker, negative"``; two lines at most.
        random_changes: (n,) changes of the logit, after minus before, by random patches; in log-odds.
        change: the observed change of the logit, in log-odds.
        p: its empirical p-value, in (0, 1].
        direction: which random changes count as at least as extreme: ``"increase"``, ``"decrease"`` or ``"either"``.
    """

    name: str
    random_changes: ArrayLike
    change: float
    p: float
    direction: str


def draw_null(panels: Sequence[NullPanel], path: Path, *, title: str = "") -> Path:
    """Draw a grey histogram of random changes for each panel, the observed change marked in red with value and p.

    Args:
        panels: 1 to `MOST_PANELS`, in reading order; all have the same axes.
        path: the PNG.
        title: above; two lines at most.

    Raises:
        DataError: too few or too many panels, no random change, or a number that is not finite.

    Example:
        >>> import tempfile
        >>> panel = NullPanel("film 1", [-0.1, 0.0, 0.2], 1.5, 0.25, "increase")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     draw_null([panel], Path(folder, "null.png")).name
        'null.png'
    """
    _check_count(len(panels), MOST_PANELS, "panels")
    nulls = [_finite(panel.random_changes, panel.name) for panel in panels]
    for panel, null in zip(panels, nulls, strict=True):
        if not len(null) or not math.isfinite(panel.change):
            raise DataError(f'"{panel.name}" has {len(null)} random changes and the change {panel.change}')
    columns = len(panels) if len(panels) <= 3 else math.ceil(len(panels) / 2)
    rows, across = math.ceil(len(panels) / columns), _LEFT + columns * (_PANEL + _GAP)
    heading, above = _heading(title, across)
    names = [fit(panel.name, width=_PANEL, lines=2) for panel in panels]
    caption = 0.08 + _LINE * max(name.count("\n") + 1 for name in names)
    step = caption + _TALL + 0.3
    figure = new_figure(across, above + rows * step + 0.3)
    place_text(figure, heading, left=0.15, top=0.12, size=LARGE)
    edges = _common_bins([*nulls, np.array([panel.change for panel in panels])])
    shares = [100 * np.histogram(null, edges)[0] / len(null) for null in nulls]
    highest = max(float(share.max()) for share in shares)
    for number, (panel, name, share) in enumerate(zip(panels, names, shares, strict=True)):
        x, y = _LEFT + number % columns * (_PANEL + _GAP), above + number // columns * step
        place_text(figure, name, left=x, top=y + caption - 0.05).set_verticalalignment("bottom")
        axes = add_axes(figure, x, y + caption, width=_PANEL, height=_TALL)
        axes.stairs(share, edges, fill=True, color=RANDOM, zorder=2)
        axes.set(xlim=(edges[0], edges[-1]), ylim=(0, 1.5 * highest))
        _mark_change(axes, panel, highest)
        if number % columns == 0:
            axes.set_ylabel("random patches, %", size=SMALL, color=INK, labelpad=2)
        if number + columns >= len(panels):
            axes.set_xlabel("change in log-odds", size=SMALL, color=INK, labelpad=2)
    return save_figure(figure, path)


def _heading(title: str, across: float) -> tuple[str, float]:
    """Return the title broken to the width of the figure, and the height in inches that it takes."""
    heading = fit(title, width=across - 0.3, size=LARGE, lines=2)
    return heading, 0.24 + 0.2 * (heading.count("\n") + 1) if title else 0.1


def _common_bins(values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return edges of bins that hold all values and 0 with a margin at both ends."""
    low, high = (float(limit(0.0, *(limit(part) for part in map(list, values)))) for limit in (min, max))
    margin = 0.06 * (high - low) or 1.0
    return np.linspace(low - margin, high + margin, _BINS + 1)


def _mark_change(axes: Axes, panel: NullPanel, highest: float) -> None:
    """Mark the observed change by a line, its value and its p above all bars."""
    axes.axvline(0, color=FAINT, linewidth=0.8, zorder=1)
    tip = 1.06 * highest
    axes.plot([panel.change, panel.change], [0, tip], color=CHANGE, linewidth=1.8, zorder=3)
    if panel.direction == "either":
        axes.plot([-panel.change, -panel.change], [0, tip], color=CHANGE, linewidth=1, linestyle=":", zorder=3)
    low, high = axes.get_xlim()
    place = (panel.change - low) / (high - low)
    side = "left" if place < 0.2 else "right" if place > 0.8 else "center"
    text = f"{signed(panel.change)}, p = {panel.p:.2g}"
    axes.text(panel.change, 1.1 * highest, text, color=CHANGE, size=NORMAL, ha=side, va="bottom")




@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """Hold one image of a swap-test before and after, for :func:`draw_strips`. Boxes are (x0, y0, x1, y1) in pixels.

    Args:
        image_id: the image; wrapped to two lines.
        region: what was tested; ``"marker"``.
        role: ``"positive"`` or ``"negative"``.
        before: (H, W) uint8.
        after: (H, W) uint8.
        logit_before: log-odds of the finding.
        logit_after: the same after the intervention.
        boxes: (K, 4) tested boxes, in the image.
        destinations: (K, 4) where their contents went, for a move; none otherwise.
        partner: (H, W) uint8, the image that gave its patches; None where there is none.
        partner_id: its name.
        partner_boxes: (K, 4) boxes in the partner.
    """

    image_id: str
    region: str
    role: str
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    logit_before: float
    logit_after: float
    boxes: ArrayLike
    destinations: ArrayLike = ()
    partner: NDArray[np.uint8] | None = None
    partner_id: str = ""
    partner_boxes: ArrayLike = ()
