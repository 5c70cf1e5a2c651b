"""Batch norm during the backward pass of an explanation.

In training mode the statistics of a batch norm depend on every image of the batch. Differentiating them spreads the
explanation of one image over all others: 61 % of the relevance of one image's logit fell on its seven neighbours in an
untrained DenseNet-121 at 64 px. Explanations therefore see an affine map per channel; learning goes on as ever.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from cxrshort.attribution.passes import Phase
from cxrshort.registry import check_name

BATCH_NORM_RULES = ("eval", "batch-detached", "autograd")
"""Rules for a pass that explains and trains at the same time."""

_ALL_RULES = (*BATCH_NORM_RULES, "batch")


class BatchNormRule(TorchFunctionMode):
    """Replace every batch norm computed while the mode is active.

    Args:
        rule: ``"eval"`` normalises with the running statistics, whatever mode the network is in, and leaves them as
            they are; ``"batch-detached"`` computes what training computes, and explains with the statistics of the
            batch as constants; ``"autograd"`` explains through the statistics; ``"batch"`` normalises as training does
            and leaves the running statistics as they are, for a second pass over images that are not those of the data.
        phase: of the explanation that the network runs for.

    Raises:
        UsageError: an unknown rule.
    """

    def __init__(self, rule: str, phase: Phase) -> None:
        super().__init__()
        check_name(_ALL_RULES, rule, kind="rule for batch norm")
        self.rule = rule
        self.phase = phase

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation of the network, or its replacement."""
        del types
        if func is functional.batch_norm and self.rule != "autograd":
            return normalise(NormCall(*args, **(kwargs or {})), rule=self.rule, phase=self.phase)[0]
        return func(*args, **(kwargs or {}))


class NormCall(NamedTuple):
    """Hold the arguments of a call of ``torch.nn.functional.batch_norm``, by its names."""

    input: Tensor
    running_mean: Tensor | None
    running_var: Tensor | None
    weight: Tensor | None = None
    bias: Tensor | None = None
    training: bool = False
    momentum: float = 0.1
    eps: float = 1e-5


class Normalised(NamedTuple):
    """Hold what a batch norm did, for its backward passes and for the ReLU that may follow it.

    Args:
        input: (N, C, ...).
        weight: (C,); None where there is none.
        bias: (C,); None where there is none.
        mean: (C,).
        inverse_deviation: (C,), 1 / sqrt(variance + eps).
        batch: whether mean and deviation are those of the input, which learning differentiates.
        learning: whether a loss will be differentiated.
    """

    input: Tensor
    weight: Tensor | None
    bias: Tensor | None
    mean: Tensor
    inverse_deviation: Tensor
    batch: bool
    learning: bool = True

    def slope(self) -> Tensor:
        """Return the slope of the affine map, (C,); a gradient reaches its weight."""
        return self.inverse_deviation if self.weight is None else self.weight * self.inverse_deviation


def normalise(call: NormCall, *, rule: str, phase: Phase, learning: bool = True) -> tuple[Tensor, Normalised | None]:
    """Return what a batch norm returns, and how it came about where an explanation sees an affine map in it.

    Args:
        call: arguments of the batch norm.
        rule: see :class:`BatchNormRule`.
        phase: of the explanation.
        learning: whether a loss will be differentiated; what only that needs is not kept otherwise.
    """
    running_mean, running_var = call.running_mean, call.running_var
    training = call.training and not (rule == "eval" and running_mean is not None)
    if training and rule == "batch":
        call = call._replace(running_mean=None, running_var=None, momentum=0.0)
    if training and rule in ("batch", "autograd"):
        return functional.batch_norm(*call), None
    with torch.no_grad():
        if training:
            output, mean, inverse_deviation = torch.native_batch_norm(
                call.input, call.weight, call.bias, running_mean, running_var, True, call.momentum, call.eps
            )
        elif running_mean is None or running_var is None:
            return functional.batch_norm(*call), None  # which refuses it
        else:
            output = functional.batch_norm(*call._replace(training=False))
            mean, inverse_deviation = running_mean.clone(), (running_var + call.eps).rsqrt()
    norm = Normalised(call.input, call.weight, call.bias, mean, inverse_deviation, training, learning)
    return _Norm.apply(output, *norm[:3], norm, phase), norm


def norm_gradients(
    gradient: Tensor, norm: Normalised, *, wanted: tuple[bool, bool, bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return the gradients of input, weight and bias as far as they are wanted; those of the statistics included.

    Args:
        gradient: of what the norm returned.
        norm: what it did.
        wanted: for which of input, weight and bias a gradient is needed.
    """
    # Saved statistics stand for the batch's, running ones for constants: 1 / sqrt(inverse_deviation^-2 + 0).
    variance = norm.inverse_deviation.pow(-2)
    saved = (None, None, norm.mean, norm.inverse_deviation) if norm.batch else (norm.mean, variance, None, None)
    gradients = torch.ops.aten.native_batch_norm_backward(
        gradient, norm.input, norm.weight, *saved, norm.batch, 0.0, wanted
    )
    of_input, of_weight, of_bias = (value if needed else None for value, needed in zip(gradients, wanted, strict=True))
    return of_input, of_weight, of_bias


class _Norm(torch.autograd.Function):
    """Return what a norm computed; its gradient is that of an affine map while explaining, and its own otherwise."""

    @staticmethod
    def forward(
        ctx: Any,
        output: Tensor,
        input: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        norm: Normalised,
        phase: Phase,
    ) -> Tensor:
        del bias
        ctx.phase, ctx.batch = phase, norm.batch
        ctx.save_for_backward(input if norm.learning else None, weight, norm.mean, norm.inverse_deviation)
        ctx.set_materialize_grads(False)  # a ReLU that was computed together with the norm leaves it without gradient
        ctx.mark_dirty(output)  # handed on as it is; a view could not be changed by an in-place ReLU
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        (gradient,), (input, weight, mean, inverse_deviation) = gradients, ctx.saved_tensors
        if gradient is None:
            return (None,) * 6
        norm = Normalised(input, weight, None, mean, inverse_deviation, ctx.batch)
        if ctx.phase.explaining:
            # No gradient reaches a shift from an explanation, so the affine map does without one.
            return None, gradient * norm.slope().view(1, -1, *[1] * (gradient.dim() - 2)), None, None, None, None
        return None, *norm_gradients(gradient, norm, wanted=ctx.needs_input_grad[1:4]), None, None
