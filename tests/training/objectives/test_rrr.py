import numpy as np
import pytest
import torch
from torch import nn

from cxrshort.errors import UsageError
from cxrshort.models.outputs import Task
from cxrshort.training.objectives.rrr import RRR, RRRSettings

from .by_hand import NAN, batch, bce, linear, logits_of, sigmoid


def test_rrr_of_labels_equals_its_formula_on_a_linear_model() -> None:
    """d/dx sum over labels of log p + log(1 - p) is sum (1 - 2 p_l) w_l, for empty labels too."""
    model, samples = linear(outputs=2), batch([[1.0, NAN], [0.0, 1.0], [1.0, 0.0]], masked=True)
    logits, targets = logits_of(model, samples), samples.targets.double().numpy()
    slopes = (1 - 2 * sigmoid(logits)) @ model[1].weight.detach().double().numpy()
    background = 1 - samples.masks.numpy().reshape(3, 16)
    expected = np.nanmean(bce(logits, targets)) + 0.7 * (background * slopes**2).sum(1).mean()
    assert RRR(RRRSettings(weight=0.7))(model, samples).item() == pytest.approx(expected, rel=1e-5)


def test_rrr_of_exclusive_classes_equals_its_formula_on_a_linear_model() -> None:
    """d/dx sum_c log p_c = sum_c w_c - C sum_c p_c w_c."""
    model, samples = linear(outputs=3), batch([[1.0, 0, 0], [0, 0, 1]], masked=True)
    logits, weights = logits_of(model, samples), model[1].weight.detach().double().numpy()
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    slopes = weights.sum(0) - 3 * p @ weights
    background = 1 - samples.masks.numpy().reshape(2, 16)
    cross_entropy = -np.log(p[[0, 1], [0, 2]]).mean()
    expected = cross_entropy + 2.0 * (background * slopes**2).sum(1).mean()
    actual = RRR(RRRSettings(weight=2.0), task=Task("multiclass"))(model, samples)
    assert actual.item() == pytest.approx(expected, rel=1e-5)


def test_penalty_does_not_depend_on_the_batch_size() -> None:
    model, samples = linear(), batch([[1.0], [0.0]], masked=True)
    twice = samples._replace(
        images=samples.images.repeat(2, 1, 1, 1),
        targets=samples.targets.repeat(2, 1),
        masks=samples.masks.repeat(2, 1, 1, 1),
    )
    torch.testing.assert_close(RRR()(model, samples), RRR()(model, twice))


def test_weight_converts_from_the_published_code() -> None:
    """The published penalty differentiates the mean over the batch; with B images it is ours over B^2."""
    model, samples = linear(outputs=2), batch([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], masked=True)
    images = samples.images.clone().requires_grad_()
    logits = model(images)
    (slopes,) = torch.autograd.grad(torch.log(torch.softmax(logits, 1)).sum(1).mean(), images)
    published = 1e3 * ((1 - samples.masks) * slopes**2).sum((1, 2, 3)).mean()
    task = Task("multiclass")
    samples = samples._replace(targets=torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))
    plain = RRR(RRRSettings(weight=0.0), task=task)(model, samples)
    ours = RRR(RRRSettings(weight=1e3 / 3**2), task=task)(model, samples) - plain
    torch.testing.assert_close(ours, published, rtol=1e-4, atol=0)


def test_gradient_that_is_zero_outside_the_mask_costs_nothing() -> None:
    model, samples = linear(), batch([[1.0], [0.0]], masked=True)
    model[1].weight.data *= samples.masks[0].flatten()
    torch.testing.assert_close(
        RRR(RRRSettings(weight=1e6))(model, samples), RRR(RRRSettings(weight=0.0))(model, samples)
    )


def test_rrr_refuses_other_tasks_and_a_negative_weight() -> None:
    with pytest.raises(UsageError) as caught:
        RRR(task=Task("regression"))
    assert caught.value.message == "'rrr' needs labels or classes, not regression"
    with pytest.raises(UsageError) as caught:
        RRRSettings(weight=-1.0)
    assert caught.value.message == "the weight of rrr is '-1.0', it must not be below 0"
    with pytest.raises(UsageError) as caught:
        RRRSettings(bn="batch")  # of a second pass: alone, it would never set the running statistics
    assert caught.value.message == "'batch' is not a known rule for batch norm"


def test_rrr_works_on_networks_without_relu() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.GELU(), nn.Linear(4, 1))
    loss = RRR()(model, batch([[1.0], [0.0]], masked=True))
    loss.backward()
    assert all(float(parameter.grad.abs().sum()) > 0 for parameter in model.parameters())
