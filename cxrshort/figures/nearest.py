"""Distances of synthetic images to the nearest real one, beside those of real images to other persons."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from cxrshort.errors import DataError
from cxrshort.figures.style import (
    DATASET_COLOURS,
    INK,
    LARGE,
    NORMAL,
    SMALL,
    add_axes,
    fit_title,
    new_figure,
    place_text,
    save_figure,
)

_BINS = 40
_WIDTH, _HEIGHT, _STEP = 3.2, 1.6, 3.75
_REAL, _SYNTHETIC = "#9a9a9a", DATASET_COLOURS["I"]


@dataclass(frozen=True, slots=True, eq=False)
class DistancePanel:
    """Hold the distances by one measure.

    Args:
        measure: its name.
        synthetic: (N,) of synthetic images to the nearest real one.
        real: (n,) of real images to the nearest one of another person; may be empty.
    """

    measure: str
    synthetic: ArrayLike
    real: ArrayLike


def draw_nearest_distances(panels: Sequence[DistancePanel], path: Path, *, title: str) -> Path:
    """Draw histograms, as shares of the images, and mark the nearest two real images of different persons.

    Args:
        panels: 1 or more.
        path: the PNG.
        title: above.

    Raises:
        DataError: no panel, or one without finite distances of synthetic images.
    """
    if not panels:
        raise DataError("there is no distance to draw")
    across = 0.75 + _STEP * len(panels)
    heading, above = fit_title(title, across)
    figure = new_figure(across, above + 0.55 + _HEIGHT + 0.6)
    place_text(figure, heading, left=0.15, top=0.12, size=LARGE)
    for number, panel in enumerate(panels):
        synthetic, real = (np.asarray(values, np.float64).ravel() for values in (panel.synthetic, panel.real))
        values = np.concatenate([synthetic, real])
        if not len(synthetic) or not np.isfinite(values).all():
            raise DataError(
                f"{len(synthetic)} distances cannot be drawn: each must be finite, and one at least be there"
            )
        left = 0.65 + _STEP * number
        axes = add_axes(figure, left, above + 0.5, width=_WIDTH, height=_HEIGHT)
        bins = np.linspace(0, values.max() * 1.02 or 1.0, _BINS + 1).tolist()
        if len(real):
            axes.hist(real, bins=bins, weights=np.full(len(real), 1 / len(real)), color=_REAL)
            axes.axvline(real.min(), color=INK, linewidth=0.9, linestyle=(0, (2, 2)))
        weights = np.full(len(synthetic), 1 / len(synthetic))
        axes.hist(synthetic, bins=bins, weights=weights, histtype="step", color=_SYNTHETIC, linewidth=1.6)
        axes.set(xlim=(0, bins[-1]))
        axes.set_xlabel(f"distance by {panel.measure}", size=NORMAL, color=INK, labelpad=2)
        if not number:
            axes.set_ylabel("share of images", size=NORMAL, color=INK)
    keys = (
        ("synthetic to the nearest real image", _SYNTHETIC),
        ("real to another person's", _REAL),
        ("dotted: the nearest of those", INK),
    )
    left = 0.65
    for text, colour in keys:
        place_text(figure, text, left=left, top=above + 0.12, size=SMALL, colour=colour)
        left += 0.3 + 0.062 * len(text)
    return save_figure(figure, path)
