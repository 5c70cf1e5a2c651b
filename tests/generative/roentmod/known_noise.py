"""Networks whose prediction of noise is known in closed form: what solvers and guidance do can be measured on them.

The latents of a prompt are Gaussian, or a mixture of two Gaussians, in each element; so are those of the empty prompt.
The noise that a perfect U-Net would predict follows from Bayes' rule.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cxrshort.generative.roentmod.denoising import Guidance, denoise
from cxrshort.generative.roentmod.noise_schedule import NoiseSchedule, noise_settings, schedule_edit

from .tiny_pipeline import NOISE

COUNT = 2000


@dataclass(frozen=True)
class Known:
    """Predict the noise of latents whose distribution is known.

    Args:
        weights: of two modes at 1 and -1, without and with the prompt, where there are two.
        means: of the one mode, where there is one.
        deviations: standard deviations of a mode.
    """

    deviations: tuple[float, float]
    means: tuple[float, float] = (0.0, 0.0)
    weights: tuple[float, float] | None = None
    dtype: torch.dtype = torch.float32

    def __call__(self, sample: Tensor, timestep: Tensor, *, encoder_hidden_states: Tensor, return_dict: bool) -> Any:
        kept = noise_settings("dpm++", NOISE).scheduler().alphas_cumprod[int(timestep)]
        prompted = encoder_hidden_states[:, 0, 0].view(-1, 1, 1, 1) > 0
        deviation, mean = (torch.where(prompted, pair[1], pair[0]) for pair in (self.deviations, self.means))
        variance = kept * deviation**2 + 1 - kept
        if self.weights is not None:
            weight = torch.where(prompted, self.weights[1], self.weights[0])
            distances = [(sample - sign * kept.sqrt()) ** 2 / (2 * variance) for sign in (1, -1)]
            mean = 2 * torch.sigmoid(torch.logit(weight) + distances[1] - distances[0]) - 1
        return ((1 - kept).sqrt() * (sample - kept.sqrt() * mean) / variance,)


CASES = {
    "narrow Gaussians": Known((0.8, 0.1), means=(0.0, 1.0)),
    "Gaussians": Known((0.6, 0.3), means=(0.0, 0.5)),
    "wide Gaussians": Known((1.0, 0.6), means=(0.0, 0.5)),
    "narrow mixtures": Known((0.2, 0.2), weights=(0.5, 0.9)),
    "wide mixtures": Known((0.4, 0.4), weights=(0.5, 0.9)),
}


def edited(network: Known, schedule: NoiseSchedule, *, unguided: int = 0) -> tuple[Tensor, Tensor]:
    """Return latents and their edits, each (COUNT, 1, 1, 1), with guidance 4."""
    generator = torch.Generator().manual_seed(0)
    noise, latents = torch.randn((2, COUNT, 1, 1, 1), generator=generator)
    latents = latents / 2
    made = denoise(
        network,
        latents,
        noise,
        prompts=torch.ones(COUNT, 1, 1),
        schedule=schedule,
        guidance=Guidance(4.0, torch.zeros(1, 1), unguided),
    )
    return latents, made


def deviation(network: Known, schedule: NoiseSchedule, *, unguided: int = 0) -> float:
    """Return how far edits are from those of the paper's 20 steps, as a share of what these change."""
    usual = schedule_edit(noise_settings("dpm++", NOISE), steps=50, strength=0.4)
    assert usual is not None
    latents, reference = edited(network, usual)
    _, made = edited(network, schedule, unguided=unguided)
    return float((made - reference).abs().mean() / (reference - latents).abs().mean())
