"""The contract of all objectives, and their construction from command-line settings."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cxrshort import distributed, registry
from cxrshort.compute import Compute
from cxrshort.images.prefetch import Source
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier
from cxrshort.models.outputs import Task
from cxrshort.training import DISTILLATIONS, OBJECTIVES
from cxrshort.training.data.batches import Batch, MaskSource
from cxrshort.training.data.groups import Codes, check_groups
from cxrshort.training.data.masks import check_masks
from cxrshort.training.method_settings import parse_settings
from cxrshort.training.teacher import Teacher


class Needs(NamedTuple):
    """State what an objective needs beside images and targets; a batch brings it.

    Args:
        masks: of where evidence may lie.
        groups: of the training images.
        teacher: a trained network, frozen and in evaluation mode.
        predicted_masks: a network that draws masks beside its logits.
        validation_masks: masks of the validation images too.
    """

    masks: bool = False
    groups: bool = False
    teacher: bool = False
    predicted_masks: bool = False
    validation_masks: bool = False


class FoldImages(NamedTuple):
    """Hold the images of a fold, as an objective sees them after an epoch, or at the end.

    Args:
        pixels: the images.
        masks: their masks, where the objective needs them.
        mask_bit: which bits of the masks are foreground.
        teacher: what the model learns from, where the objective needs one.
        judge: returns the measures of logits (N, L), among them ``score``; None where there are none.
    """

    pixels: Source
    masks: MaskSource | None
    mask_bit: int
    teacher: Teacher | None
    judge: Callable[[npt.NDArray[np.float32]], Mapping[str, float]] | None = None


class Objective(nn.Module):
    """Define what a model learns. This one class is inherited, so that an objective states only its own part.

    Its buffers are part of a run's checkpoint. A teacher never is: it comes with each batch.
    """

    name: ClassVar[str]
    Settings: ClassVar[type]
    needs: Needs = Needs()
    task: Task
    validation_cost: ClassVar[float] = 1 / 3
    """What validation takes for an image, as a share of a step: of forward and backward, the forward pass."""

    @property
    def warm_up_epochs(self) -> int:
        """Return the number of warm-up epochs, in which the penalty is off or weak; no model of them is kept."""
        return 0

    def check(self, groups: Codes | None, masks: object | None) -> None:
        """Refuse a fold that the objective cannot learn from.

        Raises:
            UsageError: it lacks the groups or masks that are needed.
        """
        if self.needs.groups:
            check_groups(groups, method=self.name)
        if self.needs.masks:
            check_masks(masks, method=self.name)

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return what a batch adds to the loss of its step, a scalar."""
        raise NotImplementedError

    def start(self, model: Classifier, description: Description, teacher: Teacher) -> None:
        """Change a new model's weights, or what of it learns, before the first step; where there is a teacher.

        Args:
            model: with its starting weights.
            description: of the model.
            teacher: what it learns from.

        Raises:
            UsageError: model and teacher do not fit together.
        """

    def divisor(self, batch: Batch) -> Tensor | None:
        """Return over how many of a batch's images the loss takes means, a scalar; the model is not asked.

        None where there is only the mean over the targets that are there, which the batch weighs itself.
        """
        del batch
        return None

    def mean(self, values: Tensor, batch: Batch) -> Tensor:
        """Return the sum of one value per image over their number in the whole step, so that its parts add up."""
        count = self.divisor(batch) if batch.divisor is None else batch.divisor
        return values.sum() / (max(1, len(values)) if count is None else count.clamp(min=1))

    def backward(self, model: nn.Module, batch: Batch, *, accumulation_steps: int, compute: Compute) -> Tensor:
        """Add the gradients of this process's share of a step.

        Args:
            model: whose gradients are added to.
            batch: the share, which may be empty.
            accumulation_steps: micro-batches in which the share is worked on, to save memory.
            compute: precision and processes.

        Returns:
            What the share adds to the loss of the step, a scalar, detached.
        """
        divisor = self.divisor(batch)
        if divisor is not None:
            batch = batch._replace(divisor=distributed.all_reduce(divisor, compute))
        losses = [torch.zeros((), device=compute.torch_device)]
        for micro_batch in batch.split(accumulation_steps):
            if len(micro_batch.indices):
                with compute.autocast():
                    loss = self(model, micro_batch)
                loss.backward()
                losses.append(loss.detach())
        return torch.stack(losses).sum()

    def summed_buffers(self) -> list[Tensor]:
        """Return the buffers to which each process adds what it sees of a step; the step's sum is over all of them."""
        return list(self.buffers())

    def validate(self, model: nn.Module, images: FoldImages, compute: Compute) -> Mapping[str, float]:
        """Return measures of its own, which stand beside the validation loss and score, or take their place."""
        del model, images, compute
        return {}

    def finish(
        self, model: nn.Module, classifier: Classifier, description: Description, images: FoldImages, compute: Compute
    ) -> Mapping[str, Any]:
        """Change the model of the chosen epoch before it is written; return what its summary says of that.

        Args:
            model: what was trained.
            classifier: what is saved, the same network or a part of it.
            description: of what is saved.
            images: the training fold.
            compute: device, precision and processes.
        """
        del model, classifier, description, images, compute
        return {}


def make_objective(name: str, settings: str, *, task: Task) -> Objective:
    """Build the objective that a recipe names.

    Args:
        name: one of ``OBJECTIVES`` or ``DISTILLATIONS``.
        settings: ``name=value`` joined by commas; empty takes the published ones.
        task: what the outputs mean.

    Raises:
        UsageError: an unknown objective or setting, or a value of another type.

    Example:
        >>> make_objective("group-dro", "step=0.1", task=Task()).settings.step
        0.1
    """
    kind = registry.load_entry({**OBJECTIVES, **DISTILLATIONS}, name, kind="method")
    objective: Objective = kind(kind.Settings(**parse_settings(name, kind.Settings, settings)), task=task)
    return objective
