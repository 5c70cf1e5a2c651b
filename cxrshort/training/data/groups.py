"""Groups of images, as group-wise objectives need them of a fold and of a batch."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from cxrshort.errors import UsageError
from cxrshort.models.outputs import Losses

Codes = npt.NDArray[np.int64]

_HINT = "--group takes a column such as repository or view, or an expression"


class GroupMeans(NamedTuple):
    """Hold the mean loss of each group.

    Args:
        values: (G,), 0 where the group has no known target.
        present: (G,) bool, whether it has one.
    """

    values: Tensor
    present: Tensor

    def mean(self) -> Tensor:
        """Return the mean over the groups that are present, each of equal weight."""
        return self.values.sum() / self.present.sum().clamp(min=1)


def check_groups(groups: Codes | None, *, method: str) -> Codes:
    """Return the groups' codes if a method can learn from them.

    Args:
        groups: (N,) codes 0 to G - 1 of the training fold; -1 where the group is empty.
        method: the name for messages.

    Raises:
        UsageError: there are none, an image has none, or all images are in one.
    """
    if groups is None:
        raise _no_groups(method)
    empty = int((groups < 0).sum())
    if empty:
        raise UsageError(f"'{method}' needs a group for every training image, {empty} have none", _HINT)
    if len(np.unique(groups)) < 2:
        raise UsageError(f"'{method}' needs two groups or more, all training images are in one", _HINT)
    return groups


def batch_groups(groups: Tensor | None, *, method: str) -> Tensor:
    """Return the groups of a batch.

    Raises:
        UsageError: it has none.
    """
    if groups is None:
        raise _no_groups(method)
    return groups


def _no_groups(method: str) -> UsageError:
    return UsageError(f"'{method}' needs groups", _HINT)


def group_means(losses: Losses, groups: Tensor, *, count: int) -> GroupMeans:
    """Return the mean loss of each group over its known targets.

    Args:
        losses: of N images.
        groups: (N,) codes from 0 to ``count`` - 1.
        count: number of groups, whether present or not.
    """
    # Products and sums, no matrix product: autocast would round it to bf16.
    member = functional.one_hot(groups, count)
    sums = (member * losses.values.sum(1, keepdim=True)).sum(0)
    target_counts = (member * losses.has_target.sum(1, keepdim=True)).sum(0)
    return GroupMeans(sums / target_counts.clamp(min=1), target_counts > 0)


def halves(groups: Tensor, *, count: int) -> Tensor:
    """Return which half of its group each image is in, (N,), 0 or 1: the group's images take turns."""
    member = functional.one_hot(groups, count)
    rank = (member.cumsum(0) * member).sum(1)
    return torch.remainder(rank + 1, 2)
