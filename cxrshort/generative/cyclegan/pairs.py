"""Batches of a CycleGAN: unaligned images of both sides; which come when is a function of (seed, epoch, step)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cxrshort.compute import Compute, seeded_generator
from cxrshort.generative.cyclegan.networks import Direction, from_unit
from cxrshort.generative.cyclegan.recipes import CycleGanRecipe
from cxrshort.generative.cyclegan.sides import Sides
from cxrshort.images.prefetch import Indices, prefetched

_ORDER, _AUGMENTATION = 2, 3
"""Counters, so that the draws are unrelated to those of sides and replay."""


class PairBatch(NamedTuple):
    """Hold one step's pictures, or the part of them that one process works on.

    Args:
        pictures: of the side ``from`` and of the side ``to``, (n, C, H, W) in [-1, 1].
        epoch: counted from 0.
        step: of the epoch, counted from 0.
        first: position of the first of them among the step's.
        images: number of the step's images of each side, over all processes.
    """

    pictures: dict[Direction, Tensor]
    epoch: int
    step: int
    first: int
    images: int


@dataclass(frozen=True)
class PairBatches:
    """Cut the two sides into batches.

    An epoch has as many images as the larger side. Those of ``from`` come in random order, all equally often; those of
    ``to`` are drawn with replacement, as in the cited code. Every batch is full: the last one goes on with the next
    round.

    Args:
        sides: the images.
        recipe: batch size, channels, augmentation.
        seed: of order and augmentation.
        compute: device and processes; each takes its share of every batch.
    """

    sides: Sides
    recipe: CycleGanRecipe
    seed: int
    compute: Compute

    def __len__(self) -> int:
        """Return the number of steps in an epoch."""
        return -(-max(self.sides.counts.values()) // self.recipe.batch_size)

    def order(self, epoch: int) -> dict[Direction, Indices]:
        """Return the positions in the training fold of the images of an epoch, of each side."""
        count, rows = len(self) * self.recipe.batch_size, self.sides.rows
        generator = seeded_generator(self.seed, epoch, _ORDER)
        rounds = -(-count // len(rows["from"]))
        shuffled = [torch.randperm(len(rows["from"]), generator=generator) for _ in range(rounds)]
        drawn = torch.randint(len(rows["to"]), (count,), generator=generator)
        return {"from": rows["from"][torch.cat(shuffled)[:count].numpy()], "to": rows["to"][drawn.numpy()]}

    def epoch(self, number: int, *, first_step: int = 0) -> Iterator[PairBatch]:
        """Yield the batches of an epoch from ``first_step`` on, of each this process's share."""
        order, size = self.order(number), self.recipe.batch_size
        bounds = [part[0] for part in np.array_split(np.arange(size), self.compute.processes)] + [size]
        first, end = bounds[self.compute.rank : self.compute.rank + 2]
        steps = range(first_step, len(self))
        chunks = [
            np.concatenate([order[side][step * size + first : step * size + end] for side in ("from", "to")])
            for step in steps
        ]
        ready = prefetched(self.sides.data.pixels, chunks, device=self.compute.torch_device)
        for step, (_, images) in zip(steps, ready, strict=True):
            images = augment(images, self.recipe, seeded_generator(self.seed, number, step, _AUGMENTATION), first=first)
            pictures = from_unit(images).expand(-1, self.recipe.channels, -1, -1)
            if self.compute.torch_device.type == "cuda":
                pictures = pictures.contiguous(memory_format=torch.channels_last)
            half = end - first
            yield PairBatch({"from": pictures[:half], "to": pictures[half:]}, number, step, int(first), size)


def augment(images: Tensor, recipe: CycleGanRecipe, generator: torch.Generator, *, first: int = 0) -> Tensor:
    """Return images as the recipe changes them: enlarged and cropped, and mirrored.

    The draws are those of the whole step, so that they do not depend on the number of processes.

    Args:
        images: (2 n, C, H, W) in [0, 1], the share of both sides.
        recipe: says what is changed.
        generator: of the draws, on the CPU.
        first: position of the share in the step.
    """
    half = len(images) // 2
    own = [side * recipe.batch_size + first + number for side in range(2) for number in range(half)]
    draws = torch.rand(2 * recipe.batch_size, 3, generator=generator)[own]
    if recipe.zoom > 1:
        side = images.shape[-1]
        larger = int(side * recipe.zoom)
        enlarged = functional.interpolate(images, (larger, larger), mode="bicubic", align_corners=False).clamp(0, 1)
        corners = (draws[:, :2] * (larger - side + 1)).long().tolist()
        crops = [
            picture[:, top : top + side, left : left + side]
            for picture, (top, left) in zip(enlarged, corners, strict=True)
        ]
        images = torch.stack(crops)
    if recipe.flip:
        mirrored = (draws[:, 2] < 0.5).to(images.device)
        images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
    return images
