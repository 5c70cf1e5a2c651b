"""Residual networks: torchvision's, logit by logit."""

import pytest
import torch
from torchvision import models

from cxrshort.models.architecture import Architecture
from cxrshort.models.networks.resnet import RESNET18, RESNET50, RESNEXT50_32X4D


def test_resnet18_computes_what_torchvisions_does():
    network, stock = RESNET18.build(3).eval(), models.resnet18(num_classes=3).eval()
    stock.load_state_dict(network.state_dict())
    side = RESNET18.minimum_size
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(network(images), stock(images), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("architecture", "features"),
    [(RESNET18, 512), (RESNET50, 2048), (RESNEXT50_32X4D, 2048)],
    ids=lambda architecture: str(architecture)[:30],
)
def test_head_takes_the_features_of_the_last_stage(architecture: Architecture, features: int):
    with torch.device("meta"):
        head = architecture.build(15).get_submodule(architecture.head)
    assert (head.in_features, head.out_features) == (features, 15)


def test_resnext_has_32_groups_of_4_channels():
    with torch.device("meta"):
        convolution = RESNEXT50_32X4D.build(1).get_submodule("layer1.0.conv2")
    assert convolution.groups == 32 and convolution.in_channels == 32 * 4
