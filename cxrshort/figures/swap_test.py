"""The charts of a swap-test: an image's change among changes by random patches, and the changes of a population.

As DeGrave et al. 2021, Fig. 3. Panels of one figure share their axes and their bins, so that they can be compared, and
no random change is left out, however far it lies. What would mislead: changes of different models in one figure, or a
sign that was chosen after looking.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

from cxrshort.errors import DataError
from cxrshort.figures.style import (
    DATASET_COLOURS,
    FAINT,
    INK,
    LARGE,
    NORMAL,
    SMALL,
    add_axes,
    fit,
    fit_title,
    new_figure,
    place_text,
    save_figure,
    signed,
)
from cxrshort.stats.verdicts import NO_EVIDENCE, NOT_TESTABLE, RULES, SHORTCUT, SUSPICIOUS

MOST_PANELS, MOST_REGIONS = 8, 12
OBSERVED, RANDOM = DATASET_COLOURS["I"], "#9a9a9a"
"""The colours of observed changes and of changes by random patches."""
VERDICT_COLOURS = {SHORTCUT: OBSERVED, SUSPICIOUS: "#b3700f", NO_EVIDENCE: INK, NOT_TESTABLE: "#777777"}
"""The colour of each verdict's word; other words are written in ink."""

_BINS = 60
_PANEL, _TALL, _LEFT, _GAP = 2.35, 1.35, 0.7, 0.3
_ROW, _NAMES, _WIDTH, _NUMBERS = 0.56, 2.1, 4.0, 1.2
_SPREAD = 0.09  # how far points lie from the middle of their box, in rows
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True, eq=False)
class NullPanel:
    """Hold the changes of one image in one region, for :func:`draw_null`.

    Args:
        name: such as ``"phantom-I/000012, marker, negative"``; three lines at most.
        random_changes: (n,) changes of the logit by n random patches, after minus before, in log-odds.
        change: the observed change of the logit, in log-odds.
        p: its empirical p-value, in (0, 1].
        direction: which random changes are at least as extreme: ``"increase"``, ``"decrease"`` or ``"either"``.
    """

    name: str
    random_changes: ArrayLike
    change: float
    p: float
    direction: str


@dataclass(frozen=True, slots=True, eq=False)
class PopulationBox:
    """Hold the changes of a population in one region, for :func:`draw_population`.

    Args:
        region: its name; three lines at most.
        verdict: such as ``"no evidence"``; one line.
        changes: (N,) changes of the logit, one per image or person, in standard deviations of the logits, signed so
            that more than 0 is the predicted direction; empty where the region could not be tested.
        random_changes: (N,) the mean change of each by random patches, signed and scaled alike.
    """

    region: str
    verdict: str
    changes: ArrayLike
    random_changes: ArrayLike


def draw_null(panels: Sequence[NullPanel], path: Path, *, title: str = "") -> Path:
    """Draw for each panel a grey histogram of random changes, and a red line where the observed change lies.

    Its value and empirical p stand above. Where either direction counts, a dotted line marks the change of the same
    magnitude in the other direction.

    Args:
        panels: 1 to `MOST_PANELS`, in reading order.
        path: the PNG.
        title: above; three lines at most.

    Raises:
        DataError: no panel or too many, no random change, or a number that is not finite.

    Example:
        >>> import tempfile
        >>> panel = NullPanel("film 1, marker", [-0.1, 0.0, 0.2], 1.5, 0.25, "increase")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     draw_null([panel], Path(folder, "null.png")).name
        'null.png'
    """
    check_count(len(panels), MOST_PANELS, kind="panels")
    nulls = [_finite(panel.random_changes, panel.name) for panel in panels]
    changes = _finite([panel.change for panel in panels], "observed changes")
    if empty := [panel.name for panel, null in zip(panels, nulls, strict=True) if not len(null)]:
        raise DataError(f'"{empty[0]}" has no random change to be compared with', "draw at least one random patch")
    columns = len(panels) if len(panels) <= 3 else math.ceil(len(panels) / 2)
    rows, wide = math.ceil(len(panels) / columns), _PANEL if columns > 1 else 1.5 * _PANEL
    across = _LEFT + columns * (wide + _GAP)
    heading, above = fit_title(title, across)
    names = [fit(panel.name, width=wide, lines=3) for panel in panels]
    caption = 0.1 + 0.15 * max(name.count("\n") + 1 for name in names)
    step = caption + _TALL + 0.32
    figure = new_figure(across, above + rows * step + 0.25)
    place_text(figure, heading, left=0.15, top=0.12, size=LARGE)
    edges = _common_bins([*nulls, changes])
    shares = [100 * np.histogram(null, edges)[0] / len(null) for null in nulls]
    highest = max(float(share.max()) for share in shares)
    for number, (panel, name, share) in enumerate(zip(panels, names, shares, strict=True)):
        x, y = _LEFT + number % columns * (wide + _GAP), above + number // columns * step
        place_text(figure, name, left=x, top=y + caption - 0.06).set_verticalalignment("bottom")
        axes = add_axes(figure, x, y + caption, width=wide, height=_TALL)
        axes.plot([0, 0], [0, 1.08 * highest], color=FAINT, linewidth=0.8, zorder=1)
        axes.stairs(share, edges, fill=True, color=RANDOM, zorder=2)
        axes.set(xlim=(edges[0], edges[-1]), ylim=(0, 1.32 * highest))
        _mark_change(axes, panel, highest)
        if number % columns == 0:
            axes.set_ylabel("random patches, %", size=SMALL, color=INK, labelpad=2)
        if number + columns >= len(panels):
            axes.set_xlabel("change in log-odds", size=SMALL, color=INK, labelpad=2)
    return save_figure(figure, path)


def _common_bins(values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return edges of bins that hold all values and 0, with a margin at both ends."""
    joined = np.concatenate([*values, [0.0]])
    low, high = float(joined.min()), float(joined.max())
    margin = 0.06 * (high - low) or 1.0
    return np.linspace(low - margin, high + margin, _BINS + 1)


def _mark_change(axes: Axes, panel: NullPanel, highest: float) -> None:
    """Mark the observed change by a line that ends above all bars, and write its value and its p there."""
    low, high = axes.get_xlim()
    marks = [(panel.change, "-", 1.8)]
    if panel.direction == "either":
        marks.append((-panel.change, ":", 1.2))
    for value, style, width in marks:
        if low < value < high:
            axes.plot([value, value], [0, 1.08 * highest], color=OBSERVED, linestyle=style, linewidth=width, zorder=3)
    place = (panel.change - low) / (high - low)
    side = "left" if place < 0.25 else "right" if place > 0.75 else "center"
    text = f"{signed(panel.change)}, p = {panel.p:.2g}"
    axes.text(panel.change, 1.12 * highest, text, color=OBSERVED, size=NORMAL, ha=side, va="bottom")


def draw_population(
    regions: Sequence[PopulationBox], path: Path, *, title: str = "", margin: float | None = None
) -> Path:
    """Draw for each region a red box of the changes with all points, and below it a grey one of random changes.

    Boxes reach from quartile to quartile with a line at the median; whiskers reach the furthest point within 1.5
    lengths of the box.

    Args:
        regions: 1 to `MOST_REGIONS`, from above.
        path: the PNG.
        title: above; three lines at most.
        margin: the change that a verdict asks for, drawn dotted, in standard deviations of the logits.

    Raises:
        DataError: no region or too many, changes and random changes that differ in number, or a number that is not
            finite.
    """
    check_count(len(regions), MOST_REGIONS, kind="regions")
    pairs = [(_finite(box.changes, box.region), _finite(box.random_changes, box.region)) for box in regions]
    for box, (changes, null) in zip(regions, pairs, strict=True):
        if len(changes) != len(null):
            raise DataError(
                f'"{box.region}" has {len(changes)} changes and {len(null)} mean random changes: they must be as many'
            )
    names = [fit(box.region.replace("_", " "), width=_NAMES - 0.3, lines=3) for box in regions]
    row = max(_ROW, 0.12 + 0.155 * (max(name.count("\n") for name in names) + 2))
    across, tall = _NAMES + _WIDTH + _NUMBERS, row * len(regions)
    heading, above = fit_title(title, across)
    above += 0.2
    figure = new_figure(across, above + tall + 0.8)
    place_text(figure, heading, left=0.15, top=0.12, size=LARGE)
    place_text(figure, "median (n)", left=_NAMES + _WIDTH + 0.15, top=above - 0.17, size=SMALL)
    axes = add_axes(figure, _NAMES, above, width=_WIDTH, height=tall)
    for number, (box, (changes, null)) in enumerate(zip(regions, pairs, strict=True)):
        _write_region(figure, names[number], box.verdict, middle=above + row * (number + 0.5))
        if len(changes):
            text = f"{signed(float(np.median(changes)))} ({len(changes):,})"
            place_text(figure, text, left=_NAMES + _WIDTH + 0.15, top=above + row * (number + 0.5) - 0.06, size=SMALL)
            _draw_box(axes, changes, number - 0.18, colour=OBSERVED)
            _draw_box(axes, null, number + 0.2, colour=RANDOM)
    _finish_population(axes, len(regions), margin=margin, values=[part for pair in pairs for part in pair])
    keys: list[Line2D | Patch] = [
        Patch(facecolor="none", edgecolor=OBSERVED, label="tested region"),
        Patch(facecolor="none", edgecolor=RANDOM, label="mean of random patches"),
    ]
    if margin is not None:
        keys.append(Line2D([], [], color=INK, linestyle=":", label=f"margin of the verdict, {margin:.3g}"))
    figure.legend(
        handles=keys, loc="lower left", bbox_to_anchor=(0.08 / across, 0), ncols=3, frameon=False, fontsize=SMALL
    )
    return save_figure(figure, path)


def _write_region(figure: Figure, name: str, verdict: str, *, middle: float) -> None:
    """Write a region's name, and its verdict below, around the middle of its row."""
    lines = name.count("\n") + 1
    top = middle - 0.0775 * (lines + 1)
    place_text(figure, name, left=0.15, top=top)
    word, colour = fit(verdict, width=_NAMES - 0.3, size=SMALL, lines=1), VERDICT_COLOURS.get(verdict, INK)
    place_text(figure, word, left=0.15, top=top + 0.155 * lines + 0.015, size=SMALL, colour=colour)


def _draw_box(axes: Axes, values: NDArray[np.float64], place: float, *, colour: str) -> None:
    """Draw a box and its points; these are spread over its height by a sequence that needs no random numbers."""
    spread = _SPREAD * (2 * np.modf(np.arange(1, len(values) + 1) * _GOLDEN)[0] - 1)
    alpha = float(np.clip(30 / len(values), 0.12, 0.7))
    axes.plot(values, place + spread, "o", color=colour, ms=2.6, mew=0, alpha=alpha, zorder=2, clip_on=False)
    line = {"color": colour, "linewidth": 1.1}
    axes.boxplot(
        [values],
        positions=[place],
        orientation="horizontal",
        widths=0.3,
        showfliers=False,
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": "none", "edgecolor": colour, "linewidth": 1.1},
        medianprops={"color": INK, "linewidth": 1.6},
        whiskerprops=line,
        capprops=line,
        zorder=3,
    )


def _finish_population(axes: Axes, count: int, *, margin: float | None, values: Sequence[NDArray[np.float64]]) -> None:
    """Set limits that hold all points, 0 and the margin; draw the line of zero and the dotted one of the margin."""
    joined = np.concatenate([*values, [0.0, margin or 0.0]])
    low, high = float(joined.min()), float(joined.max())
    room = 0.05 * (high - low) or 1.0
    axes.set(xlim=(low - room, high + room), ylim=(count - 0.5, -0.5), yticks=[])
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    if margin is not None:
        axes.axvline(margin, color=INK, linewidth=1, linestyle=":", zorder=1)
    for number in range(1, count):
        axes.axhline(number - 0.5, color=FAINT, linewidth=0.4, zorder=0)
    axes.spines["left"].set_visible(False)
    unit = RULES["swap-test"].unit
    axes.set_xlabel(f"change in the predicted direction, {unit}", size=NORMAL, color=INK, labelpad=2)


def check_count(count: int, most: int, *, kind: str) -> None:
    """Refuse to draw nothing, or more than is readable.

    Raises:
        DataError: fewer than 1 or more than ``most``.
    """
    if not 1 <= count <= most:
        raise DataError(f"{count} {kind} cannot be drawn in one figure: there must be 1 to {most}")


def _finite(values: ArrayLike, name: str) -> NDArray[np.float64]:
    numbers = np.asarray(values, np.float64).ravel()
    if wrong := int(np.count_nonzero(~np.isfinite(numbers))):
        raise DataError(f'"{name}" has {wrong} changes that are not finite: they cannot be drawn', "score again")
    return numbers
