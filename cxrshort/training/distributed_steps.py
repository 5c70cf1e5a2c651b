"""One optimiser step by several processes, each on its own share of the batch.

There is no wrapper around the model: every process computes what its share adds to the loss of the step, and gradients
are added up once, by an all-reduce before the optimiser's step, however many micro-batches ``--accumulate`` takes. So
any objective works, those that differentiate twice included. What comes out is the model that one process would train
on the same global batch, up to the order of sums, for every method:

- a mean over known targets or over images is divided by the number in the whole step (erm, and what learns from masks);
- groups are compared in the whole step (group-dro, irm, pgi), see :mod:`cxrshort.training.objectives.comparison`.

Batch norm is the exception: in training mode it normalises by its own process's share; its running statistics are
averaged over processes after every step. Micro-batches stand in the same relation to one large batch.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cxrshort import distributed
from cxrshort.compute import Compute
from cxrshort.errors import UsageError
from cxrshort.training.data.batches import Batch
from cxrshort.training.recipes import Recipe


def check_batch_size(recipe: Recipe, compute: Compute) -> None:
    """Refuse a global batch that is smaller than the number of processes.

    Raises:
        UsageError: it is.
    """
    if recipe.batch_size < compute.processes:
        raise UsageError(
            f"--batch-size is '{recipe.batch_size}', it must be at least the {compute.processes} processes",
            "it counts the images of all processes together",
        )


def all_reduce_step(
    model: nn.Module, loss: Tensor, *, batch: Batch, compute: Compute, sums: Sequence[tuple[Tensor, Tensor]] = ()
) -> Tensor:
    """All-reduce gradients and loss over all processes, and average running statistics.

    Args:
        model: with the gradients of this process's share.
        loss: what the share adds to the loss of the step, a scalar.
        batch: the share.
        compute: the processes.
        sums: each buffer in which the objective adds up what it sees, and a copy from before the step.

    Returns:
        The loss of the whole step, a scalar; the same bytes in every process, as the gradients are.
    """
    if compute.processes == 1:
        return loss
    loss = loss.reshape(1)
    images = len(batch.indices) / (batch.share.images if batch.share else len(batch.indices))
    averaged = list(_running_statistics(model))
    with torch.no_grad():
        for buffer in averaged:
            buffer.mul_(images)
        for buffer, before in sums:
            buffer.sub_(before)
        _all_reduce_sums([*_gradients(model, compute), loss, *averaged, *(buffer for buffer, _ in sums)], compute)
        for buffer, before in sums:
            buffer.add_(before)
    return loss[0]


def _gradients(model: nn.Module, compute: Compute) -> list[Tensor]:
    """Return the gradients that any process has; zeros stand where this one has none, such as for an empty share."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    has_gradient = torch.tensor([parameter.grad is not None for parameter in trainable], dtype=torch.bool)
    gradients = []
    for parameter, has_any_gradient in zip(
        trainable, distributed.any_rank(has_gradient, compute).tolist(), strict=True
    ):
        if not has_any_gradient:
            continue
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        gradients.append(parameter.grad)
    return gradients


def _running_statistics(model: nn.Module) -> Iterator[Tensor]:
    """Yield what the batch norms have just changed; averaging what is frozen would only add rounding."""
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.training:
            yield from _floating(module.buffers())


def _floating(buffers: Iterable[Tensor]) -> list[Tensor]:
    return [buffer for buffer in buffers if buffer.is_floating_point()]


def _all_reduce_sums(tensors: Sequence[Tensor], compute: Compute) -> None:
    """Sum tensors over all processes, in place, by one all-reduce for each type of number."""
    for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
        same_dtype = [tensor for tensor in tensors if tensor.dtype == dtype]
        sums = distributed.all_reduce(torch.cat([tensor.reshape(-1) for tensor in same_dtype]), compute)
        for tensor, part in zip(same_dtype, torch.split(sums, [tensor.numel() for tensor in same_dtype]), strict=True):
            tensor.copy_(part.view_as(tensor))
