"""Rules of relevance for transformers: an explanation sees each of their operations as a linear map.

A GELU y = x F(x) is its factor F, and so is the quick GELU of CLIP; a layer norm is linear with its standard deviation
as a constant, and an embedding of unit length with its norm as one; attention is linear in the values with its weights
as constants (Ali et al. 2022). Where both factors of a matrix product depend on the
picture, each passes on half (Achtibat et al. 2024, AttnLRP); a constant factor leaves the whole to the other. So
nothing is lost: without biases, a map of a transformer adds up to its logit.

AttnLRP as published also goes back through the softmax, by its gradient, and then loses relevance there; here the
weights say where values come from, and none falls on queries and keys.

Constants are constants while explaining alone: a loss on the map is differentiated through them.

What would invalidate a map: a product of two activations that is no matrix product (``einsum``, gates) is seen as
autograd sees it, each factor passing on the whole.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from cxrshort.attribution.passes import Phase
from cxrshort.models.networks import activations

_LONGEST_CHAIN = 8
_ATTENTION_NAMES: tuple[str, ...] = (
    "query",
    "key",
    "value",
    "embed_dim_to_check",
    "num_heads",
    "in_proj_weight",
    "in_proj_bias",
    "bias_k",
    "bias_v",
    "add_zero_attn",
    "dropout_p",
    "out_proj_weight",
    "out_proj_bias",
    "training",
)


def constant(values: Tensor, phase: Phase) -> Tensor:
    """Return values that send no gradient back while explaining."""
    result: Tensor = _Constant.apply(values, phase)
    return result


def halved(values: Tensor, phase: Phase) -> Tensor:
    """Return values that send half of their gradient back while explaining."""
    result: Tensor = _Halved.apply(values, phase)
    return result


class _Constant(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, phase: Phase) -> Tensor:
        ctx.phase = phase
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None]:
        return None if ctx.phase.explaining else gradients[0], None


class _Halved(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, phase: Phase) -> Tensor:
        ctx.phase = phase
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] / 2 if ctx.phase.explaining else gradients[0], None


def gelu(phase: Phase, input: Tensor, approximate: str = "none") -> Tensor:
    """Stand in for ``torch.nn.functional.gelu``: the input times its factor."""
    if approximate == "tanh":
        factor = 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (input + 0.044715 * input**3)))
    else:
        factor = 0.5 * (1 + torch.erf(input / math.sqrt(2)))
    return input * constant(factor, phase)


def quick_gelu(phase: Phase, input: Tensor) -> Tensor:
    """Stand in for :func:`cxrshort.models.networks.activations.quick_gelu`: the input times its factor."""
    return input * constant(torch.sigmoid(activations.QUICK_GELU_SLOPE * input), phase)


def normalise(
    phase: Phase, input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor | None:
    """Stand in for ``torch.nn.functional.normalize``: a linear map, its norm constant; None where it writes to another.

    Embeddings on a sphere have no slope along themselves: with the norm learnt through, a map would add up to 0.
    """
    if out is not None:
        return None
    return input / constant(input.norm(p, dim, keepdim=True).clamp_min(eps), phase)


def layer_norm(
    phase: Phase,
    input: Tensor,
    normalized_shape: tuple[int, ...],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Stand in for ``torch.nn.functional.layer_norm``: a linear map, its standard deviation constant."""
    axes = tuple(range(-len(normalized_shape), 0))
    centred = input - input.mean(axes, keepdim=True)
    inverse_deviation = (centred.square().mean(axes, keepdim=True) + eps).rsqrt()
    output = centred * constant(inverse_deviation, phase)
    output = output if weight is None else output * weight
    return output if bias is None else output + bias


def softmax(phase: Phase, input: Tensor, dim: int | None = None, **options: Any) -> Tensor | None:
    """Stand in for ``softmax`` over keys: constant weights; None where it is another one, such as that of outputs."""
    if input.dim() < 3 or dim not in (-1, input.dim() - 1):
        return None
    options.pop("_stacklevel", None)
    return constant(torch.softmax(input, -1, **options), phase)


def scaled_dot_product_attention(  # noqa: PLR0913 (torch's arguments)
    phase: Phase,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor | None:
    """Stand in for ``torch.nn.functional.scaled_dot_product_attention``; None for shared keys, which no rule covers."""
    if enable_gqa:
        return None
    scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None:
        kept = attn_mask.dtype == torch.bool
        scores = scores.masked_fill(~attn_mask, -math.inf) if kept else scores + attn_mask
    weights = constant(torch.softmax(scores, -1), phase)
    return functional.dropout(weights, dropout_p) @ value


def multi_head_attention(phase: Phase, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None] | None:
    """Stand in for ``torch.nn.functional.multi_head_attention_forward``; None for its rare options."""
    call = {"training": True, "need_weights": True, **dict(zip(_ATTENTION_NAMES, args, strict=False)), **kwargs}
    rare = ("bias_k", "bias_v", "static_k", "static_v", "key_padding_mask", "attn_mask")
    if any(call.get(name) is not None for name in rare) or call["add_zero_attn"] or call["query"].dim() != 3:
        return None
    if call.get("use_separate_proj_weight"):
        matrices = [call[f"{name}_proj_weight"] for name in "qkv"]
    else:
        matrices = call["in_proj_weight"].chunk(3)
    biases = (None,) * 3 if call["in_proj_bias"] is None else call["in_proj_bias"].chunk(3)
    heads = call["num_heads"]

    def projected(name: str, weight: Tensor, bias: Tensor | None) -> Tensor:
        sequence = functional.linear(call[name], weight, bias)  # (L, N, E)
        return sequence.view(*sequence.shape[:2], heads, -1).permute(1, 2, 0, 3)  # (N, heads, L, E / heads)

    parts = zip(("query", "key", "value"), matrices, biases, strict=True)
    query, key, value = (projected(*part) for part in parts)
    weights = constant(torch.softmax(query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5, -1), phase)
    weights = functional.dropout(weights, call["dropout_p"], training=call["training"])
    joined = (weights @ value).permute(2, 0, 1, 3).flatten(2)
    output = functional.linear(joined, call["out_proj_weight"], call["out_proj_bias"])
    if not call["need_weights"]:
        return output, None
    return output, weights.mean(1) if call.get("average_attn_weights", True) else weights


def matrix_product(phase: Phase, input: Tensor, other: Tensor) -> Tensor:
    """Stand in for ``torch.matmul``: of two factors that depend on the picture, each passes on half."""
    if _passes_relevance(input) and _passes_relevance(other):
        input, other = halved(input, phase), halved(other, phase)
    return torch.matmul(input, other)


def _passes_relevance(values: Tensor) -> bool:
    """Return whether an explanation goes back through values: neither constants nor a parameter, reshaped or not."""
    node = values.grad_fn
    for _ in range(_LONGEST_CHAIN):
        if node is None or hasattr(node, "variable") or node.name() == "_ConstantBackward":
            return False
        if len(node.next_functions) != 1:
            break
        node = node.next_functions[0][0]
    return True


RULES: dict[Callable[..., Any], Callable[..., Any]] = {
    functional.gelu: gelu,
    activations.quick_gelu: quick_gelu,
    functional.normalize: normalise,
    functional.layer_norm: layer_norm,
    torch.layer_norm: layer_norm,
    functional.softmax: softmax,
    torch.softmax: softmax,
    Tensor.softmax: softmax,
    functional.scaled_dot_product_attention: scaled_dot_product_attention,
    functional.multi_head_attention_forward: multi_head_attention,
    torch.matmul: matrix_product,
    Tensor.matmul: matrix_product,
    Tensor.__matmul__: matrix_product,
    torch.bmm: matrix_product,
    Tensor.bmm: matrix_product,
}
"""What stands in for which operation of a transformer; each is given the phase, then the operation's arguments."""
