"""The classifier: preprocessing, network and labels in one module.

It takes images in [0, 1] as a person sees them; resizing, channel replication, mean and standard deviation are inside.
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrshort.models.architecture import IMAGENET_MEAN, IMAGENET_STD, Architecture


@dataclass(frozen=True)
class InputSpec:
    """Specify the input of a network.

    Args:
        size: height and width in pixels; images of another size are resized.
        channels: 3 where a grey image is replicated, 1 where the network takes grey.
        mean: subtracted, per channel, in units of [0, 1].
        std: divided by, per channel.
        crop: side of the centre that the network sees, as a share of the image's.
    """

    size: int
    channels: int = 3
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    crop: float = 1.0

    def record(self) -> dict[str, Any]:
        """Return the specification as JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def default_spec(architecture: Architecture, dataset_size: int) -> InputSpec:
    """Return the input of an architecture: of its own size, or else of the dataset's.

    Args:
        architecture: what the input is for.
        dataset_size: side of the dataset's images, in pixels.
    """
    size = architecture.input_size or dataset_size
    return InputSpec(size, channels=architecture.channels, mean=architecture.mean, std=architecture.std)


class Classifier(nn.Module):
    """Map images to logits, one per label.

    Args:
        network: takes (N, channels, size, size), normalised, and returns (N, L).
        labels: names of the L outputs.
        spec: what the network's input is.
        head: the part of the network that a task brings with it, and that may learn at a rate of its own; empty where
            it is not known.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, *, labels: tuple[str, ...], spec: InputSpec, head: str = "") -> None:
        super().__init__()
        self.network = network
        self.labels = labels
        self.spec = spec
        self.head = head
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, -1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, L) of images (N, C, H, W) in [0, 1], C = 1 or 3."""
        logits: Tensor = self.network(self.normalise(images))
        return logits

    def with_masks(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (N, L) and logits of masks (N, 1, size, size), which lie on what :meth:`frame` leaves.

        Only networks of an architecture with ``with_masks`` draw any.

        Args:
            images: (N, C, H, W) in [0, 1], C = 1 or 3.
        """
        network: Any = self.network
        logits, masks = network.with_masks(self.normalise(images))
        return logits, masks

    def frame(self, images: Tensor) -> Tensor:
        """Return what the network sees of images, or of masks that lie on them: the centre, at its size.

        Args:
            images: (N, C, H, W).
        """
        size = self.spec.size
        if self.spec.crop < 1:
            top, left, height, width = self.window(*images.shape[-2:])
            images = images[..., top : top + height, left : left + width]
        if images.shape[-2:] != (size, size):
            images = functional.interpolate(images, (size, size), mode="bilinear", antialias=True, align_corners=False)
        return images

    def window(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Return the part of an image that the network sees: top, left, height and width in pixels.

        Args:
            height: of the image.
            width: of the image.
        """
        sides = [max(1, round(side * self.spec.crop)) for side in (height, width)]
        return (height - sides[0]) // 2, (width - sides[1]) // 2, sides[0], sides[1]

    def normalise(self, images: Tensor) -> Tensor:
        """Return the network's own input, (N, channels, size, size), in channels-last memory."""
        images = self.frame(images)
        if self.spec.channels == 1 and images.shape[1] == 3:
            images = images.mean(dim=1, keepdim=True)
        images = images.expand(-1, self.spec.channels, -1, -1)
        return ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
