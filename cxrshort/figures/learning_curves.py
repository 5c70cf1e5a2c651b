"""Learning curves of many trainings, a panel for each training and a line for each of its runs.

All panels share their axes, so that they can be compared; a panel says what its runs have cost together.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from cxrshort.errors import DataError
from cxrshort.figures.style import (
    DATASET_COLOURS,
    FAINT,
    INK,
    SMALL,
    add_axes,
    fit,
    new_figure,
    place_text,
    save_figure,
)
from cxrshort.quantities import quantity

MOST_PANELS = 12
"""Trainings that a figure shows."""
_ACROSS, _LEFT, _WIDTH, _HEIGHT, _GAP, _HEADING = 3, 0.65, 2.3, 1.05, 0.28, 0.5
_SCORE, _LOSS = DATASET_COLOURS["III"], "#8a8a8a"


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """Hold the epochs of one run.

    Args:
        heading: the training; runs of one heading share a panel.
        epochs: from 1.
        losses: training loss of each epoch; None where there is none.
        scores: validation score of each epoch; None where there is none.
        chosen: the epoch whose weights were kept; None where that is not known.
        measure: what the score is.
        device_hours: that the run took.
    """

    heading: str
    epochs: Sequence[int]
    losses: Sequence[float | None]
    scores: Sequence[float | None]
    chosen: int | None
    measure: str
    device_hours: float


def draw_learning_curves(curves: Sequence[LearningCurve], path: Path) -> Path:
    """Draw the validation score above and the training loss below, for each training.

    Args:
        curves: those of the first `MOST_PANELS` headings are drawn.
        path: the PNG.

    Raises:
        DataError: no epoch.
    """
    panels: dict[str, list[LearningCurve]] = {}
    for curve in curves:
        if curve.epochs:
            panels.setdefault(curve.heading, []).append(curve)
    shown = dict(list(panels.items())[:MOST_PANELS])
    if not shown:
        raise DataError("no epoch to draw: no training has one", "train for at least one epoch")
    across, down = min(_ACROSS, len(shown)), math.ceil(len(shown) / _ACROSS)
    panel = _WIDTH + _LEFT, _HEADING + 2 * _HEIGHT + _GAP + 0.4
    figure = new_figure(across * panel[0] + 0.3, down * panel[1] + 0.3)
    axes_of: list[tuple[Axes, Axes]] = []
    for number, (heading, runs) in enumerate(shown.items()):
        left, top = number % _ACROSS * panel[0] + _LEFT, number // _ACROSS * panel[1] + 0.1
        hours = sum(run.device_hours for run in runs)
        text = f"{quantity(len(runs), 'run')}, {hours:.3g} device-hours"
        place_text(figure, fit(heading, width=_WIDTH, size=SMALL, lines=2), left=left, top=top, size=SMALL)
        place_text(figure, text, left=left, top=top + 0.28, size=SMALL, colour="#777777")
        score = add_axes(figure, left, top + _HEADING, width=_WIDTH, height=_HEIGHT)
        loss = add_axes(figure, left, top + _HEADING + _HEIGHT + _GAP, width=_WIDTH, height=_HEIGHT)
        for run in runs:
            _draw_run(score, loss, run)
        if number % _ACROSS == 0:
            score.set_ylabel(fit(f"validation {runs[0].measure}", width=_HEIGHT, size=SMALL), size=SMALL, color=INK)
            loss.set_ylabel("training loss", size=SMALL, color=INK)
        loss.set_xlabel("epoch", size=SMALL, color=INK, labelpad=1)
        axes_of.append((score, loss))
    _share_limits(axes_of, [run for runs in shown.values() for run in runs])
    return save_figure(figure, path)


def _draw_run(score: Axes, loss: Axes, run: LearningCurve) -> None:
    for axes, values, colour in ((score, run.scores, _SCORE), (loss, run.losses, _LOSS)):
        points = [(epoch, value) for epoch, value in zip(run.epochs, values, strict=True) if value is not None]
        if points:
            marker = "o" if len(points) == 1 else ""
            axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.2, alpha=0.8, marker=marker, ms=3)
        chosen = [(epoch, value) for epoch, value in points if epoch == run.chosen]
        if chosen and axes is score:
            axes.plot(*zip(*chosen, strict=True), "o", ms=6, markerfacecolor="none", color=INK, clip_on=False)


def _share_limits(axes_of: Sequence[tuple[Axes, Axes]], runs: Sequence[LearningCurve]) -> None:
    """Give all panels the same axes, so that a lower curve is a worse one."""
    last = max(max(run.epochs) for run in runs)
    for place, values in enumerate(([run.scores for run in runs], [run.losses for run in runs])):
        numbers = [value for series in values for value in series if value is not None]
        low, high = (min(numbers), max(numbers)) if numbers else (0.0, 1.0)
        margin = 0.06 * (high - low) or 0.02
        for panel in axes_of:
            panel[place].set(xlim=(min(0.5, last - 0.5), last + 0.5), ylim=(low - margin, high + margin))
            panel[place].xaxis.set_major_locator(MaxNLocator(5, integer=True))
            panel[place].yaxis.set_major_locator(MaxNLocator(4))
            panel[place].grid(axis="y", color=FAINT, linewidth=0.4)
