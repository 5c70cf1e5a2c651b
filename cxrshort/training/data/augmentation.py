"""Augmentation of a whole batch on its device; every draw comes from the generator that is passed in."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Augmentation = Callable[[Tensor, torch.Generator], Tensor]


def unchanged(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return the images as they are."""
    del generator
    return images


def degrave(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror with probability 0.5, then rotate by U(-30, 30) degrees (DeGrave et al. 2021, after CV19-Net)."""
    draws = torch.rand(2, len(images), generator=generator)
    return _warp(images, mirror=draws[0] < 0.5, degrees=_between(draws[1], -30, 30))


def cv19(images: Tensor, generator: torch.Generator) -> Tensor:
    """Crop 0.8 to 1.0 of the area with an aspect of 3/4 to 4/3, mirror (0.5), rotate within 30 degrees (CV19-Net)."""
    draws = torch.rand(6, len(images), generator=generator)
    area, aspect = _between(draws[2], 0.8, 1.0), torch.exp(_between(draws[3], math.log(3 / 4), math.log(4 / 3)))
    size = torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()], 1).clamp(max=1.0)
    shift = (1 - size) * (2 * draws[4:6].T - 1)
    return _warp(images, mirror=draws[0] < 0.5, degrees=_between(draws[1], -30, 30), scale=size, shift=shift)


def tea(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror (0.5), rotate within 40 degrees, shift by up to an eighth of the side (TEA: 28 of 224 pixels)."""
    draws = torch.rand(4, len(images), generator=generator)
    shift = _between(draws[2:4].T, -0.25, 0.25)
    return _warp(images, mirror=draws[0] < 0.5, degrees=_between(draws[1], -40, 40), shift=shift)


def fastai(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror (0.5); with probability 0.75 each rotate, zoom, change brightness and contrast: fastai v1's defaults.

    Rotation within 10 degrees; zoom up to 1.1 about a random place; lighting 0.2, which acts on the log-odds of the
    grey levels: U(0.4, 0.6) becomes the new middle grey, and contrast multiplies by 0.8 to 1.25, uniform in its
    logarithm. Its perspective warp is left out.
    """
    draws = torch.rand(11, len(images), generator=generator)
    used = draws[7:] < 0.75
    degrees = torch.where(used[0], _between(draws[1], -10, 10), 0.0)
    visible = torch.where(used[1], 1 / _between(draws[2], 1.0, 1.1), 1.0)[:, None].expand(-1, 2)
    shift = (1 - visible) * (2 * draws[3:5].T - 1)
    warped = _warp(images, mirror=draws[0] < 0.5, degrees=degrees, scale=visible, shift=shift)
    brightness = torch.where(used[2], torch.logit(_between(draws[5], 0.4, 0.6)), 0.0)
    contrast = torch.where(used[3], torch.exp(_between(draws[6], math.log(0.8), -math.log(0.8))), 1.0)
    return lighten(warped, brightness=brightness, contrast=contrast)


def random_colour(images: Tensor, generator: torch.Generator) -> Tensor:
    """Multiply each colour channel of each image by U(0, 1) (TEA: the teacher of Coloured MNIST knows no colour).

    White becomes any colour, and black stays black. A mask that comes as one more channel is left as it is.
    """
    channels = images.shape[1]
    coloured = 3 if channels >= 3 else 1
    factors = torch.ones(len(images), channels)
    factors[:, :coloured] = torch.rand(len(images), coloured, generator=generator)
    return images * factors.to(images.device)[:, :, None, None]


def lighten(images: Tensor, *, brightness: Tensor, contrast: Tensor) -> Tensor:
    """Shift the log-odds of grey levels, then stretch them about middle grey (fastai v1's lighting transforms).

    Args:
        images: (N, C, H, W) in [0, 1].
        brightness: (N,) log-odds of what middle grey becomes before the stretch.
        contrast: (N,) factors above 0.
    """
    brightness, contrast = (tensor.to(images.device)[:, None, None, None] for tensor in (brightness, contrast))
    return torch.sigmoid((torch.logit(images, eps=1e-7) + brightness) * contrast)  # eps as in fastai


def _between(draws: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * draws


def _warp(
    images: Tensor,
    *,
    mirror: Tensor,
    degrees: Tensor,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
) -> Tensor:
    """Resample a batch once: rotated, mirrored, cropped to ``scale`` and shifted; black comes in from outside.

    Args:
        images: (N, C, H, W).
        mirror: (N,) bool.
        degrees: (N,).
        scale: (N, 2) share of the width and height that stays visible; None is all.
        shift: (N, 2) of the centre, in half sides; None is none.
    """
    count = len(images)
    scale = torch.ones(count, 2) if scale is None else scale
    shift = torch.zeros(count, 2) if shift is None else shift
    flip = torch.where(mirror, -1.0, 1.0)
    angle = degrees * (math.pi / 180)
    cos, sin = torch.cos(angle), torch.sin(angle)
    across = torch.stack([flip * cos * scale[:, 0], -sin * scale[:, 1], shift[:, 0]], 1)
    down = torch.stack([flip * sin * scale[:, 0], cos * scale[:, 1], shift[:, 1]], 1)
    grid = functional.affine_grid(
        torch.stack([across, down], 1).to(images.device), list(images.shape), align_corners=False
    )
    return functional.grid_sample(images, grid, align_corners=False)
