"""What all distillations share: a student that starts, is taught and is judged beside its teacher.

Teacher and student see the same images, the teacher perhaps the foreground alone; both explain the same output of the
same image, which the teacher's logits choose. A step's draws are a function of (seed, epoch, step).

What would invalidate the numbers: a teacher whose running statistics drift (it stays in evaluation mode), test patients
that it was trained on, and validation draws that differ between epochs. So validation explains the teacher's highest
output, with the geometric mean of the epsilons, and puts one fixed field of noise into the background's place.

A loss on explanations says nothing of the last bias, and nearly nothing of other offsets between classes: the gradient
of a logit does not contain them. ``output_bias`` says where the student's comes from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cxrshort.compute import Compute
from cxrshort.errors import UsageError
from cxrshort.images.prefetch import Indices
from cxrshort.masks.bits import select_bits
from cxrshort.models import ARCHITECTURES
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier
from cxrshort.models.outputs import MULTILABEL, Task
from cxrshort.models.pipeline import noise_field
from cxrshort.models.scoring import evaluating, scan
from cxrshort.registry import check_name
from cxrshort.training.data.batches import Batch
from cxrshort.training.data.masks import foreground
from cxrshort.training.objectives.contract import FoldImages, Needs, Objective
from cxrshort.training.objectives.explanations import choose_outputs
from cxrshort.training.objectives.target_sampling import sample_draws
from cxrshort.training.teacher import (
    BACKGROUNDS,
    WHOLE,
    Teacher,
    last_layer,
    student_and_teacher,
    teacher_view,
    view_channels,
)

STARTS = ("teacher", "random")
BIASES = ("teacher", "zero", "fit")
_VALIDATION_BATCH = 16
"""Images that are explained at a time; a map takes several times the memory of a forward pass."""


@dataclass(frozen=True)
class DistillationSettings:
    """Hold the settings of every distillation.

    Args:
        background: what the teacher sees in the background's place: ``"noise"``, ``"black"``, or ``"none"`` where it
            sees whole images.
        init: the student's start: the ``"teacher"``'s weights, or ``"random"`` ones (those of ``--weights``, if any).
        freeze_last: the last layer is the teacher's, and does not learn.
        output_bias: the bias of the last layer: the ``"teacher"``'s, where the last layers of both are known by name;
            ``"zero"``; or ``"fit"``: moved at the end so that the mean logits on the training images are the teacher's.
        seed: random seed of the choice of outputs, epsilons and noise.

    Raises:
        UsageError: an unknown word.
    """

    background: str = WHOLE
    init: str = "random"
    freeze_last: bool = False
    output_bias: str = "teacher"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse unknown words."""
        check_name(BACKGROUNDS, self.background, kind="background")
        check_name(STARTS, self.init, kind="start")
        check_name(BIASES, self.output_bias, kind="output bias")


class Lesson(NamedTuple):
    """Hold what teacher and student are compared on.

    Args:
        student: the network that learns.
        teacher: the network that it learns from.
        images: (N, C, H, W) in [0, 1], what the student sees.
        view: (N, C or more, H, W), what the teacher sees.
        masks: (N, 1, H, W), 1 in what the teacher sees of an image, else 0; None where it sees all.
        outputs: chooses the output that is explained from the teacher's logits.
        spread: (N,) in [0, 1], where in the range of a setting that is drawn each image's value lies.
        learning: whether the comparison is to be differentiated.
        warming: whether this is a warm-up epoch.
    """

    student: nn.Module
    teacher: nn.Module
    images: Tensor
    view: Tensor
    masks: Tensor | None
    outputs: Callable[[Tensor], Tensor]
    spread: Tensor
    learning: bool = True
    warming: bool = False


class Comparison(NamedTuple):
    """Hold how far a student is from its teacher.

    Args:
        losses: (N,), one per image.
        student: its logits (N, L).
        teacher: its logits (N, L), without a graph.
        skipped: () number of images that could not be compared, whose loss has no gradient; None counts none.
    """

    losses: Tensor
    student: Tensor
    teacher: Tensor
    skipped: Tensor | None = None


class Distillation(Objective):
    """Define what a student learns from its teacher. A method states its settings and :meth:`compare`.

    Args:
        settings: of the method, a kind of :class:`DistillationSettings`.
        task: what the outputs mean.

    Raises:
        UsageError: a task of masks.
    """

    Settings = DistillationSettings
    starts_as_teacher: ClassVar[bool] = True
    """Whether a student of its teacher's architecture starts as its teacher, where nobody says otherwise."""
    validation_cost = 2 / 3
    """Both networks are scored, and compared once more without a second derivative: of TEA's 9 forward passes 5.4."""
    settings: DistillationSettings
    skipped: Tensor

    def __init__(self, settings: Any = None, *, task: Task = MULTILABEL) -> None:
        super().__init__()
        self.settings = settings or self.Settings()
        self.task = task
        masked = self.settings.background != WHOLE
        self.needs = Needs(teacher=True, masks=masked, validation_masks=masked)
        self.register_buffer("skipped", torch.zeros((), dtype=torch.int64))
        if task.name == "masks":
            task.check_classes(self.name)

    @property
    def co_trains(self) -> bool:
        """Return whether the teacher learns on beside its student."""
        return False

    def compare(self, lesson: Lesson) -> Comparison:
        """Return how far the student is from the teacher, image by image."""
        raise NotImplementedError

    def start(self, model: Classifier, description: Description, teacher: Teacher) -> None:
        """Give the student its first weights and freeze what does not learn.

        Raises:
            UsageError: they have different labels, the teacher's weights do not fit the student, or there is no bias.
        """
        settings, last = self.settings, last_layer(model, description)
        _check_labels(description, teacher)
        if settings.init == "teacher":
            _copy_weights(model, description, teacher)
        if settings.freeze_last:
            copy_last_layer(last, teacher).requires_grad_(False)
        if last is not None and last.bias is not None:
            _set_bias(last, teacher, settings.output_bias)
        elif settings.output_bias != "teacher":
            raise UsageError(
                f"--output-bias is '{settings.output_bias}', and the last layer of '{description.architecture}' is not "
                "known by name, or has no bias",
                "--output-bias teacher, or another --arch",
            )

    def divisor(self, batch: Batch) -> Tensor:
        """Return the number of images."""
        return torch.tensor(float(len(batch.indices)), device=batch.images.device)

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the loss of one batch, a scalar."""
        lesson = self.lesson(model, batch)
        comparison = self.compare(lesson)
        if comparison.skipped is not None:
            self.skipped += comparison.skipped
        return self.mean(comparison.losses, batch)

    def lesson(self, model: nn.Module, batch: Batch) -> Lesson:
        """Return what a step compares; its draws are those of (seed, epoch, step)."""
        student, teacher = student_and_teacher(model, batch.teacher)
        masks = foreground(batch.masks, batch.images, method=self.name) if self.needs.masks else None
        view = teacher_view(batch.images, masks, background=self.settings.background, network=teacher)
        outputs = batch.targets.shape[1]
        draws = sample_draws(batch, outputs + 2, seed=self.settings.seed)
        return Lesson(
            student,
            teacher,
            batch.images,
            view,
            masks,
            lambda logits: choose_outputs(logits, draws[:, : logits.shape[1] + 1]),
            draws[:, -1].to(batch.images.device),
            warming=batch.epoch < self.warm_up_epochs,
        )

    def validate(self, model: nn.Module, images: FoldImages, compute: Compute) -> Mapping[str, float]:
        """Return the loss on the validation fold, and how closely the student's logits follow the teacher's.

        Returns:
            ``val_loss``; ``logit_correlation``, the mean over outputs of Pearson's correlation over images;
            ``teacher_score``, what ``score`` is of the teacher; ``images_skipped`` so far, where there are any.
        """
        compared = self.compare_fold(model, images, compute)
        outputs = (compared.shape[1] - 1) // 2
        student, teacher = compared[:, 1 : outputs + 1], compared[:, outputs + 1 :]
        measures = {"val_loss": float(compared[:, 0].mean()), "logit_correlation": _correlation(student, teacher)}
        if images.judge is not None:
            measures["teacher_score"] = images.judge(teacher)["score"]
        if skipped := int(self.skipped):
            measures["images_skipped"] = float(skipped)
        return measures

    def finish(
        self, model: nn.Module, classifier: Classifier, description: Description, images: FoldImages, compute: Compute
    ) -> Mapping[str, Any]:
        """Fit the output bias, where that was asked for, and return by how much it moved."""
        last = last_layer(classifier, description)
        if self.settings.output_bias != "fit" or last is None:
            return {}

        def differ(lesson: Lesson) -> Tensor:
            with torch.no_grad():
                differences: Tensor = lesson.teacher(lesson.view).float() - lesson.student(lesson.images).float()
            return differences

        shifts = self.scan_fold(differ, model, images, compute).mean(axis=0, dtype=np.float64)
        with torch.no_grad():
            last.bias.copy_(last.bias + torch.from_numpy(shifts).to(last.bias))
        return {"output_bias_shift": dict(zip(classifier.labels, shifts.tolist(), strict=True))}

    def compare_fold(self, model: nn.Module, images: FoldImages, compute: Compute) -> npt.NDArray[np.float32]:
        """Return loss, student's logits and teacher's logits of each image, (N, 1 + 2 L), without random draws."""

        def work(lesson: Lesson) -> Tensor:
            losses, own, others, _ = self.compare(lesson)
            return torch.cat([losses[:, None].float(), own.float(), others.float()], 1).detach()

        return self.scan_fold(work, model, images, compute)

    def scan_fold(
        self, work: Callable[[Lesson], Tensor], model: nn.Module, images: FoldImages, compute: Compute
    ) -> npt.NDArray[np.float32]:
        """Return what ``work`` finds in a lesson on each image of a fold, (N, ...), without random draws."""
        student, teacher = student_and_teacher(model, None if images.teacher is None else images.teacher.network)
        background = self.settings.background
        field = None
        if background != WHOLE:
            shape = images.pixels.image_shape
            channels = view_channels(teacher, shape[0] if len(shape) == 3 else 1)
            field = noise_field(background, channels=channels, size=shape[-1])
            field = field.to(compute.torch_device)

        def teach(batch: Tensor, indices: Indices) -> Tensor:
            view, masks = batch, None
            if field is not None and images.masks is not None:
                chosen = select_bits(images.masks.take(indices), images.mask_bit)
                masks = torch.from_numpy(chosen)[:, None].to(batch.device, torch.float32)
                view = torch.where(masks > 0.5, batch, field.expand(len(batch), -1, -1, -1))
            middle = torch.full((len(batch),), 0.5, device=batch.device)
            return work(Lesson(student, teacher, batch, view, masks, _highest, middle, learning=False))

        with evaluating(teacher):
            return scan(
                teach, images.pixels, model=student, compute=compute, batch_size=_VALIDATION_BATCH, gradients=True
            )


def _highest(logits: Tensor) -> Tensor:
    return logits.argmax(1)


def _check_labels(description: Description, teacher: Teacher) -> None:
    """Refuse a teacher of other labels, where its labels are known."""
    if teacher.description is not None and teacher.description.labels != description.labels:
        raise UsageError(
            f"the student's labels are '{','.join(description.labels)}', and '{teacher.name}' has "
            f"'{','.join(teacher.description.labels)}'",
            "leave --labels out, or take a teacher of these labels",
        )


def copy_last_layer(last: nn.Linear | None, teacher: Teacher) -> nn.Linear:
    """Copy the teacher's last layer into the student's, and return it.

    Raises:
        UsageError: one of them is not known, or they differ in width.
    """
    source = teacher.last_layer
    if last is None or source is None:
        raise UsageError(
            f"--freeze-last copies the last layer of '{teacher.name}', and one of the networks has none by name",
            "--no-freeze-last, or a teacher and an --arch that cxrshort trains",
        )
    if source.weight.shape != last.weight.shape:
        raise UsageError(
            f"--freeze-last copies the last layer of '{teacher.name}', from {source.in_features} features to "
            f"{source.out_features} outputs, and that of the student is from {last.in_features} to {last.out_features}",
            "--no-freeze-last, or an --arch of the same width",
        )
    with torch.no_grad():
        last.weight.copy_(source.weight)
        if last.bias is not None and source.bias is not None:
            last.bias.copy_(source.bias)
    return last


def _copy_weights(model: Classifier, description: Description, teacher: Teacher) -> None:
    own, others = model.state_dict(), teacher.network.state_dict()
    if {name: value.shape for name, value in own.items()} != {name: value.shape for name, value in others.items()}:
        single = teacher.description is not None and teacher.description.kind == "classifier"
        architecture = teacher.description.architecture if teacher.description and single else ""
        proposed = architecture if architecture in ARCHITECTURES and architecture != description.architecture else ""
        raise UsageError(
            f"--init teacher copies the weights of '{architecture or teacher.name}', which do not fit "
            f"'{description.architecture}'",
            "--init random" + (f", or --arch {proposed}" if proposed else ""),
        )
    model.load_state_dict(others)


def _set_bias(last: nn.Linear, teacher: Teacher, choice: str) -> None:
    source = teacher.last_layer
    with torch.no_grad():
        if choice == "zero":
            last.bias.zero_()
        elif source is not None and source.bias is not None and source.bias.shape == last.bias.shape:
            last.bias.copy_(source.bias)


def _correlation(student: npt.NDArray[np.float32], teacher: npt.NDArray[np.float32]) -> float:
    """Return the mean over outputs of Pearson's correlation, 0 for an output that does not vary; NaN if a logit is."""
    if not (np.isfinite(student).all() and np.isfinite(teacher).all()):
        return float("nan")
    pairs = zip(student.T.astype(np.float64), teacher.T.astype(np.float64), strict=True)
    values = [np.corrcoef(own, other)[0, 1] if np.ptp(own) and np.ptp(other) else 0.0 for own, other in pairs]
    return float(np.mean(values))
