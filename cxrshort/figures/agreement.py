"""Student and teacher epoch by epoch: how far their explanations are apart, how alike their logits, and both AUCs.

What would mislead: two AUCs that meet say nothing of why they do; so the distance of the explanations stands above
them and the correlation of the logits below (Bassi et al. 2025, Fig. 1d).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from cxrshort.errors import DataError
from cxrshort.figures.style import INK, NORMAL, SMALL, add_axes, new_figure, save_figure, wrap

_STUDENT, _TEACHER, _GREY = "#1e579a", "#b43335", "#8a8a8a"


@dataclass(frozen=True)
class AgreementPoint:
    """Hold one epoch of a distillation.

    Args:
        epoch: counted from 1.
        loss: of the validation fold, what the student minimises.
        student: its validation score; None where it is not defined.
        teacher: the teacher's.
        correlation: of their logits over the validation images.
        chosen: whether this epoch is kept.
    """

    epoch: int
    loss: float
    student: float | None
    teacher: float | None
    correlation: float
    chosen: bool = False


def draw_agreement(history: Sequence[AgreementPoint], path: Path, *, measure: str, loss: str) -> Path:
    """Draw loss, scores and correlation of student and teacher, the chosen epoch marked.

    Args:
        history: one point for each epoch.
        path: the PNG.
        measure: what the scores are, such as ``"AUC of COVID-19"``.
        loss: what the loss is, such as ``"TEA loss"``.

    Raises:
        DataError: no epoch.
    """
    if not history:
        raise DataError("no epoch to draw: the log has no finished epoch", "train for at least one epoch")
    figure = new_figure(5.4, 5.2)
    top, middle, bottom = (add_axes(figure, 0.95, place, width=4.2, height=1.3) for place in (0.3, 1.85, 3.4))
    epochs = [point.epoch for point in history]
    _draw(top, epochs, [point.loss for point in history], _GREY, "")
    _draw(middle, epochs, [point.teacher for point in history], _TEACHER, "teacher")
    _draw(middle, epochs, [point.student for point in history], _STUDENT, "student")
    _draw(bottom, epochs, [point.correlation for point in history], _STUDENT, "")
    for axes, label in (
        (top, f"validation {loss}"),
        (middle, f"validation {measure}"),
        (bottom, "correlation of the logits"),
    ):
        axes.set_ylabel(wrap(label, 20, lines=2), size=NORMAL, color=INK)
        axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        for point in history:
            if point.chosen:
                axes.axvline(point.epoch, color=INK, linewidth=0.6, linestyle=(0, (2, 2)), zorder=1)
    top.set_ylim(0, 1.08 * max((point.loss for point in history if math.isfinite(point.loss)), default=0) or 1)
    bottom.set_ylim(min(0.0, *(point.correlation for point in history)) - 0.03, 1.03)
    for axes in (top, middle):
        axes.set_xticklabels([])
    # Between the axes, where no curve runs.
    middle.legend(
        loc="lower right",
        bbox_to_anchor=(1, 0.99),
        frameon=False,
        fontsize=SMALL,
        ncols=2,
        borderaxespad=0,
        borderpad=0,
    )
    bottom.set_xlabel("epoch (dashed: the one that is kept)", size=NORMAL, color=INK, labelpad=2)
    return save_figure(figure, path)


def _draw(axes: Axes, epochs: Sequence[int], values: Sequence[float | None], color: str, label: str) -> None:
    numbers = [float("nan") if value is None else value for value in values]
    marker = "o" if len(epochs) < 3 else ""
    axes.plot(epochs, numbers, color=color, linewidth=1.3, marker=marker, markersize=3, label=label or None)
