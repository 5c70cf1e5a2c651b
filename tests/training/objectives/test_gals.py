import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from cxrshort.compute import Compute
from cxrshort.errors import UsageError
from cxrshort.models import factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.outputs import Task
from cxrshort.training.objectives.gals import GALS, GALSSettings, attention_of

from .by_hand import NAN, arguing, batch, bce, convolutional, linear, logits_of, sigmoid

MULTICLASS = Task("multiclass")


def attention_by_hand(teacher: nn.Sequential, image: torch.Tensor, output: int, sign: float) -> torch.Tensor:
    """Return relu(sum_c w_c f_c) from 0 to 1; the map of a padded convolution has the size of the image."""
    with torch.no_grad():
        features = teacher[1](teacher[0](image[None]))[0]
        maps = torch.einsum("c,chw->hw", sign * teacher[4].weight[output], features).clamp(min=0)
    return (maps - maps.min()) / (maps.max() - maps.min())


def test_gals_of_labels_equals_its_formula_on_a_linear_model() -> None:
    """The slope of -log p_y is (p - y) w; the absent label's attention is the evidence against it."""
    student, teacher = linear(inputs=64), convolutional(seed=2)
    samples = batch([[1.0], [0.0], [NAN]], size=8)._replace(teacher=teacher)
    logits, targets = logits_of(student, samples), samples.targets.double().numpy()
    weights = student[1].weight.detach().double().numpy().reshape(8, 8)
    penalties = [
        np.abs((1 - attention_by_hand(teacher, samples.images[number], 0, sign).numpy()) * slope * weights).sum()
        for number, sign, slope in ((0, 1.0, sigmoid(logits)[0, 0] - 1), (1, -1.0, sigmoid(logits)[1, 0]))
    ]
    expected = np.nanmean(bce(logits, targets)) + 0.7 * sum(penalties) / 3
    objective = GALS(GALSSettings(weight=0.7))
    assert objective(student, samples).item() == pytest.approx(expected, rel=1e-5)
    assert int(objective.skipped) == 0


def test_gals_of_exclusive_classes_looks_where_the_teacher_sees_the_true_one() -> None:
    student, teacher = linear(inputs=64, outputs=3), arguing(outputs=3, seed=2)
    samples = batch([[1.0, 0, 0], [0, 0, 1]], size=8)._replace(teacher=teacher)
    logits, truth = torch.from_numpy(logits_of(student, samples)), torch.tensor([0, 2])
    slopes = (logits.softmax(1) - functional.one_hot(truth, 3)) @ student[1].weight.detach().double()
    outside = torch.stack(
        [1 - attention_by_hand(teacher, samples.images[n], int(truth[n]), 1.0).flatten() for n in range(2)]
    )
    expected = functional.cross_entropy(logits, truth) + 0.2 * (outside * slopes).abs().sum(1).mean()
    actual = GALS(GALSSettings(weight=0.2), task=MULTICLASS)(student, samples)
    assert actual.item() == pytest.approx(expected.item(), rel=1e-5)


def test_weight_converts_from_the_published_code() -> None:
    """It differentiates the mean loss of the batch, and averages |slope - slope x attention| over all elements."""
    student, teacher = linear(inputs=64, outputs=2), arguing(outputs=2, seed=2)
    samples = batch([[1.0, 0], [0, 1], [1, 0]], size=8)._replace(teacher=teacher)
    images = samples.images.clone().requires_grad_()
    truth = samples.targets.argmax(1)
    (slopes,) = torch.autograd.grad(functional.cross_entropy(student(images), truth), images)
    attention = torch.stack([attention_by_hand(teacher, samples.images[n], int(truth[n]), 1.0)[None] for n in range(3)])
    published = 1e4 * functional.l1_loss(slopes, slopes * attention)
    plain = GALS(GALSSettings(weight=0.0), task=MULTICLASS)(student, samples)
    ours = GALS(GALSSettings(weight=1e4 / (3 * 64)), task=MULTICLASS)(student, samples) - plain
    torch.testing.assert_close(ours, published, rtol=1e-4, atol=0)


def test_loss_has_the_gradient_of_its_differences() -> None:
    """The penalty is a slope itself, so this checks the second derivative of the network."""
    torch.manual_seed(0)
    student = nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.Softplus(), nn.Linear(3, 2)).double()
    teacher = convolutional(outputs=2, seed=2).double()
    samples = batch([[1.0, 0], [0, 1]])._replace(teacher=teacher)
    samples = samples._replace(images=samples.images.double(), targets=samples.targets.double())
    objective = GALS(GALSSettings(weight=0.5))
    loss = objective(student, samples)
    weight = student[1].weight
    (gradient,) = torch.autograd.grad(loss, weight)
    for place in ((0, 0), (1, 7), (2, 15)):
        values = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                weight[place] += step
            values.append(objective(student, samples).item())
            with torch.no_grad():
                weight[place] -= step
        assert (values[0] - values[1]) / 2e-5 == pytest.approx(gradient[place].item(), rel=1e-5)


def test_parts_of_a_step_add_up_to_the_whole() -> None:
    """Four images with 2, 1, 0 and 2 labels: the labels' loss is a mean over 5, the penalty over 4."""
    teacher = convolutional(outputs=2, seed=2)
    samples = batch([[1.0, 0.0], [0.0, NAN], [NAN, NAN], [1.0, 1.0]], size=8)._replace(
        teacher=teacher, target_counts=np.array([2, 1, 0, 2])
    )
    losses, gradients = [], []
    for parts in (1, 2):
        student = linear(inputs=64, outputs=2)
        objective = GALS(GALSSettings(weight=0.5))
        losses.append(objective.backward(student, samples, accumulation_steps=parts, compute=Compute("cpu", "fp32", 1)))
        gradients.append(student[1].weight.grad)
    torch.testing.assert_close(losses[0], losses[1])
    torch.testing.assert_close(gradients[0], gradients[1])


def test_attention_that_is_the_same_everywhere_is_counted_and_not_punished() -> None:
    student, teacher = linear(inputs=64), convolutional(seed=2)
    with torch.no_grad():
        teacher[0].bias.fill_(-100.0)
    samples = batch([[1.0], [0.0], [NAN]], size=8)._replace(teacher=teacher)
    objective = GALS(GALSSettings(weight=1e6))
    torch.testing.assert_close(objective(student, samples), GALS(GALSSettings(weight=0.0))(student, samples))
    assert int(objective.skipped) == 2  # the third image has no label, and so nothing to explain


@pytest.mark.parametrize("explanation", ["lrp", "grad-cam", "gradient", "gradient-x-input", "attention"])
def test_any_explanation_is_an_attention(explanation: str) -> None:
    student, teacher = convolutional(), convolutional(seed=2)
    samples = batch([[1.0], [0.0]], size=8)._replace(teacher=teacher)
    loss = GALS(GALSSettings(explanation=explanation))(student, samples)
    loss.backward()
    assert math.isfinite(loss.item()) and float(student[0].weight.grad.abs().sum()) > 0
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_evidence_against_an_absent_label_is_the_negative_part_of_the_map_for_it() -> None:
    student, teacher = linear(inputs=64), linear(inputs=64, seed=8)
    samples = batch([[0.0]], size=8)._replace(teacher=teacher)
    evidence = (-teacher[1].weight.detach().view(8, 8)).clamp(min=0)
    attention = evidence / evidence.max()
    p, weights = sigmoid(logits_of(student, samples))[0, 0], student[1].weight.detach().view(8, 8)
    settings = [GALSSettings(weight=weight, explanation="gradient") for weight in (0.0, 1.0)]
    plain, punished = (GALS(setting)(student, samples) for setting in settings)
    actual = punished - plain
    assert actual.item() == pytest.approx(float(((1 - attention) * weights * p).abs().sum()), rel=1e-5)


def test_teacher_that_is_no_number_is_not_hidden() -> None:
    teacher = convolutional(seed=2)
    with torch.no_grad():
        teacher[0].weight.fill_(NAN)
    samples = batch([[1.0], [0.0]], size=8)._replace(teacher=teacher)
    assert math.isnan(GALS()(linear(inputs=64), samples).item())


def test_attention_lies_where_the_teacher_looks_and_is_stretched_from_0_to_1() -> None:
    maps = torch.tensor([[[[1.0, 3.0], [1.0, -2.0]]], [[[2.0, 2.0], [2.0, 2.0]]], [[[-1.0, -2.0], [0.0, -3.0]]]])
    attention, blank = attention_of(maps, nn.Identity(), torch.zeros(3, 1, 2, 2))
    torch.testing.assert_close(attention[0, 0], torch.tensor([[1 / 3, 1.0], [1 / 3, 0.0]]))
    assert blank.tolist() == [False, True, True]
    description = Description("classifier", "small-cnn", ("A",), InputSpec(size=32, crop=0.5))
    enlarged, _ = attention_of(maps, factory.build_model(description), torch.zeros(3, 1, 32, 32))
    window = functional.interpolate(attention, (16, 16), mode="bilinear", align_corners=False)
    torch.testing.assert_close(enlarged[..., 8:24, 8:24], window)
    assert float(enlarged.sum()) == pytest.approx(float(window.sum()))


def test_gals_refuses_other_tasks_and_settings_out_of_range() -> None:
    with pytest.raises(UsageError) as caught:
        GALS(task=Task("regression"))
    assert caught.value.message == "'gals' needs labels or classes, not regression"
    for settings, message in (
        ({"weight": -1.0}, "the weight of gals is '-1.0', it must not be below 0"),
        ({"explanation": "clip"}, "'clip' is not a known explanation to learn from"),
        ({"bn": "batch"}, "'batch' is not a known rule for batch norm"),
    ):
        with pytest.raises(UsageError) as caught:
            GALSSettings(**settings)
        assert caught.value.message == message
