import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from cxrshort.errors import UsageError
from cxrshort.models.outputs import Task
from cxrshort.training.objectives.grad_cam_outputs import (
    GradCAMOutputs,
    GradCAMOutputsSettings,
    grad_cam_distances,
)

from .by_hand import NAN, arguing, batch, convolutional, seeded


def maps_of(model: nn.Sequential, images: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
    """Return relu(sum_c w_c f_c): behind an average pool, w_c is the last layer's weight over the number of pixels."""
    features = model[1](model[0](images))
    return torch.einsum("nc,nchw->nhw", model[4].weight[outputs] / features[0, 0].numel(), features).relu()


def test_loss_is_one_less_the_cosine_and_the_divergence_of_outputs() -> None:
    student, teacher = arguing(outputs=3), arguing(outputs=3, seed=1)
    samples = batch([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]], size=8)._replace(teacher=teacher)
    settings = GradCAMOutputsSettings(maps=2.0, outputs=0.3, temperature=5.0)
    loss = GradCAMOutputs(settings, task=Task("multiclass"))(student, samples)
    with torch.no_grad():
        logits, target = student(samples.images), teacher(samples.images)
        own, other = (maps_of(model, samples.images, target.argmax(1)).flatten(1) for model in (student, teacher))
        divergence = functional.kl_div((logits / 5).log_softmax(1), (target / 5).softmax(1), reduction="batchmean")
        expected = 2.0 * (1 - functional.cosine_similarity(own, other, dim=1)).mean() + 0.3 * 25 * divergence
    torch.testing.assert_close(loss.detach(), expected)


def test_loss_of_the_other_candidate_is_the_tea_loss_at_one_resolution() -> None:
    student, teacher = arguing(outputs=2), arguing(outputs=2, seed=1)
    samples = batch([[1.0, 0], [0, 1]], size=16)._replace(teacher=teacher)
    loss = GradCAMOutputs(GradCAMOutputsSettings(loss="geo-l1", outputs=0.0))(student, samples)
    with torch.no_grad():
        outputs = teacher(samples.images).argmax(1)
        own, other = (maps_of(model, samples.images, outputs) for model in (student, teacher))
        sizes = [maps.abs().mean((1, 2)) for maps in (own, other, own - other)]
        expected = (sizes[2] / (sizes[0] * sizes[1]).sqrt()).mean()
    torch.testing.assert_close(loss.detach(), expected)


def test_channel_weights_learn_from_the_maps() -> None:
    student, teacher = arguing(outputs=2), arguing(outputs=2, seed=1)
    samples = batch([[1.0, 0], [0, 1]], size=8)._replace(teacher=teacher)
    GradCAMOutputs(GradCAMOutputsSettings(outputs=0.0))(student, samples).backward()
    assert float(student[4].weight.grad.abs().sum()) > 0
    assert all(parameter.grad is None for parameter in teacher.parameters())


@pytest.mark.parametrize("loss", ["cosine", "geo-l1"])
def test_distance_has_the_gradient_of_its_differences(loss: str) -> None:
    student, teacher = seeded(2, 1, 3, 3).double().abs().requires_grad_(), seeded(2, 1, 3, 3, seed=1).double().abs()
    assert torch.autograd.gradcheck(lambda maps: grad_cam_distances(maps, teacher, loss=loss)[0], student)


def test_loss_has_the_gradient_of_its_differences_through_map_and_outputs() -> None:
    """The map is a gradient itself, so this checks the second derivative of the network."""
    torch.manual_seed(0)
    student, teacher = (
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.Softplus(), nn.Flatten(), nn.Linear(8, 2)).double() for _ in range(2)
    )
    samples = batch([[1.0, 0], [0, 1]])._replace(teacher=teacher)
    samples = samples._replace(images=samples.images.double())
    weights = {name: value.detach().clone().requires_grad_() for name, value in student.named_parameters()}

    class Bound(nn.Module):
        def __init__(self, values: tuple[torch.Tensor, ...]) -> None:
            super().__init__()
            self.values = dict(zip(weights, values, strict=True))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = torch.func.functional_call(student, self.values, (images,))
            return logits

    def loss(*values: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = GradCAMOutputs()(Bound(values), samples)
        return value

    assert torch.autograd.gradcheck(loss, tuple(weights.values()))


@pytest.mark.parametrize(("loss", "expected"), [("cosine", 1.0), ("geo-l1", 2.0)])
def test_map_that_is_0_everywhere_is_counted_and_teaches_by_outputs_alone(loss: str, expected: float) -> None:
    student, teacher = arguing(), convolutional(seed=1)
    with torch.no_grad():
        teacher[4].weight.copy_(-teacher[4].weight.abs())  # nothing argues for the output
    samples = batch([[1.0], [0.0]], size=8)._replace(teacher=teacher)
    alone = GradCAMOutputs(GradCAMOutputsSettings(loss=loss, maps=0.0, outputs=1.0))(student, samples)
    objective = GradCAMOutputs(GradCAMOutputsSettings(loss=loss, outputs=1.0))
    actual = objective(student, samples)
    torch.testing.assert_close(actual, alone + expected)
    assert int(objective.skipped) == 2
    gradients = [torch.autograd.grad(value, list(student.parameters())) for value in (actual, alone)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("loss", "apart"), [("cosine", 1.0), ("geo-l1", 2.0)])
def test_map_that_is_0_is_as_far_as_maps_that_share_no_pixel(loss: str, apart: float) -> None:
    blank, left, right = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    left[..., 0], right[..., 1] = 1.0, 1.0
    for student, teacher, expected, vanished in (
        (left, right, apart, False),
        (left, blank, apart, True),
        (blank, right, apart, True),
        (blank, blank, 0.0, True),
    ):
        distances, compared = grad_cam_distances(student, teacher, loss=loss)
        assert distances.tolist() == [pytest.approx(expected)] and compared.tolist() == [vanished]


def test_teacher_that_is_no_number_is_not_hidden() -> None:
    teacher = convolutional(seed=1)
    with torch.no_grad():
        teacher[4].bias.fill_(NAN)
    samples = batch([[1.0]], size=8)._replace(teacher=teacher)
    assert math.isnan(GradCAMOutputs()(convolutional(), samples).item())
    maps = torch.full((1, 1, 2, 2), NAN)
    assert math.isnan(grad_cam_distances(torch.ones(1, 1, 2, 2), maps)[0].item())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"maps": -1.0}, "maps of grad-cam-outputs is '-1.0', it must not be below 0"),
        ({"outputs": NAN}, "outputs of grad-cam-outputs is 'nan', it must not be below 0"),
        ({"temperature": -3.0}, "the temperature of grad-cam-outputs is '-3.0', it must be above 0"),
        ({"loss": "cos"}, "'cos' is not a known loss on Grad-CAM maps"),
    ],
)
def test_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        GradCAMOutputsSettings(**settings)
    assert caught.value.message == message


def test_maps_of_two_sizes_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        grad_cam_distances(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 2, 2))
    assert caught.value.message == "the Grad-CAM map of the teacher has 2 x 2 pixels, and that of the student has 4 x 4"
