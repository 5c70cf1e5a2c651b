"""Objectives that compare the images of a step with each other, and so must see all of them at once.

A mean over images can be put together from the means of parts; a comparison of groups cannot. What such an objective
needs of an image are its logits, which are small. So every process computes those of its share, all of them hold those
of the whole step, and each differentiates the one loss by its own rows and goes on into the network from there:

    d loss / d weights = sum over processes of (d loss / d own logits) (d own logits / d weights)

No gradient travels between processes but that of the weights. Passes of ``--accumulate`` look twice: the first time
without a graph, for the logits of the whole step, then pass by pass with one, so the memory is that of a pass.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from cxrshort import distributed
from cxrshort.compute import Compute
from cxrshort.models.outputs import Task
from cxrshort.training.data.batches import Batch
from cxrshort.training.data.groups import of_batch
from cxrshort.training.task import batch_targets


@runtime_checkable
class Comparing(Protocol):
    """What an objective over groups offers; calling it does both on one batch."""

    name: str
    task: Task
    views: int

    def look(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return what is compared of each image, (N, V, *T): V views of logits, shaped as its targets are."""

    def compare(self, looks: Tensor, targets: Tensor, groups: Tensor, *, epoch: int) -> Tensor:
        """Return the loss of a whole step, a scalar, and move on what the objective remembers."""


def compare(objective: Comparing, model: nn.Module, batch: Batch) -> Tensor:
    """Return the loss of a batch that is a whole step."""
    groups = of_batch(batch.groups, method=objective.name)
    looks = objective.look(model, batch)
    return objective.compare(looks, batch_targets(objective.task, batch), groups, epoch=batch.epoch)


def learn_from_whole(objective: Comparing, model: nn.Module, batch: Batch, *, passes: int, compute: Compute) -> Tensor:
    """Add the gradients of this process's share of a step, and return the loss of the whole step, detached.

    Args:
        objective: compares the images of the step.
        model: whose gradients are added to.
        batch: the share, which may be empty.
        passes: parts in which the share is worked on, to save memory.
        compute: the processes.

    Returns:
        The loss, a scalar; the first process's is that of the step, the others return 0, so that it can be added up.
    """
    targets = batch_targets(objective.task, batch)
    groups = of_batch(batch.groups, method=objective.name)
    parts = [part for part in batch.split(passes) if len(part.indices)]
    again = len(parts) > 1
    looks = _look_ahead(objective, model, parts, compute) if again else _look(objective, model, parts, compute)
    shape = (len(batch.indices), objective.views, *targets.shape[1:])
    own = torch.cat([each.detach() for each in looks]) if looks else torch.zeros(shape, device=targets.device)
    whole = _gather(own, batch, compute).requires_grad_()
    with compute.autocast():
        loss = objective.compare(
            whole, _gather(targets, batch, compute), _gather(groups, batch, compute), epoch=batch.epoch
        )
    (gradient,) = torch.autograd.grad(loss, whole)
    first = batch.share.first if batch.share else 0
    slopes = torch.split(gradient[first : first + len(own)], [len(each) for each in looks])
    for number, slope in enumerate(slopes):
        (look,) = _look(objective, model, parts[number : number + 1], compute) if again else looks
        look.backward(slope)  # type: ignore[no-untyped-call]
    return loss.detach() if compute.rank == 0 else torch.zeros_like(loss)


def _look(objective: Comparing, model: nn.Module, parts: Sequence[Batch], compute: Compute) -> list[Tensor]:
    with compute.autocast():
        return [objective.look(model, part) for part in parts]


def _look_ahead(objective: Comparing, model: nn.Module, parts: Sequence[Batch], compute: Compute) -> list[Tensor]:
    """Return what the passes of a step will see, without a graph; statistics and random draws are as before it."""
    kept = {name: value.clone() for name, value in model.named_buffers()}
    device = compute.torch_device
    with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.no_grad():
        looks = _look(objective, model, parts, compute)
        for name, value in model.named_buffers():
            value.copy_(kept[name])
    return looks


def _gather(own: Tensor, batch: Batch, compute: Compute) -> Tensor:
    """Return the rows of all processes, (N, ...), in the order of the step."""
    if compute.processes == 1 or batch.share is None:
        return own
    # Sums of one number and zeros are exact, NaN included, and shares of any size fit, empty ones too.
    whole = own.new_zeros(batch.share.images, *own.shape[1:])
    whole[batch.share.first : batch.share.first + len(own)] = own
    return distributed.all_reduce(whole, compute)
