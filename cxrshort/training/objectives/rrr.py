"""Right for the right reasons: no input gradient outside the foreground (Ross et al. 2017, equation 1).

Penalty per image: the sum over background pixels of (d/dx sum of all log-probabilities)^2. The sum over a batch is
averaged, so the penalty does not depend on the batch size. Published code (Bassi et al. 2024) differentiates the mean
over the batch of B images, which makes its penalty 1/B^2 of this one: weight = published lambda / B^2. So 1e5 at
B = 128 (COCO on Places) is 6.1 here, and 1e4 at B = 100 (Waterbirds) is 1. Gradients are taken by the image in [0, 1]:
where the model divides by a standard deviation of 0.225 and replicates grey in three channels, they are 13 times those
by one normalised channel, and their squares 178 times, so published weights are divided by that once more.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cxrshort.attribution import gradient
from cxrshort.attribution.batch_norm import BATCH_NORM_RULES
from cxrshort.errors import UsageError
from cxrshort.models.outputs import MULTILABEL, Task
from cxrshort.registry import check_name
from cxrshort.training.data.batches import Batch
from cxrshort.training.data.masks import foreground
from cxrshort.training.objectives.contract import Needs, Objective
from cxrshort.training.task import batch_loss


@dataclass(frozen=True)
class RRRSettings:
    """Hold the settings of right-for-the-right-reasons.

    Args:
        weight: weight of the penalty, 0 or more; the lambda of the published code over the squared batch size, and over
            178 more for grey images with the normalisation of ImageNet. Too large a weight flattens the whole gradient,
            inside the mask too, instead of moving it there.
        bn: batch norm while the gradient is taken: ``"eval"`` (running statistics), ``"batch-detached"`` (those of
            the batch, as constants) or ``"autograd"`` (those of the batch, differentiated).

    Raises:
        UsageError: a number out of range, or an unknown rule for batch norm.
    """

    weight: float = 0.001
    bn: str = "batch-detached"

    def __post_init__(self) -> None:
        """Refuse numbers out of range and unknown rules."""
        if not self.weight >= 0:
            raise UsageError(f"the weight of rrr is '{self.weight}', it must not be below 0", "try 0.001")
        check_name(BATCH_NORM_RULES, self.bn, kind="rule for batch norm")


class RRR(Objective):
    """Minimise the mean loss and the input gradients in the background; fp32 throughout.

    Args:
        settings: see :class:`RRRSettings`.
        task: labels or classes.

    Raises:
        UsageError: another task.
    """

    name = "rrr"
    needs = Needs(masks=True)
    Settings = RRRSettings

    def __init__(self, settings: RRRSettings | None = None, *, task: Task = MULTILABEL) -> None:
        super().__init__()
        self.settings = settings or RRRSettings()
        self.task = task
        task.check_classes(self.name)

    def divisor(self, batch: Batch) -> Tensor:
        """Return over how many images the penalty is a mean: all of them."""
        return torch.tensor(len(batch.images), device=batch.images.device)

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the loss of one batch, a scalar."""
        background = 1 - foreground(batch.masks, batch.images, method=self.name)
        gradients, logits = gradient.explain(
            model, batch.images, score=self._score, bn=self.settings.bn, create_graph=True
        )
        penalty = self.mean((background * gradients**2).sum((1, 2, 3)), batch)
        return batch_loss(self.task, logits, batch) + self.settings.weight * penalty

    def _score(self, logits: Tensor) -> Tensor:
        return self.task.log_probabilities(logits).sum((1, 2))
