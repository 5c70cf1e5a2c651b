"""Pictures of maps in the paper's style: the radiograph, the map beside it from white to red, and both together.

As in DeGrave et al. 2021, Fig. 2 and its notebook: the absolute map, unsmoothed, linear from white at its lowest value
to red at its percentile 99.5, where it is clipped. The bar beside each map is marked in percentiles of that map.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from cxrshort.errors import DataError
from cxrshort.figures.style import (
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
    wrap,
)

CLIP = 99.5
RED = (180 / 256, 51 / 256, 53 / 256)
IMPORTANCE = LinearSegmentedColormap.from_list("importance", [(1.0, 1.0, 1.0), RED], N=256)
_MARKED = (50.0, 75.0, 90.0, 95.0, 98.0, 99.0, CLIP)
_SIDE, _GAP, _LEFT = 2.0, 0.12, 0.25
_APART = 0.07  # least distance of two marks on a bar, as a share of its height


def importance(chart: ArrayLike) -> NDArray[np.float64]:
    """Return a map as shares of its scale, (H, W), 0 at its lowest absolute value and 1 from its percentile 99.5.

    Where the percentile is the lowest value, as in a map that is zero but for a few pixels, the highest takes its
    place; a map of one value is 0. Values that are not finite count as 0.

    Example:
        >>> importance([[0.0, -1.0], [1.0, 0.5]]).tolist()
        [[0.0, 1.0], [1.0, 0.5]]
    """
    absolute = _absolute(chart)
    low, high = _limits(absolute)
    return np.clip((absolute - low) / (high - low), 0, 1) if high > low else np.zeros_like(absolute)


def _absolute(chart: ArrayLike) -> NDArray[np.float64]:
    values = np.abs(np.asarray(chart, np.float64))
    return np.where(np.isfinite(values), values, 0)


def _limits(absolute: NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(absolute.min()), float(np.percentile(absolute, CLIP))
    return low, high if high > low else float(absolute.max())


def overlay_map(pixels: ArrayLike, chart: ArrayLike) -> NDArray[np.float64]:
    """Return a radiograph under a map, (H, W, 3) in [0, 1]: the redder, the more important.

    Args:
        pixels: (H, W) uint8.
        chart: (H, W) signed map.
    """
    grey = np.asarray(pixels, np.float64)[..., None] / 255
    weight = importance(chart)[..., None]
    mixed: NDArray[np.float64] = (1 - weight) * grey + weight * np.array(RED)
    return mixed


def draw_maps(pixels: ArrayLike, maps: ArrayLike, captions: Sequence[str], path: Path, *, title: str = "") -> Path:
    """Draw radiograph, map and overlay of each image in a row, with a bar of the map's percentiles.

    Args:
        pixels: (N, H, W) uint8.
        maps: (N, H, W) signed.
        captions: one per image, such as its label and probability; two lines at most.
        path: the PNG.
        title: above; three lines at most.

    Raises:
        DataError: no image, or shapes that differ.
    """
    films, charts = np.asarray(pixels), np.asarray(maps)
    if films.ndim != 3 or films.shape != charts.shape or len(films) != len(captions) or not len(films):
        raise DataError(
            f"images of shape {films.shape}, maps of shape {charts.shape} and {len(captions)} captions cannot be drawn",
            "give (N, H, W) of both and as many captions",
        )
    texts = [wrap(caption, 92, lines=2) for caption in captions]
    above = 0.2 + 0.16 * max(text.count("\n") + 1 for text in texts)
    tall = _SIDE * films.shape[1] / films.shape[2]
    width = _LEFT + 3 * (_SIDE + _GAP) + 1.0
    heading = fit(title, width=width - 2 * _LEFT, size=LARGE, lines=3) if title else ""
    start = 0.15 + 0.2 * (heading.count("\n") + 1) if heading else 0.0
    figure = new_figure(width, start + len(films) * (tall + above) + 0.45)
    if heading:
        place_text(figure, heading, left=_LEFT, top=0.12, size=LARGE)
    for row, (film, chart, text) in enumerate(zip(films, charts, texts, strict=True)):
        top = start + row * (tall + above) + above
        place_text(figure, text, left=_LEFT, top=top - 0.06, size=NORMAL).set_verticalalignment("bottom")
        shown = film / 255, importance(chart), overlay_map(film, chart)
        for column, picture in enumerate(shown):
            axes = picture_axes(figure, _LEFT + column * (_SIDE + _GAP), top, width=_SIDE, height=tall)
            show_picture(axes, picture, importance_scale=column == 1)
        _draw_bar(figure, chart, left=_LEFT + 3 * (_SIDE + _GAP) + 0.05, top=top, height=tall)
    bottom = start + len(films) * (tall + above) + 0.1
    for column, name in enumerate(("radiograph", "importance", "both")):
        place_text(figure, name, left=_LEFT + column * (_SIDE + _GAP), top=bottom, size=SMALL)
    place_text(figure, "percentile", left=_LEFT + 3 * (_SIDE + _GAP) + 0.05, top=bottom, size=SMALL)
    return save_figure(figure, path)


def picture_axes(figure: Figure, left: float, top: float, *, width: float, height: float) -> Axes:
    """Add axes for a picture: a faint frame, no ticks; places and sizes in inches."""
    axes = add_axes(figure, left, top, width=width, height=height)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color=FAINT, linewidth=0.6)
    return axes


def show_picture(axes: Axes, picture: NDArray[np.float64], *, importance_scale: bool = False) -> None:
    """Show a picture with whole pixels: grey or in colour, or on the scale from white to red.

    Args:
        axes: where.
        picture: (H, W) in [0, 1], or (H, W, 3).
        importance_scale: whether (H, W) is importance and not grey.
    """
    colours = IMPORTANCE if importance_scale else "gray"
    axes.imshow(picture, cmap=colours, vmin=0, vmax=1, interpolation="nearest", aspect="auto")


def _draw_bar(figure: Figure, chart: ArrayLike, *, left: float, top: float, height: float) -> None:
    """Draw the scale of a map, marked where its percentiles lie; marks that would touch are left out."""
    absolute = _absolute(chart)
    low, high = _limits(absolute)
    axes = picture_axes(figure, left, top, width=0.14, height=height)
    axes.imshow(np.linspace(0, 1, 256)[:, None], cmap=IMPORTANCE, aspect="auto", origin="lower", extent=(0, 1, 0, 1))
    if high <= low:
        return
    kept: list[tuple[float, float]] = []
    for percentile in reversed(_MARKED):
        place = min(1.0, (float(np.percentile(absolute, percentile)) - low) / (high - low))
        if not kept or kept[-1][0] - place >= _APART:
            kept.append((place, percentile))
    axes.yaxis.tick_right()
    axes.set_yticks([place for place, _ in kept], [f"{percentile:g}" for _, percentile in kept], size=SMALL, color=INK)
