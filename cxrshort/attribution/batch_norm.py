"""Batch norm during the backward pass of an explanation.

In training mode the statistics of a batch norm depend on every image of the batch. Differentiating them spreads the
explanation of one image over all others: 61 % of the relevance of one image's logit fell on its seven neighbours in an
untrained DenseNet-121 at 64 px. Explanations therefore see an affine map per channel; learning goes on as ever.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

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
            return self._batch_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _batch_norm(
        self,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """Stand in for ``torch.nn.functional.batch_norm``, whose argument names these are."""
        if self.rule == "eval" and running_mean is not None:
            training = False
        if training and self.rule == "batch":
            return functional.batch_norm(input, None, None, weight, bias, True, 0.0, eps)
        if not training:
            return functional.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
        learnt, mean, inverse_deviation = torch.native_batch_norm(
            input, weight, bias, running_mean, running_var, True, momentum, eps
        )
        scale = inverse_deviation.detach() if weight is None else weight * inverse_deviation.detach()
        # No gradient reaches a shift from an explanation, so the affine map does without one.
        explained = input * scale.view(1, -1, *[1] * (input.dim() - 2))
        result: Tensor = _Either.apply(learnt, explained, self.phase)
        return result


class _Either(torch.autograd.Function):
    """Pass the first input on; send the gradient to the second while explaining, to the first otherwise."""

    @staticmethod
    def forward(ctx: Any, learnt: Tensor, explained: Tensor, phase: Phase) -> Tensor:
        ctx.phase = phase
        ctx.mark_dirty(learnt)  # handed on as it is; a view could not be changed by an in-place ReLU
        return learnt

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (gradient,) = gradients
        return (None, gradient, None) if ctx.phase.explaining else (gradient, None, None)
