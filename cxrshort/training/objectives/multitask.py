"""Classify and outline at the same time: one encoder learns labels and masks (multi-task U-Net of Bassi et al. 2024).

loss = classification * (loss of the labels) + segmentation * mean over images of
    (1 - dice) * (mean cross-entropy of the pixels) + dice * (1 - soft Dice).

The TEA paper prints no weights for the two losses, and the code it points to has the network without its training: both
weigh 1 here, and the cross-entropy of the pixels as much as Dice. A grid on the validation fold chooses others.

Masks teach the encoder where the lungs are, not that evidence must lie there: nothing punishes a label that is read off
the background.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrshort.compute import Compute
from cxrshort.errors import UsageError
from cxrshort.models.classifier import Classifier
from cxrshort.models.outputs import MULTILABEL, Task, full_precision
from cxrshort.training.data.batches import Batch
from cxrshort.training.data.masks import require_masks
from cxrshort.training.data.segmentation import measure_predicted_masks
from cxrshort.training.objectives.contract import FoldImages, Needs, Objective
from cxrshort.training.task import batch_loss

_SMOOTH = 1.0
"""Pixels added to both sides of the Dice fraction, so that an empty mask drawn empty costs nothing."""


@dataclass(frozen=True)
class MultitaskSettings:
    """Hold the weights of what is learnt together.

    Args:
        classification: weight of the labels' loss, above 0.
        segmentation: weight of the masks' loss, 0 or more; 0 trains the classifier alone.
        dice: share of the Dice loss in the masks' loss, 0 (cross-entropy of the pixels alone) to 1.

    Raises:
        UsageError: a number out of range.
    """

    classification: float = 1.0
    segmentation: float = 1.0
    dice: float = 0.5

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        if not self.classification > 0:
            raise UsageError(
                f"the classification of multitask is '{self.classification}', it must be above 0",
                "--target masks learns masks alone",
            )
        if not self.segmentation >= 0:
            raise UsageError(f"the segmentation of multitask is '{self.segmentation}', it must not be below 0", "try 1")
        if not 0 <= self.dice <= 1:
            raise UsageError(f"the dice of multitask is '{self.dice}', it must be from 0 to 1", "try 0.5")


class Multitask(Objective):
    """Minimise the mean loss of the labels and that of the masks which the same network draws.

    Args:
        settings: see :class:`MultitaskSettings`.
        task: what the labels mean: labels, classes or numbers.

    Raises:
        UsageError: a task of masks alone.
    """

    name = "multitask"
    needs = Needs(masks=True, predicted_masks=True)
    Settings = MultitaskSettings

    def __init__(self, settings: MultitaskSettings | None = None, *, task: Task = MULTILABEL) -> None:
        super().__init__()
        self.settings = settings or MultitaskSettings()
        self.task = task
        if task.name == "masks":
            task.check_classes(self.name)

    def divisor(self, batch: Batch) -> Tensor:
        """Return over how many images the masks' loss is a mean: all of them."""
        return torch.tensor(len(batch.images), device=batch.images.device)

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the loss of one batch, a scalar.

        Args:
            model: a classifier whose network draws, see :meth:`Classifier.with_masks`.
            batch: with masks.
        """
        masks = require_masks(batch.masks, method=self.name)
        classifier = cast(Classifier, model)
        logits, drawn = classifier.with_masks(batch.images)
        losses = mask_losses(drawn, classifier.frame(masks), dice=self.settings.dice)
        labels = batch_loss(self.task, logits, batch)
        return self.settings.classification * labels + self.settings.segmentation * self.mean(losses, batch)

    def validate(self, model: nn.Module, images: FoldImages, compute: Compute) -> Mapping[str, float]:
        """Return ``mask_dice``, the mean Dice of the predicted masks, where there are masks to compare them with."""
        if images.masks is None:
            return {}
        dice = measure_predicted_masks(model, images.pixels, images.masks, bit=images.mask_bit, compute=compute)
        return {"mask_dice": dice}


def mask_losses(logits: Tensor, masks: Tensor, *, dice: float) -> Tensor:
    """Return the loss of each image's mask, (N,), in fp32 or better.

    Args:
        logits: log-odds of the pixels, (N, 1, H, W).
        masks: (N, 1, H, W) in [0, 1].
        dice: share of the Dice loss, 0 to 1.
    """
    logits = full_precision(logits)
    pixels = functional.binary_cross_entropy_with_logits(logits, masks, reduction="none").mean((1, 2, 3))
    drawn = torch.sigmoid(logits)
    both, total = (drawn * masks).sum((1, 2, 3)), (drawn + masks).sum((1, 2, 3))
    overlap = (2 * both + _SMOOTH) / (total + _SMOOTH)
    return (1 - dice) * pixels + dice * (1 - overlap)
