"""A trial step on two images before anything is written, so that unsuitable networks are refused at once."""

import copy

import torch
from torch import Tensor, nn

from cxrshort.compute import Compute, seeded_generator
from cxrshort.errors import UsageError
from cxrshort.models.architecture import Architecture
from cxrshort.models.classifier import Classifier
from cxrshort.training.data.batches import Batch
from cxrshort.training.objectives.contract import Objective

_FOREIGN_ERRORS = (RuntimeError, AssertionError, ValueError, IndexError, TypeError)
"""What networks of other packages raise on images that are too small for them."""


def rehearse(
    model: Classifier,
    objective: Objective,
    *,
    architecture: Architecture,
    compute: Compute,
    shape: tuple[int, ...],
    teacher: nn.Module | None = None,
) -> None:
    """Do one step as after all warm-up epochs, and leave model and objective as they were.

    Our own networks take whatever :func:`~cxrshort.training.checks.check_size` admits, and learn by erm.

    Args:
        model: on its device.
        objective: what it is to learn.
        architecture: of the model.
        compute: device and precision.
        shape: of the dataset's images, (H, W) or (C, H, W).
        teacher: the network that the model learns from, where the objective needs one.

    Raises:
        UsageError: the network cannot take images of this size, or the method cannot look into it.
    """
    if objective.name == "erm" and ":" not in architecture.name:
        return
    warm_up, trial = objective.warm_up_epochs, copy.deepcopy(objective).to(compute.torch_device)
    batch = _two_images(shape, len(model.labels), compute)
    if teacher is not None:
        batch = batch._replace(teacher=teacher.to(compute.torch_device).eval().requires_grad_(False))
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    was_training = model.training
    model.train()
    device = compute.torch_device
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []), compute.autocast():
            losses = [trial(model, batch._replace(epoch=epoch)) for epoch in (max(0, warm_up - 1), warm_up + 1)]
        losses[-1].backward()
    except torch.OutOfMemoryError:
        raise
    except _FOREIGN_ERRORS as error:
        raise _unfit(architecture, shape[-1], error) from error
    finally:
        model.train(was_training)
        model.zero_grad(set_to_none=True)
        with torch.no_grad():
            for name, value in model.named_buffers():
                value.copy_(buffers[name])


def _two_images(shape: tuple[int, ...], outputs: int, compute: Compute) -> Batch:
    """Return noise in two groups, with one true label each and foreground in the middle."""
    channels, (height, width) = shape[0] if len(shape) == 3 else 1, shape[-2:]
    images = torch.rand((2, channels, height, width), generator=seeded_generator(0))
    targets, masks = torch.zeros(2, outputs), torch.zeros(2, 1, height, width)
    targets[0, 0] = targets[1, -1] = 1
    masks[..., height // 4 : -(height // 4), width // 4 : -(width // 4)] = 1
    groups = torch.tensor([0, 1])
    on_device: list[Tensor] = [tensor.to(compute.torch_device) for tensor in (images, targets, groups, masks)]
    return Batch(on_device[0], on_device[1], torch.arange(2).numpy(), on_device[2], on_device[3])


def _unfit(architecture: Architecture, size: int, error: Exception) -> UsageError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return UsageError(
        f"'{architecture.name}' cannot learn from images of {size} pixels: {reason}",
        f"build-dataset with --size {architecture.published_size}, as published, or choose another --arch",
    )
