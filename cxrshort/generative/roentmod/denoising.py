"""The denoising loop of an edit: noise on the latents of an image, taken away again under the guidance of a prompt.

``scheduler.add_noise``, then for each timestep one pass of the U-Net, on the prompt's and the empty prompt's half of a
batch at once, and ``scheduler.step``; as in diffusers' image-to-image pipeline, whose latents the loop reproduces with
DDIM to the last bit. The scheduler works in fp32 whatever the precision of the U-Net.

Classifier-free guidance (Ho and Salimans 2021): noise = unconditional + guidance x (conditional - unconditional).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cxrshort.compute import seeded_generator
from cxrshort.generative.roentmod.noise_schedule import NoiseSchedule


@dataclass(frozen=True)
class Guidance:
    """Say how far the prompt is followed.

    Args:
        scale: 1 follows the prompt's own prediction; above it the empty prompt's is subtracted.
        negative: (tokens, width), the embedding of the empty or the negative prompt.
        unguided: number of last calls that follow the prompt's own prediction alone, at half the cost.
    """

    scale: float
    negative: Tensor
    unguided: int = 0


def draw_noise(seeds: Sequence[int], shape: tuple[int, int, int]) -> Tensor:
    """Return noise (n, channels, h, w) in fp32 from the CPU, each picture's from its own seed alone.

    Example:
        >>> bool((draw_noise([1, 2], (4, 2, 2))[1] == draw_noise([2], (4, 2, 2))[0]).all())
        True
    """
    return torch.stack([torch.randn(shape, generator=seeded_generator(seed)) for seed in seeds])


@torch.inference_mode()
def denoise(
    unet: Any,
    latents: Tensor | None,
    noise: Tensor,
    *,
    prompts: Tensor,
    schedule: NoiseSchedule,
    guidance: Guidance,
) -> Tensor:
    """Return edited latents (n, channels, h, w), fp32.

    Args:
        unet: of diffusers.
        latents: of the sources, times the VAE's scaling factor; None begins from noise alone.
        noise: of the same shape, on the U-Net's device.
        prompts: (n, tokens, width), the embeddings.
        schedule: the steps.
        guidance: how far the prompts are followed.
    """
    scheduler, timesteps = schedule.begun(noise.device)
    if latents is None:
        noisy = noise * scheduler.init_noise_sigma
    else:
        noisy = scheduler.add_noise(latents, noise, timesteps[:1].expand(len(noise)))
    pairs = torch.cat([guidance.negative.expand_as(prompts), prompts])
    guided_calls = len(timesteps) - guidance.unguided if guidance.scale > 1 else 0
    for number, timestep in enumerate(timesteps):
        scaled = scheduler.scale_model_input(noisy, timestep)
        if number < guided_calls:
            both = _predict(unet, torch.cat([scaled, scaled]), timestep, pairs)
            without, with_prompt = both.chunk(2)
            prediction = without + guidance.scale * (with_prompt - without)
        else:
            prediction = _predict(unet, scaled, timestep, prompts)
        noisy = scheduler.step(prediction, timestep, noisy, return_dict=False)[0]
    edited: Tensor = noisy
    return edited


def _predict(unet: Any, latents: Tensor, timestep: Tensor, embeddings: Tensor) -> Tensor:
    sample = latents.to(unet.dtype)
    prediction: Tensor = unet(sample, timestep, encoder_hidden_states=embeddings, return_dict=False)[0]
    return prediction.to(torch.float32)
