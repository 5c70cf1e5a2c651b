"""Laterality markers: lead letters from tiny bitmaps, laid on the film."""

from dataclasses import dataclass

import numpy as np

from cxrshort.datasets.phantom.anatomy import Field
from cxrshort.datasets.phantom.styles import Style

Box = tuple[int, int, int, int]

GLYPHS = {
    "A": ("..#..", ".#.#.", ".#.#.", "#...#", "#####", "#...#", "#...#"),
    "L": ("#....", "#....", "#....", "#....", "#....", "#....", "#####"),
    "P": ("####.", "#...#", "#...#", "####.", "#....", "#....", "#...."),
    "R": ("####.", "#...#", "#...#", "####.", "#.#..", "#..#.", "#...#"),
    " ": ("..", "..", "..", "..", "..", "..", ".."),
}
GLYPH_HEIGHT = 7


@dataclass(frozen=True)
class Marker:
    """Hold a marker as it lies on the film.

    Args:
        box: half-open (x0, y0, x1, y1) in pixels.
        cover: 0 (film) to 1 (lead) inside the box, (y1 - y0, x1 - x0).
        brightness: grey of the lead, 0 (black) to 1 (white).
    """

    box: Box
    cover: Field
    brightness: float


def lay_marker(style: Style, *, size: int) -> Marker | None:
    """Return the marker of a style on a film of ``size`` x ``size`` pixels, None when the style has none.

    A marker that would reach over the edge is moved inside.
    """
    if not style.marker_text:
        return None
    bitmap = _bitmap(style.marker_text, style.marker_frame)
    letter = max(style.marker_height * size, 5.0)
    scale = letter / GLYPH_HEIGHT
    height = min(size, max(1, round(bitmap.shape[0] * scale)))
    width = min(size, max(1, round(bitmap.shape[1] * scale)))
    cover = _resample(bitmap, height, width)
    x0 = min(max(0, round(style.marker_x * size)), size - width)
    y0 = min(max(0, round(style.marker_y * size)), size - height)
    return Marker((x0, y0, x0 + width, y0 + height), cover, style.marker_brightness)


def _bitmap(text: str, frame: str) -> Field:
    glyphs = [GLYPHS[letter] for letter in text]
    lines = [".".join(glyph[row] for glyph in glyphs) for row in range(GLYPH_HEIGHT)]
    letters = np.array([[dot == "#" for dot in line] for line in lines], dtype=np.float32)
    if frame == "none":
        return letters
    padded = np.pad(letters, 3)
    if frame == "plate":
        return (1.0 - padded)[1:-1, 1:-1]
    rows, columns = padded.shape
    y = (np.arange(rows) - (rows - 1) / 2)[:, None] / (rows / 2)
    x = (np.arange(columns) - (columns - 1) / 2)[None, :] / (columns / 2)
    ring = np.abs(np.sqrt(x * x + y * y) - 0.90) < 0.11
    cover: Field = np.maximum(padded, ring.astype(np.float32))
    return cover


def _resample(bitmap: Field, height: int, width: int) -> Field:
    """Average the bitmap over each film pixel, so that strokes keep their weight at any size."""
    cover: Field = _overlap(height, bitmap.shape[0]) @ bitmap @ _overlap(width, bitmap.shape[1]).T
    return np.clip(cover, 0.0, 1.0)


def _overlap(pixels: int, dots: int) -> Field:
    """Return the share of each pixel that each dot fills, (pixels, dots), when both span the same length."""
    edges = np.arange(pixels + 1) * (dots / pixels)
    dot = np.arange(dots)
    length = np.minimum(edges[1:, None], dot + 1) - np.maximum(edges[:-1, None], dot)
    shares: Field = (np.maximum(length, 0.0) * (pixels / dots)).astype(np.float32)
    return shares
