"""Gradients of a score with respect to the images."""

import pytest
import torch
from torch import nn

from cxrshort.attribution.contract import Resources
from cxrshort.attribution.gradient import GRADIENT, explain
from cxrshort.errors import UsageError


def test_gradient_of_a_linear_model_is_its_weights():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    images = torch.rand(3, 1, 2, 2)
    explained = explain(model, images, score=lambda logits: logits[:, 1])
    torch.testing.assert_close(explained.maps, model[1].weight[1].detach().view(1, 1, 2, 2).expand(3, 1, 2, 2))
    torch.testing.assert_close(explained.logits, model(images).detach())
    assert not explained.maps.requires_grad and not explained.logits.requires_grad


def test_gradient_can_be_learnt_from():
    weight = nn.Parameter(torch.tensor([3.0]))

    class Square(nn.Module):
        def forward(self, images):
            return (images.flatten(1) * weight) ** 2

    explained = explain(Square(), torch.full((1, 1, 1, 1), 2.0), score=lambda logits: logits[:, 0], create_graph=True)
    explained.maps.sum().backward()
    # d/dw of 2 x w^2 is 4 x w.
    assert explained.maps.item() == 36 and weight.grad.item() == 24


def test_slopes_of_one_logit_per_image_equal_central_differences():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Softplus(), nn.Flatten(), nn.Linear(12, 2)).double()
    images = torch.rand(3, 2, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    outputs = torch.tensor([1, 0, 1])
    actual = GRADIENT.function(model, images, outputs, settings=None, resources=Resources(None, (), 8))
    step, expected = 1e-5, torch.zeros_like(images)
    with torch.no_grad():
        for index in range(2 * 4 * 4):
            change = torch.zeros(32, dtype=torch.float64)
            change[index] = step
            change = change.view(1, 2, 4, 4)
            difference = (model(images + change) - model(images - change)) / (2 * step)
            expected.view(3, -1)[:, index] = difference[torch.arange(3), outputs]
    torch.testing.assert_close(actual, expected, rtol=1e-7, atol=1e-10)  # the error is of order step^2
    torch.testing.assert_close(GRADIENT(model, images, outputs), expected.sum(1).float())


def test_slopes_of_a_batch_in_one_pass_are_those_of_its_images_one_by_one():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    images, outputs = torch.rand(5, 1, 2, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 1, 0, 0])
    for number, map_ in enumerate(GRADIENT(model, images, outputs)):
        image = images[number].clone().requires_grad_()
        model(image[None])[0, outputs[number]].backward()
        torch.testing.assert_close(map_, image.grad[0])


@pytest.mark.parametrize("rule", ["batch", "evil"])
def test_rules_for_batch_norm_that_do_not_explain_are_refused(rule):
    with pytest.raises(UsageError, match=f"'{rule}' is not a known rule for batch norm"):
        explain(nn.Flatten(), torch.rand(2, 1, 1, 1), score=lambda logits: logits[:, 0], bn=rule)
