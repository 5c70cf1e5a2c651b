import numpy as np
import pytest
import torch

from cxrshort.errors import UsageError
from cxrshort.models.outputs import Task
from cxrshort.training.objectives.group_dro import GroupDRO, GroupDROSettings

from .by_hand import NAN, batch, bce, linear, logits_of

TARGETS = [[1.0], [0.0], [1.0], [NAN], [0.0], [1.0]]
GROUPS = [0, 0, 2, 2, 0, 2]


def by_the_paper(
    losses: dict[int, float], q: np.ndarray, *, step: float, extra: np.ndarray
) -> tuple[float, np.ndarray]:
    """Algorithm 1: q_g *= exp(step loss_g) for the groups seen, normalise, loss = sum q_g loss_g."""
    q = q.copy()
    for group, loss in losses.items():
        q[group] *= np.exp(step * (loss + extra[group]))
    q /= q.sum()
    return sum(q[group] * (loss + extra[group]) for group, loss in losses.items()), q


@pytest.mark.parametrize("adjustment", [0.0, 2.0])
def test_group_dro_equals_the_algorithm_over_three_steps(adjustment: float) -> None:
    model, samples = linear(), batch(TARGETS, groups=GROUPS)
    objective = GroupDRO(GroupDROSettings(step=0.3, adjustment=adjustment))
    objective.check(np.array([0] * 50 + [1] * 30 + [2] * 20), None)
    losses = bce(logits_of(model, samples), np.array(TARGETS))[:, 0]
    means = {0: losses[[0, 1, 4]].mean(), 2: losses[[2, 5]].mean()}  # the image without a label counts nowhere
    q, extra = np.full(3, 1 / 3), adjustment / np.sqrt([50, 30, 20])
    for _ in range(3):
        expected, q = by_the_paper(means, q, step=0.3, extra=extra)
        assert objective(model, samples).item() == pytest.approx(expected, rel=1e-5)
        np.testing.assert_allclose(objective.weights.numpy(), q, rtol=1e-5)


def test_group_dro_gradient_is_that_of_the_weighted_losses_with_constant_weights() -> None:
    model, samples = linear(), batch(TARGETS, groups=GROUPS)
    objective = GroupDRO(GroupDROSettings(step=0.5))
    objective.check(np.array([0, 1, 2]), None)
    objective(model, samples).backward()
    actual = model[1].weight.grad.clone()
    model.zero_grad()
    losses = torch.nn.functional.binary_cross_entropy_with_logits(
        model(samples.images), samples.targets.nan_to_num(), reduction="none"
    )[:, 0]
    weights = objective.weights
    (weights[0] * losses[[0, 1, 4]].mean() + weights[2] * losses[[2, 5]].mean()).backward()
    torch.testing.assert_close(actual, model[1].weight.grad)


def test_group_dro_works_on_exclusive_classes() -> None:
    model = linear(outputs=3)
    samples = batch([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [NAN, NAN, NAN]], groups=[0, 1, 1, 0])
    objective = GroupDRO(GroupDROSettings(step=0.1), task=Task("multiclass"))
    objective.check(np.array([0, 1]), None)
    logits = logits_of(model, samples)
    losses = np.log(np.exp(logits).sum(1)) - logits[[0, 1, 2, 0], [0, 1, 2, 0]]
    means = {0: losses[0], 1: losses[[1, 2]].mean()}
    expected, _ = by_the_paper(means, np.full(2, 0.5), step=0.1, extra=np.zeros(2))
    assert objective(model, samples).item() == pytest.approx(expected, rel=1e-5)


def test_group_dro_goes_on_from_its_state() -> None:
    model, samples = linear(), batch(TARGETS, groups=GROUPS)
    first, second = GroupDRO(GroupDROSettings(step=1.0)), GroupDRO(GroupDROSettings(step=1.0))
    for objective in (first, second):
        objective.check(np.array([0, 1, 2]), None)
    first(model, samples)
    second.load_state_dict(first.state_dict())
    assert not torch.equal(first.weights, torch.full((3,), 1 / 3))
    assert torch.equal(first(model, samples), second(model, samples))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"step": 0.0}, "the step of group-dro is '0.0', it must be above 0"),
        ({"adjustment": -1.0}, "the adjustment of group-dro is '-1.0', it must not be below 0"),
    ],
)
def test_group_dro_refuses_numbers_out_of_range(settings: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        GroupDROSettings(**settings)
    assert caught.value.message == message
