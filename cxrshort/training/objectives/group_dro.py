"""Group DRO: minimise the loss of the group that fares worst (Sagawa et al. 2020, algorithm 1).

Each group has a weight q_g, multiplied by exp(step loss_g) at every step and normalised; the loss is sum_g q_g loss_g.
A group that a batch does not hold keeps its weight and adds nothing, so rare groups want large or balanced batches.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from cxrshort.errors import UsageError
from cxrshort.models.outputs import MULTILABEL, Task, full_precision
from cxrshort.training.data.batches import Batch
from cxrshort.training.data.groups import Codes, check_groups, group_means
from cxrshort.training.objectives.comparison import Comparison


@dataclass(frozen=True)
class GroupDROSettings:
    """Hold the settings of group DRO.

    Args:
        step: step size with which the weights follow the losses, above 0; published 0.01.
        adjustment: constant C of the generalisation adjustment C / sqrt(n_g), 0 or more, which favours small groups.

    Raises:
        UsageError: a number out of range.
    """

    step: float = 0.01
    adjustment: float = 0.0

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        if not self.step > 0:
            raise UsageError(f"the step of group-dro is '{self.step}', it must be above 0", "try 0.01")
        if not self.adjustment >= 0:
            raise UsageError(f"the adjustment of group-dro is '{self.adjustment}', it must not be below 0", "try 0")


class GroupDRO(Comparison):
    """Minimise the loss of the worst group.

    Its state is ``weights``, (G,), the q_g. Call :meth:`check` with the training fold before anything else.

    Args:
        settings: see :class:`GroupDROSettings`.
        task: what the outputs mean.
    """

    name = "group-dro"
    Settings = GroupDROSettings
    weights: Tensor
    margins: Tensor

    def __init__(self, settings: GroupDROSettings | None = None, *, task: Task = MULTILABEL) -> None:
        super().__init__()
        self.settings = settings or GroupDROSettings()
        self.task = task
        self.register_buffer("weights", torch.zeros(0))
        self.register_buffer("margins", torch.zeros(0), persistent=False)

    def check(self, groups: Codes | None, masks: object | None) -> None:
        """Take the number of groups and their sizes from the training fold; the weights begin equal.

        Raises:
            UsageError: no groups, an image without one, or a single group.
        """
        del masks
        sizes = np.bincount(check_groups(groups, method=self.name))
        self.weights = torch.full((len(sizes),), 1 / len(sizes))
        self.margins = torch.from_numpy(self.settings.adjustment / np.sqrt(np.maximum(sizes, 1))).float()

    def views(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the logits of each image as its one view, (N, 1, *T)."""
        return full_precision(model(batch.images))[:, None]

    def step_loss(self, logits: Tensor, targets: Tensor, groups: Tensor, *, epoch: int) -> Tensor:
        """Return the loss of a whole step, a scalar, and move the weights, once."""
        del epoch
        means = group_means(self.task.losses(logits[:, 0], targets), groups, count=len(self.weights))
        adjusted = means.values + self.margins * means.present
        with torch.no_grad():
            self.weights.mul_(torch.exp(self.settings.step * adjusted))
            self.weights.div_(self.weights.sum())
        # A copy, since the next step changes the weights in place.
        return (self.weights.clone() * adjusted).sum()
