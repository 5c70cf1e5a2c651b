import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from cxrshort.errors import UsageError
from cxrshort.models.outputs import Task
from cxrshort.training.objectives.outputs import Outputs, OutputsSettings, output_losses

from .by_hand import NAN, batch, linear, logits_of, seeded, sigmoid

MULTILABEL, MULTICLASS = Task("multilabel"), Task("multiclass")


def test_loss_of_exclusive_classes_is_the_kl_divergence_of_torch_times_the_squared_temperature() -> None:
    student, teacher = seeded(5, 4), 3 * seeded(5, 4, seed=1)
    for temperature in (1.0, 3.0):
        expected = functional.kl_div(
            (student / temperature).log_softmax(1), (teacher / temperature).softmax(1), reduction="none"
        ).sum(1)
        actual = output_losses(student, teacher, task=MULTICLASS, temperature=temperature)
        torch.testing.assert_close(actual, temperature**2 * expected)


def test_loss_of_labels_is_the_mean_over_labels_of_two_classes_each() -> None:
    student, teacher = seeded(5, 3), 3 * seeded(5, 3, seed=1)
    p, q = (sigmoid(logits.double().numpy() / 3) for logits in (teacher, student))
    expected = 9 * (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean(1)
    np.testing.assert_allclose(output_losses(student, teacher, task=MULTILABEL).numpy(), expected, rtol=1e-4)


def test_label_is_worth_what_two_exclusive_classes_are() -> None:
    student, teacher = seeded(5, 1), seeded(5, 1, seed=1)
    pairs = [torch.cat([torch.zeros_like(logits), logits], 1) for logits in (student, teacher)]
    torch.testing.assert_close(output_losses(student, teacher, task=MULTILABEL), output_losses(*pairs, task=MULTICLASS))


def test_regression_takes_the_squared_error_whatever_the_loss_is() -> None:
    student, teacher = torch.tensor([[1.0, 5.0]]), torch.tensor([[3.0, 4.0]])
    for loss in ("kl", "mse"):
        assert output_losses(student, teacher, task=Task("regression"), loss=loss).tolist() == [2.5]


def test_mse_compares_logits_and_may_divide_by_the_spread_of_the_teacher() -> None:
    student, teacher = torch.tensor([[1.0, 5.0]]), torch.tensor([[0.0, 4.0]])
    assert output_losses(student, teacher, task=MULTICLASS, loss="mse").tolist() == [1.0]
    standardized = output_losses(student, teacher, task=MULTICLASS, loss="mse", standardize=True)
    assert standardized.tolist() == [pytest.approx(1.0 / np.std([0.0, 4.0]) ** 2)]
    ten_times = output_losses(10 * student, 10 * teacher, task=MULTICLASS, loss="mse", standardize=True)
    torch.testing.assert_close(ten_times, standardized)


@pytest.mark.parametrize("task", [MULTILABEL, MULTICLASS, Task("regression")])
@pytest.mark.parametrize("loss", ["kl", "mse"])
def test_loss_has_the_gradient_of_its_differences_and_none_for_the_teacher(task: Task, loss: str) -> None:
    student, teacher = seeded(3, 4).double().requires_grad_(), seeded(3, 4, seed=1).double().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda logits: output_losses(logits, teacher.detach(), task=task, loss=loss), student
    )
    output_losses(student, teacher, task=task, loss=loss).sum().backward()
    assert teacher.grad is None and student.grad is not None


@pytest.mark.parametrize("task", [MULTILABEL, MULTICLASS])
def test_loss_is_0_for_equal_outputs_and_finite_for_extreme_ones(task: Task) -> None:
    logits = torch.tensor([[300.0, -300.0], [-300.0, -300.0]])
    assert output_losses(logits, logits, task=task).tolist() == [0.0, 0.0]
    assert torch.isfinite(output_losses(-logits, logits, task=task)).all()


@pytest.mark.parametrize("task", [MULTILABEL, MULTICLASS, Task("regression")])
def test_teacher_that_is_no_number_is_not_hidden(task: Task) -> None:
    losses = output_losses(torch.zeros(2, 2), torch.tensor([[NAN, 0.0], [1.0, 0.0]]), task=task)
    assert math.isnan(losses[0].item()) and math.isfinite(losses[1].item())


def test_objective_is_the_mean_over_images_and_sees_no_label() -> None:
    student, teacher = linear(outputs=2), linear(outputs=2, seed=8)
    samples = batch([[1.0, NAN], [NAN, NAN], [0.0, 1.0]])._replace(teacher=teacher)
    p, q = (sigmoid(logits_of(model, samples) / 2.0) for model in (teacher, student))
    expected = 4 * (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean()
    objective = Outputs(OutputsSettings(temperature=2.0))
    assert objective(student, samples).item() == pytest.approx(expected, rel=1e-4)
    assert objective(student, samples._replace(targets=1 - samples.targets)).item() == pytest.approx(expected, rel=1e-4)


def test_teacher_sees_the_foreground_alone_where_its_background_is_replaced() -> None:
    student, teacher = linear(), linear(seed=8)
    samples = batch([[1.0], [0.0]], masked=True)._replace(teacher=teacher)
    with torch.no_grad():
        expected = ((student(samples.images) - teacher(samples.images * samples.masks)) ** 2).mean()
    actual = Outputs(OutputsSettings(loss="mse", background="black"))(student, samples)
    torch.testing.assert_close(actual.detach(), expected)


def test_student_of_one_label_learns_its_teacher() -> None:
    student, teacher = linear(), linear(seed=8)
    samples = batch([[1.0]] * 8)._replace(teacher=teacher)
    optimizer, objective = torch.optim.SGD(student.parameters(), 1.0), Outputs()
    for _ in range(1000):
        optimizer.zero_grad()
        objective(student, samples).backward()
        optimizer.step()
    np.testing.assert_allclose(logits_of(student, samples), logits_of(teacher, samples), atol=0.05)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "the temperature of outputs is '0.0', it must be above 0"),
        ({"temperature": NAN}, "the temperature of outputs is 'nan', it must be above 0"),
        ({"loss": "kll"}, "'kll' is not a known loss on outputs"),
        ({"standardize": True}, "outputs are standardized only with loss=mse"),
        ({"init": "nobody"}, "'nobody' is not a known start"),
    ],
)
def test_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        OutputsSettings(**settings)
    assert caught.value.message == message


def test_outputs_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        output_losses(torch.zeros(2, 1), torch.zeros(2, 3), task=MULTILABEL)
    assert caught.value.message == "the teacher has 3 outputs and the student has 1"
    with pytest.raises(UsageError) as caught:
        output_losses(torch.zeros(2, 1), torch.zeros(2, 1), task=MULTILABEL, loss="mse", standardize=True)
    assert caught.value.message == (
        "standardize divides by the standard deviation over outputs, and the teacher has one output"
    )
    with pytest.raises(UsageError) as caught:
        Outputs()(nn.Flatten(), batch([[1.0]]))
    assert caught.value.message == "the method learns from a teacher, and there is none"
