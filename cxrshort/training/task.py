"""Targets and loss of a batch, by the task of the model."""

from torch import Tensor

from cxrshort.errors import UsageError
from cxrshort.models.outputs import Task
from cxrshort.training.data.batches import Batch


def batch_targets(task: Task, batch: Batch) -> Tensor:
    """Return what the outputs for a batch are compared with: its targets, or its masks.

    Raises:
        UsageError: a segmenter's batch has no masks.
    """
    if task.name == "masks":
        if batch.masks is None:
            raise UsageError("a segmenter learns from masks, and the dataset has none", "give --masks")
        return batch.masks
    return batch.targets


def batch_loss(task: Task, logits: Tensor, batch: Batch) -> Tensor:
    """Return the mean loss over the known targets of a batch, times its weight in its step; a scalar."""
    return task.loss(logits, batch_targets(task, batch)) * batch.weight
