import math

import numpy as np
import pytest
import torch

from cxrshort.registry import load
from cxrshort.training import AUGMENTATIONS
from cxrshort.training.data.augmentation import Augmentation, degrave


@pytest.fixture(params=list(AUGMENTATIONS))
def augment(request: pytest.FixtureRequest) -> Augmentation:
    return load(AUGMENTATIONS, request.param, kind="augmentation")


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("channels", [1, 3])
def test_augmentation_keeps_shape_and_range_and_its_input(augment: Augmentation, channels: int) -> None:
    images = torch.rand(5, channels, 12, 12, generator=generator(0))
    before = images.clone()
    result = augment(images, generator(1))
    assert result.shape == images.shape
    assert result.dtype == torch.float32
    assert 0 <= float(result.min()) <= float(result.max()) <= 1
    assert torch.equal(images, before)


def test_augmentation_is_a_function_of_the_generator(augment: Augmentation) -> None:
    images = torch.rand(5, 1, 12, 12, generator=generator(0))
    assert torch.equal(augment(images, generator(4)), augment(images, generator(4)))


def test_degrave_mirrors_and_rotates_about_the_centre() -> None:
    """A bright spot moves along a circle: its angle is the drawn one, after the drawn mirror."""
    size, radius = 65, 20
    images = torch.zeros(200, 1, size, size)
    centre = size // 2
    for row in range(-1, 2):
        for column in range(-1, 2):
            images[:, 0, centre + row, centre + radius + column] = 1.0
    moved = degrave(images, generator(3))[:, 0].numpy()
    grid = np.arange(size) - centre
    x = (moved * grid[None, None, :]).sum((1, 2)) / moved.sum((1, 2))
    y = (moved * grid[None, :, None]).sum((1, 2)) / moved.sum((1, 2))
    np.testing.assert_allclose(np.hypot(x, y), radius, atol=0.3)  # a third of a pixel: bilinear sampling
    mirrored = x < 0
    assert 70 < mirrored.sum() < 130  # binomial(200, 1/2): 100 with SD 7
    angles = np.degrees(np.arctan2(y, np.abs(x)))
    assert np.abs(angles).max() <= 30 + math.degrees(0.3 / radius)
    assert angles.min() < -25 and angles.max() > 25
    assert abs(angles.mean()) < 4  # SD of the mean: 60 / sqrt(12 * 200) = 1.2
