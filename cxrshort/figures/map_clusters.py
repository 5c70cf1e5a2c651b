"""The contact sheet of clusters of maps: a row for each strategy of a model, on one page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cxrshort.errors import DataError
from cxrshort.figures.maps import importance, overlay_map, picture_axes, show_picture
from cxrshort.figures.style import NORMAL, SMALL, fit, new_figure, place_text, save_figure, wrap

MEMBERS = 6
_SIDE, _GAP, _LEFT = 1.3, 0.1, 1.25


@dataclass(frozen=True, slots=True, eq=False)
class ClusterRow:
    """Hold what is shown of one cluster.

    Args:
        name: such as ``"cluster 1"``.
        size: how many maps it has.
        note: what its members share, such as ``"96 % COVID-19"``; three lines at most.
        mean_map: (H, W) signed.
        pixels: (M, H, W) uint8, radiographs of the members nearest the centre, `MEMBERS` at most are shown.
        maps: (M, H, W) their maps.
        captions: (M,) one per member; one line.
    """

    name: str
    size: int
    note: str
    mean_map: ArrayLike
    pixels: NDArray[np.uint8]
    maps: NDArray[np.float32]
    captions: Sequence[str]


def draw_clusters(rows: Sequence[ClusterRow], path: Path, *, title: str = "") -> Path:
    """Draw for each cluster its size, its mean map, and its members nearest the centre under their maps.

    Args:
        rows: the clusters, the largest first.
        path: the PNG.
        title: above; three lines at most.

    Raises:
        DataError: no cluster, or a member without a map or caption.
    """
    if not rows:
        raise DataError("no cluster to draw", "explain more images")
    width = _LEFT + (MEMBERS + 1) * (_SIDE + _GAP) + 0.3
    heading = fit(title, width=width - 0.3, size=NORMAL + 1, lines=3) if title else ""
    total, above = sum(row.size for row in rows), 0.42 + 0.2 * (heading.count("\n") + 1) if heading else 0.32
    tall = _SIDE * np.asarray(rows[0].mean_map).shape[0] / np.asarray(rows[0].mean_map).shape[1]
    step = tall + 0.36
    figure = new_figure(width, above + len(rows) * step + 0.1)
    if heading:
        place_text(figure, heading, left=0.15, top=0.12, size=NORMAL + 1)
    place_text(figure, "mean map", left=_LEFT, top=above - 0.2, size=SMALL)
    place_text(figure, "members nearest the centre", left=_LEFT + _SIDE + 0.2 + _GAP, top=above - 0.2, size=SMALL)
    for number, row in enumerate(rows):
        if not len(row.pixels) == len(row.maps) == len(row.captions):
            raise DataError(
                f"'{row.name}' has {len(row.pixels)} images, {len(row.maps)} maps and {len(row.captions)} captions: "
                "they must be as many"
            )
        top = above + number * step
        place_text(figure, row.name, left=0.15, top=top, size=NORMAL)
        text = f"{row.size} maps, {100 * row.size / total:.0f} %\n{wrap(row.note, 17, lines=4)}"
        place_text(figure, text, left=0.15, top=top + 0.2, size=SMALL)
        axes = picture_axes(figure, _LEFT, top, width=_SIDE, height=tall)
        show_picture(axes, importance(row.mean_map), importance_scale=True)
        for member in range(min(MEMBERS, len(row.pixels))):
            left = _LEFT + (member + 1) * (_SIDE + _GAP) + 0.2
            axes = picture_axes(figure, left, top, width=_SIDE, height=tall)
            show_picture(axes, overlay_map(row.pixels[member], row.maps[member]))
            place_text(figure, wrap(row.captions[member], 24, lines=1), left=left, top=top + tall + 0.03, size=SMALL)
    return save_figure(figure, path)
