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
from cxrshort.figures.style import DATASET_COLOURS, INK, NORMAL, SMALL, fit, new_figure, place_text, save_figure, wrap

SIGNED = LinearSegmentedColormap.from_list("signed", [DATASET_COLOURS["III"], "#ffffff", DATASET_COLOURS["I"]], N=256)
_SIDE, _GAP, _LEFT, _BETWEEN = 1.45, 0.08, 0.15, 0.35
_BAR, _CAPTION, _HEADING = 0.9, 0.3, 0.24
_ACROSS = 3
"""Pairs in a line; a group with more goes on in the next."""


@dataclass(frozen=True, slots=True, eq=False)
class MeanMap:
    """Hold the mean of some images of one group.

    Args:
        group: the heading under which it stands, such as a class.
        name: below it, such as a repository.
        count: images that were averaged.
        pixels: (H, W) their mean radiograph, in [0, 1].
        chart: (H, W) their mean map, signed, in logits.
    """

    group: str
    name: str
    count: int
    pixels: ArrayLike
    chart: ArrayLike


def draw_mean_maps(means: Sequence[MeanMap], path: Path, *, title: str = "") -> Path:
    """Draw mean radiographs beside their mean maps, all maps on one scale, under the heading of their group.

    Args:
        means: groups come in the order in which they are first named.
        path: the PNG.
        title: above; three lines at most.

    Raises:
        DataError: there is none.
    """
    if not means:
        raise DataError("no mean map to draw", "explain images of some repository and class")
    charts = [np.asarray(mean.chart, np.float64) for mean in means]
    limit, tall = _limit(charts), _SIDE * charts[0].shape[0] / charts[0].shape[1]
    pair = 2 * _SIDE + _GAP + _BETWEEN
    groups = {name: [mean for mean in means if mean.group == name] for name in dict.fromkeys(m.group for m in means)}
    lines = sum(-(-len(own) // _ACROSS) for own in groups.values())
    across = min(_ACROSS, max(map(len, groups.values())))
    width = max(_LEFT + across * pair + _BAR, 4.6)
    heading = fit(title, width=width - 2 * _LEFT, size=NORMAL + 1, lines=3) if title else ""
    start = 0.3 + 0.2 * (heading.count("\n") + 1) if heading else 0.12
    figure = new_figure(width, start + len(groups) * _HEADING + lines * (tall + _CAPTION) + 0.05)
    if heading:
        place_text(figure, heading, left=_LEFT, top=0.12, size=NORMAL + 1)
    top = start
    _draw_scale(figure, limit, left=_LEFT + across * pair - 0.1, top=top + _HEADING, height=tall)
    for name, own in groups.items():
        place_text(figure, wrap(name, 44, lines=1), left=_LEFT, top=top)
        top += _HEADING
        for place, mean in enumerate(own):
            row, column = divmod(place, _ACROSS)
            _draw_pair(figure, mean, limit, left=_LEFT + column * pair, top=top + row * (tall + _CAPTION), tall=tall)
        top += -(-len(own) // _ACROSS) * (tall + _CAPTION)
    return save_figure(figure, path)


def _draw_pair(figure: Figure, mean: MeanMap, limit: float, *, left: float, top: float, tall: float) -> None:
    axes = picture_axes(figure, left, top, width=_SIDE, height=tall)
    axes.imshow(mean.pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    axes = picture_axes(figure, left + _SIDE + _GAP, top, width=_SIDE, height=tall)
    axes.imshow(mean.chart, cmap=SIGNED, vmin=-limit, vmax=limit, interpolation="nearest", aspect="auto")
    name = f"{mean.name}, mean of {mean.count:,}" if mean.name else f"mean of {mean.count:,}"
    place_text(figure, wrap(name, 52, lines=1), left=left, top=top + tall + 0.03, size=SMALL)


def _limit(charts: Sequence[np.ndarray]) -> float:
    absolute = np.abs(np.concatenate([chart.ravel() for chart in charts]))
    limit = float(np.percentile(absolute, CLIP)) or float(absolute.max())
    return limit or 1.0


def _draw_scale(figure: Figure, limit: float, *, left: float, top: float, height: float) -> None:
    axes = picture_axes(figure, left, top, width=0.14, height=height)
    extent = (0, 1, -limit, limit)
    axes.imshow(np.linspace(-1, 1, 256)[:, None], cmap=SIGNED, aspect="auto", origin="lower", extent=extent)
    axes.yaxis.tick_right()
    axes.set_yticks([-limit, 0, limit], [f"{-limit:.2g}", "0", f"{limit:.2g}"], size=SMALL, color=INK)
    place_text(figure, "logits\nper pixel", left=left, top=top + height + 0.03, size=SMALL)
