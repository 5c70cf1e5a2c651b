"""One forward pass, two kinds of backward pass: one that explains, and one that learns.

Both use the same graph, so each operation that behaves differently while explaining asks its phase when it goes
backward. A map made with ``create_graph`` is part of the graph that the other pass learns from.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from cxrshort.errors import UsageError

Outputs = Tensor | Callable[[Tensor], Tensor] | None
"""Which logit of each image is explained: (N,) int64, a choice among logits (N, L), or None for the highest."""


class Explained(NamedTuple):
    """Hold the maps of a batch and the logits of the same forward pass.

    Args:
        maps: (N, C, H, W), signed.
        logits: (N, L).
    """

    maps: Tensor
    logits: Tensor


class Phase:
    """Set the backward pass that the operations sharing this object are in."""

    def __init__(self) -> None:
        self.explaining = False

    def gradient(self, score: Tensor, inputs: Tensor, *, create_graph: bool) -> Tensor:
        """Return d score / d inputs by the backward pass that explains."""
        self.explaining = True
        try:
            return torch.autograd.grad(score, inputs, create_graph=create_graph)[0]
        finally:
            self.explaining = False


@contextlib.contextmanager
def exact(images: Tensor) -> Iterator[None]:
    """Compute with gradients, in the images' own precision, and by attention that can be differentiated twice."""
    with torch.enable_grad(), torch.autocast(images.device.type, enabled=False), sdpa_kernel(SDPBackend.MATH):
        yield


def explained_logits(logits: Tensor, outputs: Outputs) -> Tensor:
    """Return one logit of each image, (N,): that of ``outputs``, or the highest.

    Args:
        logits: (N, L).
        outputs: see :data:`Outputs`; a choice is made once, among logits without a graph.

    Raises:
        UsageError: outputs on the CPU name a logit that the model does not have.
    """
    if outputs is None:
        outputs = logits.detach().argmax(dim=1)
    elif callable(outputs):
        outputs = outputs(logits.detach())
    # Looking at outputs on a GPU would make each training step wait for it; those drawn for training are in range.
    elif outputs.device.type == "cpu" and bool(((outputs < 0) | (outputs >= logits.shape[1])).any()):
        wrong = outputs[(outputs < 0) | (outputs >= logits.shape[1])][0]
        raise UsageError(
            f"output '{int(wrong)}' is none of the model's, which has {logits.shape[1]}",
            f"outputs are counted from 0 to {logits.shape[1] - 1}",
        )
    return logits.gather(1, outputs.to(logits.device)[:, None])[:, 0]
