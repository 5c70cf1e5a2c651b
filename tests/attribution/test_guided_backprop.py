"""The gradient by paths of positive slope alone."""

import pytest
import torch
import torchvision
from captum.attr import GuidedBackprop
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import _get_current_function_mode_stack

from cxrshort.attribution.gradient import GRADIENT
from cxrshort.attribution.guided_backprop import GUIDED_BACKPROP, guided_slopes
from cxrshort.errors import UsageError

from .path_models import draw, network

OUTPUTS = torch.tensor([0, 1, 0])


def photographs(count: int = 2, size: int = 64) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def seeded(name: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
        return getattr(torchvision.models, name)(num_classes=3, **options).eval()


class Functional(nn.Module):
    """The layers of a network, with their ReLUs called as functions."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, images: Tensor) -> Tensor:
        hidden = functional.relu(self.layers[0](images), inplace=True)
        hidden = self.layers[3](self.layers[2](hidden)).relu_()
        return self.layers[5](hidden)


def test_maps_are_those_of_the_rule_layer_by_layer() -> None:
    """Back through matrices by hand: the mask of the activation, and of the sign of the gradient."""
    layers, images = network(), draw(3)
    before = layers[3](layers[2](layers[1](layers[0](images))))
    gradient = layers[5].weight[OUTPUTS] * (before > 0)
    gradient = gradient.clamp(min=0) @ layers[3].weight
    first = layers[0](images)
    gradient = gradient.view_as(first).clamp(min=0) * (first > 0)
    expected = functional.conv_transpose2d(gradient, layers[0].weight)[:, 0].detach().float()
    torch.testing.assert_close(GUIDED_BACKPROP(layers, images, OUTPUTS), expected)
    torch.testing.assert_close(GUIDED_BACKPROP(Functional(layers), images, OUTPUTS), expected)
    assert not torch.allclose(GRADIENT(layers, images, OUTPUTS), expected)


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU activations")
@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_0"])
def test_maps_of_networks_of_relu_modules_are_those_of_captum(name: str) -> None:
    model, images, outputs = seeded(name), photographs(), torch.tensor([0, 2])
    modules = seeded(name)
    for each in modules.modules():
        if isinstance(each, nn.ReLU):
            each.inplace = False  # which captum's hooks need
    expected = GuidedBackprop(modules).attribute(images.clone().requires_grad_(), target=outputs).detach()
    found = guided_slopes(model, images, outputs)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU activations")
def test_last_rectifier_of_densenet_which_captum_misses_is_guided() -> None:
    model, images, outputs = seeded("densenet121"), photographs(1, 32), torch.tensor([0])
    model.classifier.weight.data = -model.classifier.weight.detach().abs()
    assert not guided_slopes(model, images, outputs).any()
    assert GuidedBackprop(model).attribute(images.clone().requires_grad_(), target=outputs).any()


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0"])
def test_architectures_of_other_rectifiers_are_explained(name: str) -> None:
    model, images, outputs = seeded(name), photographs(), torch.tensor([0, 2])
    found = guided_slopes(model, images, outputs)
    assert torch.isfinite(found).all() and found.any()
    plain = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(plain).gather(1, outputs[:, None]).sum(), plain)
    assert float((found - gradient).abs().max()) > 0.1 * float(gradient.abs().max())
    (again,) = torch.autograd.grad(model(plain).gather(1, outputs[:, None]).sum(), plain)
    torch.testing.assert_close(again, gradient)  # nothing is left


@pytest.mark.parametrize(
    "rectifier",
    [
        nn.ReLU(inplace=True),
        nn.ReLU6(inplace=True),
        nn.LeakyReLU(inplace=True),
        nn.PReLU(),
        nn.ELU(),
        nn.SELU(),
        nn.CELU(),
        nn.GELU(),
        nn.SiLU(inplace=True),
        nn.Mish(),
        nn.Hardswish(),
        nn.Softplus(),
    ],
)
def test_gradient_behind_each_rectifier_loses_its_negative_values(rectifier: nn.Module) -> None:
    features = torch.tensor([[0.5, 1.0, -0.5, 2.0]], dtype=torch.float64)
    rectifier = rectifier.double()
    head = nn.Linear(4, 1).double()
    head.weight.data = torch.tensor([[1.0, -1, 2, -2]], dtype=torch.float64)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 4, bias=False).double(), rectifier, head)
    model[1].weight.data = torch.eye(4, dtype=torch.float64)
    with torch.enable_grad():
        inputs = features.clone().requires_grad_()
        (own,) = torch.autograd.grad(rectifier(inputs.clone()).sum(), inputs)
    expected = own * torch.tensor([1.0, 0, 2, 0], dtype=torch.float64)
    found = guided_slopes(model, features.view(1, 1, 2, 2), torch.tensor([0]))
    torch.testing.assert_close(found.flatten(1), expected)


class Detached(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return functional.relu(images).detach()


def test_nothing_is_left_after_an_error() -> None:
    layers, images = network(), draw(3)
    with pytest.raises(RuntimeError):
        GUIDED_BACKPROP(layers, draw(3, 2), OUTPUTS)
    with pytest.raises(RuntimeError):  # in the backward pass
        GUIDED_BACKPROP(nn.Sequential(Detached(), nn.Flatten()), images, OUTPUTS)
    assert _get_current_function_mode_stack() == []
    assert not any(each._forward_hooks or each._backward_hooks for each in layers.modules())


def test_network_without_rectifiers_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        GUIDED_BACKPROP(nn.Sequential(nn.Flatten(), nn.Linear(36, 2), nn.Sigmoid()).double(), draw(3), OUTPUTS)
    assert caught.value.message == (
        "'guided-backprop' guides the gradient at ReLUs and their like, and this network has none"
    )
    assert caught.value.hint == "choose another method, such as gradient"
