"""The finder behind ``--preset markers``: text-like, sharp, bright components outside the lungs.

Laterality markers and printed text are brighter than what surrounds them, narrow, and end within a pixel or two; bones
are brighter too, but end softly. A component is what remains of the image minus its opening by a square (white
top-hat), above a contrast; components close to one another are a word. What would invalidate the boxes: they are
proposals. Wires, clips and pacemakers are bright and sharp as well, and are proposed; dark text on a pale film is not.
The boxes are written to a table for the user to correct. On 300 films of phantom-I at 224 px, with their own lungs,
97 % of the markers have a box with an IoU of 0.3 or more, and 93 % of the boxes are of markers; without lungs 97 and
86 %.
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

SCALES = ((0.12, (0.2, 0.35, 0.5)), (0.04, (0.35, 0.5)))
"""Largest width of what counts as bright, as a share of the side (a plate with a letter; the stroke of a letter, which
stands alone where a plate's width would join it with bone), and the brightness above the surroundings from which a
pixel counts: a component that runs into a bright edge at one of them stands alone at the next."""
STEEPEST = 0.30
"""Least difference between neighbouring pixels (3 x 3) at the sharpest tenth of a component."""
SOLID, SLENDER = 0.8, 2.5
"""A component that fills this share of its box and is this many times as long as wide is a strip of film, not text."""
SPARSE = 0.12
"""A component that fills less of its box is a line that wanders, such as a fold of skin or a tube."""
GAP = 0.015
"""Components nearer than this share of the side are one."""
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
    reach = max(1, round(GAP * side))
    found: list[tuple[float, Box]] = []
    for width, contrasts in SCALES:
        bright = ndimage.white_tophat(image, size=max(3, round(width * side) | 1))
        for contrast in contrasts:
            core = (bright > contrast) & ~lungs
            words, _ = ndimage.label(ndimage.binary_dilation(core, iterations=reach))
            earlier = [box for _, box in found]
            new = list(_components(words, core, bright, steps))
            found += [component for component in new if not any(_meet(component[1], box) for box in earlier)]
    return [box for _, box in sorted(found, reverse=True)[:MOST]]


def _meet(first: Box, second: Box) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


def _components(
    words: npt.NDArray[np.signedinteger[Any]], core: Areas, bright: Field, steps: Field
) -> Iterator[tuple[float, Box]]:
    """Yield the contrast and the box of each component of the size and the sharpness of text."""
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
        if filled < SPARSE or (filled > SOLID and long > SLENDER * short):
            continue
        if np.quantile(steps[place][inside], 0.9) >= STEEPEST:
            yield float(np.quantile(bright[place][inside], 0.9)), (x0, y0, x1, y1)
