"""Gradients of a score with respect to the images."""

from collections.abc import Callable

from torch import Tensor, nn

from cxrshort.attribution.batch_norm import BatchNormRule
from cxrshort.attribution.passes import Explained, Phase, exact


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

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
        >>> explain(model, torch.rand(5, 1, 4, 4), score=lambda logits: logits[:, 1]).maps.shape
        torch.Size([5, 1, 4, 4])
    """
    images = images.detach().requires_grad_()
    phase = Phase()
    with exact(images), BatchNormRule(bn, phase):
        logits: Tensor = model(images)
        gradients = phase.gradient(score(logits).sum(), images, create_graph=create_graph)
    return Explained(gradients, logits if create_graph else logits.detach())
