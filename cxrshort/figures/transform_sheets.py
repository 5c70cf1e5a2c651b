"""Sheets of transformed radiographs: original, transformed, the signed difference of both, and what comes back."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cxrshort.errors import DataError
from cxrshort.figures.style import DPI, NORMAL, SMALL, fit, new_figure, place_text, save_figure

_SIDE = 128
"""Pixels of the figure that an image is wide at least; it is enlarged by a whole number."""
_GAP, _LABEL, _HEADING = 6, 132, 32
_GAIN = 2.0
"""Factor by which differences are drawn stronger than they are; half of the range of grey is full colour."""
_ROWS = ("original", "transformed", f"difference,\n±{255 / _GAIN:.0f} of 255", "and back")


@dataclass(frozen=True, slots=True, eq=False)
class TransformRow:
    """Hold images that were transformed in one direction.

    Args:
        title: which direction.
        originals: (n, H, W) or (n, 3, H, W), uint8.
        transformed: of the same shape.
        returned: what the other direction makes of them, of the same shape.
    """

    title: str
    originals: NDArray[np.uint8]
    transformed: NDArray[np.uint8]
    returned: NDArray[np.uint8]


def draw_transform_sheet(rows: Sequence[TransformRow], path: Path) -> Path:
    """Draw the directions below each other, an image in each column; red became brighter, blue darker.

    Args:
        rows: one for each direction.
        path: the PNG.

    Raises:
        DataError: no image.
    """
    if not rows or not all(len(row.originals) for row in rows):
        raise DataError("a sheet of transformed images needs one image in each direction")
    zoom = max(1, math.ceil(_SIDE / rows[0].originals.shape[-1]))
    side = zoom * rows[0].originals.shape[-1]
    across = max(len(row.originals) for row in rows)
    height = _HEADING + len(_ROWS) * (side + _GAP)
    canvas = np.zeros((len(rows) * height + _GAP, _LABEL + across * (side + _GAP), 3), np.uint8)
    figure = new_figure(canvas.shape[1] / DPI, canvas.shape[0] / DPI, colour="black")
    for block, row in enumerate(rows):
        title = fit(row.title, width=canvas.shape[1] / DPI - 0.2, size=NORMAL, lines=1)
        place_text(figure, title, left=8 / DPI, top=(block * height + 8) / DPI, size=NORMAL, colour="white")
        bands = (row.originals, row.transformed, _differences(row), row.returned)
        for line, (name, images) in enumerate(zip(_ROWS, bands, strict=True)):
            top = block * height + _HEADING + line * (side + _GAP)
            text = place_text(figure, name, left=8 / DPI, top=(top + side / 2) / DPI, size=SMALL, colour="#dddddd")
            text.set_verticalalignment("center")
            for column, image in enumerate(images):
                left = _LABEL + column * (side + _GAP)
                canvas[top : top + side, left : left + side] = _colours(image).repeat(zoom, 0).repeat(zoom, 1)
    figure.figimage(canvas)
    return save_figure(figure, path)


def _colours(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image as (H, W, 3)."""
    return np.repeat(image[..., None], 3, axis=-1) if image.ndim == 2 else np.moveaxis(image, 0, -1)


def _differences(row: TransformRow) -> NDArray[np.uint8]:
    """Return signed differences in colour, (n, 3, H, W): white is none, red brighter, blue darker."""
    change = row.transformed.astype(np.float64) - row.originals
    change = change.mean(axis=1) if change.ndim == 4 else change
    strength = np.clip(np.abs(change) * _GAIN, 0, 255)
    faded = 255 - strength
    red, blue = np.where(change > 0, 255, faded), np.where(change < 0, 255, faded)
    return np.stack([red, faded, blue], axis=1).round().astype(np.uint8)
