"""Grad-CAM on the last convolutional map (Selvaraju et al. 2017), differentiable.

The map is sum_c w_c f_c, where f is the last map of more than one pixel that the network computes, after its ReLU where
it has one, and w_c the mean over places of d logit / d f_c. It is found while the network runs, so stock networks need
no layer name. Training objectives use its positive part, as published.

The attribution method keeps the sign, and enlarges the map to the image so that its sum stays what it is: the sum over
pixels is sum_c w_c sum f_c. Behind an average pool, d logit / d f_c is the same at all places, so this is gradient
times activation, the part of the logit that comes from the last map; with one linear layer on top, the logit less its
bias.

Own code: Captum's ``LayerGradCam`` has to be told a layer, hooks modules and so takes the last map of DenseNet before
its ReLU, which is called as a function, and enlarges maps without keeping their sum.

What would invalidate it: a map shows where the last layer is active, not where in the image the evidence lies. A
network trained on its Grad-CAM can move activations without moving evidence (Bassi et al. 2024).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from cxrshort.attribution.contract import AttributionMethod, Requirements, Resources
from cxrshort.attribution.passes import Explained, Outputs, exact, explained_logits
from cxrshort.errors import UsageError
from cxrshort.models.classifier import Classifier
from cxrshort.models.ensemble import Ensemble

_AVERAGES = {functional.adaptive_avg_pool2d, functional.avg_pool2d, torch.mean, Tensor.mean}
_ATTENTION = {functional.multi_head_attention_forward, functional.scaled_dot_product_attention}
_JOINS_HEADS = {functional.linear, functional.conv2d}
"""What ends the result of an attention: until then it has an axis of heads, which makes it look like a map."""


def explain(
    model: nn.Module,
    images: Tensor,
    *,
    outputs: Outputs = None,
    signs: Tensor | None = None,
    learn_maps: bool = True,
    learn_weights: bool = False,
) -> Explained:
    """Return where the last convolutional map argues for one logit per image, (N, 1, H, W), and the logits.

    Maps are 0 or more; maps and logits come from the same forward pass.

    Args:
        model: maps images to logits (N, L); its last maps are convolutional.
        images: (N, C, H, W).
        outputs: (N,) int64, which logit to explain in each image; or a choice among logits (N, L); None takes the
            highest.
        signs: (N,), 1 for evidence in favour of the logit, -1 for evidence against it; None is 1.
        learn_maps: whether the graph is kept, to learn from maps and logits.
        learn_weights: whether the channel weights are part of that graph.

    Raises:
        UsageError: the network has no convolutional map.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
        >>> explain(model, torch.rand(5, 1, 8, 8)).maps.shape
        torch.Size([5, 1, 8, 8])
    """
    maps, logits = weighted_activations(
        model, images, outputs=outputs, signs=signs, learn_maps=learn_maps, learn_weights=learn_weights
    )
    maps = functional.interpolate(maps.relu(), images.shape[-2:], mode="bilinear", align_corners=False)
    return Explained(maps, logits)


def weighted_activations(
    model: nn.Module,
    images: Tensor,
    *,
    outputs: Outputs = None,
    signs: Tensor | None = None,
    learn_maps: bool = False,
    learn_weights: bool = False,
) -> Explained:
    """Return the signed maps at the size of the last convolutional map, (N, 1, h, w), and the logits.

    Arguments and errors are those of :func:`explain`.
    """
    with exact(images), LastMap() as last:
        logits: Tensor = model(images)
    activations = last.checked()
    with exact(images):
        scores = explained_logits(logits, outputs)
        score = (scores if signs is None else scores * signs).sum()
        (gradient,) = torch.autograd.grad(
            score, activations, create_graph=learn_weights, retain_graph=learn_maps or learn_weights
        )
        maps = (gradient.mean((2, 3), keepdim=True) * activations).sum(1, keepdim=True)
    return Explained(maps, logits)


class LastMap(TorchFunctionMode):
    """Note the last map that a network computes.

    Args:
        smallest: number of pixels that it has at least; 2 passes over what an average over places returns. With 1, a
            map of one pixel counts too, unless it is such an average or made from one.
    """

    def __init__(self, *, smallest: int = 2) -> None:
        super().__init__()
        self.activations: Tensor | None = None
        self.smallest = smallest
        self._averaged = False
        self._of_heads = False

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
            self._of_heads = func is functional.scaled_dot_product_attention
        elif func in _JOINS_HEADS:
            self._of_heads = False
        if not self._of_heads and isinstance(result, Tensor) and result.dim() == 4:
            pixels = result.shape[2] * result.shape[3]
            self._averaged = pixels == 1 and (self._averaged or func in _AVERAGES)
            if pixels >= self.smallest and not self._averaged:
                self.activations = result
        return result

    def checked(self, method: str = "grad-cam") -> Tensor:
        """Return the map.

        Args:
            method: that needs it.

        Raises:
            UsageError: there is none, or no gradient reaches it.
        """
        if self.activations is None or not self.activations.requires_grad:
            raise UsageError(
                f"'{method}' needs a convolutional map of more than one pixel, and this network has none",
                "choose another method, larger images, or an architecture such as densenet121 or resnet18",
            )
        return self.activations


def in_picture(maps: Tensor, model: nn.Module, images: Tensor) -> Tensor:
    """Return maps in the size of the images, (N, 1, H, W): over what the network sees of them, and 0 outside.

    Args:
        maps: (N, 1, h, w).
        model: that computed them.
        images: (N, C, H, W).
    """
    height, width = images.shape[-2:]
    top, left = 0, 0
    if isinstance(model, Classifier):
        top, left, height, width = model.window(height, width)
    enlarged = images.new_zeros(len(images), 1, *images.shape[-2:])
    enlarged[..., top : top + height, left : left + width] = spread(maps, height, width)
    return enlarged


def spread(maps: Tensor, height: int, width: int) -> Tensor:
    """Resize maps (N, 1, h, w) to (N, 1, height, width) bilinearly, so that the sum of each stays what it is.

    Example:
        >>> spread(torch.tensor([[[[1.0, -3.0]]]]), 1, 4)
        tensor([[[[ 0.5000,  0.0000, -1.0000, -1.5000]]]])
    """
    rows, columns = (_copies(*sizes, like=maps) for sizes in zip(maps.shape[-2:], (height, width), strict=True))
    shares = maps / (rows[:, None] * columns)
    return functional.interpolate(shares, (height, width), mode="bilinear", antialias=True, align_corners=False)


def _copies(size: int, resized: int, *, like: Tensor) -> Tensor:
    """Return how often each of so many places is counted in a row of another length, (size,)."""
    # One place per column: torch 2.10 resizes a map one pixel wide with antialiasing as if its channels were its rows.
    places = torch.eye(size, dtype=like.dtype, device=like.device)[None, None]
    resampled = functional.interpolate(places, (resized, size), mode="bilinear", antialias=True, align_corners=False)
    return resampled[0, 0].sum(dim=0)


def refuse_ensemble(model: nn.Module, *, method: str) -> None:
    """Refuse a model that has no single last map.

    Raises:
        UsageError: the model is an ensemble.
    """
    if isinstance(model, Classifier) and isinstance(model.network, Ensemble):
        raise UsageError(
            f"'{method}' explains one network, and this is an ensemble of {len(model.network.members)}",
            "explain its members, or choose another method such as gradient-x-input",
        )


def _maps(model: nn.Module, images: Tensor, outputs: Tensor, *, settings: Any, resources: Resources) -> Tensor:
    del settings, resources
    refuse_ensemble(model, method="grad-cam")
    # A network whose parameters are frozen has a graph only from its images on.
    maps = weighted_activations(model, images.requires_grad_(), outputs=outputs).maps.detach()
    return in_picture(maps, model, images)


GRAD_CAM = AttributionMethod("grad-cam", _maps, requires=Requirements(gradients=True))
