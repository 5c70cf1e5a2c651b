"""Do the pixels that a map points at move the logit? Deletion and insertion against a random order.

Cells of 16 x 16 a side are replaced by the image's mean, or put back into it, in the order of the map: what speaks most
for the logit first (Petsiuk et al. 2018, RISE, section 4.3, in cells and in logits). A map that knows what the model
uses makes the logit fall sooner, and rise sooner, than cells in random order. Both orders take whole cells, so that the
random one does not win or lose by being rough.

What would invalidate it: images with holes are none that the model has seen. The area is therefore only ever compared
with that of a random order of the same images, never by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from cxrshort.attribution.clusters import CELLS
from cxrshort.attribution.stream import run_in_batches
from cxrshort.errors import DataError
from cxrshort.models.scoring import SCORING_BATCH, evaluating
from cxrshort.stats.bootstrap import percentile_interval, resample
from cxrshort.stats.midranks import Floats, number_persons

STEPS = 16
RANDOM_ORDERS = 4
CHECK_PASSES = 2 * (1 + RANDOM_ORDERS) * (STEPS + 1)
"""Passes through the network for each image."""
DRAWS = 2000
LEAST_PERSONS = 3


@dataclass(frozen=True, slots=True, eq=False)
class FaithfulnessCurves:
    """Hold the logits of N images while cells go or come, at S + 1 equal steps from none to all.

    Args:
        deletion: (N, S + 1) in the order of the map.
        insertion: (N, S + 1) in the order of the map.
        random_deletion: (N, S + 1) mean over random orders.
        random_insertion: (N, S + 1) mean over random orders.
    """

    deletion: Floats
    insertion: Floats
    random_deletion: Floats
    random_insertion: Floats


@dataclass(frozen=True, slots=True)
class FaithfulnessCheck:
    """Hold how much sooner the logit moves in the order of the map than in a random one.

    Args:
        deletion: mean area under the curve of deletion minus that of the random order, in logits; below 0 is right.
        deletion_low: lower limit, persons drawn again; None where there are too few.
        deletion_high: upper limit.
        insertion: the same of insertion; above 0 is right.
        insertion_low: lower limit.
        insertion_high: upper limit.
        persons: whose images they are.
        passes: whether both intervals lie on the right side of 0; None where there are none.
        reason: the rule and the numbers.
    """

    deletion: float
    deletion_low: float | None
    deletion_high: float | None
    insertion: float
    insertion_low: float | None
    insertion_high: float | None
    persons: int
    passes: bool | None
    reason: str


def faithfulness_curves(
    model: nn.Module,
    images: Tensor,
    outputs: Tensor,
    *,
    maps: Tensor,
    generators: Sequence[torch.Generator],
    batch_size: int = SCORING_BATCH,
) -> FaithfulnessCurves:
    """Delete and insert cells in the order of each map and in random orders, and score every step.

    Args:
        model: maps images (N, C, H, W) in [0, 1] to logits (N, L); put into eval mode meanwhile.
        images: (N, C, H, W).
        outputs: (N,) int64, the logit in each image.
        maps: (N, H, W) signed.
        generators: one for each image, on the CPU, so that a random order does not depend on neighbours.
        batch_size: images in the network at the same time; halved whenever memory does not suffice.

    Raises:
        DataError: images, maps and generators are not as many.
    """
    if not len(images) == len(maps) == len(generators) == len(outputs) or maps.shape[1:] != images.shape[2:]:
        raise DataError(
            f"images of shape {tuple(images.shape)}, maps of shape {tuple(maps.shape)} and {len(generators)} "
            "generators do not fit together"
        )
    own = _pooled(maps.to(images.device, torch.float32)).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    orders = [own[:, None]]
    drawn = [
        torch.stack([torch.randperm(own.shape[1], generator=rng) for _ in range(RANDOM_ORDERS)]) for rng in generators
    ]
    orders.append(torch.stack(drawn).to(images.device))
    ranks = torch.cat(orders, dim=1)
    with evaluating(model), torch.inference_mode():
        logits = _scored(model, images, outputs, ranks=ranks, batch_size=batch_size)
    return FaithfulnessCurves(
        logits[:, 0, 0], logits[:, 1, 0], logits[:, 0, 1:].mean(axis=1), logits[:, 1, 1:].mean(axis=1)
    )


def _pooled(maps: Tensor) -> Tensor:
    """Return the sum of each map over each cell, (N, cells)."""
    for axis in (1, 2):
        side = maps.shape[axis]
        cells = torch.arange(side, device=maps.device) * min(CELLS, side) // side
        shape = [*maps.shape]
        shape[axis] = min(CELLS, side)
        maps = torch.zeros(shape, device=maps.device).index_add_(axis, cells, maps)
    return maps.flatten(1)


def _scored(model: nn.Module, images: Tensor, outputs: Tensor, *, ranks: Tensor, batch_size: int) -> Floats:
    """Return the logit of each image, for deletion and insertion, in each order, at each step, (N, 2, O, S + 1).

    Args:
        model: in eval mode.
        images: (N, C, H, W).
        outputs: (N,).
        ranks: (N, O, cells) the place of each cell in each order.
        batch_size: images in the network at the same time.
    """
    height, width = images.shape[2:]
    down, across = (torch.arange(side, device=images.device) * min(CELLS, side) // side for side in (height, width))
    cell = down[:, None] * min(CELLS, width) + across
    counts = torch.round(torch.linspace(0, ranks.shape[2], STEPS + 1, dtype=torch.float64)).to(images.device)
    shape = len(images), 2, ranks.shape[1], STEPS + 1
    scores = np.empty(int(np.prod(shape)))
    fills = images.mean(dim=(2, 3), keepdim=True)

    def work(start: int, stop: int) -> None:
        flat = np.arange(start, stop)
        image, inserting, order, step = (torch.from_numpy(at).to(images.device) for at in np.unravel_index(flat, shape))
        first = (ranks[image, order] < counts[step][:, None])[:, cell.flatten()].view(-1, 1, height, width)
        shown = first == inserting.bool()[:, None, None, None]
        logits = model(torch.where(shown, images[image], fills[image]))
        scores[flat] = logits.gather(1, outputs.to(images.device)[image][:, None])[:, 0].double().cpu().numpy()

    run_in_batches(work, len(scores), batch_size=batch_size, device=images.device)
    return scores.reshape(shape)


def area_under_curve(curves: ArrayLike) -> Floats:
    """Return the area under curves over equal steps from 0 to 1, by trapezoids, (N,).

    Example:
        >>> area_under_curve([[0.0, 1.0, 2.0]]).tolist()
        [1.0]
    """
    values = np.asarray(curves, np.float64)
    areas: Floats = np.trapezoid(values, dx=1 / (values.shape[-1] - 1), axis=-1)
    return areas


def judge_faithfulness(
    curves: FaithfulnessCurves, persons: ArrayLike, *, rng: np.random.Generator, level: float = 0.95
) -> FaithfulnessCheck:
    """Compare the areas with those of the random order, with intervals clustered by person.

    Args:
        curves: of N images.
        persons: (N,) whose images they are.
        rng: draws them again.
        level: coverage of the intervals.

    Raises:
        DataError: lengths that differ, no image, logits with NaN.
    """
    gains = np.column_stack(
        [
            area_under_curve(curves.deletion) - area_under_curve(curves.random_deletion),
            area_under_curve(curves.insertion) - area_under_curve(curves.random_insertion),
        ]
    )
    if not np.isfinite(gains).all() or not len(gains):
        raise DataError("faithfulness cannot be judged: there is no image, or a logit is not finite")
    codes = number_persons(persons, len(gains))
    people = int(codes.max()) + 1
    deletion, insertion = gains.mean(axis=0).tolist()
    if people < LEAST_PERSONS:
        reason = f"only {people} persons: no interval"
        return FaithfulnessCheck(deletion, None, None, insertion, None, None, people, None, reason)
    sums = np.zeros((people, 3))
    np.add.at(sums, codes, np.column_stack([gains, np.ones(len(gains))]))

    def means(weights: Floats) -> Floats:
        totals: Floats = weights @ sums
        return totals[:, :2] / totals[:, 2:]

    drawn = resample(means, strata=np.zeros(people, np.int64), draws=DRAWS, rng=rng).values
    (d_low, d_high), (i_low, i_high) = (percentile_interval(drawn[:, column], level=level) for column in range(2))
    reason = (
        f"against a random order, the area of deletion differs by {deletion:+.3f} logits ({d_low:+.3f} to "
        f"{d_high:+.3f}), it must be below 0; that of insertion by {insertion:+.3f} ({i_low:+.3f} to {i_high:+.3f}), "
        "it must be above 0"
    )
    passes = d_high < 0 < i_low
    return FaithfulnessCheck(deletion, d_low, d_high, insertion, i_low, i_high, people, passes, reason)
