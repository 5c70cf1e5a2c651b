"""Distillation of representations: the student's last convolutional map becomes the teacher's (Bassi et al. 2025).

The last layer is the teacher's and does not learn, so that a student whose map is the teacher's has its outputs too. By
default the distance of maps is the single-resolution TEA loss, as in the published code; no explanation is made.

The map is the last that the network computes before its places are averaged, after its ReLU where it has one, also one
of a single pixel. Layers behind it would never learn: a network that has some, but for the last layer, is refused.

Both networks run in fp32: between the maps of one network in fp32 and bf16 the loss is already 0.05 (ResNet-18) to 0.13
(DenseNet-121, both untrained, 96 px), and between those of unrelated networks 1.2 to 1.4.

What would invalidate it as a cure: a map can be reached by way of a shortcut as well as outputs can.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cxrshort.attribution.grad_cam import LastMap
from cxrshort.errors import UsageError
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier
from cxrshort.models.outputs import full_precision
from cxrshort.registry import check_name
from cxrshort.training.objectives.distillation import Comparison, Distillation, DistillationSettings, Lesson
from cxrshort.training.objectives.map_distances import map_distances
from cxrshort.training.teacher import Teacher

REPRESENTATION_LOSSES = ("geo-l1", "mse")


@dataclass(frozen=True)
class RepresentationsSettings(DistillationSettings):
    """Hold the settings of the distillation of representations.

    Args:
        loss: ``"geo-l1"``, the TEA loss at one resolution (published), or ``"mse"``, the mean squared difference.
        freeze_last: always true: the last layer is the teacher's, and does not learn.

    Raises:
        UsageError: an unknown word, or a last layer that is to learn.
    """

    loss: str = "geo-l1"
    freeze_last: bool = True

    def __post_init__(self) -> None:
        """Refuse unknown words, and a last layer that nothing would teach."""
        super().__post_init__()
        check_name(REPRESENTATION_LOSSES, self.loss, kind="loss on representations")
        if not self.freeze_last:
            raise UsageError(
                "freeze_last of representations is 'false', and no loss would teach the last layer", "--freeze-last"
            )


class Representations(Distillation):
    """Minimise the distance between the last maps of the student and the teacher; fp32 throughout.

    Args:
        settings: see :class:`RepresentationsSettings`.
        task: what the outputs mean.
    """

    name = "representations"
    Settings = RepresentationsSettings
    settings: RepresentationsSettings

    def start(self, model: Classifier, description: Description, teacher: Teacher) -> None:
        """Give the student its first weights and freeze its last layer.

        Raises:
            UsageError: the teacher's weights do not fit the student, or layers of it would never learn.
        """
        super().start(model, description, teacher)
        check_reached(model)

    def compare(self, lesson: Lesson) -> Comparison:
        """Return the loss of each image."""
        student, teacher = Represented(lesson.student), Represented(lesson.teacher)
        full = torch.autocast(lesson.images.device.type, enabled=False)
        with torch.no_grad(), full:
            target = teacher(lesson.view)
        with torch.set_grad_enabled(lesson.learning), full:
            logits = student(lesson.images)
            losses, vanished = representation_losses(student.last_map, teacher.last_map, loss=self.settings.loss)
        return Comparison(losses, logits, target, vanished.sum())


class Represented(nn.Module):
    """Run a network and keep its last map of the latest batch. Nothing is attached to the network.

    Args:
        network: maps images to logits.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._last_map: Tensor | None = None

    @property
    def last_map(self) -> Tensor:
        """Return the last convolutional map of the latest batch, (N, K, h, w)."""
        if self._last_map is None:
            raise UsageError(
                "'representations' needs a convolutional map, and a network has none",
                "--method outputs, or architectures such as densenet121 or resnet18",
            )
        return self._last_map

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, L)."""
        with LastMap(smallest=1) as last:
            logits: Tensor = self.network(images)
        self._last_map = last.activations
        return logits


def representation_losses(student: Tensor, teacher: Tensor, *, loss: str = "geo-l1") -> tuple[Tensor, Tensor]:
    """Return the distance between the maps of each image (N,), and which cannot be compared since a map is 0 (N,) bool.

    Args:
        student: (N, K, h, w).
        teacher: (N, K, h, w); nothing is learnt through it.
        loss: one of ``REPRESENTATION_LOSSES``; ``"mse"`` compares maps that are 0 too.

    Raises:
        UsageError: maps of two shapes.
    """
    if student.shape != teacher.shape:
        own, other = (" x ".join(map(str, maps.shape[1:])) for maps in (student, teacher))
        raise UsageError(
            f"the last map of the teacher is {other} (channels, height, width), and that of the student is {own}",
            "choose an --arch whose last map has the teacher's shape",
        )
    student, teacher = full_precision(student), full_precision(teacher).detach()
    if loss == "mse":
        blank = torch.zeros(len(student), dtype=torch.bool, device=student.device)
        return ((student - teacher) ** 2).mean((1, 2, 3)), blank
    return map_distances(student, teacher, resolutions="single")


def check_reached(model: Classifier) -> None:
    """Refuse a network with layers that learn, but stand behind its last map.

    Args:
        model: with its last layer frozen; its mode and gradients are left as they are.

    Raises:
        UsageError: with the name of the first of them.
    """
    spec, was_training = model.spec, model.training
    learning = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    watched = Represented(model).eval()
    try:
        with torch.enable_grad():
            watched(torch.zeros(1, spec.channels, spec.size, spec.size, device=model.mean.device))
            gradients = torch.autograd.grad(watched.last_map.sum(), list(learning.values()), allow_unused=True)
    finally:
        model.train(was_training)
    unreached = [name for name, gradient in zip(learning, gradients, strict=True) if gradient is None]
    if unreached:
        raise UsageError(
            f"'representations' teaches the layers up to the last map, and '{unreached[0]}' stands behind it",
            "--method outputs, or an --arch such as densenet121 or resnet18",
        )
