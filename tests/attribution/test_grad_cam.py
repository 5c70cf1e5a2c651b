from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import _get_current_function_mode_stack

from cxrshort.attribution.grad_cam import LastMap, explain, grad_cam
from cxrshort.errors import UsageError
from cxrshort.models.networks.small_cnn import SMALL_CNN


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build().double().eval()


def net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)
    )


@pytest.mark.parametrize("outputs", [[0, 1, 1], None])
def test_map_behind_average_pooling_is_the_class_activation_map(outputs: list[int] | None) -> None:
    """With pooling and a linear head, w_c is the head's weight over the number of positions (Zhou et al. 2016)."""
    network, images = seeded(net), draw(3, 1, 8, 8)
    classes = torch.tensor(outputs) if outputs else network(images).argmax(1)
    features = network[1](network[0](images))
    weights = network[4].weight[classes] / 16
    expected = torch.einsum("nc,nchw->nhw", weights, features).clamp(min=0)[:, None]
    expected = functional.interpolate(expected, (8, 8), mode="bilinear", align_corners=False)
    found = grad_cam(network, images, outputs=torch.tensor(outputs) if outputs else None)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-12, atol=1e-14)
    assert not found.requires_grad


def test_sign_explains_the_evidence_against_a_logit() -> None:
    network, images = seeded(net), draw(3, 1, 8, 8)
    against = seeded(net)
    against[4].weight.data.neg_()
    zeros, signs = torch.zeros(3, dtype=torch.int64), torch.tensor([1.0, -1, -1], dtype=torch.float64)
    found = explain(network, images, outputs=zeros, signs=signs).maps
    expected = torch.cat([grad_cam(network, images, outputs=zeros)[:1], grad_cam(against, images, outputs=zeros)[1:]])
    torch.testing.assert_close(found.detach(), expected)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("densenet121", (1024, 2, 2)),
        ("resnet18", (512, 2, 2)),
        ("mobilenet_v2", (1280, 2, 2)),
        ("small-cnn", (128, 4, 4)),
    ],
)
def test_last_map_of_stock_networks_is_the_one_before_pooling(name: str, shape: tuple[int, ...]) -> None:
    network = SMALL_CNN.build(2) if name == "small-cnn" else getattr(torchvision.models, name)(num_classes=2)
    with LastMap() as last:
        network.eval()(draw(1, 3, 64, 64).float())
    activations = last.checked()
    assert activations.shape[1:] == shape
    assert (activations >= 0).all()  # it stands behind the last ReLU, functional ones included


@pytest.mark.parametrize("through_weights", [False, True])
def test_maps_can_be_differentiated_with_and_without_their_weights(through_weights: bool) -> None:
    network, images = seeded(net), draw(2, 1, 8, 8)
    ones = torch.ones(2, dtype=torch.int64)
    network[4].weight.data.abs_()  # a ReLU that is 0 everywhere would teach nothing
    loss = explain(network, images, outputs=ones, learn_weights=through_weights).maps.pow(2).sum()
    (slope,) = torch.autograd.grad(loss, network[4].weight, allow_unused=True)
    if not through_weights:
        assert slope is None
        return
    step, weight = 1e-6, network[4].weight.data
    numeric = torch.zeros_like(weight)
    for row in range(2):
        for column in range(3):
            values = []
            for sign in (1, -1):
                weight[row, column] += sign * step
                values.append(float(grad_cam(network, images, outputs=ones).pow(2).sum()))
                weight[row, column] -= sign * step
            numeric[row, column] = (values[0] - values[1]) / (2 * step)
    torch.testing.assert_close(slope, numeric, rtol=1e-6, atol=1e-9)  # central differences: error of order step^2
    assert float(slope.abs().sum()) > 0


def test_frozen_network_can_be_explained() -> None:
    network, images = seeded(net), draw(2, 1, 8, 8)
    expected = grad_cam(network, images)
    torch.testing.assert_close(grad_cam(network.requires_grad_(False), images), expected)


def test_nothing_is_left_behind_after_an_error() -> None:
    network = seeded(net)
    with pytest.raises(RuntimeError):
        grad_cam(network, draw(2, 5, 8, 8))
    assert _get_current_function_mode_stack() == []


@pytest.mark.parametrize(
    "build",
    [
        lambda: torchvision.models.VisionTransformer(8, 4, num_layers=1, num_heads=1, hidden_dim=8, mlp_dim=8),
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 2)),
    ],
)
def test_network_without_a_convolutional_map_is_refused(build: Callable[[], nn.Module]) -> None:
    with pytest.raises(UsageError) as caught:
        grad_cam(seeded(build), draw(1, 3, 8, 8))
    expected = "'grad-cam' needs a convolutional map of more than one pixel, and this network has none"
    assert caught.value.message == expected
