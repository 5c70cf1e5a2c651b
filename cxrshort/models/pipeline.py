"""Segment, then classify: a segmenter, what takes the background's place, and a classifier, as one model.

The pipeline is the network of a :class:`~cxrshort.models.classifier.Classifier` whose own normalisation does nothing,
so it stands wherever a classifier stands, and its file is a model file like any other.

The background of a scored image is one fixed field of noise, the same for every image, drawn from a fixed seed. A score
is therefore a function of the image alone, whatever else is in the batch, and an edit of an image changes its score
by the edit and not by a new draw. Training draws fresh noise at every step; ``training/segmentation.py`` does that.
"""

from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrshort.errors import UsageError
from cxrshort.models import people
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.schema import BACKGROUNDS, Background
from cxrshort.registry import check_name

_NOISE_SEED = 20210531
"""Any number would do; it is part of what a pipeline computes and so never changes."""


class SegmentedClassifier(nn.Module):
    """Classify what a segmenter leaves of an image.

    Args:
        segmenter: maps images in [0, 1] to the log-odds of one mask; stays in eval mode.
        classifier: maps images in [0, 1] to logits.
        background: ``"noise"``, uniform in [0, 1), per pixel and channel (TEA), or ``"black"``.
        threshold: probability above which a pixel is foreground.
        spec: size and channels of the images that are segmented.
    """

    field: Tensor

    def __init__(
        self,
        segmenter: nn.Module,
        classifier: nn.Module,
        *,
        background: Background,
        threshold: float,
        spec: InputSpec,
    ) -> None:
        super().__init__()
        self.segmenter = segmenter
        self.classifier = classifier
        self.threshold = threshold
        field = noise_field(background, channels=spec.channels, size=spec.size)
        self.register_buffer("field", field[None], persistent=False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "SegmentedClassifier":
        """Set the mode of the classifier alone."""
        super().train(mode)
        self.segmenter.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, L) of images (N, C, H, W) in [0, 1]."""
        logits: Tensor = self.classifier(self.segment(images))
        return logits

    def segment(self, images: Tensor) -> Tensor:
        """Return the images with the background replaced, (N, channels of the classifier, H, W), in [0, 1].

        The mask is a constant: gradients pass through the foreground and not into the segmenter.
        """
        masks = outline(self.segmenter, images, threshold=self.threshold)
        return torch.where(masks, images, self.field.to(images.dtype))


def noise_field(background: str, *, channels: int, size: int) -> Tensor:
    """Return what takes the background's place in every scored image, (C, size, size) in [0, 1]: noise, or black."""
    shape = (channels, size, size)
    if background != "noise":
        return torch.zeros(shape)
    return torch.rand(shape, generator=torch.Generator().manual_seed(_NOISE_SEED), device="cpu")


def outline(segmenter: nn.Module, images: Tensor, *, threshold: float = 0.5) -> Tensor:
    """Return where a segmenter sees foreground, (N, 1, H, W) bool, of images (N, C, H, W) in [0, 1]; no gradient.

    Masks of a network that works at another size are enlarged as probabilities, then cut at the threshold.
    """
    with torch.no_grad():
        probabilities = segmenter(images).float().sigmoid()
        if probabilities.shape[-2:] != images.shape[-2:]:
            probabilities = functional.interpolate(
                probabilities, images.shape[-2:], mode="bilinear", align_corners=False
            )
        masks: Tensor = probabilities > threshold
        return masks


def join_pipeline(
    segmenter: tuple[Classifier, Description],
    classifier: tuple[Classifier, Description],
    *,
    background: str,
    threshold: float,
    size: int,
) -> tuple[Classifier, Description]:
    """Return one model of kind ``pipeline`` from a segmenter and a classifier trained on what it leaves.

    Args:
        segmenter: the model and its description.
        classifier: the model and its description.
        background: ``"noise"`` or ``"black"``.
        threshold: probability above which a pixel is foreground.
        size: side of the images that the classifier was trained on, in pixels.

    Returns:
        The model, and its description; the persons trained on are those of both parts.

    Raises:
        UsageError: an unknown background, or a part of another kind.
    """
    check_name(BACKGROUNDS, background, kind="background")
    parts = segmenter[1], classifier[1]
    for part, kind in zip(parts, ("segmenter", "classifier"), strict=True):
        if part.kind != kind:
            raise UsageError(f"a model of kind '{part.kind}' is no {kind}", "cxrshort train makes one")
    description = replace(
        classifier[1],
        kind="pipeline",
        spec=identity_spec(size, channels=classifier[1].spec.channels),
        training_people=people.merge_people(part.training_people for part in parts),
        parts=parts,
        background=background,
        threshold=threshold,
    )
    return assemble_pipeline(description, segmenter[0], classifier[0]), description


def assemble_pipeline(description: Description, segmenter: nn.Module, classifier: nn.Module) -> Classifier:
    """Put the parts of a described pipeline together."""
    network = SegmentedClassifier(
        segmenter,
        classifier,
        background=cast(Background, description.background),
        threshold=description.threshold,
        spec=description.spec,
    )
    return Classifier(network, labels=description.labels, spec=description.spec)


def identity_spec(size: int, *, channels: int) -> InputSpec:
    """Return an input that is resized to a square and else left as it is: its parts normalise."""
    return InputSpec(size, channels=channels, mean=(0.0,) * channels, std=(1.0,) * channels)
