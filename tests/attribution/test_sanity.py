"""Checks of maps: those that depend on the model pass, those that draw the image fail, and no model is changed."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from cxrshort.attribution.gradient_x_input import GRADIENT_X_INPUT
from cxrshort.attribution.sanity import background_sensitivity, cascading_randomisation
from cxrshort.errors import UsageError


class Scaled(nn.Module):
    """Hold parameters that no reset is known for."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-2, 2, 16 * 16).reshape(1, 1, 16, 16))
        self.offset = nn.Parameter(torch.ones(1))

    def forward(self, images):
        return images * self.weight + self.offset


def model():
    return nn.Sequential(Scaled(), nn.Flatten(), nn.Linear(256, 2))


def images(count=12):
    return torch.rand(count, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def gradients(network):
    return GRADIENT_X_INPUT(network, images(), torch.zeros(12, dtype=torch.int64))


def planted():
    """Return a model whose first logit is the sum of the image's upper left corner."""
    network = model()
    network[0].weight.data.fill_(1.0)
    network[2].weight.data.zero_()
    network[2].weight.data[0].view(16, 16)[:8, :8] = 1.0
    return network


def test_maps_that_follow_the_model_pass_and_the_model_is_unchanged():
    network = planted().train()
    before = copy.deepcopy(network.state_dict())
    state = torch.get_rng_state()
    found = cascading_randomisation(network, gradients, seed=3)
    assert found.layers == ("2", "0")
    assert found.passes and abs(found.spearman[-1]) < 0.4
    assert "at most 50 % may be left" in found.reason
    assert network.training and torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())
    again = cascading_randomisation(network, gradients, seed=3)
    np.testing.assert_array_equal(again.ssim, found.ssim)


@pytest.mark.parametrize("draw", ["edges", "constant"])
def test_maps_that_draw_the_image_or_nothing_but_a_frame_fail(draw):
    frame = torch.zeros(12, 16, 16)
    frame[:, :2] = 1

    def explain(network):
        return images()[:, 0].diff(dim=1, append=images()[:, 0, :1]) if draw == "edges" else frame

    found = cascading_randomisation(planted(), explain, seed=0)
    assert not found.passes
    np.testing.assert_allclose(found.spearman, 1)
    np.testing.assert_allclose(found.ssim, 1)


def test_layers_are_randomised_one_after_the_other_from_the_output():
    seen = []

    def explain(network):
        trained = planted().state_dict()
        seen.append({name for name, values in network.state_dict().items() if not torch.equal(values, trained[name])})
        return images()[:, 0]

    start = planted()
    start[2].bias.data.zero_()
    torch.manual_seed(0)
    cascading_randomisation(start, explain, seed=1)
    assert "0.weight" not in seen[0] | seen[1] and "2.weight" in seen[1] and "0.weight" in seen[2]
    seen.clear()
    found = cascading_randomisation(start, explain, seed=1, stages=1)
    assert len(seen) == 2 and found.layers == ("0",)


def test_an_error_leaves_the_model_as_it_was():
    network = planted().train()

    def explain(found):
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        cascading_randomisation(network, explain, seed=0)
    assert network.training


def test_a_model_without_parameters_is_refused():
    with pytest.raises(UsageError, match="no parameters"):
        cascading_randomisation(nn.Flatten(), lambda network: images()[:, 0], seed=0)


def test_background_must_leave_the_maps():
    rng = np.random.default_rng(0)
    maps = rng.gamma(0.3, size=(10, 32, 32))
    near = maps * rng.uniform(0.8, 1.2, maps.shape)
    shares = rng.random((10, 3))
    shares[:, 2] = np.nan
    same = background_sensitivity(maps, near, shares=shares, other_shares=shares + [0.1, -0.2, 0])
    assert same.passes and same.largest_change == pytest.approx(0.2)
    other = background_sensitivity(maps, rng.gamma(0.3, size=maps.shape))
    assert not other.passes and other.largest_change is None
    assert other.spearman == pytest.approx(0, abs=0.1) and "at least 50 % must stay" in other.reason
