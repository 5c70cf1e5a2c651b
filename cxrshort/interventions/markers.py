"""The finder behind ``--preset markers``: text-like components outside the lungs, sharp all around.

Laterality markers and printed text are brighter or darker than what surrounds them, narrow, and end within a pixel or
two on every side; bones end softly, and what a marker runs together with does too. A letter is a component of what
remains of the image minus its opening or closing by a square (top-hat), above a contrast, most of whose outline is as
steep as that contrast; letters close to one another are a word. What would invalidate the boxes: they are proposals.
Arrows, wires, clips and electrodes are sharp as well, and are proposed; faint text, and text over the lungs, is not.
The boxes are written to a table for the user to correct, and on real films they need it.

Measured at 224 px (``tests/studies/finders.py``; found means an IoU of 0.3 or more): on 500 phantoms 95 % of the
markers are found, and 98 % of the boxes are right. On 60 real films boxed by eye 68 % are found and 52 % are right,
arrows being 27 % of the boxes; on the 30 of them that nothing was tuned on, 61 % are found and 47 % are right.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

from cxrshort.columns import REGION_COLUMNS

Box = tuple[int, int, int, int]
Field = npt.NDArray[np.float32]
Areas = npt.NDArray[np.bool_]

WIDTH = 0.12
"""Largest width of what stands out from its surroundings, as a share of the side: a plate with a letter."""
CONTRASTS = (0.2, 0.3, 0.4)
"""Difference from the surroundings from which a pixel counts: what runs into bone at one stands alone at the next."""
SHARP = 0.8
"""Least share of a letter's outline with a difference between neighbouring pixels (3 x 3) as large as the contrast."""
LETTER, DOT = 0.2, 0.0085
"""Greatest side of a letter or plate, and the root of its least area, as shares of the image's side."""
SOLID, SLENDER = 0.8, 2.5
"""A word that fills this share of its box and is this many times as long as wide is a strip of film, not text."""
SPARSE = 0.12
"""A word that fills less of its box is a line that wanders, such as a fold of skin or a tube."""
GAP = 0.015
"""Letters whose outlines, widened by this share of the side, touch are a word."""
SHORTEST, LONGEST = 0.013, 0.35
"""Least and greatest side of a box, as shares of the image's."""
MOST = 6
"""Boxes per image, those of the strongest contrast; a film has two markers and a line or two of text."""


def find_markers(images: Field, lungs: Areas, *, image_ids: Sequence[str]) -> pd.DataFrame:
    """Propose boxes of laterality markers and printed text, a row each, as ``regions.csv`` has them.

    Args:
        images: (N, H, W) in [0, 1].
        lungs: (N, H, W), where nothing is looked for; empty where unknown.
        image_ids: the name of each image.
    """
    rows = [
        (name, "marker", *box)
        for name, image, lung in zip(image_ids, images, lungs, strict=True)
        for box in marker_boxes(image, lung)
    ]
    return pd.DataFrame(rows, columns=list(REGION_COLUMNS))


def marker_boxes(image: Field, lungs: Areas) -> list[Box]:
    """Return half-open boxes of text-like components of one image (H, W), the strongest contrast first."""
    side = min(image.shape)
    steps = ndimage.maximum_filter(image, 3) - ndimage.minimum_filter(image, 3)
    size = max(3, round(WIDTH * side) | 1)
    core, contrast = np.zeros(image.shape, bool), np.zeros(image.shape, np.float32)
    for field in (ndimage.white_tophat(image, size=size), ndimage.black_tophat(image, size=size)):
        letters = np.zeros(image.shape, bool)
        for least in CONTRASTS:
            letters |= _letters((field > least) & ~lungs, steps >= least)
        core |= letters
        np.maximum(contrast, field, out=contrast, where=letters)
    words, _ = ndimage.label(ndimage.binary_dilation(core, iterations=max(1, round(GAP * side))))
    return [box for _, box in sorted(_words(words, core, contrast), reverse=True)[:MOST]]


def _letters(areas: Areas, steep: Areas) -> Areas:
    """Return the components that have a letter's size and a sharp outline; the edge of the film is no outline."""
    side = min(areas.shape)
    components, count = ndimage.label(areas)
    outline = areas & ~ndimage.binary_erosion(areas, border_value=1)
    length = np.bincount(components[outline], minlength=count + 1)
    sharp = np.bincount(components[outline & steep], minlength=count + 1) >= SHARP * length
    kept = sharp & (np.bincount(components.ravel(), minlength=count + 1) >= (DOT * side) ** 2)
    kept[0] = False
    for number, place in enumerate(ndimage.find_objects(components), start=1):
        kept[number] &= max(part.stop - part.start for part in place) <= LETTER * side
    letters: Areas = kept[components]
    return letters


def _words(words: npt.NDArray[np.signedinteger[Any]], core: Areas, contrast: Field) -> Iterator[tuple[float, Box]]:
    """Yield the contrast and the box of each word of the size and the shape of text."""
    side = min(core.shape)
    for number, place in enumerate(ndimage.find_objects(words), start=1):
        inside = core[place] & (words[place] == number)
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        y0, x0 = place[0].start + int(rows[0]), place[1].start + int(columns[0])
        y1, x1 = place[0].start + int(rows[-1]) + 1, place[1].start + int(columns[-1]) + 1
        short, long = sorted((y1 - y0, x1 - x0))
        if short < SHORTEST * side or long > LONGEST * side:
            continue
        filled = np.count_nonzero(inside) / (short * long)
        if filled >= SPARSE and not (filled > SOLID and long > SLENDER * short):
            yield float(np.quantile(contrast[place][inside], 0.9)), (x0, y0, x1, y1)
