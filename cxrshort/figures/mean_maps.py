"""Mean maps of groups of images beside their mean radiograph: where evidence lies on average, and which way it points.

Signed: red speaks for the finding, blue against it. All maps share one scale, clipped at the percentile 99.5 of all
their absolute values, so that groups can be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from cxrshort.errors import DataError
from cxrshort.figures.maps import CLIP, picture_axes
from cxrshort.figures.style import INK, NORMAL, SMALL, new_figure, place_text, save_figure, wrap

SIGNED = LinearSegmentedColormap.from_list("signed", ["#1e579a", "#ffffff", "#b43335"], N=256)
_SIDE, _GAP, _LEFT, _BETWEEN = 1.45, 0.08, 0.15, 0.35
_BAR = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class MeanMap:
    """Hold the mean of one group.

    Args:
        row: what stands in its row, such as a repository.
        column: what stands in its column, such as a class.
        count: images that were averaged.
        pixels: (H, W) their mean radiograph, in [0, 1].
        chart: (H, W) their mean map, signed, in logits.
    """

    row: str
    column: str
    count: int
    pixels: ArrayLike
    chart: ArrayLike


def draw_mean_maps(means: Sequence[MeanMap], path: Path, *, title: str = "") -> Path:
    """Draw the mean radiograph and the mean map of each group, on one scale.

    Args:
        means: rows and columns come in the order in which they are first named.
        path: the PNG.
        title: above.

    Raises:
        DataError: there is no group.
    """
    if not means:
        raise DataError("no mean map to draw", "explain images of some repository and class")
    rows, columns = (list(dict.fromkeys(names)) for names in ([m.row for m in means], [m.column for m in means]))
    charts = [np.asarray(mean.chart, np.float64) for mean in means]
    tall = _SIDE * charts[0].shape[0] / charts[0].shape[1]
    pair = 2 * _SIDE + _GAP
    above = 0.62 if title else 0.34
    figure = new_figure(_LEFT + len(columns) * (pair + _BETWEEN) + _BAR, above + len(rows) * (tall + 0.3) + 0.1)
    if title:
        place_text(figure, wrap(title, 110, lines=1), left=_LEFT, top=0.12, size=NORMAL + 1)
    for place, name in enumerate(columns):
        place_text(figure, wrap(name, 44, lines=1), left=_LEFT + place * (pair + _BETWEEN), top=above - 0.22)
    limit = _limit(charts)
    for mean, chart in zip(means, charts, strict=True):
        left = _LEFT + columns.index(mean.column) * (pair + _BETWEEN)
        top = above + rows.index(mean.row) * (tall + 0.3)
        axes = picture_axes(figure, left, top, width=_SIDE, height=tall)
        axes.imshow(mean.pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        axes = picture_axes(figure, left + _SIDE + _GAP, top, width=_SIDE, height=tall)
        axes.imshow(chart, cmap=SIGNED, vmin=-limit, vmax=limit, interpolation="nearest", aspect="auto")
        text = wrap(f"{mean.row}, mean of {mean.count:,}", 46, lines=1)
        place_text(figure, text, left=left, top=top + tall + 0.03, size=SMALL)
    _draw_scale(figure, limit, left=_LEFT + len(columns) * (pair + _BETWEEN) - 0.1, top=above, height=tall)
    return save_figure(figure, path)


def _limit(charts: Sequence[np.ndarray]) -> float:
    absolute = np.abs(np.concatenate([chart.ravel() for chart in charts]))
    limit = float(np.percentile(absolute, CLIP)) or float(absolute.max())
    return limit or 1.0


def _draw_scale(figure: Figure, limit: float, *, left: float, top: float, height: float) -> None:
    axes = picture_axes(figure, left, top, width=0.14, height=height)
    extent = (0, 1, -limit, limit)
    axes.imshow(np.linspace(-1, 1, 256)[:, None], cmap=SIGNED, aspect="auto", origin="lower", extent=extent)
    axes.yaxis.tick_right()
    axes.set_yticks([-limit, 0, limit], [f"{-limit:.1e}", "0", f"{limit:.1e}"], size=SMALL, color=INK)
    place_text(figure, "logits\nper pixel", left=left, top=top + height + 0.03, size=SMALL)
