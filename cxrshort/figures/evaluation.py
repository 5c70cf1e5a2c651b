"""Figures of an evaluation, drawn from the table of predictions and grouped as its tables are."""

from pathlib import Path

import pandas as pd

from cxrshort.figures.plots import GapPoint, RocCurve, gap_plot, roc_panels
from cxrshort.stats.auc import auc_interval, roc_curve
from cxrshort.stats.predictions import cells

ROC, GAP = "roc.png", "gap.png"


def draw_evaluation(predictions: pd.DataFrame, label: str, *, roc: Path, gap: Path) -> tuple[Path, ...]:
    """Draw the ROC curves and the AUCs of one label; nothing where no test fold has both classes.

    Args:
        predictions: the long table.
        label: which output.
        roc: where the ROC panels are written, one for each training.
        gap: where the AUCs are written, inside and outside.

    Returns:
        The figures that were drawn.
    """
    curves, points = [], []
    for cell in cells(predictions, label):
        for replicate, sample in cell.samples.items():
            interval = auc_interval(sample.targets, sample.scores, sample.clusters)
            if interval.auc is None:
                continue
            limits = interval.auc, interval.low, interval.high
            fpr, tpr = roc_curve(sample.targets, sample.scores)
            curves.append(RocCurve(cell.training, cell.dataset, cell.role, replicate, fpr, tpr, *limits))
            name = cell.training if len(cell.samples) == 1 else f"{cell.training}, replicate {replicate}"
            points.append(GapPoint(name, cell.dataset, cell.role, *limits))
    if not curves:
        return ()
    return roc_panels(curves, roc, label=label), gap_plot(points, gap, label=label)
