"""Guiding by the attention of another network (GALS; Petryk et al. 2022): no slope outside of what the teacher sees.

    loss = cross-entropy with the labels + weight * sum |(1 - A) d loss / d pixel|

The sum is over the pixels of each image, and averaged over images. A in [0, 1] is the teacher's attention: the positive
part of its explanation of the true class, stretched from 0 to 1 in each image, and enlarged to the image. A multilabel
teacher explains one known label of each image, drawn by (seed, epoch, step), and the evidence against it where it is
absent. The published teacher is CLIP; any network will do that has a convolutional map, or that LRP can look into, as
it can into CLIP's vision transformers (``--set explanation=lrp``), which have no such map.

The sum does not depend on the batch size, and hardly on that of the images. Published code differentiates the mean loss
of B images and averages over B x C x H x W, so weight = published weight / (B C H W): 1e4 at B = 96 and 3 x 224 x 224
(Waterbirds) is 7e-4 here, and 100 at B = 16 (DogsWithTies) 4e-5. Slopes are taken by the image in [0, 1]; where the
model divides by a standard deviation of 0.225 and replicates grey in three channels, they are 13 times those by one
normalised channel, so published weights are divided by that once more.

An attention that is the same everywhere says nothing: the image is counted, and has no penalty. Labels teach this
student, so the validation loss is theirs; beside it stands how closely its logits follow the teacher's.

What would invalidate it as a cure: attention on the shortcut itself, which the teacher's maps should be checked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrshort.attribution import gradient
from cxrshort.attribution.batch_norm import BATCH_NORM_RULES
from cxrshort.compute import Compute
from cxrshort.errors import UsageError
from cxrshort.models.classifier import Classifier
from cxrshort.models.outputs import MULTILABEL, Task
from cxrshort.registry import check_name
from cxrshort.training.data.batches import Batch
from cxrshort.training.objectives.contract import FoldImages
from cxrshort.training.objectives.distillation import Comparison, Distillation, DistillationSettings, Lesson
from cxrshort.training.objectives.explanations import EXPLANATIONS, Explanation, naming
from cxrshort.training.objectives.target_sampling import sample_targets
from cxrshort.training.task import batch_loss


@dataclass(frozen=True)
class GALSSettings(DistillationSettings):
    """Hold the settings of the guidance by attention.

    Args:
        weight: weight of the slopes outside the attention, 0 or more.
        explanation: what is the teacher's attention: ``"grad-cam"`` (published), ``"lrp"``, ``"gradient"``,
            ``"gradient-x-input"`` or ``"attention"``.
        bn: the student's batch norm while slopes are taken: ``"eval"`` (running statistics), ``"batch-detached"``
            (those of the batch, as constants) or ``"autograd"`` (those of the batch, differentiated).

    Raises:
        UsageError: a number out of range, or an unknown word.
    """

    weight: float = 0.001
    explanation: str = "grad-cam"
    bn: str = "batch-detached"

    def __post_init__(self) -> None:
        """Refuse numbers out of range and unknown words."""
        super().__post_init__()
        if not self.weight >= 0:
            raise UsageError(f"the weight of gals is '{self.weight}', it must not be below 0", "try 0.001")
        check_name(EXPLANATIONS, self.explanation, kind="explanation to learn from")
        check_name(BATCH_NORM_RULES, self.bn, kind="rule for batch norm")


class GALS(Distillation):
    """Minimise the mean loss of the labels, and the slopes outside the teacher's attention; fp32 throughout.

    Args:
        settings: see :class:`GALSSettings`.
        task: labels or classes.

    Raises:
        UsageError: another task.
    """

    name = "gals"
    Settings = GALSSettings
    starts_as_teacher = False
    settings: GALSSettings

    def __init__(self, settings: GALSSettings | None = None, *, task: Task = MULTILABEL) -> None:
        super().__init__(settings, task=task)
        task.check_classes(self.name)

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the loss of one batch, a scalar."""
        settings, lesson = self.settings, self.lesson(model, batch)
        sampled = sample_targets(self.task, batch, seed=settings.seed)
        with naming("the teacher", kind=settings.explanation):
            maps = Explanation(settings.explanation).explain(
                lesson.teacher, lesson.view, outputs=sampled.outputs, signs=sampled.signs, learning=False
            )[0]
        attention, blank = attention_of(maps, lesson.teacher, batch.images)
        slopes, logits = gradient.explain(
            lesson.student,
            batch.images,
            score=lambda scores: self.task.per_image_loss(scores, batch.targets),
            bn=settings.bn,
            create_graph=True,
        )
        penalties = ((1 - attention) * slopes).abs().sum((1, 2, 3))
        self.skipped += (blank & (sampled.has_target > 0)).sum()
        penalty = self.mean(torch.where(blank, torch.zeros_like(penalties), penalties), batch)
        return batch_loss(self.task, logits, batch) + settings.weight * penalty

    def compare(self, lesson: Lesson) -> Comparison:
        """Return both networks' logits; no label says how far apart they should be."""
        with torch.no_grad():
            logits, target = lesson.student(lesson.images), lesson.teacher(lesson.view)
        return Comparison(logits.new_zeros(len(logits)), logits, target)

    def validate(self, model: nn.Module, images: FoldImages, compute: Compute) -> Mapping[str, float]:
        """Return how closely the student's logits follow the teacher's; the validation loss is that of the labels."""
        measures = dict(super().validate(model, images, compute))
        del measures["val_loss"]
        return measures


def attention_of(maps: Tensor, teacher: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the attention of each image (N, 1, H, W) in [0, 1], and which have none since it varies nowhere (N,) bool.

    Args:
        maps: (N, K, h, w), signed, of the part of the images that the teacher sees; summed over K.
        teacher: that was explained.
        images: (N, C, H, W).
    """
    evidence = maps.sum(1, keepdim=True).relu()
    low, high = evidence.amin((2, 3), keepdim=True), evidence.amax((2, 3), keepdim=True)
    blank = (high <= low)[:, 0, 0, 0]
    attention = (evidence - low) / torch.where(high <= low, torch.ones_like(high), high - low)
    height, width = images.shape[-2:]
    if attention.shape[-2:] == (height, width):
        return attention, blank
    top, left, rows, columns = 0, 0, height, width
    if isinstance(teacher, Classifier):
        top, left, rows, columns = teacher.window(height, width)
    enlarged = attention.new_zeros(len(attention), 1, height, width)
    enlarged[..., top : top + rows, left : left + columns] = functional.interpolate(
        attention, (rows, columns), mode="bilinear", align_corners=False
    )
    return enlarged, blank
