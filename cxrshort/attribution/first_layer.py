"""The z-B rule: relevance of pixels that are known to lie in a box (Montavon et al. 2017, equation 13).

R_i = sum_j (x_i w_ij - l_i w+_ij - h_i w-_ij) / (sum_i (...) + eps) R_j, where l and h are the smallest and largest
value that a pixel can have. Black pixels can then carry relevance, and no pixel's share is negative.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from cxrshort.attribution.convolution import ConvolutionCall, input_gradient
from cxrshort.errors import UsageError

FIRST_LAYER_RULES = ("epsilon", "box")

_OPTIONS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_DEFAULTS = {"bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1}


class Stem:
    """Watch a network run, and note how it begins: a convolution, a batch norm or none, a ReLU."""

    def __init__(self) -> None:
        self.convolution: dict[str, Any] = {}
        self.sums: Tensor | None = None
        self.normalised: Tensor | None = None
        self.activations: Tensor | None = None

    def note(self, kind: str, args: Sequence[Any], kwargs: Mapping[str, Any], *, result: Any) -> None:
        """Look at one operation: ``"convolution"``, ``"batch norm"`` or ``"relu"``."""
        source = args[0] if args else kwargs.get("input")
        if kind == "convolution" and self.sums is None:
            self.convolution = {**_DEFAULTS, **dict(zip(_OPTIONS, args, strict=False)), **kwargs}
            self.sums = self.normalised = result
        elif kind == "batch norm" and source is self.sums:
            self.normalised = result
        elif kind == "relu" and source is self.normalised and self.activations is None:
            self.activations = result

    def relevance(
        self,
        slopes: Tensor,
        relevance: Tensor,
        *,
        low: Tensor,
        high: Tensor,
        epsilon: Tensor,
    ) -> Tensor:
        """Return the relevance of the convolution's input, in its shape.

        Args:
            slopes: d normalised / d sums, one number per channel, (K,).
            relevance: of the activations.
            low: the smallest values of the input, broadcastable to it.
            high: the largest ones.
            epsilon: broadcastable to the activations.
        """
        call = ConvolutionCall.of((), self.convolution)
        if call is None:
            raise no_stem()
        pixels, geometry = call.input.detach(), call.geometry
        weight = call.weight * slopes.view(-1, 1, 1, 1)
        positive, negative = weight.clamp(min=0), weight.clamp(max=0)

        def forward(values: Tensor, weights: Tensor) -> Tensor:
            sums: Tensor = functional.conv2d(values, weights, None, *geometry)
            return sums

        def backward(weights: Tensor) -> Tensor:
            return input_gradient(shares, weights, pixels.shape, geometry=geometry)

        sums = forward(pixels, weight) - forward(low, positive) - forward(high, negative)
        shares = relevance / torch.where(sums > 0, sums + epsilon, 1.0)
        input_relevance: Tensor = pixels * backward(weight) - low * backward(positive) - high * backward(negative)
        return input_relevance


def no_stem() -> UsageError:
    """Return the error for a network that begins otherwise."""
    return UsageError(
        "the z-B rule needs a network that begins with convolution, batch norm (or none) and ReLU",
        "leave out --first-layer",
    )
