"""Ensembles: several networks that vote on a probability, as one network in one model file.

A member reads the same normalised image as the others, so an ensemble stands wherever a network stands, and what comes
out is again a logit: the log-odds of the combined probability.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrshort.errors import DataError
from cxrshort.models import people
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier
from cxrshort.models.schema import Combination


class Ensemble(nn.Module):
    """Combine the probabilities of networks and return their log-odds.

    Args:
        members: networks of the same outputs, (N, C, H, W) to logits (N, L).
        combine: ``"mean"``, the mean probability, or ``"quadratic"``, the square root of the mean of its square, as
            CV19-Net does (Zhang et al. 2021).
        exclusive: whether the outputs are classes that exclude each other; logits of a softmax then come out.
    """

    def __init__(self, members: Sequence[nn.Module], *, combine: Combination = "mean", exclusive: bool = False) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.combine = combine
        self.exclusive = exclusive

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, L)."""
        logits = torch.stack([member(images) for member in self.members])
        if self.exclusive:
            return class_logits(logits, power=1 if self.combine == "mean" else 2)
        return (mean_log_odds if self.combine == "mean" else quadratic_log_odds)(logits)


def mean_log_odds(logits: Tensor) -> Tensor:
    """Return the log-odds of the mean over dimension 0 of the probabilities that logits stand for.

    Sums of logarithms, so that members that are certain (logits of 100) do not become infinite.

    Example:
        >>> import torch
        >>> mean_log_odds(torch.tensor([[0.0], [100.0]])).round(decimals=4)  # of (0.5 + 1) / 2
        tensor([1.0986])
    """
    return _log_sum(functional.logsigmoid(logits)) - _log_sum(functional.logsigmoid(-logits))


def quadratic_log_odds(logits: Tensor) -> Tensor:
    """Return the log-odds of the quadratic mean over dimension 0 of the probabilities that logits stand for.

    With q the quadratic mean, 1 - q = (1 - q^2) / (1 + q), and 1 - q^2 is the mean of (1 - p) (1 + p): no small number
    is left over from the difference of large ones.
    """
    count = float(np.log(logits.shape[0]))
    log_mean = (_log_sum(2 * functional.logsigmoid(logits)) - count) / 2
    log_complement = _log_sum(functional.logsigmoid(-logits) + torch.log1p(logits.sigmoid())) - count
    return log_mean - (log_complement - torch.log1p(log_mean.exp()))


def class_logits(logits: Tensor, *, power: int) -> Tensor:
    """Return logits whose softmax is the mean over dimension 0 of softmax probabilities, or their mean of ``power``.

    Quadratic means of classes do not add up to 1; the softmax of what is returned divides them by their sum.

    Example:
        >>> import torch
        >>> votes = torch.tensor([[[0.0, 0.0]], [[2.0, 0.0]]])
        >>> class_logits(votes, power=1).softmax(1).round(decimals=4)  # of 0.5 and 0.8808
        tensor([[0.6904, 0.3096]])
    """
    return _log_sum(power * functional.log_softmax(logits, dim=2)) / power


def _log_sum(logarithms: Tensor) -> Tensor:
    return torch.logsumexp(logarithms, dim=0)


def merge_members(
    models: Sequence[tuple[Classifier, Description]], *, combine: Combination = "mean"
) -> tuple[Classifier, Description]:
    """Return one model of kind ``ensemble`` from trained classifiers.

    Args:
        models: what :func:`cxrshort.models.factory.load_model` returned for each member.
        combine: see :class:`Ensemble`.

    Returns:
        The model in eval mode, and its description; the persons trained on are those of all members.

    Raises:
        DataError: fewer than two members, or members that differ in what they take or return.
    """
    if len(models) < 2:
        raise DataError(f"an ensemble needs two members or more, not {len(models)}", "train with other --seed values")
    descriptions = [description for _, description in models]
    first = descriptions[0]
    for name in ("kind", "architecture", "labels", "spec", "pixels"):
        _check_same(name, [getattr(description, name) for description in descriptions])
    if first.kind != "classifier":
        raise DataError(f"a model of kind '{first.kind}' cannot be a member of an ensemble", "give single classifiers")
    description = replace(
        first,
        kind="ensemble",
        members=len(models),
        combine=combine,
        dataset=_shared([member.dataset for member in descriptions]),
        dataset_id=_shared([member.dataset_id for member in descriptions]),
        selection={"members": [member.selection for member in descriptions]},
        training_people=people.merge_people(member.training_people for member in descriptions),
    )
    network = Ensemble([model.network for model, _ in models], combine=combine, exclusive=is_exclusive(first))
    return Classifier(network, labels=first.labels, spec=first.spec).eval(), description


def _shared(values: Sequence[str]) -> str:
    """Return the value that all members have; empty where they differ."""
    return values[0] if len(set(values)) == 1 else ""


def is_exclusive(description: Description) -> bool:
    """Return whether a model's outputs are classes that exclude each other."""
    return description.recipe.get("task") == "multiclass"


def _check_same(name: str, values: Sequence[object]) -> None:
    for value in values[1:]:
        if value != values[0]:
            raise DataError(
                f"the members of an ensemble differ in {name}: '{values[0]}' and '{value}'",
                "give models that were trained alike",
            )
