"""The population figure of a swap-test: for each region the changes of all images beside the mean random changes.

What would mislead: changes in log-odds where the axis says standard deviations of the logits, or a sign that was
chosen after looking.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from cxrshort.errors import DataError
from cxrshort.figures.style import (
    FAINT, INK, LARGE, NORMAL, SMALL, add_axes, fit, new_figure, place_text, save_figure, signed,
)
from cxrshort.figures.swap_test import CHANGE, RANDOM

MOST_REGIONS = 12
VERDICT_COLOURS = {"shortcut": CHANGE, "suspicious": "#b3700f", "no evidence": INK, "not testable": "#777777"}
"""The colour of each verdict's word; other words are written in ink."""

_ROW, _NAMES, _WIDTH, _NUMBERS = 0.56, 2.1, 4.0, 1.15


@dataclass(frozen=True, slots=True, eq=False)
class PopulationBox:
    """Hold what an intervention in one region does to a population, for :func:`draw_population`.

    Args:
        region: its name; two lines at most.
        verdict: such as ``"no evidence"``; one line.
        changes: (N,) changes of the logit, one per image or person, signed so that more than 0 is the predicted
            direction; in standard deviations of the logits. Empty where the region was not testable.
        random_changes: (N,) the mean change by random patches of each, signed and scaled alike.
    """

    region: str
    verdict: str
    changes: ArrayLike
    random_changes: ArrayLike


def draw_population(
    regions: Sequence[PopulationBox], path: Path, *, title: str = "", margin: float | None = None
) -> Path:
    """Draw for each region a box with points of the changes, and below it one of the mean random changes.

    Boxes reach from quartile to quartile, whiskers to the furthest point within 1.5 of their length.

    Args:
        regions: 1 to `MOST_REGIONS`, from above.
        path: the PNG.
        title: above; two lines at most.
        margin: the change from which on a region is called a shortcut, dotted; in standard deviations of the logits.

    Raises:
        DataError: too few or too many regions, changes and random changes that differ in number, or a number that is
            not finite.
    """
    _check_count(len(regions), MOST_REGIONS, "regions")
    pairs = [(_finite(box.changes, box.region), _finite(box.random_changes, box.region)) for box in regions]
    for box, (changes, null) in zip(regions, pairs, strict=True):
        if len(changes) != len(null):
            raise DataError(f'"{box.region}" has {len(changes)} changes and {len(null)} mean random changes')
    across, tall = _NAMES + _WIDTH + _NUMBERS, _ROW * len(regions)
    heading, above = _heading(title, across)
    above += 0.16
    figure = new_figure(across, above + tall + 0.78)
    place_text(figure, heading, left=0.15, top=0.12, size=LARGE)
    axes = add_axes(figure, _NAMES, above, width=_WIDTH, height=tall)
    right = _NAMES + _WIDTH + 0.15
    place_text(figure, "median (n)", left=right, top=above - 0.17, size=SMALL)
    for number, (box, (changes, null)) in enumerate(zip(regions, pairs, strict=True)):
        middle = above + _ROW * (number + 0.5)
        colour = VERDICT_COLOURS.get(box.verdict, INK)
        name = fit(box.region.replace("_", " "), width=_NAMES - 0.35, lines=2)
        verdict = fit(box.verdict, width=_NAMES - 0.35, size=SMALL, lines=1)
        top = middle - 0.075 * (name.count("\n") + 2)
        place_text(figure, name, left=0.15, top=top)
        place_text(figure, verdict, left=0.15, top=top + 0.15 * (name.count("\n") + 1), size=SMALL, colour=colour)
        if len(changes):
            _draw_box(axes, changes, number - 0.17, colour=CHANGE)
            _draw_box(axes, null, number + 0.2, colour=RANDOM)
            text = f"{signed(float(np.median(changes)))} ({len(changes):,})"
            place_text(figure, text, left=right, top=middle - 0.06, size=SMALL)
    return save_figure(figure, path)
