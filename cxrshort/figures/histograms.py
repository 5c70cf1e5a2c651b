"""Histograms of numbers that a number is compared with."""

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
    new_figure,
    place_text,
    save_figure,
    wrap,
)

_BINS = 60
_OBSERVED, _RANDOM = DATASET_COLOURS["I"], "#9a9a9a"


def draw_among(observed: float, random: ArrayLike, path: Path, *, title: str) -> Path:
    """Draw the random numbers as a histogram, and the observed one as a line among them.

    Args:
        observed: the number.
        random: (n,) what it is compared with; all of them are drawn, however far out.
        path: the PNG.
        title: stands above.

    Raises:
        DataError: no random number, or one that is not finite.
    """
    values = np.asarray(random, np.float64).ravel()
    if not len(values) or not np.isfinite([*values, observed]).all():
        raise DataError(f"{len(values)} random numbers cannot be drawn: each must be finite, and one at least be there")
    figure = new_figure(4.6, 2.9)
    place_text(figure, wrap(title, 62, lines=2), left=0.65, top=0.12, size=LARGE)
    axes = add_axes(figure, 0.65, 0.5, width=3.7, height=1.8)
    low, high = min(values.min(), observed), max(values.max(), observed)
    margin = 0.02 * (high - low) or 0.5
    axes.hist(values, bins=np.linspace(low - margin, high + margin, _BINS + 1).tolist(), color=_RANDOM)
    axes.axvline(observed, color=_OBSERVED, linewidth=1.8)
    axes.set(xlim=(low - margin, high + margin))
    axes.set_ylabel("random numbers", size=NORMAL, color=INK)
    axes.set_xlabel("value", size=NORMAL, color=INK, labelpad=2)
    beside = (observed - low) / (high - low) if high > low else 0.5
    axes.annotate(
        f"observed {observed:.3g}",
        (observed, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-4 if beside > 0.5 else 4, -2),
        textcoords="offset points",
        ha="right" if beside > 0.5 else "left",
        va="top",
        size=SMALL,
        color=_OBSERVED,
    )
    return save_figure(figure, path)
