"""Residual networks of torchvision with their heads replaced (He et al. 2016, Xie et al. 2017)."""

from collections.abc import Callable
from typing import Any

from torch import nn
from torchvision.models import (
    ResNet18_Weights,
    ResNet50_Weights,
    ResNeXt50_32X4D_Weights,
    resnet18,
    resnet50,
    resnext50_32x4d,
)

from cxrshort.models.architecture import Architecture

_DIGITS = 28
"""Side of MNIST's digits, from which Bassi et al. 2025 train ResNets; 32 times less is a map of one pixel."""


def _architecture(name: str, build: Callable[..., nn.Module], weights: Any) -> Architecture:
    # The first ImageNet weights, which the papers started from; torchvision's second ones came in 2022.
    return Architecture(
        name,
        lambda outputs: build(num_classes=outputs),
        "fc",
        minimum_size=_DIGITS,
        imagenet=weights.IMAGENET1K_V1,
    )


RESNET18 = _architecture("resnet18", resnet18, ResNet18_Weights)
RESNET50 = _architecture("resnet50", resnet50, ResNet50_Weights)
RESNEXT50_32X4D = _architecture("resnext50_32x4d", resnext50_32x4d, ResNeXt50_32X4D_Weights)
