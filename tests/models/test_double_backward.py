"""Penalties on gradients: their own gradients must exist and be right, for every network of convolutions."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from cxrshort.models import ARCHITECTURES
from cxrshort.models.sources.architectures import find_architecture

LARGE = {"alexnet", "covid-net-small", "covid-net-large", "multitask-unet"}
NAMES = [
    pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in ARCHITECTURES if name != "vit_b_16"
]
STEP = 1e-7


def penalty(network: nn.Module, images: Tensor) -> Tensor:
    """Return the squared length of the gradient of the first output with respect to the image."""
    images = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(network(images)[:, 0].sum(), images, create_graph=True)
    return gradient.square().sum()


@pytest.mark.parametrize("name", NAMES)
def test_gradient_of_a_gradient_agrees_with_differences(name):
    architecture = find_architecture(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = architecture.build(2).double().eval().requires_grad_(False)
    side = max(32, architecture.minimum_size)
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(1, 3, side, side, generator=generator, dtype=torch.float64)
    weight = next(module for module in network.modules() if isinstance(module, nn.Conv2d)).weight.requires_grad_()
    (gradient,) = torch.autograd.grad(penalty(network, images), weight)
    direction = gradient / gradient.norm()
    start = weight.detach().clone()
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            weight.copy_(start + sign * STEP * start.norm() * direction)
        ends.append(penalty(network, images).item())
    slope = (ends[0] - ends[1]) / (2 * STEP * start.norm().item())
    # 1e-3: rounding costs 1e-16 / STEP, a ReLU that switches within the step costs the rest
    assert slope == pytest.approx(gradient.norm().item(), rel=1e-3)
    assert slope > 0


@pytest.mark.slow
def test_vision_transformer_differentiates_twice_with_the_plain_attention():
    network = find_architecture("vit_b_16").build(2).eval().requires_grad_(False)
    weight = network.get_submodule("conv_proj").weight.requires_grad_()
    with sdpa_kernel(SDPBackend.MATH):
        (gradient,) = torch.autograd.grad(penalty(network, torch.rand(1, 3, 224, 224)), weight)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 0
