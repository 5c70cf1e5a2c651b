"""Slopes along a straight path, times the pixel's change."""

import pytest
import torch
from captum.attr import IntegratedGradients

from cxrshort.attribution.integrated_gradients import (
    INTEGRATED_GRADIENTS,
    IntegratedGradientsSettings,
    baselines,
    path_points,
)

from .path_models import draw, network

OUTPUTS = torch.tensor([0, 1, 0])


@pytest.mark.parametrize("kind", ["black", "mean"])
def test_maps_are_those_of_captum(kind: str) -> None:
    images, settings = draw(3, 2), IntegratedGradientsSettings(steps=20, baseline=kind)
    start = torch.zeros_like(images) if kind == "black" else images.mean((2, 3), keepdim=True).expand_as(images)
    expected = IntegratedGradients(network(2)).attribute(
        images, start, target=OUTPUTS, n_steps=20, method="riemann_middle"
    )
    found = INTEGRATED_GRADIENTS(network(2), images, OUTPUTS, settings=settings, batch_size=7)
    torch.testing.assert_close(found, expected.sum(1).float(), rtol=1e-5, atol=1e-7)


def test_map_is_the_integral_by_sums_of_many_small_steps() -> None:
    image = draw(1)[0]
    points = (image * torch.linspace(0, 1, 4001, dtype=torch.float64).view(-1, 1, 1, 1)).requires_grad_()
    (slopes,) = torch.autograd.grad(network()(points)[:, 1].sum(), points)
    expected = image * torch.trapezoid(slopes, dx=1 / 4000, dim=0)
    settings = IntegratedGradientsSettings(1000)
    found = INTEGRATED_GRADIENTS(network(), image[None], torch.tensor([1]), settings=settings, batch_size=500)
    torch.testing.assert_close(found[0], expected[0].float(), rtol=0, atol=2e-4)


def test_points_of_the_path_are_the_middles_of_equal_parts() -> None:
    points = path_points(5)
    assert points.tolist() == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9], rel=1e-12)
    # The midpoint rule is exact for straight lines, and a twelfth of h^2 too small for squares.
    assert float(points.mean()) == pytest.approx(1 / 2, rel=1e-12)
    assert float((points**2).mean()) == pytest.approx(1 / 3 - 0.2**2 / 12, rel=1e-12)


def test_baselines_are_black_or_the_mean_grey_of_each_channel() -> None:
    images = torch.tensor([[[[0.0, 1.0]], [[0.5, 0.75]]]])
    assert baselines(images, kind="mean").flatten().tolist() == [0.5, 0.625]
    assert baselines(images, kind="black").flatten().tolist() == [0, 0]
