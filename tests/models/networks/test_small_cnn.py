"""The small network of demonstrations."""

import pytest
import torch

from cxrshort.models.networks.small_cnn import SMALL_CNN


def test_small_cnn_has_the_parameters_of_its_four_convolutions():
    widths = (3, 16, 32, 64, 128)
    convolutions = sum(9 * before * after + 2 * after for before, after in zip(widths, widths[1:], strict=False))
    network = SMALL_CNN.build(5)
    assert sum(parameter.numel() for parameter in network.parameters()) == convolutions + 129 * 5
    assert network.get_submodule(SMALL_CNN.head).out_features == 5


@pytest.mark.parametrize("side", [SMALL_CNN.minimum_size, 33, 64])
def test_small_cnn_takes_images_of_any_size(side):
    assert SMALL_CNN.build(2).eval()(torch.rand(3, 3, side, side)).shape == (3, 2)
