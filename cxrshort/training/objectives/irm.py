"""Invariant risk minimisation, IRMv1 (Arjovsky et al. 2019, equation 4).

In each group (environment) a scalar w = 1 multiplies the logits, and the penalty is the squared slope of the group's
loss at w = 1: zero where no rescaling would help, so where the same logits are calibrated in every group. The square
is the product of the slopes of two halves of the batch, which is unbiased.

It helps where groups differ in how strongly the shortcut predicts the label. Groups that are the shortcut itself (one
hospital, one group) make a model that reads the hospital invariant, and teach nothing.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cxrshort.errors import UsageError
from cxrshort.models.outputs import MULTILABEL, Task, full_precision
from cxrshort.training.data.batches import Batch
from cxrshort.training.data.groups import Codes, check_groups, group_means, halves
from cxrshort.training.objectives.comparison import Comparison


@dataclass(frozen=True)
class IRMSettings:
    """Hold the settings of invariant risk minimisation.

    Args:
        weight: weight of the penalty, 0 or more; the whole loss is divided by it where it is above 1. Published 1e2 to
            1e5, with environments of thousands of images per step; small batches want about 1.
        warm_up_epochs: epochs at the start in which the weight is 1 at most.

    Raises:
        UsageError: a number out of range.
    """

    weight: float = 1.0
    warm_up_epochs: int = 1

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        if not self.weight >= 0:
            raise UsageError(f"the weight of irm is '{self.weight}', it must not be below 0", "try 1")


class IRM(Comparison):
    """Minimise the mean loss of the groups and how much rescaling the logits would help any of them.

    Args:
        settings: see :class:`IRMSettings`.
        task: what the outputs mean.
    """

    name = "irm"
    Settings = IRMSettings
    groups: Tensor

    def __init__(self, settings: IRMSettings | None = None, *, task: Task = MULTILABEL) -> None:
        super().__init__()
        self.settings = settings or IRMSettings()
        self.task = task
        self.count = 0

    @property
    def warm_up_epochs(self) -> int:
        """Return the number of warm-up epochs, in which the penalty is off or weak; no model of them is kept."""
        return self.settings.warm_up_epochs

    def check(self, groups: Codes | None, masks: object | None) -> None:
        """Take the number of groups from the training fold.

        Raises:
            UsageError: no groups, an image without one, or a single group.
        """
        del masks
        self.count = int(check_groups(groups, method=self.name).max()) + 1

    def views(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the logits of each image as its one view, (N, 1, *T)."""
        return full_precision(model(batch.images))[:, None]

    def step_loss(self, logits: Tensor, targets: Tensor, groups: Tensor, *, epoch: int) -> Tensor:
        """Return the loss of a whole step, a scalar."""
        logits = logits[:, 0]
        risk = group_means(self.task.losses(logits, targets), groups, count=self.count).mean()
        weight = self.settings.weight if epoch >= self.settings.warm_up_epochs else min(1.0, self.settings.weight)
        total = risk + weight * self._penalty(logits, targets, groups)
        return total / max(1.0, weight)

    def _penalty(self, logits: Tensor, targets: Tensor, groups: Tensor) -> Tensor:
        """Return the mean over groups of the product of the slopes of their two halves."""
        parts = 2 * groups + halves(groups, count=self.count)
        # One w per half gives all slopes by one derivative.
        scale = torch.ones(2 * self.count, dtype=logits.dtype, device=logits.device, requires_grad=True)
        scaled = logits * scale[parts].view(-1, *[1] * (logits.dim() - 1))
        means = group_means(self.task.losses(scaled, targets), parts, count=2 * self.count)
        (slopes,) = torch.autograd.grad(means.values.sum(), scale, create_graph=True)
        both = means.present.view(-1, 2).all(1)
        return (slopes.view(-1, 2).prod(1) * both).sum() / both.sum().clamp(min=1)
