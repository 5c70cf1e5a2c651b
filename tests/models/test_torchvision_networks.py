"""AlexNet, MobileNetV2, the residual networks and the vision transformer: torchvision's, with another head."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from cxrshort.models.architecture import Architecture
from cxrshort.models.classifier import default_spec
from cxrshort.models.networks.alexnet import ALEXNET
from cxrshort.models.networks.vision_transformer import VIT_B_16
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


def images(architecture: Architecture, side: int) -> Tensor:
    return torch.rand(2, architecture.channels, side, side, generator=torch.Generator().manual_seed(0))


def test_vision_transformer_starts_with_a_head_that_tells_images_apart():
    network = VIT_B_16.build(3).eval()
    assert network.get_submodule(VIT_B_16.head).weight.abs().min() > 0
    batch = images(VIT_B_16, 224).requires_grad_()
    logits = network(batch)
    assert logits.shape == (2, 3)
    assert not torch.equal(logits[0], logits[1])
    logits.sum().backward()
    assert (batch.grad.flatten(1).abs().amax(dim=1) > 0).all()


def test_vision_transformer_takes_its_own_size_whatever_the_dataset_has():
    assert default_spec(VIT_B_16, 64).size == default_spec(VIT_B_16, 512).size == 224
    assert default_spec(ALEXNET, 96).size == 96
