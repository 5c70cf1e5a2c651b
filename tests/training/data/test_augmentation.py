import math

import numpy as np
import pytest
import torch

from cxrshort.registry import load_entry
from cxrshort.training import AUGMENTATIONS
from cxrshort.training.data import augmentation
from cxrshort.training.data.augmentation import Augmentation, degrave, fastai, lighten, random_colour, tea


@pytest.fixture(params=list(AUGMENTATIONS))
def augment(request: pytest.FixtureRequest) -> Augmentation:
    return load_entry(AUGMENTATIONS, request.param, kind="augmentation")


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


def test_lighten_is_the_odds_rule() -> None:
    """Written with odds instead of log-odds: odds' = (odds * b / (1 - b)) ** contrast."""
    images = torch.rand(3, 1, 8, 8, generator=generator(0), dtype=torch.float64) * 0.98 + 0.01
    middle, contrast = torch.tensor([0.4, 0.5, 0.6], dtype=torch.float64), torch.tensor([0.8, 1.25, 1.0])
    odds = ((images / (1 - images)).numpy() * (middle / (1 - middle)).numpy()[:, None, None, None]) ** contrast.numpy()[
        :, None, None, None
    ]
    actual = lighten(images, brightness=torch.logit(middle), contrast=contrast.double())
    np.testing.assert_allclose(actual.numpy(), odds / (1 + odds), rtol=1e-10)


def test_fastai_moves_middle_grey_by_a_tenth_and_keeps_black_and_white() -> None:
    """Of plain films in the middle, where nothing from outside comes in."""
    count = 400
    grey = fastai(torch.full((count, 1, 33, 33), 0.5), generator(1))[:, 0, 16, 16]
    # Brightness alone reaches 0.4 and 0.6; contrast of at most 1.25 stretches that to odds of 1.5 ** 1.25.
    far = 1.5**1.25 / (1 + 1.5**1.25)
    assert 1 - far - 1e-6 <= float(grey.min()) < 0.41 and 0.59 < float(grey.max()) <= far + 1e-6
    assert 60 < int((grey == 0.5).sum()) < 140  # binomial(400, 1/4): 100 with SD 9
    assert abs(float(grey.mean()) - 0.5) < 0.01  # SD of the mean: about 0.003
    for level in (0.0, 1.0):
        ends = fastai(torch.full((count, 1, 33, 33), level), generator(1))[:, 0, 16, 16]
        assert float((ends - level).abs().max()) < 1e-5


def test_fastai_changes_contrast_evenly_in_its_logarithm() -> None:
    pair = torch.tensor([0.3, 0.7]).repeat_interleave(33).expand(2000, 1, 33, 66)
    left, right = (fastai(pair, generator(2))[:, 0, 16, column] for column in (8, 57))
    stretch = ((torch.logit(right) - torch.logit(left)).abs() / (2 * math.log(7 / 3))).log() / math.log(1.25)
    assert float(stretch.abs().max()) < 1 + 1e-4
    drawn = stretch[stretch.abs() > 1e-4]
    assert 1420 < len(drawn) < 1580  # binomial(2000, 3/4): 1500 with SD 19
    assert abs(float(drawn.mean())) < 0.06 and abs(float(drawn.var()) - 1 / 3) < 0.03  # those of U(-1, 1)


@pytest.mark.parametrize(("augment", "numbers"), [(degrave, 2), (tea, 4), (fastai, 7)])
def test_numbers_of_an_augmentation_are_drawn_apart(
    augment: Augmentation, numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[torch.Tensor] = []

    def record(images: torch.Tensor, **settings: torch.Tensor) -> torch.Tensor:
        for name, values in settings.items():
            columns = values[:, None] if values.ndim == 1 else values[:, :1] if name == "scale" else values
            drawn.extend(column.float() for column in columns.T)
        return images

    monkeypatch.setattr(augmentation, "_warp", record)
    monkeypatch.setattr(augmentation, "lighten", record)
    augment(torch.zeros(2000, 1, 2, 2), generator(5))
    correlations = np.corrcoef(torch.stack(drawn).numpy()) - np.eye(numbers)
    assert np.abs(correlations).max() < 0.1  # SD of each of them: 1 / sqrt(2000) = 0.022


def test_random_colour_gives_white_every_colour_and_leaves_black() -> None:
    images = torch.zeros(500, 3, 2, 2)
    images[:, :, 0] = 1.0
    coloured = random_colour(images, generator(5))
    assert not coloured[:, :, 1].any()
    assert torch.equal(coloured[:, :, 0, 0], coloured[:, :, 0, 1])  # one colour for all of an image
    colours = coloured[:, :, 0, 0]
    # U(0, 1) has the mean 1/2 and the variance 1/12; tolerances are four standard errors of 500 draws.
    torch.testing.assert_close(colours.mean(0), torch.full((3,), 0.5), atol=0.052, rtol=0)
    torch.testing.assert_close(colours.var(0), torch.full((3,), 1 / 12), atol=0.014, rtol=0)
    assert torch.corrcoef(colours.T).fill_diagonal_(0).abs().max() < 4 / math.sqrt(500)


@pytest.mark.parametrize("channels", [1, 3])
def test_random_colour_leaves_a_mask_in_the_last_channel(channels: int) -> None:
    stacked = torch.ones(6, channels + 1, 2, 2)
    result = random_colour(stacked, generator(6))
    assert torch.equal(result[:, -1], stacked[:, -1])
    assert (result[:, :-1] < 1).all()
