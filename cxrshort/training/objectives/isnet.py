"""ISNet: no LRP relevance outside the foreground (Bassi et al. 2024; the stochastic Faster ISNet).

loss = (1 - share) classification + share (background weight * LB + foreground weight * LF), on the absolute LRP map of
one output per image, drawn by (seed, epoch, step). Maps of another method may stand in for LRP.

LB: the map over its mean inside the mask, zero there, pooled by global weighted ranked pooling (weights d^k by rank k;
d = 0 is the maximum, d = 1 the mean) to v, then log(1 + v).
LF: keeps S, the relevance inside the mask, between C1 and C2, so that maps cannot shrink to nothing:
(min(S / C1, 1) - 1)^2 + (max(S / C1, C2 / C1) - C2 / C1)^2, and |S - (C1 + C2)| + 1 beyond C1 + C2.
C1 and C2 come from ``warm_up_epochs`` without penalty: with mean m and standard deviation s of the total relevance in
the last of them, C1 = max(m / 5, m - 3 s) and C2 = min(25 C1, m + 3 s).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cxrshort.attribution import METHODS
from cxrshort.attribution.batch_norm import BATCH_NORM_RULES
from cxrshort.attribution.contract import AttributionMethod, LearnFunction
from cxrshort.attribution.lrp import LRPSettings
from cxrshort.attribution.passes import Explained
from cxrshort.errors import UsageError
from cxrshort.models.outputs import MULTILABEL, Task
from cxrshort.registry import check_name, load_entry
from cxrshort.training.data.batches import Batch
from cxrshort.training.data.masks import foreground
from cxrshort.training.objectives.contract import Needs, Objective
from cxrshort.training.objectives.target_sampling import sample_outputs
from cxrshort.training.task import batch_loss


@dataclass(frozen=True)
class ISNetSettings:
    """Hold the settings of ISNet.

    Args:
        share: share of the explanation loss in the whole loss (P), 0 to 1; published 0.7 (0.95 and 0.99 for TEA).
        decay: decay of the ranked pooling (d), 0 to 1; published 0.9 (0.96 and 0.996 for TEA); larger maps want it
            nearer 1.
        background: weight of the loss of relevance on the background (LB).
        inside: weight of the loss of relevance in the foreground (LF).
        attribution: the method of the maps: ``"lrp"`` (published), ``"gradient-x-input"`` (an ablation of the published
            code) or ``"gradient"``.
        epsilon: stabiliser of the epsilon rule of LRP.
        first_layer: rule of the first layer: ``"box"`` (z-B, published) or ``"epsilon"``.
        bn: batch norm while explaining: ``"eval"`` (running statistics), ``"batch-detached"`` (those of
            the batch, as constants) or ``"autograd"`` (those of the batch, differentiated).
        warm_up_epochs: epochs without penalty at the start, from whose last one C1 and C2 come; published 5.
        lowest: lower limit of the foreground's relevance (C1), given with the upper one; there are then no warm-up
            epochs. 0 estimates it.
        highest: upper limit of the foreground's relevance (C2); 0 estimates it.
        seed: random seed of the choice of outputs to explain.

    Raises:
        UsageError: a number out of range, an unknown name, or a setting of LRP where another method makes the maps.
    """

    share: float = 0.7
    decay: float = 0.9
    background: float = 1.0
    inside: float = 1.0
    attribution: str = "lrp"
    epsilon: float = 0.01
    first_layer: str = "box"
    bn: str = "batch-detached"
    warm_up_epochs: int = 5
    lowest: float = 0.0
    highest: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers out of range, unknown names and settings that have no effect."""
        for name in ("share", "decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"the {name} of isnet is '{getattr(self, name)}', it must be from 0 to 1", "try 0.9")
        if not 0 <= self.lowest <= self.highest:
            raise UsageError(f"isnet needs 0 <= C1 <= C2, not '{self.lowest}' and '{self.highest}'", "leave both out")
        if self.lowest == 0 and not self.warm_up_epochs >= 1:
            raise UsageError("isnet estimates C1 and C2 in its warm-up epochs, and has none", "give C1 and C2")
        check_name(BATCH_NORM_RULES, self.bn, kind="rule for batch norm")
        check_name(METHODS, self.attribution, kind="attribution method")
        of_lrp = LRPSettings(self.epsilon, self.first_layer)
        if self.attribution != "lrp" and of_lrp != LRPSettings(ISNetSettings.epsilon, ISNetSettings.first_layer):
            raise UsageError(
                f"epsilon and first_layer are settings of lrp, not of '{self.attribution}'", "leave them out"
            )


class ISNet(Objective):
    """Minimise the mean loss and the LRP relevance of the background; fp32 throughout.

    Its state is the number, sum and sum of squares of the totals of relevance in the last warm-up epoch: sums, which
    several processes can add up.

    Args:
        settings: see :class:`ISNetSettings`.
        task: labels, classes or numbers.

    Raises:
        UsageError: a task of masks.
    """

    name = "isnet"
    needs = Needs(masks=True)
    Settings = ISNetSettings
    totals: Tensor

    def __init__(self, settings: ISNetSettings | None = None, *, task: Task = MULTILABEL) -> None:
        super().__init__()
        self.settings = settings or ISNetSettings()
        self.task = task
        self.register_buffer("totals", torch.zeros(3, dtype=torch.float64))
        if task.name == "masks":
            task.check_classes(self.name)
        self._learn = _learnable(self.settings.attribution)

    @property
    def warm_up_epochs(self) -> int:
        """Return the number of warm-up epochs, in which the penalty is off or weak; no model of them is kept."""
        return 0 if self.settings.lowest else self.settings.warm_up_epochs

    def divisor(self, batch: Batch) -> Tensor:
        """Return over how many images maps are averaged: one without foreground has no place for evidence."""
        return foreground(batch.masks, batch.images, method=self.name).flatten(1).any(1).sum()

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the loss of one batch, a scalar."""
        settings = self.settings
        masks = foreground(batch.masks, batch.images, method=self.name)
        warm_up = self.warm_up_epochs
        if batch.epoch < warm_up - 1:
            return batch_loss(self.task, model(batch.images), batch)
        maps, logits = self._explain(model, batch)
        loss = batch_loss(self.task, logits, batch)
        if batch.epoch < warm_up:
            self._observe(maps.detach().sum((1, 2, 3)))
            return loss
        has_foreground = masks.flatten(1).any(1)
        lowest, highest = self.bounds()
        outside = background_loss(maps, masks, decay=settings.decay)
        inside = foreground_loss(maps, masks, lowest=lowest, highest=highest)
        penalties = (settings.background * outside + settings.inside * inside) * has_foreground
        explained = self.mean(penalties, batch)
        return (1 - settings.share) * loss + settings.share * explained

    def bounds(self) -> tuple[float, float]:
        """Return C1 and C2, as set or as estimated in the warm-up epochs.

        Raises:
            UsageError: they are neither given nor estimated yet.
        """
        if self.settings.lowest:
            return self.settings.lowest, self.settings.highest
        count, total, squares = (float(value) for value in self.totals)
        if total == 0:
            raise UsageError(
                "isnet has seen no relevance in its warm-up epochs", "train from the start, or give C1 and C2"
            )
        mean = total / count
        deviation = max(0.0, squares / count - mean**2) ** 0.5
        lowest = max(mean / 5, mean - 3 * deviation)
        return lowest, min(25 * lowest, mean + 3 * deviation)

    def _explain(self, model: nn.Module, batch: Batch) -> Explained:
        settings = self.settings
        outputs = sample_outputs(self.task, batch, seed=settings.seed)
        options = LRPSettings(settings.epsilon, settings.first_layer) if settings.attribution == "lrp" else None
        maps, logits = self._learn(model, batch.images, outputs, settings=options, bn=settings.bn)
        return Explained(maps.abs(), logits)

    def _observe(self, totals: Tensor) -> None:
        """Add the totals of a batch; in fp64, whose 53 bits leave a variance exact enough."""
        values = totals.double()
        self.totals += torch.stack([values.new_tensor(len(values)), values.sum(), (values**2).sum()])


def _learnable(name: str) -> LearnFunction:
    """Return what makes the maps of a training step.

    Raises:
        UsageError: no loss can be differentiated through the method's maps.
    """
    method: AttributionMethod = load_entry(METHODS, name, kind="attribution method")
    if method.learn is None:
        raise UsageError(f"isnet cannot learn from the maps of '{name}'", "--set attribution=lrp, or gradient-x-input")
    return method.learn


def background_loss(maps: Tensor, masks: Tensor, *, decay: float) -> Tensor:
    """Return LB of each image, (N,).

    Args:
        maps: (N, C, H, W), 0 or more.
        masks: (N, 1, H, W), 1 in the foreground.
        decay: d, 0 to 1.
    """
    inside = (maps * masks).sum((1, 2, 3)) / (masks.sum((1, 2, 3)) * maps.shape[1]).clamp(min=1)
    relative = maps / (inside + 1e-10).view(-1, 1, 1, 1) * (1 - masks)
    return torch.log1p(ranked_pool(relative, decay=decay)).mean(1)


def ranked_pool(maps: Tensor, *, decay: float) -> Tensor:
    """Return the mean of each map's values weighted by d^rank, the highest first, (N, C) (Qiu 2018)."""
    ordered = maps.flatten(2).sort(dim=2, descending=True).values
    weights = decay ** torch.arange(ordered.shape[2], device=maps.device, dtype=maps.dtype)
    return (ordered * weights).sum(2) / weights.sum()


def foreground_loss(maps: Tensor, masks: Tensor, *, lowest: float, highest: float) -> Tensor:
    """Return LF of each image, (N,).

    Args:
        maps: (N, C, H, W), 0 or more.
        masks: (N, 1, H, W), 1 in the foreground.
        lowest: C1, above 0.
        highest: C2, C1 or more.
    """
    total = (maps * masks).sum((1, 2, 3))
    ratio, ceiling = total / lowest, highest / lowest
    within_bounds = (ratio.clamp(max=1) - 1) ** 2 + (ratio.clamp(min=ceiling) - ceiling) ** 2
    is_far = total > lowest + highest
    return torch.where(is_far, (total - (lowest + highest)).abs() + 1, within_bounds)
