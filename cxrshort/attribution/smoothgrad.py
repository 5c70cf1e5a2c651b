"""SmoothGrad: the gradient, averaged over images with noise added (Smilkov et al. 2017).

Noise is Gaussian, with a standard deviation that is a share of the image's own range of grey, as in the paper (10 % to
20 %). Noisy pixels may leave [0, 1]; cutting them off would move the mean.

Own code: Captum's ``NoiseTunnel`` draws from torch's global generator, so that the noise of an image depends on its
neighbours, and takes the noise in units of the pixels.

What would invalidate it: noise takes images away from all that the network was trained on; the mean slope is that of a
smoother function than the model's.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cxrshort.attribution.contract import AttributionMethod, Requirements, Resources, check_options, option
from cxrshort.attribution.draws import draw_seeds, groups_of
from cxrshort.attribution.stream import Inputs, summed_slopes


@dataclass(frozen=True)
class SmoothGradSettings:
    """Hold the options of SmoothGrad.

    Args:
        samples: noisy copies per image.
        noise: standard deviation of the noise, as a share of the image's range of grey levels.

    Raises:
        UsageError: an option out of range.
    """

    samples: int = option(50, low=1)
    noise: float = option(0.15, low=0)

    def __post_init__(self) -> None:
        """Refuse options out of range."""
        check_options(self, method="smoothgrad")


def _maps(
    model: nn.Module, images: Tensor, outputs: Tensor, *, settings: SmoothGradSettings, resources: Resources
) -> Tensor:
    draws = int(settings.samples)
    seeds = draw_seeds(resources.generators, draws=draws)
    deviations = settings.noise * (images.amax((1, 2, 3), keepdim=True) - images.amin((1, 2, 3), keepdim=True))
    one = images.new_ones(1, 1, 1, 1)

    def compose(owners: Tensor, numbers: Tensor) -> Inputs:
        noise = torch.stack([_noise(int(seed), images) for seed in seeds[owners, numbers]]).to(images)
        owners = owners.to(images.device)
        return Inputs(images[owners] + deviations[owners] * noise, one)

    groups, batch_size = groups_of(draws), resources.batch_size
    return summed_slopes(
        model, images, outputs, compose=compose, draws=draws, groups=groups, batch_size=batch_size
    ).div_(draws)


def _noise(seed: int, images: Tensor) -> Tensor:
    return torch.randn(images.shape[1:], generator=torch.Generator().manual_seed(seed))


SMOOTHGRAD = AttributionMethod(
    "smoothgrad",
    _maps,
    Settings=SmoothGradSettings,
    requires=Requirements(gradients=True, generators=True),
    draws=True,
)
