"""Gradients of a score with respect to the images (Simonyan et al. 2014).

The gradient of a logit at a pixel is what the logit would gain, to first order, if the pixel went from black (0) to
white (1). One backward pass through the sum of a batch's scores gives the gradients of all its images, since the score
of an image does not depend on the others.

Own code: Captum's ``Saliency`` makes the same pass, but returns neither its logits nor a graph through which an
objective could learn, and is no faster.

What would invalidate it: the slope at a point says nothing of how far it holds. Where a logit is saturated, decisive
pixels have small slopes.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from cxrshort.attribution.batch_norm import BATCH_NORM_RULES, BatchNormRule
from cxrshort.attribution.contract import AttributionMethod, Requirements, Resources
from cxrshort.attribution.passes import Explained, Phase, exact, explained_logits
from cxrshort.registry import check_name


def explain(
    model: nn.Module,
    images: Tensor,
    *,
    score: Callable[[Tensor], Tensor],
    bn: str = "batch-detached",
    create_graph: bool = False,
) -> Explained:
    """Return d score / d image for each image, (N, C, H, W), and the logits of the same forward pass.

    Args:
        model: maps images to logits (N, L); any network that autograd knows.
        images: (N, C, H, W).
        score: maps logits (N, L) to one number per image (N,).
        bn: see :class:`~cxrshort.attribution.batch_norm.BatchNormRule`; of no effect on a model in eval mode.
        create_graph: whether a loss on the gradients is to be differentiated.

    Raises:
        UsageError: an unknown rule for batch norm.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        >>> explain(model, torch.rand(5, 1, 4, 4), score=lambda logits: logits[:, 1]).maps.shape
        torch.Size([5, 1, 4, 4])
    """
    check_name(BATCH_NORM_RULES, bn, kind="rule for batch norm")
    images = images.detach().requires_grad_()
    phase = Phase()
    with exact(images), BatchNormRule(bn, phase):
        logits: Tensor = model(images)
        gradients = phase.gradient(score(logits).sum(), images, create_graph=create_graph)
    return Explained(gradients, logits if create_graph else logits.detach())


def slopes(model: nn.Module, images: Tensor, outputs: Tensor, *, settings: Any, resources: Resources) -> Tensor:
    """Return d logit / d image, (N, C, H, W); see :class:`~cxrshort.attribution.contract.MapFunction`."""
    del settings, resources
    return explain(model, images, score=lambda logits: explained_logits(logits, outputs)).maps


def learnable_slopes(model: nn.Module, images: Tensor, outputs: Tensor, *, settings: Any, bn: str) -> Explained:
    """Return :func:`slopes` and the logits; see :class:`~cxrshort.attribution.contract.LearnFunction`."""
    del settings
    return explain(model, images, score=lambda logits: explained_logits(logits, outputs), bn=bn, create_graph=True)


GRADIENT = AttributionMethod("gradient", slopes, requires=Requirements(gradients=True), learn=learnable_slopes)
