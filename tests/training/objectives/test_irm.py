import numpy as np
import pytest

from cxrshort.errors import UsageError
from cxrshort.training.objectives.irm import IRM, IRMSettings

from .by_hand import NAN, batch, bce, linear, logits_of, sigmoid

TARGETS = [[1.0, 0.0], [0.0, NAN], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0], [NAN, 1.0]]
GROUPS = [0, 1, 0, 1, 0, 1, 0]


def slope(logits: np.ndarray, targets: np.ndarray) -> float:
    """d/dw of the mean of bce(w z, t) at w = 1 is the mean of z (sigmoid(z) - t) over known targets."""
    return float(np.nanmean(logits * (sigmoid(logits) - targets)))


@pytest.mark.parametrize(("weight", "epoch"), [(0.0, 5), (0.5, 5), (30.0, 5), (30.0, 0), (0.5, 0)])
def test_irm_equals_its_formula(weight: float, epoch: int) -> None:
    model, samples = linear(outputs=2), batch(TARGETS, groups=GROUPS, epoch=epoch)
    objective = IRM(IRMSettings(weight=weight, warm_up_epochs=1))
    objective.check(np.array(GROUPS), None)
    logits, targets, groups = logits_of(model, samples), np.array(TARGETS), np.array(GROUPS)
    risks, penalties = [], []
    for group in (0, 1):
        members = np.flatnonzero(groups == group)
        risks.append(np.nanmean(bce(logits[members], targets[members])))
        first, second = members[::2], members[1::2]
        penalties.append(slope(logits[first], targets[first]) * slope(logits[second], targets[second]))
    used = weight if epoch >= 1 else min(weight, 1.0)
    expected = (np.mean(risks) + used * np.mean(penalties)) / max(1.0, used)
    assert objective(model, samples).item() == pytest.approx(expected, rel=1e-5)


def test_irm_gradient_equals_numerical_derivatives() -> None:
    model, samples = linear(outputs=2).double(), batch(TARGETS, groups=GROUPS)
    samples = samples._replace(images=samples.images.double(), targets=samples.targets.double())
    objective = IRM(IRMSettings(weight=3.0))
    objective.check(np.array(GROUPS), None)
    objective(model, samples).backward()
    weight = model[1].weight
    for row, column in ((0, 0), (1, 7), (0, 15)):
        values = []
        for step in (1e-5, -1e-5):
            weight.data[row, column] += step
            values.append(objective(model, samples).item())
            weight.data[row, column] -= step
        assert float(weight.grad[row, column]) == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5, abs=1e-9)


def test_group_with_one_image_in_a_batch_adds_no_penalty() -> None:
    model = linear()
    samples = batch([[1.0], [0.0], [1.0]], groups=[0, 0, 1])
    objective = IRM(IRMSettings(weight=1.0))
    objective.check(np.array([0, 1]), None)
    logits, targets = logits_of(model, samples), samples.targets.double().numpy()
    penalty = slope(logits[:1], targets[:1]) * slope(logits[1:2], targets[1:2])
    losses = bce(logits, targets)[:, 0]
    assert objective(model, samples).item() == pytest.approx((losses[:2].mean() + losses[2]) / 2 + penalty, rel=1e-5)


def test_penalty_vanishes_where_logits_are_calibrated_in_every_group() -> None:
    """Half of the images with logit 0 are positive, in both groups: no w changes the loss."""
    model = linear()
    model[1].weight.data.zero_()
    model[1].bias.data.zero_()
    samples = batch([[1.0], [1.0], [0.0], [0.0]] * 2, groups=[0] * 4 + [1] * 4)
    losses = []
    for weight in (0.0, 1.0):
        objective = IRM(IRMSettings(weight=weight))
        objective.check(np.array([0, 1]), None)
        losses.append(objective(model, samples).item())
    assert losses[0] == losses[1] == pytest.approx(np.log(2))


def test_irm_refuses_a_negative_weight() -> None:
    with pytest.raises(UsageError) as caught:
        IRMSettings(weight=-1.0)
    assert caught.value.message == "the weight of irm is '-1.0', it must not be below 0"
