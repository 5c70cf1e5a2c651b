"""Predictive group invariance (Ahmed et al. 2021, section 3.2).

Within each class, the mean predicted distribution of one group should be that of another:
penalty = sum over classes c of 1/K * sum over outcomes k of p_1(k) log(p_1(k) / p_0(k)), where p_g is the mean
probability vector of the class's images in group g. The mean over the K outcomes is that of the authors' published
code, to which the published weight belongs; the Kullback-Leibler divergence itself, a sum, would be K times as large:
twice for a label, nine times for the classes of Coloured MNIST. The gradient of the penalty reaches the feature
extractor only, so that the head cannot satisfy it by itself. The classification loss is the mean of the groups' losses.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from cxrshort.errors import UsageError
from cxrshort.models.outputs import MULTILABEL, Task, full_precision
from cxrshort.training.data.batches import Batch
from cxrshort.training.data.groups import Codes, check_groups, group_means
from cxrshort.training.objectives.comparison import Comparison

_SMALLEST = 1e-12


@dataclass(frozen=True)
class PGISettings:
    """Hold the settings of predictive group invariance.

    Args:
        weight: weight of the penalty, 0 or more. Published 50, with batches of 512; a mean over the few images of a
            rare group is noise, which the penalty cannot tell from a difference, so small batches want about 1.
        warm_up_epochs: epochs at the start without the penalty.
        ramp_epochs: epochs over which the weight then grows to its full value, 1 or more.

    Raises:
        UsageError: a number out of range.
    """

    weight: float = 1.0
    warm_up_epochs: int = 1
    ramp_epochs: int = 1

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        if not self.weight >= 0:
            raise UsageError(f"the weight of pgi is '{self.weight}', it must not be below 0", "try 1")
        if not self.ramp_epochs >= 1:
            raise UsageError(f"the ramp of pgi takes '{self.ramp_epochs}' epochs, it must be 1 or more", "try 1")

    def at(self, epoch: int) -> float:
        """Return the weight in an epoch, counted from 0."""
        return self.weight * min(1.0, max(0.0, (epoch - self.warm_up_epochs + 1) / self.ramp_epochs))


class PGI(Comparison):
    """Minimise the mean loss of the groups and how differently they are predicted within a class.

    Args:
        settings: see :class:`PGISettings`.
        task: labels or classes; a label counts as two classes.

    Raises:
        UsageError: another task.
    """

    name = "pgi"
    number_of_views = 2
    Settings = PGISettings

    def __init__(self, settings: PGISettings | None = None, *, task: Task = MULTILABEL) -> None:
        super().__init__()
        self.settings = settings or PGISettings()
        self.task = task
        self.count = 0
        task.check_classes(self.name)

    @property
    def warm_up_epochs(self) -> int:
        """Return the number of warm-up epochs, in which the penalty is off or weak; no model of them is kept."""
        return self.settings.warm_up_epochs

    def check(self, groups: Codes | None, masks: object | None) -> None:
        """Take the number of groups from the training fold.

        Raises:
            UsageError: no groups, an image without one, or a single group.
        """
        del masks
        self.count = int(check_groups(groups, method=self.name).max()) + 1

    def views(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the logits of each image, (N, 2, L): once for the loss, once in a graph that ends at the features."""
        with _LastLinear() as head:
            logits = model(batch.images)
        return torch.stack([full_precision(logits), full_precision(head.again(logits))], 1)

    def step_loss(self, logits: Tensor, targets: Tensor, groups: Tensor, *, epoch: int) -> Tensor:
        """Return the loss of a whole step, a scalar."""
        risk = group_means(self.task.losses(logits[:, 0], targets), groups, count=self.count).mean()
        weight = self.settings.at(epoch)
        if weight == 0:
            return risk
        probabilities = self.task.log_probabilities(logits[:, 1]).exp()
        return risk + weight * self._penalty(probabilities, self.task.true_classes(targets), groups)

    def _penalty(self, probabilities: Tensor, answers: Tensor, groups: Tensor) -> Tensor:
        """Return the divergence of groups: mean over outcomes, sum over classes, mean over decisions and pairs."""
        kinds = probabilities.shape[2]
        # (N, D, G, K): is this image of that group, and of that class?
        member = functional.one_hot(groups, self.count)[:, None, :, None] * (
            answers[:, :, None, None] == torch.arange(kinds, device=answers.device)
        )
        sizes = member.sum(0)
        sums = (member[..., None] * probabilities[:, :, None, None, :]).sum(0)
        means = (sums / sizes.clamp(min=1)[..., None]).clamp(min=_SMALLEST)
        pairs = list(combinations(range(self.count), 2))
        total = probabilities.new_zeros(())
        for first, second in pairs:
            divergences = (means[:, second] * (means[:, second].log() - means[:, first].log())).mean(2)
            total = total + (divergences * ((sizes[:, first] > 0) & (sizes[:, second] > 0))).sum(1).mean()
        return total / len(pairs)


class _LastLinear(TorchFunctionMode):
    """Note what the last linear layer of a network was given."""

    def __init__(self) -> None:
        super().__init__()
        self.arguments: tuple[Any, ...] = ()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        if func is functional.linear:
            self.arguments = (*args, *(kwargs or {}).values())
        return func(*args, **(kwargs or {}))

    def again(self, logits: Tensor) -> Tensor:
        """Return the same logits in a graph that ends at the features: the head's parameters are constants.

        Raises:
            UsageError: the network does not end with a linear layer.
        """
        if not self.arguments or self.arguments[1].shape[0] != logits.shape[1]:
            raise UsageError("'pgi' needs a network that ends with a linear layer", "choose another --arch or --method")
        features, weight, bias = (*self.arguments, None)[:3]
        with torch.autocast(features.device.type, enabled=False):
            return functional.linear(
                features.to(weight.dtype), weight.detach(), bias if bias is None else bias.detach()
            )
