"""What a distillation reports beside a training: student and teacher side by side, epoch by epoch and in use."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cxrshort.compute import Compute
from cxrshort.figures.agreement import AgreementPoint, draw_agreement
from cxrshort.forecasts import significant
from cxrshort.images.prefetch import Source
from cxrshort.models.pipeline import outline
from cxrshort.models.scoring import evaluating
from cxrshort.training.objectives.distillation import Distillation
from cxrshort.training.teacher import Teacher

AGREEMENT = "agreement.png"
"""Student and teacher epoch by epoch, in the run folder."""
_TIMED_IMAGES = 16
_TIMED_BATCHES = 5


def summarise_teaching(
    student: nn.Module,
    teacher: Teacher,
    objective: Distillation,
    best: Mapping[str, Any],
    *,
    segmenter: nn.Module | None,
    pixels: Source,
    compute: Compute,
) -> dict[str, Any]:
    """Return what was learned from, how closely, and what both cost in use.

    Args:
        student: the model that is saved.
        teacher: what it learned from.
        objective: how.
        best: the record of the epoch that is kept.
        segmenter: whose masks say what the teacher sees; it counts as a part of the teacher in use.
        pixels: images to time both on; of one process.
        compute: device and precision.
    """
    settings = objective.settings
    agreement = {name: best[name] for name in ("logit_correlation", "teacher_score", "val_loss") if name in best}
    used = teacher.network if segmenter is None else _Segmented(segmenter, teacher.network)
    return {
        "teacher": {
            "model": teacher.name,
            "training_id": teacher.training,
            "background": settings.background,
            "patients_known": bool(teacher.description and teacher.description.training_people),
            "learns_on": objective.co_trains,
        },
        "distillation": {
            "method": objective.name,
            "init": settings.init,
            "freeze_last": settings.freeze_last,
            "output_bias": settings.output_bias,
            **agreement,
            "images_skipped": int(objective.skipped),
        },
        "in_use": {
            "student": _measure_use(student, pixels, compute),
            "teacher": _measure_use(used, pixels, compute),
        },
    }


def draw_teaching(
    history: Sequence[Mapping[str, Any]], best: Mapping[str, Any], path: Path, *, measure: str, method: str
) -> None:
    """Draw student and teacher epoch by epoch.

    Args:
        history: one record for each epoch.
        best: the one that is kept.
        path: the PNG.
        measure: what the scores are.
        method: of the distillation, whose loss is drawn.
    """
    points = [
        AgreementPoint(
            record["epoch"],
            record["val_loss"],
            record["score"],
            record.get("teacher_score"),
            record["logit_correlation"],
            chosen=record is best,
        )
        for record in history
    ]
    draw_agreement(points, path, measure=measure, loss=f"loss of {method}")


class _Segmented(nn.Module):
    """Segment, then classify, as a teacher with a segmenter is used; what takes the background's place costs nothing.

    Args:
        segmenter: draws the foreground.
        network: the teacher.
    """

    def __init__(self, segmenter: nn.Module, network: nn.Module) -> None:
        super().__init__()
        self.segmenter, self.network = segmenter, network

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images * outline(self.segmenter, images))
        return logits


def _measure_use(model: nn.Module, pixels: Source, compute: Compute) -> dict[str, float | int]:
    """Return the parameters of a model, and how many images a second it scores: the median of a few batches."""
    count = min(_TIMED_IMAGES, len(pixels))
    images = torch.from_numpy(np.asarray(pixels.take(np.arange(count)))).to(compute.torch_device).float() / 255
    images = images[:, None] if images.dim() == 3 else images
    seconds = []
    with evaluating(model), torch.inference_mode(), compute.autocast():
        for _ in range(_TIMED_BATCHES + 1):
            started = time.monotonic()
            model(images).float().cpu()  # waits for a GPU
            seconds.append(max(time.monotonic() - started, 1e-9))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"parameters": parameters, "images_per_second": significant(count / median(seconds[1:]))}
