"""Batches and models small enough to do an objective's arithmetic again in NumPy."""

import numpy as np
import torch
from torch import Tensor, nn

from cxrshort.training.data.batches import Batch

NAN = float("nan")


def seeded(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def linear(inputs: int = 16, outputs: int = 1, *, seed: int = 3) -> nn.Sequential:
    """Return logits = W x + b on flattened images."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(inputs, outputs))
    model[1].weight.data = seeded(outputs, inputs, seed=seed) / 2
    model[1].bias.data = seeded(outputs, seed=seed + 1)
    return model


def convolutional(*, outputs: int = 1, seed: int = 0) -> nn.Sequential:
    """Return a network whose class activation map can be written down; no batch norm."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, outputs)
        )


def arguing(*, outputs: int = 1, seed: int = 0) -> nn.Sequential:
    """Return such a network whose channels all argue for every output, so that no class activation map is 0."""
    model = convolutional(outputs=outputs, seed=seed)
    with torch.no_grad():
        model[4].weight.abs_()
    return model


def batch(
    targets: list[list[float]], *, groups: list[int] | None = None, masked: bool = False, epoch: int = 9, size: int = 4
) -> Batch:
    """Return random images with these targets; masks are the left half."""
    count = len(targets)
    images = torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(7))
    masks = torch.zeros(count, 1, size, size)
    masks[..., : size // 2] = 1
    return Batch(
        images,
        torch.tensor(targets),
        np.arange(count),
        None if groups is None else torch.tensor(groups),
        masks if masked else None,
        epoch,
        3,
    )


def logits_of(model: nn.Module, samples: Batch) -> np.ndarray:
    with torch.no_grad():
        actual: np.ndarray = model(samples.images).double().numpy()
    return actual


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def bce(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    p = sigmoid(logits)
    return -(targets * np.log(p) + (1 - targets) * np.log(1 - p))
