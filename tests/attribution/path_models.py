"""A small network of ReLUs for the tests of path methods, and images for it."""

import torch
from torch import Tensor, nn

from cxrshort.compute import seeded_generator


def network(channels: int = 1) -> nn.Module:
    """Return a network in double precision, for images of 6 pixels, with two logits."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 2)]
        return nn.Sequential(*layers).double().eval()


def draw(count: int, channels: int = 1, *, seed: int = 0) -> Tensor:
    """Return uniform noise, (count, channels, 6, 6)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, channels, 6, 6, generator=generator, dtype=torch.float64)


def generators(count: int, *, seed: int = 0) -> list[torch.Generator]:
    """Return the generators of so many images."""
    return [seeded_generator(seed, each) for each in range(count)]


def slopes(model: nn.Module, image: Tensor, output: int) -> Tensor:
    """Return the gradient of one logit at one image, (C, H, W)."""
    image = image.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(image[None])[0, output], image)
    return gradient
