"""Activations that torch writes as several operations, each as one function that an explanation can replace.

A product of a value and its sigmoid is one activation to relevance, and two unrelated operations to torch; what is seen
as the latter loses relevance or is refused (:mod:`cxrshort.attribution.attention`).
"""

import torch
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function_unary

QUICK_GELU_SLOPE = 1.702
"""Of the sigmoid in a quick GELU (Hendrycks & Gimpel 2016, section 2)."""


def quick_gelu(input: Tensor) -> Tensor:
    """Return x sigmoid(1.702 x), the activation of CLIP's transformers.

    Example:
        >>> quick_gelu(torch.tensor([0.0, 100.0]))
        tensor([  0., 100.])
    """
    if has_torch_function_unary(input):
        replaced: Tensor = handle_torch_function(quick_gelu, (input,), input)
        return replaced
    return input * torch.sigmoid(QUICK_GELU_SLOPE * input)


class QuickGELU(nn.Module):
    """Apply :func:`quick_gelu`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return values of the input's shape."""
        return quick_gelu(input)
