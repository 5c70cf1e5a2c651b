"""Layer-wise relevance propagation, epsilon rule, on ReLU networks and transformers as they are (LRP-Flex, AttnLRP).

The epsilon rule R_j = a_j sum_k w_jk R_k / (z_k + eps) becomes, with R = a G at every ReLU, ordinary back-propagation
in which the derivative of each ReLU is a / (a + eps) instead of 0 or 1 (Bach et al. 2015; Bassi et al. 2025).
The segment between two ReLUs may be any affine map: convolution, linear layer, batch norm, average pool, sum,
concatenation; a max pool passes relevance to its winner. A bias absorbs relevance and returns none. The last layer and
layers without a ReLU follow LRP-0. With eps = 0 the map is gradient times input.

Transformers have no ReLU, and so no eps: see :mod:`cxrshort.attribution.attention`. The same rules cover convolutional
networks of GELU and layer norm, such as ConvNeXt, since a map asks of an activation only that it is 0 at 0.

The network is not rewritten: while it runs, calls of ReLU, batch norm, convolution and attention are replaced
(``TorchFunctionMode``), whether they come from modules, shared modules or functions. Each replacement knows two
backward passes, one that explains and one that learns, so one forward pass serves the classification loss and a loss on
the map, which can be differentiated again. Nothing is attached to the model, so nothing can be left on it.

Own code: Captum's ``LRP`` hooks modules, so that it misses ReLUs that are called as functions, such as the last of
DenseNet, refuses layers that it has no rule for, and makes maps that no loss can be differentiated through.

What would invalidate a map: bf16 (10 to 20 % of L1 error, so autocast is off here), a ReLU written as ``clamp`` or
``maximum`` (it is seen as a selection, without its eps), and outputs that are no logits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from cxrshort.attribution.attention import RULES
from cxrshort.attribution.batch_norm import BATCH_NORM_RULES, Normalised, NormCall, normalise
from cxrshort.attribution.contract import AttributionMethod, Requirements, Resources, check_options, option
from cxrshort.attribution.convolution import ConvolutionCall, Role, convolve, made_from
from cxrshort.attribution.first_layer import FIRST_LAYER_RULES, Stem, no_stem
from cxrshort.attribution.gates import cap, rectify
from cxrshort.attribution.passes import Explained, Outputs, Phase, exact, explained_logits
from cxrshort.errors import UsageError
from cxrshort.models.classifier import Classifier
from cxrshort.registry import check_name

_KINDS: dict[Callable[..., Any], str] = {
    **dict.fromkeys((torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, functional.relu, functional.relu_), "relu"),
    **dict.fromkeys((functional.hardtanh, functional.relu6), "capped relu"),
    functional.batch_norm: "batch norm",
    functional.conv2d: "convolution",
}
_IN_PLACE = {torch.relu_, Tensor.relu_, functional.relu_}
_NOT_PIECEWISE_LINEAR = {
    "alpha_dropout",
    "celu",
    "elu",
    "glu",
    "group_norm",
    "hardsigmoid",
    "hardswish",
    "instance_norm",
    "leaky_relu",
    "local_response_norm",
    "mish",
    "prelu",
    "rms_norm",
    "rrelu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
}


@dataclass(frozen=True)
class LRPSettings:
    """Hold the options of layer-wise relevance propagation.

    Args:
        epsilon: added to what each ReLU returns before relevance is divided by it; a larger one makes maps smoother
            and smaller.
        first_layer: ``"epsilon"``, or ``"box"`` for the z-B rule, which lets black pixels carry relevance.

    Raises:
        UsageError: an option out of range.
    """

    epsilon: float = option(0.01, low=0)
    first_layer: str = option("epsilon", names=FIRST_LAYER_RULES)

    def __post_init__(self) -> None:
        """Refuse options out of range."""
        check_options(self, method="lrp")


def relevance(
    model: nn.Module,
    images: Tensor,
    *,
    outputs: Outputs = None,
    epsilon: float | Tensor = 0.01,
    bn: str = "batch-detached",
    first_layer: str = "epsilon",
    create_graph: bool = False,
) -> Tensor:
    """Return how much each pixel contributed to one logit per image, (N, C, H, W), signed.

    Args:
        model: maps images to logits (N, L); ReLU, ReLU6 and affine layers only.
        images: (N, C, H, W), float32 or float64.
        outputs: (N,) int64, which logit to explain in each image; or a choice among logits (N, L); None takes the
            highest.
        epsilon: 0 or more, one number or one per image (N,); larger maps are smoother and smaller.
        bn: see :class:`~cxrshort.attribution.batch_norm.BatchNormRule`; of no effect on a model in eval mode.
        first_layer: ``"epsilon"``, or ``"box"`` for the z-B rule with pixels in [0, 1] (Montavon et al. 2017).
        create_graph: whether a loss on the maps is to be differentiated.

    Raises:
        UsageError: the network has an operation that the rule does not cover, or an option is out of range.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
        >>> relevance(model, torch.rand(5, 1, 4, 4), epsilon=0.01).shape
        torch.Size([5, 1, 4, 4])
    """
    return explain(
        model,
        images,
        outputs=outputs,
        epsilon=epsilon,
        bn=bn,
        first_layer=first_layer,
        create_graph=create_graph,
    ).maps


def explain(
    model: nn.Module,
    images: Tensor,
    *,
    outputs: Outputs = None,
    epsilon: float | Tensor = 0.01,
    bn: str = "batch-detached",
    first_layer: str = "epsilon",
    create_graph: bool = False,
) -> Explained:
    """Return the maps of :func:`relevance` and the logits of the same forward pass; arguments and errors as there."""
    check_name(FIRST_LAYER_RULES, first_layer, kind="rule for the first layer")
    check_name(BATCH_NORM_RULES, bn, kind="rule for batch norm")
    images = images.detach().requires_grad_()
    stem = Stem() if first_layer == "box" else None
    explainer = Explainer(_per_image(epsilon, images), bn=bn, images=images, learning=create_graph, stem=stem)
    with exact(images):
        with explainer:
            logits: Tensor = model(images)
        score = explained_logits(logits, outputs).sum()
        if stem is None:
            maps = images.detach() * explainer.phase.gradient(score, images, create_graph=create_graph)
        else:
            maps = _box_maps(explainer, score, model=model, images=images, create_graph=create_graph)
    return Explained(maps, logits) if create_graph else Explained(maps.detach(), logits.detach())


def _box_maps(explainer: Explainer, score: Tensor, *, model: nn.Module, images: Tensor, create_graph: bool) -> Tensor:
    stem = explainer.stem
    if stem is None or stem.sums is None or stem.normalised is None or stem.activations is None:
        raise no_stem()
    normalise = model.normalise if isinstance(model, Classifier) else nn.Identity()
    low, high = normalise(torch.zeros_like(images[:1])), normalise(torch.ones_like(images[:1]))
    if low.shape[-2:] != images.shape[-2:]:
        raise UsageError(f"the z-B rule needs images of the network's own size, {low.shape[-1]} pixels")
    # Order matters: the first call may free the graph behind the activations, never the one before them.
    gradient = explainer.phase.gradient(score, stem.activations, create_graph=create_graph)
    slopes = explainer.phase.gradient(stem.normalised.sum(), stem.sums, create_graph=create_graph)[0, :, 0, 0]
    maps = stem.relevance(
        slopes,
        stem.activations * gradient,
        low=low,
        high=high,
        epsilon=explainer.epsilon.view(-1, 1, 1, 1),
    )
    return maps if maps.shape[1] == images.shape[1] else maps.sum(dim=1, keepdim=True)


class Explainer(TorchFunctionMode):
    """Replace ReLUs, batch norms and convolutions while a network runs, so that its graph knows the epsilon rule.

    Args:
        epsilon: (N,) or (), 0 or more.
        bn: see :class:`~cxrshort.attribution.batch_norm.BatchNormRule`.
        images: what the network is given.
        learning: whether a loss on the maps will be differentiated; what only that needs is not kept otherwise.
        stem: notes how the network begins.
    """

    def __init__(
        self, epsilon: Tensor, *, bn: str, images: Tensor, learning: bool = True, stem: Stem | None = None
    ) -> None:
        super().__init__()
        self.epsilon, self.bn, self.images, self.learning, self.stem = epsilon, bn, images, learning, stem
        self.phase = Phase()
        self._norm: tuple[Tensor, int, Normalised] | None = None
        self._began = False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation of the network, or its replacement."""
        del types
        kwargs = dict(kwargs or {})
        kind = _KINDS.get(func, "")
        if kind == "relu":
            result = self._relu(func, *args, **kwargs)
        elif kind == "capped relu":
            result = self._capped_relu(func, *args, **kwargs)
        elif kind == "batch norm":
            result = self._batch_norm(NormCall(*args, **kwargs))
        elif kind == "convolution":
            result = self._convolution(func, args, kwargs)
        elif func in RULES:
            result = RULES[func](self.phase, *args, **kwargs)
            if result is None:
                raise _unsuitable(func)
        elif getattr(func, "__name__", "") in _NOT_PIECEWISE_LINEAR:
            raise _unsuitable(func)
        else:
            result = func(*args, **kwargs)
        if self.stem is not None and kind:
            self.stem.note(kind, args, kwargs, result=result)
        return result

    def _relu(self, func: Callable[..., Any], input: Tensor, inplace: bool = False) -> Tensor:
        # Where the stem is watched, what stands before its ReLU must survive.
        inplace = (inplace or func in _IN_PLACE) and self.stem is None
        norm, self._norm = self._norm, None
        directly = norm is not None and norm[0] is input and norm[1] == input._version and self.stem is None
        return rectify(
            input, self.epsilon, self.phase, norm=norm[2] if norm is not None and directly else None, inplace=inplace
        )

    def _capped_relu(
        self,
        func: Callable[..., Any],
        input: Tensor,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
    ) -> Tensor:
        del inplace
        low, high = (0.0, 6.0) if func is functional.relu6 else (min_val, max_val)
        if low != 0.0:
            raise _unsuitable(func)
        return cap(input, high, self.epsilon, self.phase)

    def _batch_norm(self, call: NormCall) -> Tensor:
        output, norm = normalise(call, rule=self.bn, phase=self.phase, learning=self.learning)
        self._norm = None if norm is None else (output, output._version, norm)
        return output

    def _convolution(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
        call = ConvolutionCall.of(args, kwargs)
        if call is None:
            result: Tensor = func(*args, **kwargs)
            return result
        pixels = not self._began and made_from(call.input, self.images)
        self._began = True
        return convolve(call, Role(self.phase, self.learning, pixels))


def _unsuitable(func: Callable[..., Any]) -> UsageError:
    return UsageError(
        f"'lrp' explains networks of ReLUs and vision transformers, and this one has '{func.__name__}'",
        "choose another method, or an architecture such as densenet121 or resnet18",
    )


def _per_image(epsilon: float | Tensor, images: Tensor) -> Tensor:
    values = torch.as_tensor(epsilon, dtype=images.dtype, device=images.device)
    if values.dim() > 1 or (values.dim() == 1 and len(values) != len(images)):
        raise UsageError(f"epsilon has the shape {tuple(values.shape)}, it must be one number or one per image")
    if not bool((values >= 0).all()):
        raise UsageError(f"epsilon '{values.min().item():g}' must not be below 0", "try 0.01")
    # 0 / tiny is 0, as the gate of an inactive ReLU is; its slope there, infinite, is what no ReLU hands on.
    return values.clamp(min=torch.finfo(values.dtype).tiny)


def _maps(model: nn.Module, images: Tensor, outputs: Tensor, *, settings: LRPSettings, resources: Resources) -> Tensor:
    del resources
    return relevance(model, images, outputs=outputs, epsilon=settings.epsilon, first_layer=settings.first_layer)


def _learnable(model: nn.Module, images: Tensor, outputs: Tensor, *, settings: LRPSettings, bn: str) -> Explained:
    return explain(
        model,
        images,
        outputs=outputs,
        epsilon=settings.epsilon,
        bn=bn,
        first_layer=settings.first_layer,
        create_graph=True,
    )


LRP = AttributionMethod("lrp", _maps, Settings=LRPSettings, requires=Requirements(gradients=True), learn=_learnable)
