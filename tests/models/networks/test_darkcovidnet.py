import pytest
import torch
from torch import nn

from cxrshort.models.classifier import default_spec
from cxrshort.models.networks.darkcovidnet import DARKCOVIDNET, DarkCovidNet
from cxrshort.models.sources.architectures import count_parameters


@pytest.mark.parametrize(("outputs", "expected"), [(2, 1_164_434), (3, 1_167_586), (15, 1_231_774)])
def test_darkcovidnet_has_the_published_number_of_parameters(outputs, expected):
    assert count_parameters(DARKCOVIDNET, outputs) == expected


def test_darkcovidnet_for_224_pixels_has_a_smaller_linear_layer():
    with torch.device("meta"):
        network = DarkCovidNet(15, size=224)
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_226_149
    assert network.classifier[-1].in_features == 12 * 12 * 15


def test_maps_have_the_published_sizes():
    sides: list[int] = []
    with torch.device("meta"):
        network = DarkCovidNet(3).eval()
        convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
        for convolution in convolutions:
            convolution.register_forward_hook(lambda module, inputs, output: sides.append(output.shape[-1]))
        logits = network(torch.empty(2, 3, 256, 256))
    assert logits.shape == (2, 3)
    assert len(convolutions) == 17
    # a kernel of 1 is padded by 1, too, and makes the map two pixels larger
    assert sides == [256, 128, 64, 66, 66, 33, 35, 35, 17, 19, 19, 9, 11, 11, 13, 13, 13]
    assert not any(convolution.bias is not None for convolution in convolutions)


def test_last_norm_comes_behind_its_relu():
    assert [type(module) for module in DarkCovidNet(2).classifier] == [
        nn.Conv2d, nn.ReLU, nn.BatchNorm2d, nn.Flatten, nn.Linear,
    ]  # fmt: skip


def test_activations_leak_a_tenth():
    slopes = {module.negative_slope for module in DarkCovidNet(2).modules() if isinstance(module, nn.LeakyReLU)}
    assert slopes == {0.1}


def test_darkcovidnet_takes_256_pixels_whatever_the_dataset_has():
    assert default_spec(DARKCOVIDNET, 224).size == 256
