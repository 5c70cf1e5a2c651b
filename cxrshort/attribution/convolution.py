"""Convolutions of a pass that explains and learns: what torch computes, at less cost.

torch differentiates a backward pass of a convolution as a convolution whose kernel is a whole image; here it is one
forward pass and one gradient of the weight. Three more things make a DenseNet-121 of 224 px on a CPU faster: kernels of
one pixel go to oneDNN in one thread too (90 for 72 GFLOP/s); the gradient of the picture, of few channels and strided,
is a convolution at the lower resolution (14 for 47 ms); and a learning pass does not go back to the pixels.

What would invalidate the numbers: nothing is approximated; sums run in another order than torch's own (1e-6 in fp32).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from cxrshort.attribution.passes import Phase

_FEW_CHANNELS, _FEW_OPERATIONS = 4, 32
_NAMES = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")


class Geometry(NamedTuple):
    """Hold how a two-dimensional convolution moves over its input."""

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


class ConvolutionCall(NamedTuple):
    """Hold the arguments of a convolution of images (N, C, H, W)."""

    input: Tensor
    weight: Tensor
    bias: Tensor | None
    geometry: Geometry

    @classmethod
    def of(cls, args: Sequence[Any], kwargs: Mapping[str, Any]) -> "ConvolutionCall | None":
        """Return a call of ``torch.nn.functional.conv2d``; None for a padding by name, or an image without a batch."""
        values = {**dict(zip(_NAMES, args, strict=False)), **kwargs}
        padding = values.get("padding", 0)
        if isinstance(padding, str) or values["input"].dim() != 4:
            return None
        geometry = Geometry(
            _pair(values.get("stride", 1)),
            _pair(padding),
            _pair(values.get("dilation", 1)),
            values.get("groups", 1),
        )
        return cls(values["input"], values["weight"], values.get("bias"), geometry)


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    values = tuple(int(number) for number in value)
    return values[0], values[-1]


def made_from(values: Tensor, images: Tensor) -> bool:
    """Return whether images are all that values were computed from, so that nothing is learnt before them."""
    if values is images:
        return True
    pending, leaves = [values.grad_fn], []
    for _ in range(_FEW_OPERATIONS):
        if not pending:
            break
        node = pending.pop()
        if node is None:
            continue
        if hasattr(node, "variable"):
            leaves.append(node.variable)
        pending.extend(before for before, _ in node.next_functions)
    return not pending and len(leaves) > 0 and all(leaf is images for leaf in leaves)


class Role(NamedTuple):
    """Say what the backward passes of a convolution are for.

    Args:
        phase: which of them is running.
        learning: whether a loss on the maps will be differentiated; what only that needs is not kept otherwise.
        pixels: whether the input is the picture, at which learning ends.
    """

    phase: Phase
    learning: bool = True
    pixels: bool = False


def convolve(call: ConvolutionCall, role: Role) -> Tensor:
    """Return a convolution that can be explained and learnt from."""
    result: Tensor = _Convolution.apply(*call, role)
    return result


def input_gradient(gradient: Tensor, weight: Tensor, shape: torch.Size, *, geometry: Geometry) -> Tensor:
    """Return the gradient (N, C, H, W) of a convolution's input; it can be differentiated once.

    Args:
        gradient: of the convolution's output.
        weight: of the convolution.
        shape: of the input.
        geometry: of the convolution.
    """
    result: Tensor = _Transposed.apply(gradient, weight, shape, geometry)
    return result


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, role: Role) -> Tensor:
        ctx.geometry, ctx.role, ctx.shape = geometry, role, input.shape
        ctx.save_for_backward(weight, input if role.learning else None)
        return _forward(input, weight, bias, geometry)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (weight, input) = gradients, ctx.saved_tensors
        if ctx.role.phase.explaining:
            return input_gradient(gradient, weight, ctx.shape, geometry=ctx.geometry), None, None, None, None
        wanted = [needed and not (place == 0 and ctx.role.pixels) for place, needed in enumerate(ctx.needs_input_grad)]
        below = _input_gradient(gradient, weight, ctx.shape, ctx.geometry) if wanted[0] else None
        learnt = (
            _backward(gradient, input, weight, ctx.geometry, (False, wanted[1], wanted[2])) if any(wanted[1:3]) else ()
        )
        return below, *(learnt[1:] or (None, None)), None, None


class _Transposed(torch.autograd.Function):
    """The gradient of a convolution's input, which is linear in the gradient of its output and in the weight."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, weight: Tensor, shape: torch.Size, geometry: Geometry) -> Tensor:
        ctx.geometry = geometry
        ctx.save_for_backward(gradient, weight)
        return _input_gradient(gradient, weight, shape, geometry)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (above,), (gradient, weight) = gradients, ctx.saved_tensors
        forward = _forward(above, weight, None, ctx.geometry) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return forward, None, None, None
        return forward, _backward(gradient, above, weight, ctx.geometry, (False, True, False))[1], None, None


def _forward(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    if _for_onednn(input, weight, geometry):
        return torch.mkldnn_convolution(
            input, weight, bias, geometry.padding, geometry.stride, geometry.dilation, geometry.groups
        )
    return functional.conv2d(input, weight, bias, *geometry)


def _for_onednn(input: Tensor, weight: Tensor, geometry: Geometry) -> bool:
    """Return whether torch would use another library where oneDNN is faster."""
    pointwise = weight.shape[2:] == (1, 1) and geometry == Geometry()
    plain = input.device.type == "cpu" and input.dtype == weight.dtype == torch.float32
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and pointwise and plain and len(input) > 0


def _input_gradient(gradient: Tensor, weight: Tensor, shape: torch.Size, geometry: Geometry) -> Tensor:
    if _for_onednn(gradient, weight, geometry):
        return _forward(gradient, weight.transpose(0, 1).contiguous(), None, geometry)
    stride = geometry.stride[0]
    even = geometry == Geometry((stride, stride), geometry.padding)
    if gradient.device.type == "cpu" and stride > 1 and even and weight.shape[1] <= _FEW_CHANNELS:
        return _by_phases(gradient, weight, shape, geometry)
    shape_only = gradient.new_empty(1).expand(shape)
    return _backward(gradient, shape_only, weight, geometry, (True, False, False))[0]


def _by_phases(gradient: Tensor, weight: Tensor, shape: torch.Size, geometry: Geometry) -> Tensor:
    """Return the gradient of a strided convolution's input, each of its phases a channel of a dense convolution.

    dx[s q + r - p] = sum_m g[q - m] w[s m + r] in each dimension, for stride s, padding p and r = 0 ... s - 1.
    """
    stride, (top, left) = geometry.stride[0], geometry.padding
    outputs, inputs, *kernel = weight.shape
    rows, columns = (-(-size // stride) for size in kernel)
    padded = functional.pad(weight, (0, columns * stride - kernel[1], 0, rows * stride - kernel[0]))
    phases = padded.reshape(outputs, inputs, rows, stride, columns, stride).flip(2, 4).permute(1, 3, 5, 0, 2, 4)
    dense = phases.reshape(inputs * stride**2, outputs, rows, columns)
    if weight.is_contiguous(memory_format=torch.channels_last):
        dense = dense.contiguous(memory_format=torch.channels_last)
    spread = functional.pixel_shuffle(functional.conv2d(gradient, dense, padding=(rows - 1, columns - 1)), stride)
    below, right = max(0, top + shape[2] - spread.shape[2]), max(0, left + shape[3] - spread.shape[3])
    spread = functional.pad(spread, (0, right, 0, below)) if below or right else spread
    return spread[:, :, top : top + shape[2], left : left + shape[3]]


def _backward(
    gradient: Tensor, input: Tensor, weight: Tensor, geometry: Geometry, wanted: tuple[bool, bool, bool]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients that are wanted, of input, weight and bias."""
    stride, padding, dilation, groups = geometry
    gradients: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        gradient, input, weight, [len(weight)], stride, padding, dilation, False, (0, 0), groups, wanted
    )
    return gradients
