"""Gradient times input: the slope of the logit at each pixel, times the pixel (Shrikumar et al. 2016).

The first-order estimate of what the logit would lose if the pixel became black. In a network of ReLUs without biases
the map adds up to the logit; biases, the mean that a model subtracts among them, keep their share.

Own code: Captum's ``InputXGradient`` makes the same pass, but returns neither its logits nor a graph through which an
objective could learn, and is no faster.

What would invalidate it: a black pixel has the value 0 whatever its slope, so evidence in the dark, such as air beside
the body, is invisible to this method.
"""

from typing import Any

from torch import Tensor, nn

from cxrshort.attribution.contract import AttributionMethod, Requirements, Resources
from cxrshort.attribution.gradient import learnable_slopes, slopes
from cxrshort.attribution.passes import Explained


def slopes_times_pixels(
    model: nn.Module, images: Tensor, outputs: Tensor, *, settings: Any, resources: Resources
) -> Tensor:
    """Return image times d logit / d image, (N, C, H, W); see :class:`~cxrshort.attribution.contract.MapFunction`."""
    return images * slopes(model, images, outputs, settings=settings, resources=resources)


def _learnable(model: nn.Module, images: Tensor, outputs: Tensor, *, settings: Any, bn: str) -> Explained:
    maps, logits = learnable_slopes(model, images, outputs, settings=settings, bn=bn)
    return Explained(images * maps, logits)


GRADIENT_X_INPUT = AttributionMethod(
    "gradient-x-input", slopes_times_pixels, requires=Requirements(gradients=True), learn=_learnable
)
