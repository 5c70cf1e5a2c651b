"""Empirical risk minimisation: the mean loss over all targets that are not empty."""

from dataclasses import dataclass

from torch import Tensor, nn

from cxrshort.models.outputs import MULTILABEL, Task
from cxrshort.training.data.batches import Batch
from cxrshort.training.data.groups import Codes
from cxrshort.training.data.masks import check_masks
from cxrshort.training.objectives.contract import Needs, Objective
from cxrshort.training.task import batch_loss


@dataclass(frozen=True)
class ERMSettings:
    """Hold nothing: empirical risk minimisation has no settings."""


class ERM(Objective):
    """Minimise the mean loss over all training images.

    Args:
        settings: none.
        task: what the outputs mean.
    """

    name = "erm"
    Settings = ERMSettings

    def __init__(self, settings: ERMSettings | None = None, *, task: Task = MULTILABEL) -> None:
        super().__init__()
        self.settings = settings or ERMSettings()
        self.task = task
        self.needs = Needs(masks=task.name == "masks")

    def check(self, groups: Codes | None, masks: object | None) -> None:
        """Refuse a fold that cannot be learnt from; only a segmenter needs anything, masks.

        Raises:
            UsageError: it has none.
        """
        del groups
        if self.needs.masks:
            check_masks(masks, method="erm of masks")

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the loss of one batch, a scalar."""
        return batch_loss(self.task, model(batch.images), batch)
