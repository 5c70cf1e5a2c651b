"""Training with explanations alone (TEA; Bassi et al. 2025): the student's maps become the teacher's, and nothing else.

The loss is the distance of :mod:`cxrshort.training.objectives.map_distances`, over several resolutions.

Both networks explain one output of each image, with the same epsilon, whose exponent is drawn uniformly. The teacher
explains what it sees, relevance of noise in the background's place included: no student can know that noise, which is
new at every step. With ``mask_maps`` the teacher's maps are 0 outside of the masks; the published code has the option,
off. On a phantom (marker, 6,000 films, small-cnn, one seed) the logits correlated at 0.74 after an epoch with it, and
at 0.32 without.

An image with a map that is 0 everywhere has no direction to learn: it is skipped, which is to say without a gradient,
and counted. Where only one of its maps is 0, its loss is 2, which is that of equally large maps that share no pixel: a
student whose maps vanish must not look like one that has learnt, when the epoch is chosen. With ``outputs`` or
``representations`` above 0, the loss of those distillations is added (Table 5 of the paper).

With ``co_train`` the teacher learns on, by the labels, beside its student: in the warm-up epochs by the TEA loss too,
so that the maps meet quickly, and then by the labels alone. The student never sees a label.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from cxrshort.attribution.batch_norm import BATCH_NORM_RULES
from cxrshort.errors import UsageError
from cxrshort.models.outputs import MULTILABEL, Task
from cxrshort.registry import check_name
from cxrshort.settings import parse_value
from cxrshort.training.data.batches import Batch
from cxrshort.training.data.masks import foreground
from cxrshort.training.objectives.distillation import Comparison, Distillation, DistillationSettings, Lesson
from cxrshort.training.objectives.explanations import EXPLANATIONS, ChosenOutputs, Explanation, naming
from cxrshort.training.objectives.map_distances import LOSSES, RESOLUTIONS, map_distances
from cxrshort.training.objectives.outputs import output_losses
from cxrshort.training.objectives.representations import Represented, representation_losses
from cxrshort.training.task import batch_loss
from cxrshort.training.teacher import CoTraining


@dataclass(frozen=True)
class TEASettings(DistillationSettings):
    """Hold the settings of TEA.

    Args:
        loss: ``"geo-l1"`` (published), or the ablations ``"l1"`` and ``"l2"``, whose maps are each divided by their own
            norm.
        resolutions: ``"multi"`` (published) or ``"single"``, the maps as they are alone.
        explanation: ``"lrp"`` (published), ``"grad-cam"``, ``"gradient"``, ``"gradient-x-input"`` or ``"attention"``.
        epsilon: stabiliser of LRP, one number or a range ``LOW:HIGH`` from which each image draws, log-uniformly.
        mask_maps: whether the teacher's maps are 0 outside of the masks; of no effect where it sees whole images.
        bn: the student's batch norm while explaining: ``"eval"`` (running statistics), ``"batch-detached"`` (those of
            the batch, as constants) or ``"autograd"`` (those of the batch, differentiated, as the published code).
        outputs: weight of the distillation of outputs beside it; 0 is TEA alone.
        representations: weight of the distillation of representations beside it; 0 is TEA alone.
        co_train: whether the teacher learns on, by the labels.
        teacher_weight: weight of the teacher's own loss, with ``co_train``; published 0.1.
        warm_up_epochs: epochs at the start in which a co-trained teacher learns to meet the student's maps too.

    Raises:
        UsageError: a number out of range, or an unknown word.
    """

    loss: str = "geo-l1"
    resolutions: str = "multi"
    explanation: str = "lrp"
    epsilon: str = "1e-3:1e-2"
    mask_maps: bool = False
    bn: str = "batch-detached"
    outputs: float = 0.0
    representations: float = 0.0
    co_train: bool = False
    teacher_weight: float = 0.1
    warm_up_epochs: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers out of range and unknown words."""
        super().__post_init__()
        check_name(LOSSES, self.loss, kind="loss on maps")
        check_name(RESOLUTIONS, self.resolutions, kind="choice of resolutions")
        check_name(EXPLANATIONS, self.explanation, kind="explanation to learn from")
        check_name(BATCH_NORM_RULES, self.bn, kind="rule for batch norm")
        parse_epsilon(self.epsilon)
        for name in ("outputs", "representations", "teacher_weight", "warm_up_epochs"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"{name} of tea is '{getattr(self, name)}', it must not be below 0", "try 0.1")
        if self.warm_up_epochs and not self.co_train:
            raise UsageError("tea has warm-up epochs only with --co-train", "leave warm_up_epochs out")


def parse_epsilon(text: str) -> tuple[float, float]:
    """Return the range of epsilon that a setting names.

    Raises:
        UsageError: it is no number above 0, and no range of two.

    Example:
        >>> parse_epsilon("1e-3:1e-2"), parse_epsilon("0.01")
        ((0.001, 0.01), (0.01, 0.01))
    """
    low, _, high = text.partition(":")
    values = [float(parse_value(part, like=0.0, argument="--set epsilon")) for part in (low, high or low)]
    if not 0 < values[0] <= values[1] < math.inf:
        raise UsageError(
            f"--set epsilon is '{text}', it must be above 0, or a range LOW:HIGH", "--set epsilon=1e-3:1e-2"
        )
    return values[0], values[1]


class TEA(Distillation):
    """Minimise the distance between the student's explanations and the teacher's.

    Args:
        settings: see :class:`TEASettings`.
        task: what the outputs mean.
    """

    name = "tea"
    Settings = TEASettings
    settings: TEASettings

    def __init__(self, settings: TEASettings | None = None, *, task: Task = MULTILABEL) -> None:
        super().__init__(settings, task=task)
        low, high = parse_epsilon(self.settings.epsilon)
        self._exponents = math.log(low), math.log(high)

    @property
    def warm_up_epochs(self) -> int:
        """Return the number of warm-up epochs, in which a co-trained teacher follows its student."""
        return self.settings.warm_up_epochs

    @property
    def co_trains(self) -> bool:
        """Return whether the teacher learns on beside its student."""
        return self.settings.co_train

    def compare(self, lesson: Lesson) -> Comparison:
        """Return the TEA loss of each image."""
        settings = self.settings
        low, high = self._exponents
        epsilon = torch.exp(low + lesson.spread * (high - low))
        explanation = Explanation(settings.explanation, epsilon, settings.bn)
        chosen = ChosenOutputs(lesson.outputs)
        student, teacher = Represented(lesson.student), Represented(lesson.teacher)
        with naming("the teacher", kind=settings.explanation):
            target, teacher_logits = explanation.explain(
                teacher, lesson.view, outputs=chosen, learning=lesson.learning and lesson.warming
            )
        if settings.mask_maps and lesson.masks is not None:
            target = target * foreground(lesson.masks, target, method=self.name)
        with naming("the student", kind=settings.explanation):
            maps, logits = explanation.explain(student, lesson.images, outputs=chosen.outputs, learning=lesson.learning)
        losses, vanished = map_distances(maps, target, loss=settings.loss, resolutions=settings.resolutions)
        if settings.outputs:
            losses = losses + settings.outputs * output_losses(logits, teacher_logits, task=self.task)
        if settings.representations:
            others, blank = representation_losses(student.last_map, teacher.last_map)
            losses, vanished = losses + settings.representations * others, vanished | blank
        return Comparison(losses, logits, teacher_logits.detach(), vanished.sum())

    def forward(self, model: torch.nn.Module, batch: Batch) -> Tensor:
        """Return the loss of one batch, a scalar; a co-trained teacher's own loss included."""
        loss = super().forward(model, batch)
        if not (isinstance(model, CoTraining) and self.settings.co_train):
            return loss
        lesson = self.lesson(model, batch)
        return loss + self.settings.teacher_weight * batch_loss(self.task, model.teacher(lesson.view), batch)
