"""AlexNet: torchvision's, at any size that its pools can take."""

import pytest
import torch
from torch import Tensor
from torchvision import models

from cxrshort.models.architecture import Architecture
from cxrshort.models.networks.alexnet import ALEXNET


def images(architecture: Architecture, side: int) -> Tensor:
    return torch.rand(2, architecture.channels, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("side", [63, 96, 224])
def test_alexnet_computes_what_torchvisions_does(side):
    network = ALEXNET.build(3).eval()
    stock = models.alexnet(num_classes=3).eval()
    stock.load_state_dict(network.state_dict())
    # 1e-5: our pooling multiplies by 1/n where torch divides
    torch.testing.assert_close(network(images(ALEXNET, side)), stock(images(ALEXNET, side)), rtol=1e-5, atol=1e-6)


def test_alexnet_takes_no_smaller_image():
    network = ALEXNET.build(3).eval()
    with pytest.raises(RuntimeError, match="too small"):
        network(images(ALEXNET, ALEXNET.minimum_size - 1))
