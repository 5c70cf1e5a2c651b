"""The figure of ``--sanity``: do maps go when the layers go, and do the cells that they point at move the logit?"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

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

_WIDTH, _HEIGHT, _LEFT, _BETWEEN, _BELOW = 2.75, 2.0, 0.75, 0.85, 1.2
_COLOURS = (DATASET_COLOURS["I"], DATASET_COLOURS["III"])
_CELLS = ("deletion", "insertion")
_RANDOM = "in random order"
_CHANCE = " of different images"


def draw_sanity(curves: pd.DataFrame, verdicts: Mapping[str, str], path: Path, *, title: str = "") -> Path:
    """Draw the similarity of maps against layers randomised, and the logit against cells hidden or shown.

    Args:
        curves: ``sanity.csv``, as :class:`cxrshort.attribution.checks.MapChecks` has it.
        verdicts: ``"passes"``, ``"fails"`` or ``"not judged"`` for ``randomisation`` and ``faithfulness``.
        path: the PNG.
        title: above.

    Raises:
        DataError: there is no curve.
    """
    panels = [check for check in ("randomisation", *_CELLS) if (curves["check"] == check).any()]
    if not panels:
        raise DataError("no curve of a check to draw", "explain more images")
    heading = wrap(title, 42 * len(panels), lines=2) if title else ""
    above = 0.42 + (0.22 * (heading.count("\n") + 1) if heading else 0)
    width = _LEFT + len(panels) * (_WIDTH + _BETWEEN) - _BETWEEN + 0.3
    figure = new_figure(max(width, 4.2), above + _HEIGHT + _BELOW)
    if heading:
        place_text(figure, heading, left=0.15, top=0.1, size=LARGE)
    for number, check in enumerate(panels):
        left = _LEFT + number * (_WIDTH + _BETWEEN)
        axes = add_axes(figure, left, above, width=_WIDTH, height=_HEIGHT)
        own = curves[curves["check"] == check]
        verdict = verdicts.get("faithfulness" if check in _CELLS else check, "")
        name = f"faithfulness by {check}" if check in _CELLS else check
        name += f": {verdict}" if verdict else ""
        place_text(figure, name, left=left, top=above - 0.26, size=NORMAL)
        keys = _draw_cells(axes, own, check) if check in _CELLS else _draw_layers(axes, own)
        _place_keys(figure, keys, left=left, top=above + _HEIGHT + 0.58)
    return save_figure(figure, path)


def _draw_layers(axes: Axes, points: pd.DataFrame) -> list[Line2D]:
    """Draw both similarities, and beside each, dashed, that of maps of different images."""
    keys = []
    for colour, name in zip(_COLOURS, ("SSIM", "Spearman"), strict=True):
        own = points[points["curve"] == name]
        chance = points[points["curve"] == name + _CHANCE]
        axes.plot(own["step"] / own["steps"], own["value"], "o-", color=colour, ms=3, lw=1.4, clip_on=False, zorder=3)
        axes.plot(chance["step"] / chance["steps"], chance["value"], "--", color=colour, lw=1, zorder=2)
        label = "rank correlation" if name == "Spearman" else "structural similarity"
        keys.append(Line2D([], [], color=colour, marker="o", ms=3, lw=1.4, label=label))
    keys.append(Line2D([], [], color=INK, ls="--", lw=1, label="of maps of different images"))
    low = min(0.0, float(points["value"].min()))
    axes.set(xlim=(0, 1), ylim=(low - 0.02, 1.02))
    axes.set_xticks([0, 0.5, 1], ["none", "half", "all"])
    _name_axes(axes, "layers initialised anew, from the output", "likeness to the maps before")
    return keys


def _draw_cells(axes: Axes, points: pd.DataFrame, check: str) -> list[Line2D]:
    """Draw the mean logit in the order of the map, and in random order."""
    keys = []
    for name, own in points.groupby("curve", sort=False):
        colour, style = (INK, "--") if name == _RANDOM else (_COLOURS[0], "-")
        axes.plot(100 * own["step"] / own["steps"], own["value"], style, color=colour, lw=1.4, clip_on=False)
        keys.append(Line2D([], [], color=colour, ls=style, lw=1.4, label=str(name)))
    axes.set(xlim=(0, 100))
    axes.margins(y=0.06)
    _name_axes(axes, f"cells {'hidden' if check == 'deletion' else 'shown'}, %", "mean logit")
    return keys


def _name_axes(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(across, size=NORMAL, color=INK, labelpad=3)
    axes.set_ylabel(up, size=NORMAL, color=INK, labelpad=3)


def _place_keys(figure: Figure, keys: Sequence[Line2D], *, left: float, top: float) -> None:
    across, down = figure.get_size_inches()
    figure.legend(
        handles=keys,
        loc="upper left",
        bbox_to_anchor=((left - 0.1) / across, 1 - top / down),
        frameon=False,
        fontsize=SMALL,
        borderaxespad=0,
        labelspacing=0.3,
    )
