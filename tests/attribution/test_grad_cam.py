from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import _get_current_function_mode_stack

from cxrshort.attribution.contract import Resources
from cxrshort.attribution.grad_cam import GRAD_CAM, LastMap, explain, spread
from cxrshort.errors import UsageError
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.ensemble import Ensemble
from cxrshort.models.networks.small_cnn import SMALL_CNN

ALONE = Resources(None, (), 64)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build().double().eval()


def positive(network: nn.Module, images: Tensor, *, outputs: Tensor | None = None) -> Tensor:
    return explain(network, images, outputs=outputs, learn_maps=False).maps.detach()


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
    actual = positive(network, images, outputs=torch.tensor(outputs) if outputs else None)
    torch.testing.assert_close(actual, expected.detach(), rtol=1e-12, atol=1e-14)


def test_sign_explains_the_evidence_against_a_logit() -> None:
    network, images = seeded(net), draw(3, 1, 8, 8)
    against = seeded(net)
    against[4].weight.data.neg_()
    zeros, signs = torch.zeros(3, dtype=torch.int64), torch.tensor([1.0, -1, -1], dtype=torch.float64)
    actual = explain(network, images, outputs=zeros, signs=signs).maps
    expected = torch.cat([positive(network, images, outputs=zeros)[:1], positive(against, images, outputs=zeros)[1:]])
    torch.testing.assert_close(actual.detach(), expected)


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


@pytest.mark.parametrize(("size", "shape"), [(16, (2, 5, 4, 4)), (4, (2, 5, 1, 1))])
def test_map_of_one_pixel_counts_where_that_is_asked_for_but_for_averages(size: int, shape: tuple[int, ...]) -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2, padding=1),
        nn.Conv2d(3, 5, 3, stride=2, padding=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(5, 7, 1),
        nn.Flatten(),
    )
    with LastMap(smallest=1) as last:
        network(draw(2, 1, size, size).float())
    assert last.activations is not None and last.activations.shape == shape


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
                values.append(float(positive(network, images, outputs=ones).pow(2).sum()))
                weight[row, column] -= sign * step
            numeric[row, column] = (values[0] - values[1]) / (2 * step)
    torch.testing.assert_close(slope, numeric, rtol=1e-6, atol=1e-9)  # central differences: error of order step^2
    assert float(slope.abs().sum()) > 0


def test_frozen_network_can_be_explained() -> None:
    network, images = seeded(net), draw(2, 1, 8, 8)
    outputs = torch.tensor([0, 1])
    expected = GRAD_CAM(network, images, outputs)
    torch.testing.assert_close(GRAD_CAM(network.requires_grad_(False), images, outputs), expected)


def test_nothing_is_left_behind_after_an_error() -> None:
    network = seeded(net)
    with pytest.raises(RuntimeError):
        explain(network, draw(2, 5, 8, 8))
    assert _get_current_function_mode_stack() == []


def test_signed_map_behind_average_pooling_adds_up_to_the_logit_without_its_bias() -> None:
    network, images, outputs = seeded(net), draw(3, 1, 10, 9), torch.tensor([0, 1, 0])
    network[4].weight.data = network[4].weight.data.abs() * torch.tensor([[1.0], [-1]])
    maps = GRAD_CAM.function(network, images, outputs, settings=None, resources=ALONE)
    rows = torch.arange(3)
    expected = network(images)[rows, outputs] - network[4].bias[outputs]
    torch.testing.assert_close(maps.sum((1, 2, 3)), expected, rtol=1e-12, atol=1e-14)
    assert [float(map.sum().sign()) for map in maps] == [1, -1, 1]


def test_signed_map_in_general_is_the_mean_slope_of_each_channel_times_the_channel() -> None:
    """Slopes from central differences, on a head whose slope differs from place to place."""
    layers = [nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2)]
    network, images = seeded(lambda: nn.Sequential(*layers)), draw(1, 1, 4, 4)
    features = network[:2](images).detach()
    step, slopes = 1e-6, torch.zeros_like(features)
    for place in range(32):
        change = torch.zeros(32, dtype=torch.float64)
        change[place] = step
        change = change.view_as(features)
        slopes.view(-1)[place] = (network[2:](features + change) - network[2:](features - change))[0, 1] / (2 * step)
    expected = sum(slopes[0, channel].mean() * features[0, channel] for channel in range(2))
    actual = GRAD_CAM.function(network, images, torch.tensor([1]), settings=None, resources=ALONE)
    torch.testing.assert_close(actual[0, 0], expected, rtol=1e-8, atol=1e-10)  # the network is linear in its features


@pytest.mark.parametrize("size", [(4, 6), (8, 9), (7, 13), (3, 2), (1, 1)])
def test_resizing_keeps_the_sum_of_every_map(size: tuple[int, int]) -> None:
    maps = torch.randn(3, 1, 4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    spreaded = spread(maps, *size)
    assert spreaded.shape == (3, 1, *size)
    torch.testing.assert_close(spreaded.sum((2, 3)), maps.sum((2, 3)), rtol=1e-12, atol=1e-13)


def test_resizing_by_a_whole_number_is_bilinear_interpolation_over_the_pixels_per_place() -> None:
    maps = draw(2, 1, 4, 6)
    expected = functional.interpolate(maps, (12, 12), mode="bilinear", align_corners=False) / 6
    torch.testing.assert_close(spread(maps, 12, 12), expected)


def test_map_lies_over_the_part_that_the_network_sees() -> None:
    network = seeded(net)
    model = Classifier(network, labels=("a", "b"), spec=InputSpec(8, 1, (0.0,), (1.0,), crop=0.5)).double().eval()
    images, outputs = draw(2, 1, 16, 16), torch.tensor([0, 1])
    maps = GRAD_CAM(model, images, outputs)
    expected = torch.zeros(2, 16, 16)
    expected[:, 4:12, 4:12] = GRAD_CAM(network, images[..., 4:12, 4:12], outputs)
    torch.testing.assert_close(maps, expected)


def test_ensemble_is_refused() -> None:
    """Only the last member's map would be seen."""
    model = Classifier(Ensemble([net(), net()]), labels=("a", "b"), spec=InputSpec(8, 1, (0.0,), (1.0,)))
    with pytest.raises(UsageError) as caught:
        GRAD_CAM(model, torch.rand(1, 1, 8, 8), torch.tensor([0]))
    assert caught.value.message == "'grad-cam' explains one network, and this is an ensemble of 2"
    assert caught.value.hint == "explain its members, or choose another method such as gradient-x-input"


class FusedAttention(nn.Module):
    """A layer of attention as transformers and timm write it, with an axis of heads around it."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.inner = nn.Conv2d(3, 4, 2, 2), nn.Linear(4, 12)
        self.outer, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        q, k, v = (part.unflatten(2, (2, 2)).transpose(1, 2) for part in self.inner(tokens).chunk(3, -1))
        joined = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).contiguous().flatten(2)
        return self.head(self.outer(joined).mean(1))


def test_map_after_an_attention_is_one_again() -> None:
    class Hybrid(FusedAttention):
        def forward(self, images: Tensor) -> Tensor:
            maps = self.patches(images)
            q = maps.flatten(2).transpose(1, 2)[:, None]
            attended = functional.scaled_dot_product_attention(q, q, q)[:, 0]
            return self.head(self.outer(attended).transpose(1, 2).unflatten(2, maps.shape[2:]).mean((2, 3)))

    with LastMap() as last:
        seeded(Hybrid)(draw(1, 3, 8, 8))
    assert last.checked().shape == (1, 4, 4, 4)


@pytest.mark.parametrize(
    "build",
    [
        FusedAttention,
        lambda: torchvision.models.VisionTransformer(8, 4, num_layers=1, num_heads=1, hidden_dim=8, mlp_dim=8),
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 2)),
    ],
)
def test_network_without_a_convolutional_map_is_refused(build: Callable[[], nn.Module]) -> None:
    with pytest.raises(UsageError) as caught:
        explain(seeded(build), draw(1, 3, 8, 8).requires_grad_())
    expected = "'grad-cam' needs a convolutional map of more than one pixel, and this network has none"
    assert caught.value.message == expected
