"""The meaning of a model's outputs: their loss, and the log-odds that they stand for.

A table of predictions holds log-odds of probabilities whatever a network returns, and this module alone converts to
them. Empty targets (NaN) count in no loss.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from cxrshort.errors import UsageError
from cxrshort.registry import check_name

TASKS = ("multilabel", "multiclass", "regression", "masks")
OUTPUTS = ("logits", "probabilities", "softmax")
"""What a network may return: log-odds of labels, their probabilities, or logits of a softmax over classes."""
_CLOSEST = 1e-7
"""What a probability stays away from 0 and 1, since fp32 cannot tell closer ones from 1."""


class Losses(NamedTuple):
    """Hold the loss of every element.

    Args:
        values: (N, K), 0 where the target is empty; K labels, one class, or K pixels.
        has_target: (N, K) bool, whether there is a target.
    """

    values: Tensor
    has_target: Tensor

    def mean(self) -> Tensor:
        """Return the mean over all known targets, a scalar; 0 where there is none."""
        return self.values.sum() / self.has_target.sum().clamp(min=1)

    def per_image(self) -> Tensor:
        """Return the mean over the known targets of each image, (N,); 0 where there is none."""
        return self.values.sum(1) / self.has_target.sum(1).clamp(min=1)


@dataclass(frozen=True)
class Task:
    """Define what the outputs of a model mean.

    Args:
        name: ``"multilabel"``: each output is the log-odds of one label; targets (N, L) in [0, 1].
            ``"multiclass"``: the outputs are the logits of exclusive classes; targets (N, L), shares that add up to 1.
            ``"regression"``: the outputs are numbers; targets (N, L).
            ``"masks"``: the outputs are the log-odds of pixels, (N, 1, H, W); so are the targets, in [0, 1].
        weights: (L,) of the positives of each label, or of the images of each class; empty weighs all alike. The mean
            still divides by the number of known targets.

    Raises:
        UsageError: an unknown name.
    """

    name: str = "multilabel"
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an unknown name."""
        check_name(TASKS, self.name, kind="task")

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss over the known targets, a scalar; 0 where there is none."""
        return self.losses(logits, targets).mean()

    def per_image_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss over the known targets of each image, (N,)."""
        return self.losses(logits, targets).per_image()

    def losses(self, logits: Tensor, targets: Tensor) -> Losses:
        """Return the loss of every element, in fp32 or better."""
        logits = full_precision(logits)
        filled = targets.nan_to_num(0.0)
        if self.name == "multiclass":
            has_target = (filled > 0).any(1, keepdim=True)
            weighted = filled * logits.new_tensor(self.weights) if self.weights else filled
            values = -(weighted * functional.log_softmax(logits, 1)).sum(1, keepdim=True)
            return Losses(values, has_target)
        has_target = ~torch.isnan(targets)
        if self.name == "regression":
            values = (logits - filled) ** 2
        else:
            weights = logits.new_tensor(self.weights) if self.weights else None
            values = functional.binary_cross_entropy_with_logits(logits, filled, reduction="none", pos_weight=weights)
        return Losses((values * has_target).flatten(1), has_target.flatten(1))

    def scores(self, logits: Tensor) -> Tensor:
        """Return what ranks images: the log-odds of each probability, (N, L), or the number of a regression."""
        return class_log_odds(logits) if self.name == "multiclass" else logits

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """Return the log-probability of each class of each decision, (N, D, K).

        A multilabel model takes D = L binary decisions (K = 2); a multiclass model one decision among K = L classes.

        Raises:
            UsageError: the outputs are no probabilities.
        """
        self.check_classes("this method")
        if self.name == "multiclass":
            return functional.log_softmax(logits, 1)[:, None]
        return torch.stack([functional.logsigmoid(-logits), functional.logsigmoid(logits)], dim=2)

    def true_classes(self, targets: Tensor) -> Tensor:
        """Return the true class of each decision, (N, D) int64, -1 where it is empty; soft targets are rounded."""
        if self.name == "multiclass":
            filled = targets.nan_to_num(0.0)
            return torch.where((filled > 0).any(1), filled.argmax(1), -1)[:, None]
        return torch.where(torch.isnan(targets), -1, (targets >= 0.5).long())

    def check_classes(self, method: str) -> None:
        """Refuse a task whose outputs are no probabilities.

        Raises:
            UsageError: regression or masks.
        """
        if self.name not in ("multilabel", "multiclass"):
            raise UsageError(f"'{method}' needs labels or classes, not {self.name}", "choose --method erm")


MULTILABEL = Task("multilabel")


def class_log_odds(logits: Tensor) -> Tensor:
    """Return the log-odds of each class of a softmax, (N, L): its logit less the logsumexp of the others.

    The probability of a single class is always 1; its log-odds are returned as 0, since they rank nothing.

    Args:
        logits: (N, L) of a softmax.

    Example:
        >>> import torch
        >>> class_log_odds(torch.tensor([[1.0, 0.0]]))  # of two classes, their difference
        tensor([[ 1., -1.]])
    """
    if logits.shape[1] == 1:
        return torch.zeros_like(logits)
    itself = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
    return logits - logits[:, None, :].masked_fill(itself, -torch.inf).logsumexp(2)


def log_odds(outputs: Tensor, *, output: str) -> Tensor:
    """Return the log-odds that the outputs of a network stand for, of their shape.

    Args:
        outputs: (N, L), or (N, 1, H, W) of a segmenter.
        output: one of ``OUTPUTS``.
    """
    if output == "probabilities":
        return torch.logit(outputs, eps=_CLOSEST)
    return class_log_odds(outputs) if output == "softmax" else outputs


def full_precision(logits: Tensor) -> Tensor:
    """Return logits in fp32, where autocast left fewer bits."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def masked_bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean binary cross-entropy over the targets that are not NaN; a batch without any gives 0.

    Args:
        logits: (N, L).
        targets: (N, L) in [0, 1], NaN where the label is empty.
    """
    return MULTILABEL.loss(logits, targets)
