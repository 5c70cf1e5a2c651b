"""DenseNet-121, torchvision's network with its head replaced (Huang et al. 2017)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchvision.models import DenseNet121_Weights
from torchvision.models.densenet import DenseNet

from cxrshort.models.architecture import Architecture


class DenseNet121(DenseNet):  # type: ignore[misc]
    """Compute what torchvision's network computes, with every ReLU a module that hooks and rewriting can find.

    torchvision ends with ``F.relu(features, inplace=True)``, which overwrites what a hook on the last norm was given.

    Args:
        outputs: number of logits.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__(32, (6, 12, 24, 16), 64, num_classes=outputs)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)

    def embed(self, images: Tensor) -> Tensor:
        """Return the deep features (N, 1024) of normalised images, which the head takes."""
        features: Tensor = self.features(images)
        return torch.flatten(self.pool(self.relu(features)), 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, outputs) of normalised images (N, 3, H, W)."""
        logits: Tensor = self.classifier(self.embed(images))
        return logits


class FrozenDenseNet121(DenseNet121):
    """Train only the head: logistic regression on fixed deep features.

    The features stay in eval mode while the head trains. In train mode their batch statistics would go on moving, as
    in the code of DeGrave et al. (2021), and what the head was fitted to would not be what it is later given.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__(outputs)
        self.features.requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> "FrozenDenseNet121":
        """Set the mode of the head alone."""
        super().train(mode)
        self.features.eval()
        return self


def _architecture(name: str, build: Callable[[int], nn.Module], *, frozen: bool = False) -> Architecture:
    return Architecture(name, build, "classifier", imagenet=DenseNet121_Weights.IMAGENET1K_V1, frozen=frozen)


DENSENET121 = _architecture("densenet121", DenseNet121)
DENSENET121_FROZEN = _architecture("densenet121-frozen", FrozenDenseNet121, frozen=True)
