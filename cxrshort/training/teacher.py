"""The teacher of a distillation: the network that the student learns from, and what it sees of an image.

A teacher is frozen and stays in evaluation mode. One that was trained on the foreground alone is shown the foreground
alone: the student's masks say where that is, and noise, drawn anew at every step, or black takes the background's
place. What would invalidate a student: a teacher that was trained on the student's test patients, which
:mod:`cxrshort.training.teachers` refuses, and running statistics that change while the student learns.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from cxrshort.errors import UsageError
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier
from cxrshort.models.people import merge_people
from cxrshort.models.sources.architectures import find_architecture

WHOLE = "none"
"""What the setting ``background`` says where the teacher sees whole images."""
BACKGROUNDS = (WHOLE, "noise", "black")


@dataclass(frozen=True, eq=False)
class Teacher:
    """Hold a trained network and where it comes from.

    Args:
        network: maps images to logits; of a pipeline, its classifier.
        description: of that network; None where nothing is known of it.
        name: what opened it, for messages.
        training: identity of its training, the same for its replicates; of its file, where its training is not known.
        segmenter: its own, whose masks say what it sees; None where the dataset's do, or another segmenter's.
    """

    network: nn.Module
    description: Description | None = None
    name: str = "the teacher"
    training: str = ""
    segmenter: tuple[Classifier, Description] | None = None

    @property
    def last_layer(self) -> nn.Linear | None:
        """Return its last linear layer; None where it is not known."""
        if self.description is None or not isinstance(self.network, Classifier):
            return None
        return last_layer(self.network, self.description)


def taught_description(student: Description, teacher: Teacher) -> Description:
    """Return the description of a student: what its teacher was, and the persons whom either of them saw.

    The teacher is named by its training, not by its file, so that students of replicates are replicates.
    """
    recipe = {**student.recipe, "teacher": f"training:{teacher.training}"}
    if teacher.segmenter is not None:
        recipe["segmenter"] = recipe["teacher"]
    people = {} if teacher.description is None else teacher.description.training_people
    return replace(student, recipe=recipe, training_people=merge_people([student.training_people, people]))


def last_layer(model: Classifier, description: Description) -> nn.Linear | None:
    """Return the last linear layer of a classifier of one network; None where there is none that is known by name.

    Args:
        model: the classifier.
        description: of it; the architecture says where the layer is.
    """
    if description.kind != "classifier" or not description.architecture:
        return None
    try:
        name = find_architecture(description.architecture).head
        layer = model.network.get_submodule(name) if name else None
    except (UsageError, AttributeError):  # a network of the user's own code
        return None
    return layer if isinstance(layer, nn.Linear) else None


def teacher_view(images: Tensor, masks: Tensor | None, *, background: str, network: nn.Module) -> Tensor:
    """Return what the teacher sees of a step's images: whole, or with its background replaced.

    Args:
        images: (N, C, H, W) in [0, 1].
        masks: (N, 1, H, W), 1 in the foreground; None where the teacher sees whole images.
        background: one of ``BACKGROUNDS``; noise is drawn from torch's global generator of the device, uniform in
            [0, 1), for each pixel and channel of the network's input.
        network: the teacher.

    Returns:
        (N, C, H, W), or as many channels as the teacher's network takes.
    """
    if background == WHOLE or masks is None:
        return images
    images = images.expand(-1, view_channels(network, images.shape[1]), -1, -1)
    field = torch.rand_like(images) if background == "noise" else torch.zeros_like(images)
    return torch.where(masks > 0.5, images, field)


def view_channels(network: nn.Module, channels: int) -> int:
    """Return the number of channels of what a teacher sees of images with so many: its own, where it takes more."""
    return max(channels, network.spec.channels) if isinstance(network, Classifier) else channels


class CoTraining(nn.Module):
    """Train a student and its teacher together: what a step changes, and what a checkpoint holds.

    The teacher's batch norms keep their running statistics, so that its maps mean the same for every batch.

    Args:
        student: the model that is saved.
        teacher: a copy of the frozen teacher.
    """

    def __init__(self, student: nn.Module, teacher: nn.Module) -> None:
        super().__init__()
        self.student, self.teacher = student, teacher.requires_grad_()
        self.train(self.training)

    def train(self, mode: bool = True) -> "CoTraining":
        """Set the mode of the student; the teacher stays in evaluation mode."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Return the student's logits (N, L)."""
        logits: Tensor = self.student(images)
        return logits


def student_and_teacher(model: nn.Module, teacher: nn.Module | None) -> tuple[nn.Module, nn.Module]:
    """Return the two networks of a step: those of a co-training, or the model and its frozen teacher.

    Raises:
        UsageError: there is no teacher.
    """
    if isinstance(model, CoTraining):
        return model.student, model.teacher
    if teacher is None:
        raise UsageError("the method learns from a teacher, and there is none", "cxrshort tea-distill --teacher MODEL")
    return model, teacher
