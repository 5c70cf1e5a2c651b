"""Distillation of outputs: the student's probabilities become the teacher's (Hinton et al. 2015).

    loss = T^2 KL(teacher || student), both at temperature T

of each image: over exclusive classes, or over the two classes of each label, averaged over labels. T^2 keeps the size
of the gradient as T grows. A regression learns the teacher's numbers, by squared error. No label is seen.

What would invalidate it as a cure: outputs say nothing of where the evidence lies. Where a shortcut gives the teacher's
answer away, the student may take it (Bassi et al. 2025, Table 5).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from cxrshort.errors import UsageError
from cxrshort.models.outputs import Task, full_precision
from cxrshort.registry import check_name
from cxrshort.training.objectives.distillation import Comparison, Distillation, DistillationSettings, Lesson

OUTPUT_LOSSES = ("kl", "mse")


@dataclass(frozen=True)
class OutputsSettings(DistillationSettings):
    """Hold the settings of the distillation of outputs.

    Args:
        loss: ``"kl"``, of probabilities (published), or ``"mse"``, the mean squared difference of logits.
        temperature: above 0, by which logits are divided before they are probabilities; of no effect on ``"mse"``.
        standardize: whether ``"mse"`` divides both networks' logits by the standard deviation of the teacher's over
            the outputs of the image, so that it does not depend on how certain the teacher is.

    Raises:
        UsageError: a number out of range, or an unknown word.
    """

    loss: str = "kl"
    temperature: float = 3.0
    standardize: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers out of range and unknown words."""
        super().__post_init__()
        check_name(OUTPUT_LOSSES, self.loss, kind="loss on outputs")
        check_temperature(self.temperature, method=Outputs.name)
        if self.standardize and self.loss != "mse":
            raise UsageError("outputs are standardized only with loss=mse", "--set loss=mse, or leave standardize out")


def check_temperature(temperature: float, *, method: str) -> None:
    """Refuse a temperature that no logits can be divided by.

    Raises:
        UsageError: it is 0 or less, or no number.
    """
    if not 0 < temperature < float("inf"):
        raise UsageError(f"the temperature of {method} is '{temperature}', it must be above 0", "try 3")


class Outputs(Distillation):
    """Minimise the distance between the student's outputs and the teacher's.

    Args:
        settings: see :class:`OutputsSettings`.
        task: what the outputs mean.
    """

    name = "outputs"
    Settings = OutputsSettings
    settings: OutputsSettings

    def compare(self, lesson: Lesson) -> Comparison:
        """Return the loss of each image."""
        with torch.no_grad():
            target = lesson.teacher(lesson.view)
        with torch.set_grad_enabled(lesson.learning):
            logits = lesson.student(lesson.images)
            losses = output_losses(
                logits,
                target,
                task=self.task,
                loss=self.settings.loss,
                temperature=self.settings.temperature,
                standardize=self.settings.standardize,
            )
        return Comparison(losses, logits, target)


def output_losses(
    student: Tensor,
    teacher: Tensor,
    *,
    task: Task,
    loss: str = "kl",
    temperature: float = 3.0,
    standardize: bool = False,
) -> Tensor:
    """Return the distance between the outputs for each image, (N,), in fp32 or better; NaN where a logit is.

    Args:
        student: logits (N, L), or the numbers of a regression.
        teacher: the same of the teacher; nothing is learnt through them.
        task: what the outputs mean; a regression takes the squared error whatever the loss is.
        loss: one of ``OUTPUT_LOSSES``.
        temperature: of ``"kl"``, above 0.
        standardize: of ``"mse"``; see :class:`OutputsSettings`.

    Raises:
        UsageError: different numbers of outputs, or a single one that is to be standardized.

    Example:
        >>> round(output_losses(torch.tensor([[0.0]]), torch.tensor([[3.0]]), task=Task("multilabel")).item(), 3)
        0.998
    """
    student, teacher = full_precision(student), full_precision(teacher).detach()
    if student.shape != teacher.shape:
        raise UsageError(
            f"the teacher has {teacher.shape[1]} outputs and the student has {student.shape[1]}",
            "choose a teacher that was trained on the same labels",
        )
    if loss == "mse" or task.name == "regression":
        scale = _spread(teacher) if standardize else 1.0
        return (((student - teacher) / scale) ** 2).mean(1)
    target, actual = (task.log_probabilities(logits / temperature) for logits in (teacher, student))
    return temperature**2 * (target.exp() * (target - actual)).sum(2).mean(1)


def _spread(logits: Tensor) -> Tensor:
    """Return the standard deviation of each image's logits, (N, 1).

    Raises:
        UsageError: there is one output.
    """
    if logits.shape[1] == 1:
        raise UsageError(
            "standardize divides by the standard deviation over outputs, and the teacher has one output",
            "--set standardize=false",
        )
    return logits.std(1, unbiased=False, keepdim=True).clamp(min=1e-6)
