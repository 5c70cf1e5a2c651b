"""ReLUs of a pass that explains and learns, alone or together with the batch norm before them.

While explaining, the derivative of a ReLU with output a is a / (a + eps), and that of a batch norm its slope per
channel. Both in one operation keep three maps per layer for the pass that learns: what the norm was given, what the
ReLU returned, and the gradient that reached it.

What would invalidate a map: nothing but eps stands between a ReLU and its rule; see :mod:`cxrshort.attribution.lrp`.
"""

from typing import Any

import torch
from torch import Tensor

from cxrshort.attribution.batch_norm import Normalised, norm_gradients
from cxrshort.attribution.passes import Phase


def rectify(
    sums: Tensor, epsilon: Tensor, phase: Phase, *, norm: Normalised | None = None, inplace: bool = False
) -> Tensor:
    """Return the ReLU of sums.

    Args:
        sums: (N, ...).
        epsilon: (N,) or ().
        phase: of the explanation.
        norm: the batch norm that returned the sums; gradients then go to what it was given.
        inplace: whether to overwrite the sums.
    """
    if norm is None:
        result: Tensor = _Gate.apply(sums, epsilon, phase, inplace)
        return result
    result = _NormGate.apply(
        sums if inplace else sums.detach(), norm.input, norm.weight, norm.bias, norm, epsilon, phase, inplace
    )
    return result


def cap(sums: Tensor, ceiling: float, epsilon: Tensor, phase: Phase) -> Tensor:
    """Return the ReLU of sums under a ceiling, whose derivative is a / (z + eps) while explaining."""
    result: Tensor = _CappedGate.apply(sums, ceiling, epsilon, phase)
    return result


def _rectified(ctx: Any, sums: Tensor, inplace: bool) -> Tensor:
    if not inplace:
        return sums.clamp(min=0)
    ctx.mark_dirty(sums)
    return sums.relu_()


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sums: Tensor, epsilon: Tensor, phase: Phase, inplace: bool) -> Tensor:
        ctx.phase = phase
        output = _rectified(ctx, sums, inplace)
        ctx.save_for_backward(output, epsilon)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (output, epsilon) = gradients, ctx.saved_tensors
        if ctx.phase.explaining:
            return _Share.apply(gradient, output, None, None, epsilon), None, None, None
        return torch.ops.aten.threshold_backward(gradient, output, 0), None, None, None


class _NormGate(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0913 (what is differentiated must be an argument)
        ctx: Any,
        sums: Tensor,
        input: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        norm: Normalised,
        epsilon: Tensor,
        phase: Phase,
        inplace: bool,
    ) -> Tensor:
        del bias
        ctx.phase, ctx.batch, ctx.learning = phase, norm.batch, norm.learning
        output = _rectified(ctx, sums, inplace)
        ctx.save_for_backward(
            output, epsilon, input if norm.learning else None, weight, norm.mean, norm.inverse_deviation
        )
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (output, epsilon, input, weight, mean, inverse_deviation) = gradients, ctx.saved_tensors
        unasked = (None,) * 4
        if ctx.phase.explaining:
            return None, _Share.apply(gradient, output, weight, inverse_deviation, epsilon), None, None, *unasked
        passed = torch.ops.aten.threshold_backward(gradient, output, 0)
        norm = Normalised(input, weight, None, mean, inverse_deviation, ctx.batch)
        return None, *norm_gradients(passed, norm, wanted=ctx.needs_input_grad[1:4]), *unasked


class _Share(torch.autograd.Function):
    """Multiply a gradient by a / (a + eps), and by the slope of the norm before."""

    @staticmethod
    def forward(
        ctx: Any,
        gradient: Tensor,
        output: Tensor,
        weight: Tensor | None,
        inverse_deviation: Tensor | None,
        epsilon: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(gradient, output, weight, inverse_deviation, epsilon)
        below = output + _per_image(epsilon, output)
        share = torch.div(output, below, out=below).mul_(gradient)
        return share if inverse_deviation is None else share.mul_(_slope(weight, inverse_deviation, output))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (above,), (gradient, output, weight, inverse_deviation, epsilon) = gradients, ctx.saved_tensors
        slope = None if inverse_deviation is None else _slope(weight, inverse_deviation, output)
        of_gradient, of_output, of_slope = _share_gradients(above, gradient, output, slope, _per_image(epsilon, output))
        of_weight = of_slope * inverse_deviation if ctx.needs_input_grad[2] and of_slope is not None else None
        return of_gradient, of_output, of_weight, None, None


def _share_gradients(
    above: Tensor, gradient: Tensor, output: Tensor, slope: Tensor | None, epsilon: Tensor
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return the gradients of slope * gradient * a / (a + eps) by gradient, a and slope, times that above.

    A dozen passes over one image after another stay in the caches of a processor; a GPU takes all at once.
    """
    of_gradient, of_output = torch.empty_like(output), torch.empty_like(output)
    of_slope = None if slope is None else torch.zeros_like(slope).flatten()
    count = len(output) if output.device.type != "cpu" else 1
    values = (above, gradient, output, of_gradient, of_output, epsilon.expand(len(output), *epsilon.shape[1:]))
    parts = zip(*(torch.split(value, count) for value in values), strict=True)
    for up, back, a, by_gradient, by_output, eps in parts:
        below = a + eps
        share = a / below
        torch.mul(up, share, out=by_gradient)
        share.neg_().add_(1).div_(below).mul_(up)  # eps / (a + eps)^2
        torch.mul(share, back, out=by_output)
        if slope is not None and of_slope is not None:
            of_slope += torch.mul(by_gradient, back, out=below).sum([0, *range(2, output.dim())])
            by_output.mul_(slope)
            by_gradient.mul_(slope)
    return of_gradient, of_output, of_slope


class _CappedGate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sums: Tensor, ceiling: float, epsilon: Tensor, phase: Phase) -> Tensor:
        ctx.phase, ctx.ceiling = phase, ceiling
        output = sums.clamp(0.0, ceiling)
        ctx.save_for_backward(output, sums, epsilon)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (output, sums, epsilon) = gradients, ctx.saved_tensors
        if not ctx.phase.explaining:
            learnt = torch.ops.aten.hardtanh_backward(gradient, sums, 0.0, ctx.ceiling)
            return learnt, None, None, None
        below = sums.clamp(min=0) + _per_image(epsilon, output)
        return gradient * output / below, None, None, None


def _per_image(epsilon: Tensor, output: Tensor) -> Tensor:
    return epsilon.view(-1, *[1] * (output.dim() - 1))


def _slope(weight: Tensor | None, inverse_deviation: Tensor, output: Tensor) -> Tensor:
    slope = inverse_deviation if weight is None else weight * inverse_deviation
    return slope.view(1, -1, *[1] * (output.dim() - 2))
