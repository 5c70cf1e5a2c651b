"""Guided backpropagation: the gradient by paths of positive slope alone (Springenberg et al. 2015).

On its way back, the gradient at the output of each rectifier loses its negative values. Rectifiers are ReLU and those
that took its place (leaky ReLU, ELU, GELU, SiLU, Hardswish and others), so that all architectures of torchvision can be
explained; sigmoids, which weigh channels, are none.

Own code: Captum's ``GuidedBackprop`` hooks modules ``nn.ReLU``, and misses rectifiers that are called as functions,
such as the last of DenseNet, without a word. Here calls are watched (``TorchFunctionMode``) and the gradient is cut at
the tensors themselves, so that nothing is attached to the model and nothing is left after an error.

What would invalidate it: the map hardly depends on the weights of the upper layers (Adebayo et al. 2018; Nie et al.
2018). It redraws edges of the image, also for a network that learnt nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cxrshort.attribution.contract import AttributionMethod, Requirements, Resources
from cxrshort.attribution.passes import exact, explained_logits
from cxrshort.errors import UsageError

RECTIFIERS = frozenset(
    {
        "celu",
        "celu_",
        "elu",
        "elu_",
        "gelu",
        "hardswish",
        "hardtanh",
        "hardtanh_",
        "leaky_relu",
        "leaky_relu_",
        "mish",
        "prelu",
        "relu",
        "relu6",
        "relu_",
        "rrelu",
        "rrelu_",
        "selu",
        "selu_",
        "silu",
        "softplus",
    }
)
"""Names of the functions of torch that rectify."""


class Guided(TorchFunctionMode):
    """Cut the negative part of the gradient at each rectifier that a network calls.

    Args:
        name: of the method, for messages.
    """

    def __init__(self, name: str = "guided-backprop") -> None:
        super().__init__()
        self.name = name
        self.rectifiers = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation of the network, and guide the gradient behind it."""
        del types
        result: Any = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") in RECTIFIERS:
            self.rectifiers += 1
            if result.requires_grad:
                # In place or not: a hook belongs to the value that the tensor has now.
                result.register_hook(_positive)
        return result

    def check(self) -> None:
        """Refuse a network without rectifiers, whose map would be the gradient.

        Raises:
            UsageError: no rectifier was called.
        """
        if self.rectifiers == 0:
            raise UsageError(
                f"'{self.name}' guides the gradient at ReLUs and their like, and this network has none",
                "choose another method, such as gradient",
            )


def _positive(gradient: Tensor) -> Tensor:
    return gradient.clamp(min=0)


def guided_slopes(model: nn.Module, images: Tensor, outputs: Tensor) -> Tensor:
    """Return the guided gradient of one logit per image, (N, C, H, W).

    Args:
        model: maps images to logits (N, L), in eval mode; a network with rectifiers.
        images: (N, C, H, W).
        outputs: (N,) int64, on the CPU.

    Raises:
        UsageError: the network has no rectifier, or an output is none of the model's.
    """
    images = images.detach().requires_grad_()
    with exact(images), Guided() as guided:
        logits: Tensor = model(images)
    guided.check()
    with exact(images):
        return torch.autograd.grad(explained_logits(logits, outputs).sum(), images)[0]


def _maps(model: nn.Module, images: Tensor, outputs: Tensor, *, settings: Any, resources: Resources) -> Tensor:
    del settings, resources
    return guided_slopes(model, images, outputs)


GUIDED_BACKPROP = AttributionMethod("guided-backprop", _maps, requires=Requirements(gradients=True))
