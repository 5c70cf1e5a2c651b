"""Objectives that compare the images of a step with each other, and so must see all of them at once.

A mean over images can be put together from the means of parts; a comparison of groups cannot. What such an objective
needs of an image are its logits, which are small. So every process computes those of its share, all of them hold those
of the whole step, and each differentiates the one loss by its own rows and goes on into the network from there:

    d loss / d weights = sum over processes of (d loss / d own logits) (d own logits / d weights)

No gradient travels between processes but that of the weights. Micro-batches are computed twice: the first time without
a graph, for the logits of the whole step, then one by one with a graph, so the memory is that of a micro-batch.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cxrshort import distributed
from cxrshort.compute import Compute
from cxrshort.training.data.batches import Batch
from cxrshort.training.data.groups import batch_groups
from cxrshort.training.objectives.contract import Needs, Objective
from cxrshort.training.task import batch_targets


class Comparison(Objective):
    """Learn from the groups of a whole step; what such an objective remembers moves on once for the step."""

    needs = Needs(groups=True)
    number_of_views = 1

    def views(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return what is compared of each image, (N, V, *T): V views of logits, shaped as its targets are."""
        raise NotImplementedError

    def step_loss(self, logits: Tensor, targets: Tensor, groups: Tensor, *, epoch: int) -> Tensor:
        """Return the loss of a whole step, a scalar, and move on what the objective remembers.

        Args:
            logits: of :meth:`views`, (N, V, *T).
            targets: (N, *T).
            groups: (N,) codes.
            epoch: counted from 0.
        """
        raise NotImplementedError

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the loss of a batch that is a whole step, a scalar."""
        groups = batch_groups(batch.groups, method=self.name)
        return self.step_loss(self.views(model, batch), batch_targets(self.task, batch), groups, epoch=batch.epoch)

    def summed_buffers(self) -> list[Tensor]:
        """Return none: every process has seen the whole step."""
        return []

    def backward(self, model: nn.Module, batch: Batch, *, accumulation_steps: int, compute: Compute) -> Tensor:
        """Add the gradients of this process's share of a step, and return the loss of the whole step, detached.

        Returns:
            The loss, a scalar, in the first process; the others return 0, so that it can be added up.
        """
        targets = batch_targets(self.task, batch)
        groups = batch_groups(batch.groups, method=self.name)
        micro_batches = [part for part in batch.split(accumulation_steps) if len(part.indices)]
        recompute = len(micro_batches) > 1
        compute_logits = self._logits_without_graph if recompute else self._logits
        logits = compute_logits(model, micro_batches, compute)
        shape = (len(batch.indices), self.number_of_views, *targets.shape[1:])
        own_logits = (
            torch.cat([rows.detach() for rows in logits]) if logits else torch.zeros(shape, device=targets.device)
        )
        all_logits = _gather(own_logits, batch, compute).requires_grad_()
        with compute.autocast():
            loss = self.step_loss(
                all_logits, _gather(targets, batch, compute), _gather(groups, batch, compute), epoch=batch.epoch
            )
        (gradient,) = torch.autograd.grad(loss, all_logits)
        first = batch.share.first if batch.share else 0
        gradients = torch.split(gradient[first : first + len(own_logits)], [len(rows) for rows in logits])
        for number, own_gradient in enumerate(gradients):
            rows = self._logits(model, micro_batches[number : number + 1], compute)[0] if recompute else logits[number]
            rows.backward(own_gradient)  # type: ignore[no-untyped-call]
        return loss.detach() if compute.rank == 0 else torch.zeros_like(loss)

    def _logits(self, model: nn.Module, micro_batches: Sequence[Batch], compute: Compute) -> list[Tensor]:
        with compute.autocast():
            return [self.views(model, micro_batch) for micro_batch in micro_batches]

    def _logits_without_graph(self, model: nn.Module, micro_batches: Sequence[Batch], compute: Compute) -> list[Tensor]:
        """Return the logits of a step's micro-batches; running statistics and random draws are as before."""
        buffers = {name: value.clone() for name, value in model.named_buffers()}
        device = compute.torch_device
        with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.no_grad():
            logits = self._logits(model, micro_batches, compute)
            for name, value in model.named_buffers():
                value.copy_(buffers[name])
        return logits


def _gather(own_rows: Tensor, batch: Batch, compute: Compute) -> Tensor:
    """Return the rows of all processes, (N, ...), in the order of the step."""
    if compute.processes == 1 or batch.share is None:
        return own_rows
    # Sums of one number and zeros are exact, NaN included, and shares of any size fit, empty ones too.
    all_rows = own_rows.new_zeros(batch.share.images, *own_rows.shape[1:])
    all_rows[batch.share.first : batch.share.first + len(own_rows)] = own_rows
    return distributed.all_reduce(all_rows, compute)
