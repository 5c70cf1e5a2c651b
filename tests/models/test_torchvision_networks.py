"""AlexNet, MobileNetV2, the residual networks and the vision transformer: torchvision's, with another head."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torchvision import models

from cxrshort.models.sources.architectures import count_parameters, find_architecture


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("alexnet", 57_065_295),
        ("mobilenet_v2", 2_243_087),
        ("resnext50_32x4d", 23_010_639),
        ("resnet18", 11_689_512 - 513 * 1000 + 513 * 15),  # torchvision's tables, with 15 outputs
        ("resnet50", 25_557_032 - 2049 * 1000 + 2049 * 15),
        ("vit_b_16", 86_567_656 - 769 * 1000 + 769 * 15),
    ],
)
def test_network_has_the_published_number_of_parameters(name, expected):
    assert count_parameters(find_architecture(name), 15) == expected


@pytest.mark.parametrize(
    ("name", "stock"),
    [
        ("alexnet", models.alexnet),
        ("mobilenet_v2", models.mobilenet_v2),
        ("resnext50_32x4d", models.resnext50_32x4d),
        ("resnet18", models.resnet18),
        ("resnet50", models.resnet50),
        ("vit_b_16", models.vit_b_16),
    ],
)
def test_network_has_the_names_and_shapes_of_torchvisions_weights(name: str, stock: Callable[..., nn.Module]):
    architecture = find_architecture(name)
    with torch.device("meta"):
        ours, theirs = architecture.build(1000).state_dict(), stock(num_classes=1000).state_dict()
    assert {key: value.shape for key, value in ours.items()} == {key: value.shape for key, value in theirs.items()}
    assert f"{architecture.head}.weight" in ours
    assert architecture.imagenet.name == "IMAGENET1K_V1"
