"""How a student starts, what a step shows, and how it is judged beside its teacher."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from cxrshort.compute import Compute
from cxrshort.errors import UsageError
from cxrshort.models import factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.outputs import Task
from cxrshort.models.pipeline import noise_field
from cxrshort.training.data.batches import Batch
from cxrshort.training.objectives.contract import FoldImages, Needs
from cxrshort.training.objectives.distillation import Comparison, Distillation, DistillationSettings, Lesson
from cxrshort.training.objectives.explanations import choose_outputs
from cxrshort.training.objectives.target_sampling import sample_draws
from cxrshort.training.teacher import CoTraining, Teacher

from .by_hand import batch

FP32 = Compute("cpu", "fp32", 1)
LABELS = ("A", "B", "C")
DESCRIPTION = Description("classifier", "small-cnn", LABELS, InputSpec(size=16))
SIZE = 16


class Logits(Distillation):
    """Compare logits, and keep what was compared."""

    name = "logits"

    def __init__(self, settings: Any = None, *, task: Task = Task()) -> None:  # noqa: B008
        super().__init__(settings, task=task)
        self.lessons: list[Lesson] = []

    def compare(self, lesson: Lesson) -> Comparison:
        self.lessons.append(lesson)
        own, others = lesson.student(lesson.images), lesson.teacher(lesson.view).detach()
        return Comparison(((own - others) ** 2).mean(1), own, others, torch.tensor(2))


def build(seed: int, *, architecture: str = "small-cnn", labels: tuple[str, ...] = LABELS) -> Classifier:
    """Return a network whose last bias is not 0, with running statistics of its own."""
    description = replace(DESCRIPTION, architecture=architecture, labels=labels)
    model = factory.build_model(description, seed=seed)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model.train()(torch.rand(8, 1, 32, 32))
        last(model).bias.normal_()
    return model.eval()


def last(model: Classifier) -> nn.Linear:
    return [module for module in model.modules() if isinstance(module, nn.Linear)][-1]


@pytest.fixture
def teacher() -> Teacher:
    return Teacher(build(2), DESCRIPTION, "runs/teacher")


def objective(**settings: Any) -> Logits:
    return Logits(DistillationSettings(**settings))


IMAGES = torch.rand(5, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


# The start.
def test_student_that_starts_as_its_teacher_has_its_logits(teacher: Teacher) -> None:
    student = build(1)
    objective(init="teacher").start(student, DESCRIPTION, teacher)
    assert torch.equal(student(IMAGES), teacher.network(IMAGES))
    with torch.no_grad():
        last(student).weight.add_(1.0)
    assert not torch.equal(last(student).weight, teacher.last_layer.weight)  # a copy


def test_student_that_starts_at_random_keeps_its_weights(teacher: Teacher) -> None:
    student, fresh = build(1), build(1)
    objective(output_bias="zero").start(student, DESCRIPTION, teacher)
    for (name, value), before in zip(student.named_parameters(), fresh.parameters(), strict=True):
        assert torch.equal(value, before) == (value is not last(student).bias), name
    assert not last(student).bias.any() and all(value.requires_grad for value in student.parameters())


def test_frozen_last_layer_is_the_teachers(teacher: Teacher) -> None:
    student = build(1)
    objective(freeze_last=True).start(student, DESCRIPTION, teacher)
    assert torch.equal(last(student).weight, teacher.last_layer.weight)
    assert torch.equal(last(student).bias, teacher.last_layer.bias)
    frozen = [name for name, value in student.named_parameters() if not value.requires_grad]
    assert len(frozen) == 2 and all(value is not teacher.last_layer.weight for value in student.parameters())


@pytest.mark.parametrize("init", ["teacher", "random"])
@pytest.mark.parametrize("choice", ["teacher", "zero", "fit"])
def test_output_bias_starts_as_the_teachers_or_at_0(teacher: Teacher, init: str, choice: str) -> None:
    student = build(1)
    objective(init=init, output_bias=choice).start(student, DESCRIPTION, teacher)
    expected = torch.zeros(3) if choice == "zero" else last(teacher.network).bias
    assert torch.equal(last(student).bias, expected)


def test_teacher_whose_last_layer_is_unknown_leaves_the_bias_as_it_is() -> None:
    student = build(1)
    before = last(student).bias.detach().clone()
    objective().start(student, DESCRIPTION, Teacher(build(2)))
    assert torch.equal(last(student).bias, before)


class Headless(nn.Module):
    """A network of the user's own."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean((2, 3)).expand(-1, 3)


def unnamed() -> tuple[Classifier, Description]:
    """Return a student whose last layer nothing names."""
    return Classifier(Headless(), labels=LABELS, spec=InputSpec(SIZE)), replace(DESCRIPTION, architecture="py:my:net")


@pytest.mark.parametrize(
    ("settings", "student", "message", "hint"),
    [
        (
            {"init": "teacher"},
            "alexnet-like",
            "--init teacher copies the weights of 'small-cnn', which do not fit 'unet-like'",
            "--init random, or --arch small-cnn",
        ),
        (
            {"freeze_last": True},
            "unnamed",
            "--freeze-last copies the last layer of 'runs/teacher', and one of the networks has none by name",
            "--no-freeze-last, or a teacher and an --arch that cxrshort trains",
        ),
        (
            {"output_bias": "fit"},
            "unnamed",
            "--output-bias is 'fit', and the last layer of 'py:my:net' is not known by name, or has no bias",
            "--output-bias teacher, or another --arch",
        ),
        (
            {"output_bias": "zero"},
            "unnamed",
            "--output-bias is 'zero', and the last layer of 'py:my:net' is not known by name, or has no bias",
            "--output-bias teacher, or another --arch",
        ),
        (
            {},
            "labels",
            "the student's labels are 'A,B', and 'runs/teacher' has 'A,B,C'",
            "leave --labels out, or take a teacher of these labels",
        ),
    ],
)
def test_student_that_does_not_fit_its_teacher_is_refused(
    teacher: Teacher, settings: dict[str, Any], student: str, message: str, hint: str
) -> None:
    model, description = {
        "alexnet-like": (Classifier(nn.Linear(2, 3), labels=LABELS, spec=InputSpec(SIZE)),
                         replace(DESCRIPTION, architecture="unet-like")),
        "unnamed": unnamed(),
        "labels": (build(1, labels=("A", "B")), replace(DESCRIPTION, labels=("A", "B"))),
    }[student]  # fmt: skip
    with pytest.raises(UsageError) as caught:
        objective(**settings).start(model, description, teacher)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_frozen_layer_of_another_width_is_refused(teacher: Teacher) -> None:
    student = build(1)
    student.network[-1] = nn.Linear(64, 3)  # type: ignore[index, operator]
    with pytest.raises(UsageError) as caught:
        objective(freeze_last=True).start(student, DESCRIPTION, teacher)
    assert caught.value.message == (
        "--freeze-last copies the last layer of 'runs/teacher', from 128 features to 3 outputs, and that of the "
        "student is from 64 to 3"
    )
    assert caught.value.hint == "--no-freeze-last, or an --arch of the same width"


def test_weights_of_a_teacher_that_nothing_describes_are_refused_by_its_name() -> None:
    with pytest.raises(UsageError) as caught:
        objective(init="teacher").start(build(1), DESCRIPTION, Teacher(nn.Linear(2, 3), name="py:mine:net"))
    assert caught.value.message == "--init teacher copies the weights of 'py:mine:net', which do not fit 'small-cnn'"
    assert caught.value.hint == "--init random"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"background": "white"}, "'white' is not a known background"),
        ({"init": "zero"}, "'zero' is not a known start"),
        ({"output_bias": "mean"}, "'mean' is not a known output bias"),
    ],
)
def test_unknown_words_are_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        DistillationSettings(**settings)  # type: ignore[arg-type]
    assert caught.value.message == message


def test_masks_are_no_task_of_a_distillation() -> None:
    with pytest.raises(UsageError) as caught:
        Logits(task=Task("masks"))
    assert caught.value.message == "'logits' needs labels or classes, not masks"


@pytest.mark.parametrize(("background", "masked"), [("none", False), ("noise", True), ("black", True)])
def test_masks_are_needed_where_the_teacher_sees_the_foreground_alone(background: str, masked: bool) -> None:
    assert objective(background=background).needs == Needs(teacher=True, masks=masked, validation_masks=masked)
    assert not objective().co_trains and objective().warm_up_epochs == 0


# A step.
def step(teacher: nn.Module, *, epoch: int = 9) -> Batch:
    return batch([[1.0, 0.0, 1.0]] * 6, masked=True, size=SIZE, epoch=epoch)._replace(teacher=teacher)


def test_step_shows_both_the_same_images_and_chooses_by_the_teachers_logits(teacher: Teacher) -> None:
    method, samples, student = objective(seed=3), step(teacher.network), build(1)
    loss = method(student, samples)
    (lesson,) = method.lessons
    assert lesson.student is student and lesson.teacher is teacher.network
    assert lesson.images is samples.images and lesson.view is samples.images
    assert lesson.learning and not lesson.warming
    draws = sample_draws(samples, 5, seed=3)
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(lesson.outputs(logits), choose_outputs(logits, draws[:, :4]))
    assert torch.equal(lesson.spread, draws[:, 4])
    torch.testing.assert_close(loss, ((student(samples.images) - teacher.network(samples.images)) ** 2).mean())
    assert int(method.skipped) == 2


@pytest.mark.parametrize("background", ["noise", "black"])
def test_teacher_sees_the_foreground_of_a_step(teacher: Teacher, background: str) -> None:
    method, samples = objective(background=background), step(teacher.network)
    method(build(1), samples)
    view = method.lessons[0].view
    assert torch.equal(view[..., : SIZE // 2], samples.images[..., : SIZE // 2].expand(-1, 3, -1, -1))
    assert bool(view[..., SIZE // 2 :].any()) == (background == "noise")
    with pytest.raises(UsageError, match="'logits' needs masks of where evidence may lie"):
        method(build(1), samples._replace(masks=None))


def test_parts_of_a_step_are_divided_by_the_number_of_its_images(teacher: Teacher) -> None:
    method, samples, student = objective(), step(teacher.network), build(1)
    assert method.divisor(samples).item() == 6
    whole = method(student, samples).detach()
    added = method.backward(student, samples, accumulation_steps=4, compute=FP32)
    torch.testing.assert_close(added, whole)


def test_warm_up_is_what_the_method_says(teacher: Teacher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Logits, "warm_up_epochs", 2)
    method = objective()
    for epoch in (0, 1, 2):
        method(build(1), step(teacher.network, epoch=epoch))
    assert [lesson.warming for lesson in method.lessons] == [True, True, False]


# A fold.
class Fold:
    """Twenty images, more than are explained at a time, and their masks: the left half."""

    image_shape = (SIZE, SIZE)

    def __init__(self) -> None:
        self.pixels = np.random.default_rng(1).integers(0, 256, (20, 1, SIZE, SIZE), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        return self.pixels[indices, 0]

    @property
    def images(self) -> Tensor:
        return torch.from_numpy(self.pixels).float() / 255


class LeftHalf:
    """Masks in the lungs' bit; another bit is set all over."""

    def take(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        masks = np.full((len(indices), SIZE, SIZE), 2, np.uint8)
        masks[..., : SIZE // 2] |= 1
        return masks


def fold(teacher: Teacher, **parts: Any) -> FoldImages:
    return FoldImages(Fold(), LeftHalf(), 1, teacher, **parts)


def seen(background: str) -> Tensor:
    """Return what the teacher sees of the fold: one fixed field of noise in the background's place."""
    images = Fold().images
    if background == "none":
        return images
    images = images.expand(-1, 3, -1, -1).clone()
    images[..., SIZE // 2 :] = noise_field(background, channels=3, size=SIZE)[..., SIZE // 2 :]
    return images


@pytest.mark.parametrize("background", ["none", "noise", "black"])
def test_validation_measures_equal_a_direct_computation(teacher: Teacher, background: str) -> None:
    student, method = build(1), objective(background=background)
    judged = []

    def judge(logits: npt.NDArray[np.float32]) -> dict[str, float]:
        judged.append(logits)
        return {"val_loss": 9.0, "score": 0.75}

    measures = method.validate(student, fold(teacher, judge=judge), FP32)
    with torch.no_grad():
        own, others = student(Fold().images), teacher.network(seen(background))
    torch.testing.assert_close(torch.from_numpy(judged[0].copy()), others)
    correlations = [np.corrcoef(own[:, label], others[:, label])[0, 1] for label in range(3)]
    assert measures.keys() == {"val_loss", "logit_correlation", "teacher_score"}
    assert measures["val_loss"] == pytest.approx(float(((own - others) ** 2).mean()), rel=1e-5)
    assert measures["logit_correlation"] == pytest.approx(np.mean(correlations), rel=1e-4)
    assert measures["teacher_score"] == 0.75
    assert method.validate(student, fold(teacher), FP32).keys() == {"val_loss", "logit_correlation"}


def test_validation_draws_nothing(teacher: Teacher) -> None:
    """Whatever the generator holds and whatever the epoch: two looks at the same weights are the same."""
    student, method = build(1), objective(background="noise")
    measures = []
    for seed in (0, 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            measures.append(method.validate(student, fold(teacher), FP32))
    assert measures[0] == measures[1]
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    for lesson in method.lessons:
        assert torch.equal(lesson.outputs(logits), logits.argmax(1))
        assert set(lesson.spread.tolist()) == {0.5} and not lesson.learning


def test_validation_puts_both_networks_in_evaluation_mode_and_back(teacher: Teacher) -> None:
    student = build(1).train()
    before = {name: value.clone() for name, value in [*student.named_buffers(), *teacher.network.named_buffers()]}
    modes = []

    class Looking(Logits):
        def compare(self, lesson: Lesson) -> Comparison:
            modes.append((lesson.student.training, lesson.teacher.training))
            return super().compare(lesson)

    teacher.network.train()
    Looking().validate(student, fold(teacher), FP32)
    assert set(modes) == {(False, False)} and student.training and teacher.network.training
    after = dict([*student.named_buffers(), *teacher.network.named_buffers()])
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_skipped_images_are_those_of_training_and_are_named_where_there_are_any(teacher: Teacher) -> None:
    student, method = build(1), objective()
    assert "images_skipped" not in method.validate(student, fold(teacher), FP32)
    method(student, step(teacher.network))
    for _ in range(2):
        assert method.validate(student, fold(teacher), FP32)["images_skipped"] == 2.0


class Constant(nn.Module):
    """Give every image the same logits."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, images: Tensor) -> Tensor:
        return self.value.expand(len(images), 3)


@pytest.mark.parametrize(
    ("value", "expected"), [(0.7, 0.0), (float("nan"), float("nan")), (float("inf"), float("nan"))]
)
def test_correlation_of_logits_that_do_not_vary_is_0_and_of_no_numbers_is_none(
    teacher: Teacher, value: float, expected: float
) -> None:
    measures = objective().validate(Constant(value), fold(teacher), FP32)
    assert measures["logit_correlation"] == pytest.approx(expected, nan_ok=True)
    assert np.isfinite(measures["val_loss"]) == np.isfinite(value)


# The end.
@pytest.mark.parametrize("background", ["none", "noise"])
def test_fitted_bias_makes_the_mean_logits_those_of_the_teacher(teacher: Teacher, background: str) -> None:
    student, method = build(1), objective(output_bias="fit", background=background)
    weights = {name: value.clone() for name, value in student.state_dict().items()}
    summary = method.finish(student, student, DESCRIPTION, fold(teacher), FP32)
    with torch.no_grad():
        own, others = student(Fold().images), teacher.network(seen(background))
    torch.testing.assert_close(own.mean(0), others.mean(0), rtol=1e-5, atol=1e-6)
    moved = last(student).bias.detach() - weights.pop("network.14.bias")
    assert summary["output_bias_shift"].keys() == set(LABELS)
    np.testing.assert_allclose(list(summary["output_bias_shift"].values()), moved.numpy(), rtol=1e-4, atol=1e-6)
    assert float(moved.abs().max()) > 0.01
    assert all(torch.equal(student.state_dict()[name], value) for name, value in weights.items())
    assert not method.lessons  # logits are enough


@pytest.mark.parametrize("choice", ["teacher", "zero"])
def test_other_biases_stay_as_they_were_learnt(teacher: Teacher, choice: str) -> None:
    student = build(1)
    before = last(student).bias.detach().clone()
    assert objective(output_bias=choice).finish(student, student, DESCRIPTION, fold(teacher), FP32) == {}
    assert torch.equal(last(student).bias, before)


def test_student_of_a_co_training_is_fitted_to_the_teacher_that_learnt(teacher: Teacher) -> None:
    student, learnt = build(1), build(5)
    objective(output_bias="fit").finish(CoTraining(student, learnt), student, DESCRIPTION, fold(teacher), FP32)
    student.eval()
    with torch.no_grad():
        torch.testing.assert_close(student(Fold().images).mean(0), learnt(Fold().images).mean(0), rtol=1e-5, atol=1e-6)
