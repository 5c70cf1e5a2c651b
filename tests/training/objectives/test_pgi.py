import numpy as np
import pytest
import torch
from scipy.stats import entropy
from torch import nn

from cxrshort.errors import UsageError
from cxrshort.models.outputs import Task
from cxrshort.training.objectives.pgi import PGI, PGISettings

from .by_hand import NAN, batch, bce, linear, logits_of, sigmoid

TARGETS = [[1.0, 0.0], [0.0, NAN], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
GROUPS = [0, 1, 0, 1, 1, 0, 1, 2]


def divergence(q: np.ndarray, p: np.ndarray) -> float:
    """SciPy's Kullback-Leibler divergence, divided by the number of outcomes, as the authors' code has it."""
    return float(entropy(q, p)) / len(q)


def test_pgi_of_labels_equals_its_formula() -> None:
    """Each label is two classes; three groups make three pairs, the later against the earlier one."""
    model, samples = linear(outputs=2), batch(TARGETS, groups=GROUPS)
    objective = PGI(PGISettings(weight=2.0, warm_up_epochs=0))
    objective.check(np.array(GROUPS), None)
    logits, targets, groups = logits_of(model, samples), np.array(TARGETS), np.array(GROUPS)
    p = sigmoid(logits)
    total = 0.0
    for low, high in ((0, 1), (0, 2), (1, 2)):
        for label in (0, 1):
            for answer in (0, 1):
                means = []
                for group in (low, high):
                    chosen = p[(groups == group) & (targets[:, label] == answer), label]
                    means.append(np.array([1 - chosen.mean(), chosen.mean()]) if len(chosen) else None)
                if means[0] is not None and means[1] is not None:
                    total += divergence(means[1], means[0])
    risks = [np.nanmean(bce(logits[groups == label], targets[groups == label])) for label in (0, 1, 2)]
    expected = np.mean(risks) + 2.0 * total / 2 / 3  # mean over labels, mean over pairs
    assert objective(model, samples).item() == pytest.approx(expected, rel=1e-5)


def test_pgi_of_exclusive_classes_equals_its_formula() -> None:
    model = linear(outputs=3)
    classes, groups = np.array([0, 1, 2, 0, 1, 0, 0]), np.array([0, 0, 0, 1, 1, 1, 0])
    samples = batch(np.eye(3)[classes].tolist(), groups=groups.tolist())
    objective = PGI(PGISettings(weight=5.0, warm_up_epochs=0), task=Task("multiclass"))
    objective.check(groups, None)
    logits = logits_of(model, samples)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    total = 0.0
    for label in (0, 1):  # class 2 is not in group 1
        first, second = (p[(groups == group) & (classes == label)].mean(0) for group in (0, 1))
        total += divergence(second, first)
    losses = -np.log(p[np.arange(7), classes])
    expected = (losses[groups == 0].mean() + losses[groups == 1].mean()) / 2 + 5.0 * total
    assert objective(model, samples).item() == pytest.approx(expected, rel=1e-5)


def test_penalty_reaches_the_features_and_not_the_head() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 5), nn.ReLU(), nn.Linear(5, 1))
    samples = batch([[1.0], [0.0], [1.0], [0.0]], groups=[0, 0, 1, 1])
    gradients = []
    for weight in (0.0, 7.0):
        objective = PGI(PGISettings(weight=weight, warm_up_epochs=0))
        objective.check(np.array([0, 1]), None)
        model.zero_grad()
        objective(model, samples).backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
    body, head = slice(0, 2), slice(2, 4)
    assert all(not torch.allclose(a, b) for a, b in zip(gradients[0][body], gradients[1][body], strict=True))
    for a, b in zip(gradients[0][head], gradients[1][head], strict=True):
        torch.testing.assert_close(a, b)


def test_weight_rises_after_the_warm_up_epochs() -> None:
    settings = PGISettings(weight=8.0, warm_up_epochs=2, ramp_epochs=4)
    assert [settings.at(epoch) for epoch in range(8)] == [0, 0, 2, 4, 6, 8, 8, 8]
    assert [PGISettings(weight=8.0).at(epoch) for epoch in range(3)] == [0, 8, 8]


def test_pgi_refuses_networks_without_a_linear_head_tasks_without_classes_and_numbers_out_of_range() -> None:
    objective = PGI(PGISettings(warm_up_epochs=0))
    objective.check(np.array([0, 1]), None)
    for model in (nn.Sequential(nn.Conv2d(1, 1, 4), nn.Flatten()), nn.Sequential(linear(outputs=3), nn.MaxPool1d(3))):
        with pytest.raises(UsageError) as caught:
            objective(model, batch([[1.0], [0.0]], groups=[0, 1]))
        assert caught.value.message == "'pgi' needs a network that ends with a linear layer"
    with pytest.raises(UsageError) as caught:
        PGI(task=Task("regression"))
    assert caught.value.message == "'pgi' needs labels or classes, not regression"
    with pytest.raises(UsageError) as caught:
        PGISettings(weight=-2.0)
    assert caught.value.message == "the weight of pgi is '-2.0', it must not be below 0"
    with pytest.raises(UsageError) as caught:
        PGISettings(ramp_epochs=0)
    assert caught.value.message == "the ramp of pgi takes '0' epochs, it must be 1 or more"
