"""Last layers other than one linear layer, as a model's description names them.

What would invalidate a model's numbers: a last layer that is read as linear although a condition stands in it. So the
description says which kind it is, and a version of this package that does not know the kind refuses the file.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from cxrshort.models.architecture import FullPrecisionLinear

Head = Literal["linear", "reactive"]

LINEAR: Head = "linear"
REACTIVE: Head = "reactive"
HEADS = (LINEAR, REACTIVE)


class ReactiveHead(nn.Module):
    """Apply one of two linear layers to each image's features, as a linear detector decides.

    R-ClArC (Bareeva et al. 2024, arXiv 2404.09601): a shortcut's direction is projected out only where the shortcut is
    detected. Given the detector's decision the map is affine, so that gradients, LRP and Grad-CAM see a linear layer.

    Args:
        features: number of features D.
        outputs: number of logits L.
    """

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.plain = FullPrecisionLinear(features, outputs)
        self.projected = FullPrecisionLinear(features, outputs)
        self.detector = FullPrecisionLinear(features, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (N, L) of features (N, D): those of ``projected`` where the detector's logit is above 0."""
        return torch.where(self.detector(features) > 0, self.projected(features), self.plain(features))


def replace_head(network: nn.Module, name: str, *, kind: str) -> None:
    """Put a last layer of another kind in the place of a linear one; its parameters are to be loaded.

    Args:
        network: whose last layer is replaced.
        name: of the last layer in the network.
        kind: one of ``HEADS``.
    """
    if kind == REACTIVE:
        layer = network.get_submodule(name)
        if not isinstance(layer, nn.Linear):
            raise TypeError(f"{type(layer).__name__} is not a linear layer")
        network.set_submodule(name, ReactiveHead(layer.in_features, layer.out_features))
