"""Distillation of Grad-CAM and outputs (e2KD; Parchami-Araghi et al. 2024).

    loss = maps (1 - cos(Es, Et)) + outputs T^2 KL(teacher || student)

of each image, where E are both networks' Grad-CAM maps of the teacher's highest output. Weights are those of Bassi et
al. (2025) for films and COCO-on-Places; for Coloured MNIST and DogsWithTies they took 1 and 1. That paper leaves open
which distance of maps it used: ``geo-l1`` is the other candidate, its own loss at one resolution.

Cosine sees the direction of a map alone, so its size is left to the outputs. Grad-CAM is 0 everywhere where nothing
argues for the output: such an image is counted, and learns from outputs alone.

What would invalidate it as a cure: a last map can be moved without moving the evidence; see :mod:`cxrshort.attribution.
grad_cam`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from cxrshort.errors import UsageError
from cxrshort.registry import check_name
from cxrshort.training.objectives.distillation import Comparison, Distillation, DistillationSettings, Lesson
from cxrshort.training.objectives.explanations import ChosenOutputs, Explanation
from cxrshort.training.objectives.map_distances import map_distances
from cxrshort.training.objectives.outputs import check_temperature, output_losses

GRAD_CAM_LOSSES = ("cosine", "geo-l1")
_SHORTEST = 1e-12
"""Norm below which a map counts as 0 everywhere."""


@dataclass(frozen=True)
class GradCAMOutputsSettings(DistillationSettings):
    """Hold the settings of the distillation of Grad-CAM and outputs.

    Args:
        loss: distance of maps: ``"cosine"`` (published, e2KD) or ``"geo-l1"``, the TEA loss at one resolution.
        maps: weight of the distance of maps, 0 or more.
        outputs: weight of the distance of outputs, 0 or more; published 0.1 and 1.
        temperature: above 0, by which logits are divided before they are probabilities; published 1, 3 and 5.

    Raises:
        UsageError: a number out of range, or an unknown word.
    """

    loss: str = "cosine"
    maps: float = 1.0
    outputs: float = 0.1
    temperature: float = 3.0

    def __post_init__(self) -> None:
        """Refuse numbers out of range and unknown words."""
        super().__post_init__()
        check_name(GRAD_CAM_LOSSES, self.loss, kind="loss on Grad-CAM maps")
        check_temperature(self.temperature, method=GradCAMOutputs.name)
        for name in ("maps", "outputs"):
            if not getattr(self, name) >= 0:
                raise UsageError(
                    f"{name} of {GradCAMOutputs.name} is '{getattr(self, name)}', it must not be below 0", "try 1"
                )


class GradCAMOutputs(Distillation):
    """Minimise the distances between the student's Grad-CAM maps and outputs and the teacher's; fp32 throughout.

    Args:
        settings: see :class:`GradCAMOutputsSettings`.
        task: what the outputs mean.
    """

    name = "grad-cam-outputs"
    Settings = GradCAMOutputsSettings
    settings: GradCAMOutputsSettings

    def compare(self, lesson: Lesson) -> Comparison:
        """Return the loss of each image."""
        settings, explanation = self.settings, Explanation("grad-cam")
        highest = ChosenOutputs(lambda logits: logits.argmax(1))
        target, teacher_logits = explanation.explain(lesson.teacher, lesson.view, outputs=highest, learning=False)
        maps, logits = explanation.explain(
            lesson.student, lesson.images, outputs=highest.outputs, learning=lesson.learning
        )
        distances, vanished = grad_cam_distances(maps, target, loss=settings.loss)
        losses = output_losses(logits, teacher_logits, task=self.task, temperature=settings.temperature)
        return Comparison(settings.maps * distances + settings.outputs * losses, logits, teacher_logits, vanished.sum())


def grad_cam_distances(student: Tensor, teacher: Tensor, *, loss: str = "cosine") -> tuple[Tensor, Tensor]:
    """Return the distance between the maps of each image (N,), and which cannot be compared since a map is 0 (N,) bool.

    Those have no gradient; their distance is 0 where both maps are 0, else that of maps that share no pixel.

    Args:
        student: (N, 1, h, w).
        teacher: (N, 1, h, w).
        loss: one of ``GRAD_CAM_LOSSES``.

    Raises:
        UsageError: maps of two sizes.

    Example:
        >>> grad_cam_distances(torch.tensor([[[[2.0, 0.0]]]]), torch.tensor([[[[0.0, 1.0]]]]))
        (tensor([1.]), tensor([False]))
    """
    if student.shape[-2:] != teacher.shape[-2:]:
        sizes = [" x ".join(map(str, maps.shape[-2:])) for maps in (teacher, student)]
        raise UsageError(
            f"the Grad-CAM map of the teacher has {sizes[0]} pixels, and that of the student has {sizes[1]}",
            "choose an --arch whose last map has the teacher's size",
        )
    if loss == "geo-l1":
        return map_distances(student, teacher, resolutions="single")
    student, teacher = student.flatten(1), teacher.flatten(1)
    with torch.no_grad():
        blank, missing = (maps.norm(dim=1) < _SHORTEST for maps in (student, teacher))
        vanished, apart = blank | missing, (blank ^ missing).to(student.dtype)
    own, target = (torch.where(vanished[:, None], torch.ones_like(maps), maps) for maps in (student, teacher))
    cosines = (own * target).sum(1) / (own.norm(dim=1) * target.norm(dim=1))
    return torch.where(vanished, apart, 1 - cosines), vanished
