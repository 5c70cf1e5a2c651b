"""Batch norm while explaining: an affine map per channel."""

import pytest
import torch
from torch import nn

from cxrshort.attribution.batch_norm import BatchNormRule
from cxrshort.attribution.passes import Phase
from cxrshort.errors import UsageError


def run(rule: str):
    torch.manual_seed(0)
    norm, phase = nn.BatchNorm2d(2).double().train(), Phase()
    nn.init.uniform_(norm.weight, 0.5, 2)
    images = torch.rand(4, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    with BatchNormRule(rule, phase):
        outputs = norm(images)
    return norm, phase, images, outputs


def test_statistics_of_the_batch_are_constants_while_explaining():
    norm, phase, images, outputs = run("batch-detached")
    gradient = phase.gradient(outputs[0].sum(), images, create_graph=False)
    deviation = (images.detach().var(dim=(0, 2, 3), unbiased=False) + norm.eps).sqrt()
    expected = torch.zeros_like(images)
    expected[0] = (norm.weight.detach() / deviation)[:, None, None]
    torch.testing.assert_close(gradient, expected)


def test_training_computes_and_learns_as_ever():
    norm, _, images, outputs = run("batch-detached")
    stock = nn.BatchNorm2d(2).double().train()
    stock.load_state_dict({**norm.state_dict(), "running_mean": torch.zeros(2), "running_var": torch.ones(2)})
    again = images.detach().requires_grad_()
    expected = stock(again)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(norm.running_mean, stock.running_mean)
    (outputs**3).sum().backward()
    (expected**3).sum().backward()
    torch.testing.assert_close(images.grad, again.grad)


def test_running_statistics_are_used_and_left_as_they_are_by_eval():
    norm, _, images, outputs = run("eval")
    torch.testing.assert_close(outputs, images / (1 + norm.eps) ** 0.5 * norm.weight.view(1, 2, 1, 1))
    assert norm.running_mean.tolist() == [0, 0] and norm.running_var.tolist() == [1, 1]


def test_batch_computes_what_training_computes_and_leaves_the_running_statistics():
    norm, _, images, outputs = run("batch")
    stock = nn.BatchNorm2d(2).double().train()
    stock.load_state_dict(norm.state_dict())
    again = images.detach().requires_grad_()
    expected = stock(again)
    torch.testing.assert_close(outputs, expected)
    assert norm.running_mean.tolist() == [0, 0] and norm.running_var.tolist() == [1, 1]
    (outputs**3).sum().backward()
    (expected**3).sum().backward()
    torch.testing.assert_close(images.grad, again.grad)  # through the statistics, as training learns


def test_batch_leaves_a_norm_in_eval_mode_to_its_running_statistics():
    norm = nn.BatchNorm2d(2).eval()
    norm.running_mean.copy_(torch.tensor([0.2, -0.3]))
    images = torch.rand(4, 2, 3, 3)
    with BatchNormRule("batch", Phase()):
        outputs = norm(images)
    torch.testing.assert_close(outputs, norm(images))


def test_unknown_rule_is_refused():
    with pytest.raises(UsageError, match="'evil' is not a known rule for batch norm"):
        BatchNormRule("evil", Phase())
