import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from cxrshort.errors import UsageError
from cxrshort.models import factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.outputs import Task
from cxrshort.training.objectives.outputs import output_losses
from cxrshort.training.objectives.representations import (
    Representations,
    RepresentationsSettings,
    Represented,
    check_reached,
    representation_losses,
)
from cxrshort.training.objectives.tea import TEA, TEASettings
from cxrshort.training.teacher import Teacher

from .by_hand import NAN, batch, convolutional, linear, seeded


def features_of(model: nn.Sequential, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        maps: torch.Tensor = model[1](model[0](images))
    return maps


def test_loss_is_the_distance_between_the_maps_after_their_relu() -> None:
    student, teacher = convolutional(), convolutional(seed=1)
    samples = batch([[1.0], [NAN], [0.0]], size=8)._replace(teacher=teacher)
    own, target = features_of(student, samples.images), features_of(teacher, samples.images)
    mse = Representations(RepresentationsSettings(loss="mse"))(student, samples)
    torch.testing.assert_close(mse.detach(), ((own - target) ** 2).mean())
    geometric = [
        (one - other).abs().mean() / (one.abs().mean() * other.abs().mean()).sqrt()
        for one, other in zip(own, target, strict=True)
    ]
    torch.testing.assert_close(Representations()(student, samples).detach(), torch.stack(geometric).mean())


@pytest.mark.parametrize("loss", ["geo-l1", "mse"])
def test_loss_has_the_gradient_of_its_differences_and_none_for_the_teacher(loss: str) -> None:
    student, teacher = (
        seeded(2, 3, 4, 4).double().requires_grad_(),
        seeded(2, 3, 4, 4, seed=1).double().requires_grad_(),
    )
    assert torch.autograd.gradcheck(lambda maps: representation_losses(maps, teacher.detach(), loss=loss)[0], student)
    representation_losses(student, teacher, loss=loss)[0].sum().backward()
    assert teacher.grad is None and student.grad is not None


def test_single_resolution_of_large_maps_averages_over_nothing() -> None:
    student, teacher = seeded(1, 2, 32, 32).abs(), seeded(1, 2, 32, 32, seed=1).abs()
    expected = (student - teacher).abs().mean() / (student.mean() * teacher.mean()).sqrt()
    torch.testing.assert_close(representation_losses(student, teacher)[0][0], expected)


def test_map_that_is_0_everywhere_is_counted_and_leaves_a_finite_gradient() -> None:
    student, teacher = convolutional(), convolutional(seed=1)
    with torch.no_grad():
        teacher[0].bias.fill_(-100.0)
    objective, samples = Representations(), batch([[1.0], [0.0]], size=8)._replace(teacher=teacher)
    loss = objective(student, samples)
    loss.backward()
    assert loss.item() == 2.0 and int(objective.skipped) == 2  # as far as maps that share no pixel
    assert all(torch.isfinite(value.grad).all() for value in student[0].parameters())
    objective = Representations(RepresentationsSettings(loss="mse"))
    assert objective(student, samples).item() > 0 and int(objective.skipped) == 0


@pytest.mark.parametrize("loss", ["geo-l1", "mse"])
def test_teacher_that_is_no_number_is_not_hidden(loss: str) -> None:
    teacher = convolutional(seed=1)
    with torch.no_grad():
        teacher[0].weight.fill_(NAN)
    samples = batch([[1.0], [0.0]], size=8)._replace(teacher=teacher)
    assert math.isnan(Representations(RepresentationsSettings(loss=loss))(convolutional(), samples).item())


def test_autocast_changes_nothing() -> None:
    student, samples = convolutional(), batch([[1.0], [0.0]], size=8)._replace(teacher=convolutional(seed=1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = Representations()(student, samples)
    torch.testing.assert_close(loss, Representations()(student, samples), rtol=0, atol=0)


def small_cnn(seed: int, *, size: int = 32) -> tuple[Classifier, Description]:
    description = Description("classifier", "small-cnn", ("A", "B"), InputSpec(size=size))
    return factory.build_model(description, seed=seed), description


def test_student_with_the_map_of_its_teacher_has_its_outputs_since_the_last_layer_is_the_teachers() -> None:
    (student, description), (network, _) = small_cnn(1), small_cnn(2)
    Representations().start(student, description, Teacher(network, description))
    last, source = student.network[14], network.network[14]
    assert torch.equal(last.weight, source.weight) and torch.equal(last.bias, source.bias)
    assert not last.weight.requires_grad and not last.bias.requires_grad and student.training
    student.network[:12].load_state_dict(network.network[:12].state_dict())
    images = seeded(2, 1, 32, 32).sigmoid()
    torch.testing.assert_close(student.eval()(images), network.eval()(images))


@pytest.mark.parametrize(("size", "shape"), [(64, (128, 4, 4)), (16, (128, 1, 1))])
def test_last_map_is_that_before_the_average_also_where_it_has_one_pixel(size: int, shape: tuple[int, ...]) -> None:
    watched = Represented(small_cnn(1, size=size)[0])
    images = seeded(2, 1, size, size).sigmoid()
    logits = watched(images)
    assert watched.last_map.shape[1:] == shape and (watched.last_map >= 0).all()
    torch.testing.assert_close(logits, watched.network.network[14](watched.last_map.mean((2, 3))))


@pytest.mark.parametrize("explanation", ["lrp", "grad-cam", "gradient", "gradient-x-input", "attention"])
def test_tea_adds_the_distillation_of_outputs_and_of_representations_from_the_same_passes(explanation: str) -> None:
    """Table 5 of the paper; the running statistics of a batch norm would give a second pass away."""
    student, teacher = (small_cnn(seed, size=64)[0] for seed in (1, 2))
    samples = batch([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], size=64)._replace(teacher=teacher.eval())
    alone, combined, plain = (copy.deepcopy(student) for _ in range(3))
    settings = TEASettings(explanation=explanation)
    loss = TEA(replace(settings, outputs=0.3, representations=2.0))(combined, samples)
    own, target = Represented(plain), Represented(teacher)
    outputs = output_losses(own(samples.images), target(samples.images), task=Task()).mean()
    maps = representation_losses(own.last_map, target.last_map)[0].mean()
    parts = [TEA(settings)(alone, samples), 0.3 * outputs + 2.0 * maps]
    torch.testing.assert_close(loss, sum(parts), rtol=1e-4, atol=1e-5)
    loss.backward()
    sum(parts).backward()
    weights = [model.network[0].weight.grad for model in (combined, alone, plain)]
    torch.testing.assert_close(
        weights[0], weights[1] + weights[2], rtol=1e-3, atol=1e-3 * float(weights[0].abs().max())
    )
    torch.testing.assert_close(combined.network[1].running_mean, alone.network[1].running_mean, rtol=0, atol=0)


def test_layers_behind_the_last_map_are_refused() -> None:
    """AlexNet has two such layers, for one."""
    model, _ = small_cnn(1)
    model.network[14] = nn.Sequential(nn.Linear(128, 8), nn.ReLU(), nn.Linear(8, 2).requires_grad_(False))
    with pytest.raises(UsageError) as caught:
        check_reached(model)
    assert caught.value.message == (
        "'representations' teaches the layers up to the last map, and 'network.14.0.weight' stands behind it"
    )
    assert model.training and all(parameter.grad is None for parameter in model.parameters())


def test_network_whose_layers_are_all_reached_is_left_as_it_was() -> None:
    model, _ = small_cnn(1)
    for parameter in model.network[14].parameters():
        parameter.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    check_reached(model.train())
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        representation_losses(torch.zeros(1, 3, 4, 4), torch.zeros(1, 5, 2, 4))
    assert caught.value.message == (
        "the last map of the teacher is 5 x 2 x 4 (channels, height, width), and that of the student is 3 x 4 x 4"
    )
    with pytest.raises(UsageError) as caught:
        RepresentationsSettings(freeze_last=False)
    assert caught.value.message == "freeze_last of representations is 'false', and no loss would teach the last layer"
    with pytest.raises(UsageError) as caught:
        RepresentationsSettings(loss="l1")
    assert caught.value.message == "'l1' is not a known loss on representations"
    with pytest.raises(UsageError) as caught:
        Representations(task=Task("regression"))(linear(), batch([[1.0]])._replace(teacher=linear()))
    assert caught.value.message == "'representations' needs a convolutional map, and a network has none"
