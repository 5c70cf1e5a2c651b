"""Grad-CAM whose channels are weighted place by place."""

import pytest
import torch
from torch import Tensor, nn

from cxrshort.attribution.grad_cam import spread
from cxrshort.attribution.grad_cam_plus_plus import GRAD_CAM_PLUS_PLUS
from cxrshort.errors import UsageError
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.ensemble import Ensemble


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2)]
        return nn.Sequential(*layers).double().eval()


def draw(count: int = 2) -> Tensor:
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_map_is_that_of_second_and_third_derivatives_of_the_exponential_score() -> None:
    """Equation 19 by autograd: derivatives of exp(logit) along each place of a head that is linear."""
    model, image, output = network(), draw(1), 1
    features = model[:2](image).detach()
    expected = torch.zeros(4, 4, dtype=torch.float64)
    logit = float(model(image)[0, output].detach())
    for channel in range(3):
        weight = torch.zeros((), dtype=torch.float64)
        for row in range(4):
            for column in range(4):
                step = torch.zeros((), dtype=torch.float64, requires_grad=True)
                place = torch.zeros_like(features)
                place[0, channel, row, column] = 1
                score = model[2:](features + step * place)[0, output].exp()
                (first,) = torch.autograd.grad(score, step, create_graph=True)
                (second,) = torch.autograd.grad(first, step, create_graph=True)
                (third,) = torch.autograd.grad(second, step)
                alpha = second / (2 * second + features[0, channel].sum() * third)
                # Weights are exp(logit) times larger in the paper.
                weight += (alpha * first.relu()).detach() / torch.tensor(logit).exp()
        expected += weight * features[0, channel]
    found = GRAD_CAM_PLUS_PLUS(model, image, torch.tensor([output]))
    torch.testing.assert_close(found, spread(expected[None, None], 8, 8)[:, 0].float(), rtol=1e-5, atol=1e-7)


def test_map_of_a_logit_that_everything_argues_against_is_zero_and_frozen_networks_are_explained() -> None:
    model, images, outputs = network(), draw(), torch.tensor([0, 1])
    model[3].weight.data = torch.stack([model[3].weight[0].abs(), -model[3].weight[0].abs()]).detach()
    maps = GRAD_CAM_PLUS_PLUS(model.requires_grad_(False), images, outputs)
    assert float(maps[0].min()) >= 0 and float(maps[0].sum()) > 0
    assert not maps[1].any()


def test_networks_without_one_last_map_are_refused() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).double()
    with pytest.raises(UsageError) as caught:
        GRAD_CAM_PLUS_PLUS(flat, draw(), torch.tensor([0, 1]))
    expected = "'grad-cam++' needs a convolutional map of more than one pixel, and this network has none"
    assert caught.value.message == expected
    model = Classifier(Ensemble([network(), network()]), labels=("a", "b"), spec=InputSpec(8, 1, (0.0,), (1.0,)))
    with pytest.raises(UsageError) as caught:
        GRAD_CAM_PLUS_PLUS(model.double(), draw(), torch.tensor([0, 1]))
    assert caught.value.message == "'grad-cam++' explains one network, and this is an ensemble of 2"
