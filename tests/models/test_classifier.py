import json

import pytest
import torch
from torch import nn
from torch.nn import functional

from cxrshort.models.architecture import IMAGENET_MEAN, IMAGENET_STD, FullPrecisionLinear
from cxrshort.models.classifier import Classifier, InputSpec


def classifier(**spec: object) -> Classifier:
    return Classifier(nn.Flatten(), labels=("COVID-19",), spec=InputSpec(size=4, **spec))  # type: ignore[arg-type]


def test_normalise_replicates_grey_and_applies_the_imagenet_statistics() -> None:
    images = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    got = classifier().normalise(images)
    assert got.shape == (2, 3, 4, 4)
    for channel in range(3):
        expected = (images[:, 0] - IMAGENET_MEAN[channel]) / IMAGENET_STD[channel]
        torch.testing.assert_close(got[:, channel], expected)


def test_normalise_averages_colour_for_a_network_that_takes_grey() -> None:
    images = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    got = classifier(channels=1, mean=(0.5,), std=(0.25,)).normalise(images)
    torch.testing.assert_close(got, (images.sum(1, keepdim=True) / 3 - 0.5) / 0.25)


def test_normalise_halves_a_larger_image_by_an_antialiased_filter() -> None:
    constant = torch.full((1, 1, 9, 7), 0.5)
    got = classifier(channels=1, mean=(0.0,), std=(1.0,)).normalise(constant)
    torch.testing.assert_close(got, torch.full((1, 1, 4, 4), 0.5))
    checkerboard = (torch.arange(64).view(1, 1, 8, 8) // 8 + torch.arange(64).view(1, 1, 8, 8)) % 2.0
    got = classifier(channels=1, mean=(0.0,), std=(1.0,)).normalise(checkerboard)
    assert (got - 0.5).abs().max() < 0.2  # without antialiasing the picks would be 0 or 1


def test_normalised_images_lie_in_channels_last_memory() -> None:
    assert classifier().normalise(torch.rand(2, 1, 4, 4)).is_contiguous(memory_format=torch.channels_last)


def test_statistics_are_no_part_of_the_saved_state() -> None:
    assert list(classifier().state_dict()) == []


def test_input_spec_records_json_values() -> None:
    record = InputSpec(size=224).record()
    assert (
        json.loads(json.dumps(record))
        == record
        == {
            "size": 224,
            "channels": 3,
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
            "crop": 1.0,
        }
    )


def test_full_precision_linear_equals_the_layer_it_is_made_from_even_under_autocast() -> None:
    layer = nn.Linear(8, 3)
    images = torch.rand(5, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = FullPrecisionLinear.like(layer)(images)
    torch.testing.assert_close(got, functional.linear(images, layer.weight, layer.bias))


def test_full_precision_linear_refuses_another_layer() -> None:
    with pytest.raises(TypeError, match="^ReLU is not a linear layer$"):
        FullPrecisionLinear.like(nn.ReLU())


@pytest.mark.parametrize(("crop", "window"), [(1.0, (0, 0, 9, 7)), (0.5, (2, 1, 4, 4)), (0.01, (4, 3, 1, 1))])
def test_window_is_the_centre_that_the_network_sees(crop: float, window: tuple[int, int, int, int]) -> None:
    model = classifier(channels=1, mean=(0.0,), std=(1.0,), crop=crop)
    assert model.window(9, 7) == window
    top, left, height, width = window
    image = torch.full((1, 1, 9, 7), 9.0)
    image[..., top : top + height, left : left + width] = 1.0
    assert float((model.frame(image) - 1).abs().max()) < 1e-5  # a mean in float32; a pixel from outside would add 0.5
