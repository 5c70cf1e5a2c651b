"""The gradient, averaged over noise."""

import torch
from torch import nn

from cxrshort.attribution.draws import draw_seeds
from cxrshort.attribution.gradient import GRADIENT
from cxrshort.attribution.smoothgrad import SMOOTHGRAD, SmoothGradSettings

from .path_models import draw, generators, network, slopes

OUTPUTS = torch.tensor([0, 1, 0])


def test_maps_are_the_mean_slope_over_the_noise_of_each_image() -> None:
    images = draw(3)
    seeds = draw_seeds(generators(3), draws=12)
    expected = torch.zeros(3, 6, 6)
    for number, image in enumerate(images):
        deviation = 0.3 * (image.max() - image.min())
        for seed in seeds[number]:
            noise = torch.randn(1, 6, 6, generator=torch.Generator().manual_seed(int(seed)))
            expected[number] += slopes(network(), image + deviation * noise, int(OUTPUTS[number]))[0].float() / 12
    found = SMOOTHGRAD(
        network(), images, OUTPUTS, settings=SmoothGradSettings(12, noise=0.3), generators=generators(3), batch_size=5
    )
    torch.testing.assert_close(found, expected)


def test_map_without_noise_is_the_gradient() -> None:
    settings = SmoothGradSettings(samples=3, noise=0)
    found = SMOOTHGRAD(network(), draw(3), OUTPUTS, settings=settings, generators=generators(3))
    torch.testing.assert_close(found, GRADIENT(network(), draw(3), OUTPUTS))


def test_mean_slope_of_a_ramp_is_the_share_of_noise_above_its_bend() -> None:
    """The slope of relu(x) in expectation is the probability that x and its noise are above 0: 0.5 at the bend."""
    model = nn.Sequential(nn.Flatten(), nn.ReLU())
    image = torch.tensor([[[[0.0, 1.0]]]])
    found = SMOOTHGRAD(
        model, image, torch.tensor([0]), settings=SmoothGradSettings(4000, noise=0.2), generators=generators(1)
    )
    # The standard error of a share of one half in 4,000 draws is 0.008.
    torch.testing.assert_close(found[0], torch.tensor([[0.5, 0.0]]), rtol=0, atol=0.03)
