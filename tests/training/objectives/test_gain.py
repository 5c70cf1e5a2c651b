import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from cxrshort.errors import UsageError
from cxrshort.models.outputs import Task
from cxrshort.training.objectives.gain import GAIN, GAINSettings

from .by_hand import NAN, batch, convolutional


def map_of(model: nn.Sequential, image: torch.Tensor, output: int, sign: float) -> torch.Tensor:
    """Return relu(sum_c w_c f_c): behind an average pool, w_c is the head's weight over the number of pixels."""
    features = model[1](model[0](image[None]))
    return (sign * model[4].weight[output] / features[0, 0].numel() @ features[0].flatten(1)).clamp(min=0).view(8, 8)


def test_gain_of_a_label_equals_its_formula() -> None:
    """The absent label's map shows the evidence against it; an image without a label is left out."""
    model, samples = convolutional(), batch([[1.0], [0.0], [NAN]], masked=True, size=8)
    loss = GAIN(GAINSettings(mining=0.6, supervision=3.0))(model, samples)
    with torch.no_grad():
        classification = functional.binary_cross_entropy_with_logits(model(samples.images)[:2], samples.targets[:2])
        left, distances = [], []
        for number, sign in ((0, 1.0), (1, -1.0)):
            shown = map_of(model, samples.images[number], 0, sign)
            distances.append(((shown - samples.masks[number, 0]) ** 2).mean())
            hidden = samples.images[number] * (1 - 1 / (1 + torch.exp(-10 * (shown - 0.5))))
            left.append(torch.sigmoid(sign * model(hidden[None]))[0, 0])
        expected = classification + 0.6 * torch.stack(left).mean() + 3.0 * torch.stack(distances).mean()
    torch.testing.assert_close(loss.detach(), expected)


def test_gain_of_exclusive_classes_explains_the_true_one() -> None:
    model, samples = convolutional(outputs=3), batch([[0.0, 1, 0], [0, 0, 1]], masked=True, size=8)
    loss = GAIN(GAINSettings(mining=0.6, supervision=3.0), task=Task("multiclass"))(model, samples)
    with torch.no_grad():
        expected = functional.cross_entropy(model(samples.images), torch.tensor([1, 2]))
        for number, output in ((0, 1), (1, 2)):
            shown = map_of(model, samples.images[number], output, 1.0)
            expected += 3.0 * ((shown - samples.masks[number, 0]) ** 2).mean() / 2
            hidden = samples.images[number] * (1 - torch.sigmoid(10 * (shown - 0.5)))
            expected += 0.6 * model(hidden[None]).softmax(1)[0, output] / 2
    torch.testing.assert_close(loss.detach(), expected)


@pytest.mark.parametrize("learn_weights", [False, True])
def test_head_learns_from_the_map_only_where_its_weights_are_learnt(learn_weights: bool) -> None:
    model, samples = convolutional(), batch([[1.0], [0.0]], masked=True, size=8)
    slopes = []
    for supervision in (0.0, 50.0):
        model.zero_grad()
        GAIN(GAINSettings(mining=0.0, supervision=supervision, learn_weights=learn_weights))(model, samples).backward()
        slopes.append(model[4].weight.grad.clone())
    assert torch.allclose(slopes[0], slopes[1]) != learn_weights


def normalised() -> nn.Sequential:
    """Return a network with batch norm, in training mode."""
    plain = convolutional()
    return nn.Sequential(plain[0], nn.BatchNorm2d(3), *plain[1:]).train()


def test_mining_normalises_as_training_does_and_leaves_no_trace_in_the_running_statistics() -> None:
    samples = batch([[1.0], [0.0], [1.0]], masked=True, size=8)
    with_mining, without, plain = (copy.deepcopy(normalised()) for _ in range(3))
    difference = GAIN(GAINSettings(mining=0.6))(with_mining, samples) - GAIN(GAINSettings(mining=0.0))(without, samples)
    with torch.no_grad():
        features = plain[2](plain[1](plain[0](samples.images)))
        signs = torch.tensor([1.0, -1.0, 1.0])
        shown = torch.einsum("n,c,nchw->nhw", signs, plain[5].weight[0] / 64, features).clamp(min=0)[:, None]
        hidden = samples.images * (1 - torch.sigmoid(10 * (shown - 0.5)))
        expected = 0.6 * torch.sigmoid(signs * plain(hidden)[:, 0]).mean()
    torch.testing.assert_close(difference.detach(), expected)
    for name in ("running_mean", "running_var"):
        assert torch.equal(getattr(with_mining[1], name), getattr(without[1], name))


def test_mining_in_training_mode_does_not_learn_from_the_running_statistics() -> None:
    """The classification loss does not see them: what mining learnt of them, nothing would hold against."""
    samples, slopes = batch([[1.0], [0.0]], masked=True, size=8), []
    for mean in (0.0, 3.0):
        model = normalised()
        model[1].running_mean.fill_(mean)
        loss = GAIN(GAINSettings(mining=5.0))(model, samples)
        loss.backward()
        slopes.append([loss.detach(), *(parameter.grad for parameter in model.parameters())])
    for first, second in zip(*slopes, strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_explained_label_is_drawn_anew_in_every_step_among_the_known_ones() -> None:
    from cxrshort.training.objectives.target_sampling import sample_targets

    samples = batch([[1.0, NAN, 0.0, 1.0]] * 40)
    drawn = [sample_targets(Task(), samples._replace(step=step), seed=0) for step in range(3)]
    again = sample_targets(Task(), samples._replace(step=1), seed=0)
    assert torch.equal(drawn[1].labels, again.labels)
    assert not torch.equal(drawn[1].labels, drawn[2].labels)
    for sample in drawn:
        assert set(sample.labels.tolist()) == {0, 2, 3}
        np.testing.assert_array_equal(sample.signs.numpy(), np.where(sample.labels.numpy() == 2, -1, 1))


def test_gain_refuses_other_tasks_and_numbers_out_of_range() -> None:
    with pytest.raises(UsageError) as caught:
        GAIN(task=Task("regression"))
    assert caught.value.message == "'gain' needs labels or classes, not regression"
    with pytest.raises(UsageError) as caught:
        GAINSettings(mining=-1.0)
    assert caught.value.message == "the mining of gain is '-1.0', it must not be below 0"
