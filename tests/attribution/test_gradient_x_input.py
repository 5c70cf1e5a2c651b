"""Gradient times input against the formula, and against the logit that it shares out."""

import torch
from torch import nn

from cxrshort.attribution.contract import Resources
from cxrshort.attribution.gradient_x_input import GRADIENT_X_INPUT
from cxrshort.models.classifier import Classifier, InputSpec


def network(channels: int) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Conv2d(channels, 3, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2, bias=False)]
        return nn.Sequential(*layers).double()


def draw(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_maps_are_pixels_times_weights_where_the_relu_passes():
    """By matrices: logit = V diag(z > 0) W x, with W and V from unit vectors."""
    model, images, outputs = network(2), draw(3, 2, 4, 4), torch.tensor([1, 0, 1])
    actual = GRADIENT_X_INPUT.function(model, images, outputs, settings=None, resources=Resources(None, (), 8))
    with torch.no_grad():
        first = model[0](torch.eye(32, dtype=torch.float64).view(32, 2, 4, 4)).flatten(1).T
        for image, output, map_ in zip(images, outputs, actual, strict=True):
            gates = (first @ image.flatten() > 0).double()
            expected = image.flatten() * (model[3].weight[output] * gates @ first)
            torch.testing.assert_close(map_.flatten(), expected, rtol=1e-12, atol=1e-14)


def test_maps_add_up_to_the_logit_of_a_network_without_biases():
    model, images, outputs = network(1), draw(3, 1, 4, 4), torch.tensor([1, 0, 1])
    maps = GRADIENT_X_INPUT(model, images, outputs)
    expected = model(images)[torch.arange(3), outputs].float()
    torch.testing.assert_close(maps.sum((1, 2)), expected.detach())


def test_grey_images_of_a_model_in_colour_are_explained_in_grey():
    """The slope of a grey pixel is the sum over the channels it is copied to, each over its standard deviation."""
    inner, images = network(3), draw(2, 1, 4, 4)
    spec = InputSpec(4, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.5))
    model = Classifier(inner, labels=("a", "b"), spec=spec).double()
    outputs = torch.tensor([0, 1])
    seen = model.normalise(images).detach().requires_grad_()
    (slopes,) = torch.autograd.grad(inner(seen)[torch.arange(2), outputs].sum(), seen)
    expected = images[:, 0] * (slopes / torch.tensor(spec.std).double().view(1, 3, 1, 1)).sum(1)
    torch.testing.assert_close(GRADIENT_X_INPUT(model, images, outputs), expected.float())
