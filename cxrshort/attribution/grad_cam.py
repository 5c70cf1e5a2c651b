"""Grad-CAM on the last convolutional map (Selvaraju et al. 2017), differentiable.

The map is relu(sum_c w_c f_c), where f is the last map of more than one pixel that the network computes, after its ReLU
where it has one, and w_c the mean over positions of d logit / d f_c. It is found while the network runs, so stock
networks need no layer name.

What would invalidate it: a map shows where the last layer is active, not where in the image the evidence lies. A
network trained on its Grad-CAM can move activations without moving evidence (Bassi et al. 2024).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from cxrshort.attribution.passes import Explained, chosen, exact
from cxrshort.errors import UsageError

_ATTENTION = {functional.multi_head_attention_forward, functional.scaled_dot_product_attention}


def grad_cam(
    model: nn.Module,
    images: Tensor,
    *,
    outputs: Tensor | None = None,
    create_graph: bool = False,
) -> Tensor:
    """Return where the last convolutional map argues for one logit per image, (N, 1, H, W), 0 or more.

    Args:
        model: maps images to logits (N, L); its last maps are convolutional.
        images: (N, C, H, W).
        outputs: (N,) int64, which logit to explain in each image; None takes the highest.
        create_graph: whether a loss on the maps is to be differentiated, through their channel weights too.

    Raises:
        UsageError: the network has no convolutional map.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
        >>> grad_cam(model, torch.rand(5, 1, 8, 8)).shape
        torch.Size([5, 1, 8, 8])
    """
    images = images.detach().requires_grad_()  # so that a network whose parameters are frozen can be explained
    maps = explain(model, images, outputs=outputs, learn_maps=create_graph, learn_weights=create_graph).maps
    return maps if create_graph else maps.detach()


def explain(
    model: nn.Module,
    images: Tensor,
    *,
    outputs: Tensor | None = None,
    signs: Tensor | None = None,
    learn_maps: bool = True,
    learn_weights: bool = False,
) -> Explained:
    """Return the maps of :func:`grad_cam` and the logits of the same forward pass.

    Args:
        model: as there, like ``images`` and ``outputs``.
        images: (N, C, H, W).
        outputs: (N,) int64.
        signs: (N,), 1 for evidence in favour of the logit, -1 for evidence against it; None is 1.
        learn_maps: whether the graph is kept, to learn from maps and logits.
        learn_weights: whether the channel weights are part of that graph.
    """
    with exact(images), LastMap() as last:
        logits: Tensor = model(images)
    activations = last.checked()
    with exact(images):
        scores = chosen(logits, outputs)
        score = (scores if signs is None else scores * signs).sum()
        (gradient,) = torch.autograd.grad(
            score, activations, create_graph=learn_weights, retain_graph=learn_maps or learn_weights
        )
        maps = (gradient.mean((2, 3), keepdim=True) * activations).sum(1, keepdim=True).relu()
        maps = functional.interpolate(maps, images.shape[-2:], mode="bilinear", align_corners=False)
    return Explained(maps, logits)


class LastMap(TorchFunctionMode):
    """Note the last map of more than one pixel that a network computes."""

    def __init__(self) -> None:
        super().__init__()
        self.activations: Tensor | None = None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation of the network and look at its result."""
        del types
        result = func(*args, **(kwargs or {}))
        if func in _ATTENTION:
            self.activations = None
        elif isinstance(result, Tensor) and result.dim() == 4 and result.shape[2] * result.shape[3] > 1:
            self.activations = result
        return result

    def checked(self) -> Tensor:
        """Return the map.

        Raises:
            UsageError: there is none, or no gradient reaches it.
        """
        if self.activations is None or not self.activations.requires_grad:
            raise UsageError(
                "'grad-cam' needs a convolutional map of more than one pixel, and this network has none",
                "choose another method, larger images, or an architecture such as densenet121 or resnet18",
            )
        return self.activations
