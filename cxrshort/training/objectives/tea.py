"""Training with explanations alone (TEA; Bassi et al. 2025): the student's maps become the teacher's, and nothing else.

At level m both maps are averaged over squares of 2^m pixels, and

    d_m = mean |Hs - Ht| / (sqrt(mean |Hs|) sqrt(mean |Ht|) + 1e-10)

of each image, means over channels and places; the loss is the mean over the levels whose sides are 8 pixels or more.
The normaliser is differentiated. The loss has no trivial minimum: it grows without limit as a map vanishes, and is 0
only where the maps are equal. Unrelated networks score about 1.4.

Both networks explain one output of each image, with the same epsilon, whose exponent is drawn uniformly. The teacher
explains what it sees, relevance of noise in the background's place included.

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
from torch.nn import functional

from cxrshort.attribution.batch_norm import BATCH_NORM_RULES
from cxrshort.errors import UsageError
from cxrshort.models.outputs import MULTILABEL, Task
from cxrshort.registry import check_name
from cxrshort.settings import parse_value
from cxrshort.training.data.batches import Batch
from cxrshort.training.objectives.distillation import Comparison, Distillation, DistillationSettings, Lesson
from cxrshort.training.objectives.explanations import EXPLANATIONS, Explanation
from cxrshort.training.task import batch_loss
from cxrshort.training.teacher import CoTraining

LOSSES = ("geo-l1", "l1", "l2")
RESOLUTIONS = ("multi", "single")
_SMALLEST = 8
"""Sides of the coarsest maps that are compared, in pixels."""
_VANISHED = 1e-12
"""Mean absolute relevance below which a map counts as 0 everywhere."""
_APART = 2.0
"""Distance, by each loss, of two maps of the same size that share no pixel."""


@dataclass(frozen=True)
class TEASettings(DistillationSettings):
    """Hold the settings of TEA.

    Args:
        loss: ``"geo-l1"`` (published), or the ablations ``"l1"`` and ``"l2"``, whose maps are each divided by their own
            norm.
        resolutions: ``"multi"`` (published) or ``"single"``, the maps as they are alone.
        explanation: ``"lrp"`` (published), ``"grad-cam"``, ``"gradient"``, ``"gradient-x-input"`` or ``"attention"``.
        epsilon: stabiliser of LRP, one number or a range ``LOW:HIGH`` from which each image draws, log-uniformly.
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
        chosen = _Remembered(lesson)
        target, teacher_logits = explanation.explain(
            lesson.teacher, lesson.view, outputs=chosen, learning=lesson.learning and lesson.warming
        )
        maps, logits = explanation.explain(
            lesson.student, lesson.images, outputs=chosen.outputs, learning=lesson.learning
        )
        losses, vanished = map_distances(maps, target, loss=settings.loss, resolutions=settings.resolutions)
        return Comparison(losses, logits, teacher_logits.detach(), vanished.sum())

    def forward(self, model: torch.nn.Module, batch: Batch) -> Tensor:
        """Return the loss of one batch, a scalar; a co-trained teacher's own loss included."""
        loss = super().forward(model, batch)
        if not (isinstance(model, CoTraining) and self.settings.co_train):
            return loss
        lesson = self.lesson(model, batch)
        return loss + self.settings.teacher_weight * batch_loss(self.task, model.teacher(lesson.view), batch)


class _Remembered:
    """Choose outputs by the teacher's logits, and remember them for the student.

    Args:
        lesson: how they are chosen.
    """

    def __init__(self, lesson: Lesson) -> None:
        self._choose = lesson.outputs
        self.outputs: Tensor | None = None

    def __call__(self, logits: Tensor) -> Tensor:
        self.outputs = self._choose(logits)
        return self.outputs


def map_distances(
    student: Tensor, teacher: Tensor, *, loss: str = "geo-l1", resolutions: str = "multi"
) -> tuple[Tensor, Tensor]:
    """Return the distance between the maps of each image (N,), and which cannot be compared since a map is 0 (N,) bool.

    Those have no gradient; their distance is 0 where both maps are 0, else 2.

    Args:
        student: (N, K, H, W), signed.
        teacher: (N, J, H, W), signed; where the numbers of channels differ, both are summed over them.
        loss: one of ``LOSSES``.
        resolutions: one of ``RESOLUTIONS``.

    Raises:
        UsageError: maps of two sizes.
    """
    if student.shape[-2:] != teacher.shape[-2:]:
        raise UsageError(
            f"the maps of teacher and student have {teacher.shape[-1]} and {student.shape[-1]} pixels",
            "choose an --arch whose last map has the teacher's size, or --set explanation=lrp",
        )
    if student.shape[1] != teacher.shape[1]:
        student, teacher = student.sum(1, keepdim=True), teacher.sum(1, keepdim=True)
    with torch.no_grad():
        own, target = _size(student) < _VANISHED, _size(teacher) < _VANISHED
        vanished, apart = own | target, _APART * (own ^ target)
    blank = vanished[:, None, None, None]
    student, teacher = (torch.where(blank, torch.ones_like(maps), maps) for maps in (student, teacher))
    kernels = level_kernels(min(student.shape[-2:])) if resolutions == "multi" else [1]
    distances = [_distances(_averaged(student, kernel), _averaged(teacher, kernel), loss=loss) for kernel in kernels]
    return torch.stack(distances).mean(0) + apart, vanished


def level_kernels(side: int) -> list[int]:
    """Return the sides of the squares over which maps are averaged, level by level.

    Example:
        >>> level_kernels(224), level_kernels(7)
        ([1, 2, 4, 8, 16], [1])
    """
    kernels = [1]
    while side // (2 * kernels[-1]) >= _SMALLEST:
        kernels.append(2 * kernels[-1])
    return kernels


def _averaged(maps: Tensor, kernel: int) -> Tensor:
    return functional.avg_pool2d(maps, kernel) if kernel > 1 else maps


def _distances(student: Tensor, teacher: Tensor, *, loss: str) -> Tensor:
    """Return the distance of each pair of maps, (N,)."""
    if loss == "geo-l1":
        # Averaging may make a level vanish whose finer one does not; the slope of its root must stay a number.
        own, target = (_size(maps).clamp(min=_VANISHED) for maps in (student, teacher))
        return _size(student - teacher) / (own.sqrt() * target.sqrt() + 1e-10)
    if loss == "l1":
        own, target = (maps / _size(maps).clamp(min=_VANISHED)[:, None, None, None] for maps in (student, teacher))
        return _size(own - target)
    own, target = (
        maps / (maps**2).mean((1, 2, 3), keepdim=True).clamp(min=_VANISHED**2).sqrt() for maps in (student, teacher)
    )
    return ((own - target) ** 2).mean((1, 2, 3))


def _size(maps: Tensor) -> Tensor:
    """Return the mean absolute relevance of each map, (N,)."""
    return maps.abs().mean((1, 2, 3))
