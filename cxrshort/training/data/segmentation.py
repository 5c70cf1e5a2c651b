"""Masks as targets of a segmenter, and masks that replace the background of training images."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cxrshort.compute import Compute
from cxrshort.dataset import Dataset
from cxrshort.errors import DataError
from cxrshort.images.prefetch import Indices, Source
from cxrshort.masks.bits import select_bits
from cxrshort.masks.file import MaskFile
from cxrshort.masks.structures import bits_of
from cxrshort.models.classifier import Classifier
from cxrshort.models.outputs import Task
from cxrshort.models.scoring import scan
from cxrshort.stats.overlap import dice_and_iou
from cxrshort.training.data.augmentation import Augmentation
from cxrshort.training.data.batches import MaskSource
from cxrshort.training.recipes import Recipe

_MASKS_AT_ONCE = 256
"""Masks read at a time when looking for a structure; nearly always the first look finds it."""


@dataclass(frozen=True)
class MaskFolds:
    """Hold the training and validation folds of a segmenter: the images that have a mask.

    Args:
        train: the training fold.
        val: the validation fold.
        structure: the name of the structure that is drawn.
        without_masks: number of images left out because they have no mask, by fold.
    """

    train: Dataset
    val: Dataset
    structure: str
    without_masks: dict[str, int]

    task: ClassVar[Task] = Task("masks")
    groups: ClassVar[None] = None
    left_out: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def cut(cls, data: Dataset, recipe: Recipe, *, replicate: int) -> "MaskFolds":
        """Cut one replicate's folds out of a dataset.

        Raises:
            DataError: a fold has no masks, or the structure is in none of its masks.
        """
        folds, without_masks = {}, {}
        for split in ("train", "val"):
            fold = data.fold(split, replicate=replicate)
            masked = fold.has_mask
            folds[split] = replace(fold, manifest=fold.manifest[masked].reset_index(drop=True))
            without_masks[split] = int((~masked).sum())
            masks = folds[split].masks
            if masks is None or not len(masks):
                raise DataError(
                    f"{data.name}: no image in '{split}' of 'split_{replicate}' has a mask",
                    "build a dataset with masks.npy; the phantom has one",
                )
            if isinstance(masks, MaskFile):
                _ = masks.tally  # a file has one structure, named by --mask-bit; its own check says more
            elif not _holds(masks, len(masks), bit=bits_of(recipe.mask_bit)):
                raise DataError(
                    f"{data.name}: no mask in '{split}' of 'split_{replicate}' shows '{recipe.mask_bit}'",
                    "choose another --mask-bit",
                )
        return cls(folds["train"], folds["val"], recipe.mask_bit, without_masks)

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the names of the outputs."""
        return (self.structure,)

    @property
    def measure(self) -> str:
        """Return the name of the measure that selects the epoch."""
        return f"Dice of {self.structure}"

    @property
    def train_targets(self) -> npt.NDArray[np.float32]:
        """Return targets without a column: what is learned are the masks."""
        return np.zeros((len(self.train.manifest), 0), np.float32)

    def validation_summary(self, best: Mapping[str, Any]) -> dict[str, Any]:
        """Return how well a segmenter draws at the epoch that is kept, of which :meth:`validate` found ``best``."""
        return {"dice": best["dice"], "iou": best["iou"], "images": len(self.val.manifest)}

    def validate(self, model: nn.Module, compute: Compute, *, pixels: Source | None = None) -> dict[str, float]:
        """Return the loss, the mean Dice and the mean IoU over the validation images; Dice chooses the epoch.

        Args:
            model: what learns.
            compute: device and precision.
            pixels: what the model is given; None takes the validation fold's images.
        """
        source: Source = self.val.pixels if pixels is None else pixels
        masks = self.val.masks
        if masks is None:
            raise DataError(f"{self.val.name}: a validation image has no mask", "build the dataset again")
        true_masks = masks

        def measure(images: Tensor, indices: Indices) -> npt.NDArray[np.float64]:
            truth = select_bits(true_masks.take(indices), bits_of(self.structure))
            logits = model(images).float().cpu()
            loss = self.task.per_image_loss(logits, torch.from_numpy(truth)[:, None].float()).numpy()
            return np.stack([loss, *dice_and_iou(logits[:, 0].numpy() > 0, truth)], axis=1)

        measures = scan(measure, source, model=model, compute=compute)
        loss, dice, iou = (float(value) for value in measures.mean(axis=0))
        return {"val_loss": loss, "score": dice, "dice": dice, "iou": iou}


def measure_predicted_masks(
    model: nn.Module, pixels: Source, masks: MaskSource, *, bit: int, compute: Compute
) -> float:
    """Return the mean Dice, over images, of the masks that a classifier draws beside its logits.

    Both masks are compared at the size that the network sees.

    Args:
        model: a classifier whose network draws, see :meth:`Classifier.with_masks`; its train/eval mode is restored.
        pixels: the images.
        masks: their bit fields.
        bit: which bits of the field are foreground.
        compute: device and precision.
    """
    classifier = cast(Classifier, model)

    def measure(images: Tensor, indices: Indices) -> npt.NDArray[np.float64]:
        chosen = torch.from_numpy(select_bits(masks.take(indices), bit))[:, None]
        truth = classifier.frame(chosen.to(images.device, torch.float32))[:, 0] > 0.5
        drawn = classifier.with_masks(images)[1][:, 0] > 0
        return dice_and_iou(drawn.cpu().numpy(), truth.cpu().numpy())[0]

    return float(scan(measure, pixels, model=model, compute=compute).mean())


def _holds(masks: MaskSource, count: int, *, bit: int) -> bool:
    starts = range(0, count, _MASKS_AT_ONCE)
    return any(
        select_bits(masks.take(np.arange(start, min(start + _MASKS_AT_ONCE, count))), bit).any() for start in starts
    )


class WholeImage:
    """Stand in for masks whose content does not matter, as in a forecast of time: all is foreground.

    Args:
        shape: (H, W) of the masks.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape

    def take(self, indices: Indices) -> npt.NDArray[np.uint8]:
        """Return bit fields (N, H, W) with every bit set."""
        return np.full((len(indices), *self._shape), 255, np.uint8)


def replace_background(augment: Augmentation, *, background: str, channels: int) -> Augmentation:
    """Return an augmentation that also replaces the background, for batches that bring their masks.

    Noise is drawn anew at every step, uniform in [0, 1) for each pixel and channel, as TEA does (spec 2.3).

    Args:
        augment: what happens to images and masks before.
        background: ``"noise"`` or ``"black"``.
        channels: of the images that come out, those that the classifier's network takes.

    Returns:
        A function of (N, C + 1, H, W), the mask last, that returns (N, channels + 1, H, W).
    """

    def replaced(stacked: Tensor, generator: torch.Generator) -> Tensor:
        stacked = augment(stacked, generator)
        images, masks = stacked[:, :-1], stacked[:, -1:]
        if channels == 1:
            images = images.mean(1, keepdim=True)
        images = images.expand(-1, channels, -1, -1)
        field = torch.zeros((), device=images.device)
        if background == "noise":
            # A generator on the device: 38 million numbers for 256 images of 224 pixels are slow on the CPU.
            seed = int(torch.randint(2**62, (), generator=generator))
            device_generator = torch.Generator(images.device).manual_seed(seed)
            field = torch.rand(images.shape, generator=device_generator, device=images.device)
        return torch.cat([torch.where(masks > 0.5, images, field), masks], 1)

    return replaced
