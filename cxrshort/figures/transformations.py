"""Transformed images: original, transformed and signed difference, with boxes on the regions that changed most.

As DeGrave et al. 2021, Fig. 2b: blue boxes where findings lie, red ones elsewhere, and dashed red ones at the borders.
What would mislead: differences on a scale of their own. All pictures of one figure share the scale, from blue (darker)
to red (brighter), which ends where `CLIP` percent of the differences do.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from cxrshort.errors import DataError
from cxrshort.figures.maps import picture_axes, show_picture
from cxrshort.figures.style import INK, LARGE, SMALL, fit, fit_title, new_figure, place_text, save_figure
from cxrshort.quantities import quantity

CLIP = 99.5
EXPECTED, ELSEWHERE, EDGE = "region where findings lie", "region where no finding lies", "border or corner"
"""Kinds of boxes."""
LineStyle = Literal["-"] | tuple[float, Sequence[float]]
_COLOURS = {EXPECTED: "#4f9dff", ELSEWHERE: "#ff4b3a", EDGE: "#ff4b3a"}
_DASHED: Mapping[str, LineStyle] = {EXPECTED: "-", ELSEWHERE: "-", EDGE: (0, (3, 2))}
DIFFERENCE = LinearSegmentedColormap.from_list(
    "difference", [(0.08, 0.25, 0.60), (0.55, 0.70, 0.92), (1.0, 1.0, 1.0), (0.95, 0.60, 0.52), (0.66, 0.10, 0.12)]
)
MOST_EXAMPLES, MOST_TILES = 8, 24
_SIDE, _BETWEEN, _WORDS, _LEFT = 1.75, 0.1, 1.75, 0.15
_KEY = 2.0
_TILE, _TILE_GAP, _TILE_COLUMNS = 0.95, 0.04, 3
_SMALLEST_SCALE = 4 / 255
"""The least end of the scale, so that rounding is not shown as if it were a change."""

Box = tuple[int, int, int, int]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Transformation:
    """Hold one transformed image.

    Args:
        image_id: its name.
        goal: what it was made to look like, such as ``"COVID-19 == 1"``.
        before: (H, W) uint8.
        after: (H, W) uint8.
        lines: what is written beside it, such as log-odds before and after; one line each.
        boxes: what changed most, by kind: x0, y0, x1, y1 in pixels, x1 and y1 outside.
    """

    image_id: str
    goal: str
    before: Bytes
    after: Bytes
    lines: Sequence[str] = ()
    boxes: Sequence[tuple[str, Box]] = ()

    @property
    def difference(self) -> NDArray[np.float64]:
        """Return after minus before, (H, W), in [-1, 1]."""
        return (self.after.astype(np.float64) - self.before.astype(np.float64)) / 255


def draw_transformations(examples: Sequence[Transformation], path: Path, *, title: str = "") -> Path:
    """Draw each image, its transformation and their signed difference in a row, with boxes and words at the left.

    Args:
        examples: 1 to `MOST_EXAMPLES`, all of one size.
        path: the PNG.
        title: above; three lines at most.

    Raises:
        DataError: no image, too many, or images of different sizes.
    """
    height, width = _check(examples, MOST_EXAMPLES)
    scale, tall = difference_scale(examples), _SIDE * height / width
    across = _LEFT + _WORDS + 3 * (_SIDE + _BETWEEN) + 0.7
    heading, above = fit_title(title, across)
    above += 0.22
    step = tall + 0.16
    figure = new_figure(across, above + len(examples) * step + 0.45)
    place_text(figure, heading, left=_LEFT, top=0.12, size=LARGE)
    left = _LEFT + _WORDS
    for column, name in enumerate(("original", "transformed", "difference")):
        place_text(figure, name, left=left + column * (_SIDE + _BETWEEN), top=above - 0.18, size=SMALL)
    for row, example in enumerate(examples):
        top = above + row * step
        _write_words(figure, example, top=top)
        for column in range(3):
            x = left + column * (_SIDE + _BETWEEN)
            axes = picture_axes(figure, x, top, width=_SIDE, height=tall)
            _show(axes, example, column, scale=scale)
            if column < 2:
                _draw_boxes(axes, example.boxes, width=width)
    _draw_scale(figure, left + 3 * (_SIDE + _BETWEEN) + 0.03, above, height=tall, scale=scale)
    _write_key(figure, examples, top=above + len(examples) * step + 0.02)
    return save_figure(figure, path)


def draw_change_sheet(examples: Sequence[Transformation], path: Path, *, title: str = "") -> Path:
    """Draw many transformed images on one page, each as original, transformed and difference, with words below.

    Args:
        examples: 1 to `MOST_TILES`, in reading order, all of one size; their first line is written below, with the
            name.
        path: the PNG.
        title: above; three lines at most.

    Raises:
        DataError: no image, too many, or images of different sizes.
    """
    height, width = _check(examples, MOST_TILES)
    scale, tall = difference_scale(examples), _TILE * height / width
    columns = min(_TILE_COLUMNS, len(examples))
    block = 3 * (_TILE + _TILE_GAP) + 0.22
    across = _LEFT + columns * block + 0.6
    heading, above = fit_title(title, across)
    words = [_tile_words(example, block - 0.22) for example in examples]
    rows = math.ceil(len(examples) / columns)
    lines = max(text.count("\n") + 1 for text in words)
    step = tall + 0.13 * lines + 0.16
    figure = new_figure(across, above + rows * step + 0.08)
    place_text(figure, heading, left=_LEFT, top=0.12, size=LARGE)
    for number, (example, text) in enumerate(zip(examples, words, strict=True)):
        left, top = _LEFT + number % columns * block, above + number // columns * step
        for column in range(3):
            x = left + column * (_TILE + _TILE_GAP)
            _show(picture_axes(figure, x, top, width=_TILE, height=tall), example, column, scale=scale)
        place_text(figure, text, left=left, top=top + tall + 0.04, size=SMALL)
    _draw_scale(figure, _LEFT + columns * block - 0.1, above, height=tall, scale=scale)
    return save_figure(figure, path)


def difference_scale(examples: Sequence[Transformation]) -> float:
    """Return where the scale of differences ends, in grey values of [0, 1]."""
    magnitudes = np.concatenate([np.abs(example.difference).ravel() for example in examples])
    return max(float(np.percentile(magnitudes, CLIP)), _SMALLEST_SCALE)


def _check(examples: Sequence[Transformation], most: int) -> tuple[int, int]:
    sizes = {np.shape(picture) for example in examples for picture in (example.before, example.after)}
    if not 1 <= len(examples) <= most or len(sizes) != 1:
        shown = " and ".join(f"{width} x {height}" for height, width in sorted(sizes)) or "no size"
        raise DataError(
            f"{quantity(len(examples), 'image')} of {shown} cannot be drawn in one figure: 1 to {most} of one "
            "size are needed"
        )
    height, width = sizes.pop()
    return height, width


def _tile_words(example: Transformation, width: float) -> str:
    first = [example.lines[0]] if example.lines else []
    texts = [f"{example.image_id}, to {example.goal}", *first]
    return "\n".join(fit(text, width=width, size=SMALL, lines=2) for text in texts)


def _write_words(figure: Figure, example: Transformation, *, top: float) -> None:
    name = fit(example.image_id, width=_WORDS - 0.15, lines=2)
    place_text(figure, name, left=_LEFT, top=top)
    texts = [f"to {example.goal}", "", *example.lines]
    words = "\n".join(fit(text, width=_WORDS - 0.15, size=SMALL, lines=3) for text in texts)
    place_text(figure, words, left=_LEFT, top=top + 0.06 + 0.15 * (name.count("\n") + 1), size=SMALL)


def _show(axes: Axes, example: Transformation, column: int, *, scale: float) -> None:
    if column < 2:
        show_picture(axes, (example.before, example.after)[column].astype(np.float64) / 255)
        return
    axes.imshow(example.difference, cmap=DIFFERENCE, vmin=-scale, vmax=scale, interpolation="nearest", aspect="auto")


def _draw_boxes(axes: Axes, boxes: Sequence[tuple[str, Box]], *, width: int) -> None:
    """Outline boxes from outside, so that nothing within them is hidden; those at the edge of the film from inside."""
    out = 0.008 * width
    for kind, (x0, y0, x1, y1) in boxes:
        outline = Rectangle(
            (x0 - 0.5 - out, y0 - 0.5 - out), x1 - x0 + 2 * out, y1 - y0 + 2 * out, fill=False, clip_on=False
        )
        outline.set(edgecolor=_COLOURS[kind], linewidth=1.3, linestyle=_DASHED[kind], joinstyle="miter")
        outline.set_path_effects([withStroke(linewidth=2.3, foreground="black", alpha=0.6)])
        axes.add_patch(outline)


def _draw_scale(figure: Figure, left: float, top: float, *, height: float, scale: float) -> None:
    axes = picture_axes(figure, left, top, width=0.1, height=height)
    axes.imshow(np.linspace(1, 0, 256)[:, None], cmap=DIFFERENCE, aspect="auto", extent=(0, 1, -1, 1))
    axes.yaxis.tick_right()
    ends = [f"−{255 * scale:.0f}", "0", f"+{255 * scale:.0f}"]
    axes.set_yticks([-1, 0, 1], ends, size=SMALL, color=INK)
    axes.tick_params(length=2, pad=1)


def _write_key(figure: Figure, examples: Sequence[Transformation], *, top: float) -> None:
    used = [kind for kind in _COLOURS if any(kind == box for example in examples for box, _ in example.boxes)]
    across, down = figure.get_size_inches()
    for number, kind in enumerate(used):
        left, y = _LEFT + _KEY * number, 1 - (top + 0.08) / down
        line = Line2D([left / across, (left + 0.25) / across], [y, y], color=_COLOURS[kind], linewidth=1.8)
        line.set_linestyle(_DASHED[kind])
        figure.add_artist(line)
        place_text(figure, kind, left=left + 0.31, top=top + 0.02, size=SMALL)
    words = "boxes: the most changed regions; " if used else ""
    below = top + 0.02 + (0.19 if used else 0)
    place_text(figure, f"{words}differences in grey values of 255", left=_LEFT, top=below, size=SMALL)
