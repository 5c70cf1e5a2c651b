"""Strips of a swap-test: the image before, its partner, and the image after, as DeGrave et al. 2021, Supp. Fig. 12.

What would mislead: a picture that is not what the model was shown; give the images as they were scored.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from cxrshort.errors import DataError
from cxrshort.figures.maps import picture_axes
from cxrshort.figures.style import (
    INK,
    LARGE,
    SMALL,
    fit,
    fit_title,
    new_figure,
    place_text,
    save_figure,
    signed,
)
from cxrshort.figures.swap_test import check_count

MOST_STRIPS = 12
OUTLINES = {"tested box": "#ff5f3c", "destination": "#ffc02e", "partner's box": "#27cfc0"}
"""What is outlined, and its colour, bright on dark and edged in black for white film."""

_PICTURES = ("before", "partner", "after")
_ONE_BLOCK = 4  # strips that stand in one block; more stand in two
_SIDE, _BETWEEN, _WORDS = 1.8, 0.12, 1.25
_LINE = 0.13
_LEAST = 1.2  # inches that the words at the left take


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """Hold one image of a swap-test; boxes are x0, y0, x1, y1 in pixels of the pictures, x1 and y1 outside.

    Args:
        image_id: name of the image; three lines at most.
        region: what was tested, such as ``"marker"``; two lines at most.
        role: ``"positive"`` or ``"negative"``.
        before: (H, W) uint8, or (3, H, W) in colour.
        after: the same after the intervention.
        logit_before: log-odds of the finding.
        logit_after: log-odds after the intervention.
        boxes: (K, 4) the tested boxes.
        destinations: (K, 4) where their contents went; none unless they were moved.
        partner: the image that its contents come from; None where there is none.
        partner_id: name of the partner.
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

    @property
    def pictures(self) -> dict[str, NDArray[np.uint8]]:
        """Return the pictures that there are, in the order in which they stand."""
        partner = {} if self.partner is None else {"partner": self.partner}
        return {"before": self.before, **partner, "after": self.after}

    def outlines(self, picture: str) -> dict[str, NDArray[np.float64]]:
        """Return the boxes to outline in one of the pictures, (K, 4) under each name of `OUTLINES`."""
        parts = {"partner's box": self.partner_boxes}
        if picture != "partner":
            parts = {"tested box": self.boxes, "destination": self.destinations}
        return {name: np.asarray(boxes, np.float64).reshape(-1, 4) for name, boxes in parts.items()}


def draw_strips(strips: Sequence[Strip], path: Path, *, title: str = "") -> Path:
    """Draw each image before, its partner, and the image after, boxes outlined; region, role and log-odds at the left.

    More than four strips stand in two blocks, in order down the left one, then down the right one.

    Args:
        strips: 1 to `MOST_STRIPS`; all pictures of one size.
        path: the PNG.
        title: above; three lines at most.

    Raises:
        DataError: no strip or too many, or pictures of different sizes.
    """
    check_count(len(strips), MOST_STRIPS, kind="strips")
    sizes = {np.shape(picture)[-2:] for strip in strips for picture in strip.pictures.values()}
    if len(sizes) > 1:
        shown = " and ".join(f"{width} x {height}" for height, width in sorted(sizes))
        raise DataError(f"pictures of {shown} pixels cannot be drawn in one figure: all must be of one size")
    height, width = sizes.pop()
    columns = [name for name in _PICTURES if any(name in strip.pictures for strip in strips)]
    rows = len(strips) if len(strips) <= _ONE_BLOCK else math.ceil(len(strips) / 2)
    block, tall = _WORDS + len(columns) * (_SIDE + _BETWEEN) + 0.25, _SIDE * height / width
    across = 0.1 + math.ceil(len(strips) / rows) * block
    heading, above = fit_title(title, across)
    above += 0.2
    captions = [_captions(strip) for strip in strips]
    tops = above + np.cumsum([0, *(max(tall, _LEAST) + _room(captions[row::rows]) for row in range(rows))])
    figure = new_figure(across, tops[-1] + 0.28)
    place_text(figure, heading, left=0.15, top=0.12, size=LARGE)
    for number, (strip, caption) in enumerate(zip(strips, captions, strict=True)):
        left, top = 0.15 + number // rows * block, tops[number % rows]
        _write_words(figure, strip, left=left, top=top)
        for column, name in enumerate(columns):
            x = left + _WORDS + column * (_SIDE + _BETWEEN)
            if number % rows == 0:
                place_text(figure, name, left=x, top=above - 0.17, size=SMALL)
            if name in strip.pictures:
                _show(picture_axes(figure, x, top, width=_SIDE, height=tall), strip, name)
                place_text(figure, caption.get(name, ""), left=x, top=top + tall + 0.04, size=SMALL)
    _write_key(figure, strips, top=tops[-1] + 0.04)
    return save_figure(figure, path)


def _captions(strip: Strip) -> dict[str, str]:
    names = {"before": strip.image_id, "partner": strip.partner_id}
    return {name: fit(text, width=_SIDE, size=SMALL, lines=3) for name, text in names.items()}


def _room(captions: Sequence[dict[str, str]]) -> float:
    """Return the inches that the captions of one row take, with the gap to the next row."""
    return 0.2 + _LINE * max(text.count("\n") + 1 for pair in captions for text in pair.values())


def _write_words(figure: Figure, strip: Strip, *, left: float, top: float) -> None:
    """Write the region, the role, and the log-odds before and after with their difference."""
    region = fit(strip.region.replace("_", " "), width=_WORDS - 0.1, lines=2)
    before, after = (f"{value:.2f}".replace("-", "−") for value in (strip.logit_before, strip.logit_after))
    place_text(figure, region, left=left, top=top)
    change = signed(strip.logit_after - strip.logit_before)
    words = (strip.role, "", "log-odds", f"{before} → {after}", f"change {change}")
    text = "\n".join(fit(word, width=_WORDS - 0.1, size=SMALL, lines=2) for word in words)
    place_text(figure, text, left=left, top=top + 0.05 + 0.15 * (region.count("\n") + 1), size=SMALL)


def _show(axes: Axes, strip: Strip, name: str) -> None:
    """Show a picture with its boxes outlined from outside, so that nothing within them is hidden."""
    picture: NDArray[Any] = strip.pictures[name]
    height, width = picture.shape[-2:]
    shown = np.moveaxis(picture, 0, -1) if picture.ndim == 3 else picture
    extent = (0, width, height, 0)
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="antialiased", aspect="auto", extent=extent)
    out = 0.01 * width
    for kind, boxes in strip.outlines(name).items():
        for x0, y0, x1, y1 in boxes:
            outline = Rectangle((x0 - out, y0 - out), x1 - x0 + 2 * out, y1 - y0 + 2 * out, fill=False, clip_on=False)
            outline.set(edgecolor=OUTLINES[kind], linewidth=1.2, joinstyle="miter")
            outline.set_path_effects([withStroke(linewidth=2.2, foreground="black", alpha=0.7)])
            axes.add_patch(outline)


def _write_key(figure: Figure, strips: Sequence[Strip], *, top: float) -> None:
    """Write what the colours mean, of those that are used."""
    outlined = [strip.outlines(name) for strip in strips for name in strip.pictures]
    used = [kind for kind in OUTLINES if any(len(boxes.get(kind, ())) for boxes in outlined)]
    across, down = figure.get_size_inches()
    for number, kind in enumerate(used):
        left, y = 0.15 + 1.2 * number, 1 - (top + 0.06) / down
        figure.add_artist(Line2D([left / across, (left + 0.2) / across], [y, y], color=OUTLINES[kind], linewidth=2.2))
        place_text(figure, kind, left=left + 0.26, top=top, size=SMALL, colour=INK)
