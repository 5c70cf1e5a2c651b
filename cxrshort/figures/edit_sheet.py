"""Contact sheet of edited radiographs: each original, its edits, and below each edit what it changed.

What would mislead: differences on a scale of their own for each picture; all of a sheet share one, which is written
below.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cxrshort.errors import DataError
from cxrshort.figures.maps import picture_axes, show_picture
from cxrshort.figures.style import LARGE, SMALL, fit, fit_title, new_figure, place_text, save_figure

MOST_IMAGES = 4
MOST_EDITS = 10
_SIDE, _BETWEEN, _MARGIN = 1.25, 0.06, 0.15
_CAPTION = 0.34
_HEADER = 0.36
_WEAKEST = 0.1
"""Change of the grey range that is drawn in full colour at least, so that noise stays pale."""


@dataclass(frozen=True, slots=True, eq=False)
class EditedFilm:
    """Hold one original and its edits.

    Args:
        image_id: name of the original.
        original: (H, W) uint8.
        edits: (H, W) uint8 by the name of the edit; edits that were not made are left out.
    """

    image_id: str
    original: NDArray[np.uint8]
    edits: Mapping[str, NDArray[np.uint8]]


def draw_edit_sheet(films: Sequence[EditedFilm], path: Path, *, edits: Sequence[str], title: str = "") -> Path:
    """Draw originals at the left, their edits beside them, and the signed differences below the edits.

    Args:
        films: 1 to `MOST_IMAGES`; all pictures of one size.
        path: the PNG.
        edits: names of the edits in order; 1 to `MOST_EDITS`.
        title: above.

    Raises:
        DataError: no film or edit, or too many.
    """
    if not (1 <= len(films) <= MOST_IMAGES and 1 <= len(edits) <= MOST_EDITS):
        raise DataError(f"a sheet of {len(films)} images and {len(edits)} edits cannot be drawn")
    height, width = films[0].original.shape
    tall, step = _SIDE * height / width, _SIDE + _BETWEEN
    block = 2 * tall + _BETWEEN + _CAPTION
    across = 2 * _MARGIN + (1 + len(edits)) * step
    heading, above = fit_title(title, across)
    top = above + _HEADER
    figure = new_figure(across, top + len(films) * block + 0.3)
    place_text(figure, heading, left=_MARGIN, top=0.12, size=LARGE)
    for column, name in enumerate(["original", *edits]):
        text = fit(name, width=_SIDE, size=SMALL, lines=2)
        lines = text.count("\n") + 1
        place_text(figure, text, left=_MARGIN + column * step, top=top - 0.04 - 0.14 * lines, size=SMALL)
    strongest = _scale(films)
    for row, film in enumerate(films):
        y = top + row * block
        show_picture(picture_axes(figure, _MARGIN, y, width=_SIDE, height=tall), film.original / 255)
        caption = fit(film.image_id, width=_SIDE, size=SMALL, lines=3)
        place_text(figure, caption, left=_MARGIN, top=y + tall + 0.06, size=SMALL)
        for column, name in enumerate(edits, start=1):
            x = _MARGIN + column * step
            if name not in film.edits:
                place_text(figure, "not made", left=x, top=y + 0.06, size=SMALL)
                continue
            show_picture(picture_axes(figure, x, y, width=_SIDE, height=tall), film.edits[name] / 255)
            axes = picture_axes(figure, x, y + tall + _BETWEEN, width=_SIDE, height=tall)
            axes.imshow(_difference(film, name), cmap="RdBu_r", vmin=-strongest, vmax=strongest, aspect="auto")
    remark = (
        f"below each edit: edit minus original, red brighter, blue darker, full colour at ±{strongest:.0%} of white"
    )
    place_text(figure, remark, left=_MARGIN, top=top + len(films) * block - 0.02, size=SMALL)
    return save_figure(figure, path)


def _difference(film: EditedFilm, name: str) -> NDArray[np.float64]:
    return (film.edits[name].astype(np.float64) - film.original) / 255


def _scale(films: Sequence[EditedFilm]) -> float:
    """Return the change that is drawn in full colour: exceeded by one pixel of 500 in the edit that changes most."""
    largest = [np.quantile(np.abs(_difference(film, name)), 0.998) for film in films for name in film.edits]
    return max(_WEAKEST, float(np.ceil(20 * max(largest, default=0.0)) / 20))
