"""Training batches; which images come when is a function of (seed, epoch, step)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cxrshort.columns import MASK_BITS
from cxrshort.compute import seeded_generator
from cxrshort.images.prefetch import Indices, Source, prefetched
from cxrshort.masks.bits import select_bits
from cxrshort.training.data.augmentation import Augmentation, unchanged
from cxrshort.training.data.mixture import Mixture


class Share(NamedTuple):
    """Locate a batch among the images of an optimiser step.

    Args:
        first: position of its first image among the step's.
        images: number of the step's images.
        weight: of its loss in the step's loss, 0 to 1: its share of the known targets, so that the weighted sum of the
            parts' means over known targets is the mean over the whole step.
        target_count: number of its known targets.
    """

    first: int
    images: int
    weight: float
    target_count: int


class Batch(NamedTuple):
    """Hold one step's worth of images, or the part of it that one process, or one pass, works on.

    Args:
        images: (N, C, H, W) in [0, 1], float32, on the device.
        targets: (N, L), NaN where a label is empty.
        indices: (N,) positions in the training fold.
        groups: (N,) int64, code of each image's group; None where the run has no groups.
        masks: (N, 1, H, W), 1.0 where evidence may lie, else 0.0; None where the run has no masks.
        epoch: counted from 0.
        step: of the epoch, counted from 0.
        target_counts: (N,) number of known targets of each image; None counts every image once.
        share: which part of the step this is; None is the whole.
        divisor: () number of the step's images over which the objective takes its means; None counts this batch's.
        teacher: the network that the model learns from, frozen and in evaluation mode; None where the run has none.
    """

    images: Tensor
    targets: Tensor
    indices: Indices
    groups: Tensor | None = None
    masks: Tensor | None = None
    epoch: int = 0
    step: int = 0
    target_counts: Indices | None = None
    share: Share | None = None
    divisor: Tensor | None = None
    teacher: nn.Module | None = None

    @property
    def weight(self) -> float:
        """Return the weight of this batch's loss in the loss of its step."""
        return 1.0 if self.share is None else self.share.weight

    def split(self, parts: int) -> "list[Batch]":
        """Cut the batch into micro-batches of almost equal size, whose weights add up to its own."""
        if parts == 1 or len(self.indices) < 2:
            return [self]
        target_counts = np.ones(len(self.indices), np.int64) if self.target_counts is None else self.target_counts
        origin = self.share or Share(0, len(target_counts), 1.0, int(target_counts.sum()))
        bounds = cut(len(target_counts), parts)
        return [
            self._part(slice(start, stop), _share(target_counts, start, stop, origin=origin))
            for start, stop in zip(bounds, bounds[1:], strict=False)
            if stop > start
        ]

    def _part(self, rows: slice, share: Share) -> "Batch":
        return self._replace(
            images=self.images[rows],
            targets=self.targets[rows],
            indices=self.indices[rows],
            groups=None if self.groups is None else self.groups[rows],
            masks=None if self.masks is None else self.masks[rows],
            target_counts=None if self.target_counts is None else self.target_counts[rows],
            share=share,
        )


def cut(images: int, parts: int) -> list[int]:
    """Return where parts of almost equal size begin, and where the last one ends.

    No part holds one image alone, since a batch norm has no statistics of a single value: the last parts of a small
    batch are empty instead.

    Example:
        >>> cut(10, 4), cut(5, 4)
        ([0, 3, 6, 8, 10], [0, 3, 5, 5, 5])
    """
    used = max(1, min(parts, images // 2))
    sizes = [images // used + (part < images % used) for part in range(used)] + [0] * (parts - used)
    return [0, *np.cumsum(sizes).tolist()]


def _share(target_counts: Indices, start: int, stop: int, *, origin: Share) -> Share:
    """Return the share that the images from ``start`` to ``stop`` have, of a batch that is itself a share."""
    target_count = int(target_counts[start:stop].sum())
    # Without any known target, the loss is 0 whatever the weights are; penalties still count the images.
    part = target_count / origin.target_count if origin.target_count else (stop - start) / max(1, len(target_counts))
    return Share(origin.first + start, origin.images, origin.weight * part, target_count)


class MaskSource(Protocol):
    """Hold a bit field of masks for every image of a fold, as :class:`~cxrshort.dataset.Pixels` does."""

    def take(self, indices: Indices) -> npt.NDArray[np.uint8]:
        """Return the bit fields of these images, (N, H, W), uint8."""


@dataclass(frozen=True)
class Batches:
    """Cut a training fold into shuffled batches.

    Args:
        pixels: the fold's images, or features computed from them.
        targets: (N, L) float32, NaN where empty.
        batch_size: images in one step; the last batch of an epoch may be smaller, but one image alone joins the batch
            before it, since a batch norm has no statistics of a single value.
        seed: chooses every epoch's order.
        device: where the batches go.
        augment: changes the images of a batch; its draws are a function of (seed, epoch, step). Masks follow.
        groups: (N,) codes from 0 of the fold's groups.
        masks: the fold's masks.
        mask_bit: the bits of the field that are foreground (``columns.MASK_BITS``).
        target_counts: (N,) number of targets of each image, which weigh the parts of a step; None counts those that
            are not NaN.
        sampling_weights: (N,) relative probabilities with which an epoch draws its N images, with replacement; None
            sees every image once.
        mixture: which images are real and which synthetic, and how many of each an epoch shows; None shows every image
            once.
        rank: number of this process; every one cuts the same batches and takes its own share of each.
        processes: how many share a batch; ``batch_size`` is that of all of them together.
    """

    pixels: Source
    targets: npt.NDArray[np.float32]
    batch_size: int
    seed: int
    device: torch.device
    augment: Augmentation = unchanged
    groups: npt.NDArray[np.int64] | None = None
    masks: MaskSource | None = None
    mask_bit: int = MASK_BITS["lungs"]
    target_counts: Indices | None = None
    sampling_weights: npt.NDArray[np.float64] | None = None
    mixture: Mixture | None = None
    rank: int = 0
    processes: int = 1

    def __len__(self) -> int:
        """Return the number of steps in an epoch."""
        return len(self._starts())

    def _starts(self) -> list[int]:
        """Return where each batch of an epoch begins."""
        count = self.images_per_epoch
        starts = list(range(0, count, self.batch_size))
        alone = self.batch_size > 1 and count > 1 and count % self.batch_size == 1
        return starts[:-1] if alone else starts

    @property
    def images_per_epoch(self) -> int:
        """Return the number of images that an epoch shows, those that come again counted again."""
        return len(self.pixels) if self.mixture is None else len(self.mixture)

    def order(self, epoch: int) -> Indices:
        """Return the order in which the images of one epoch are seen."""
        if self.mixture is not None:
            return self.mixture.order(epoch, seed=self.seed)
        count, generator = len(self.pixels), seeded_generator(self.seed, epoch)
        if self.sampling_weights is None:
            order = torch.randperm(count, generator=generator)
        else:
            weights = torch.from_numpy(self.sampling_weights)
            order = torch.multinomial(weights, count, replacement=True, generator=generator)
        indices: Indices = order.numpy()
        return indices

    def epoch(self, number: int, *, first_step: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from ``first_step`` on: of each, this process's share, which may be empty."""
        chunks = np.split(self.order(number), self._starts()[1:])[first_step:]
        shares = [self._own_share(chunk) for chunk in chunks]
        own_chunks = [
            chunk[share.first : share.first + size] for chunk, (share, size) in zip(chunks, shares, strict=True)
        ]
        ready = prefetched(self.pixels, own_chunks, device=self.device)
        for step, (indices, images) in enumerate(ready, first_step):
            share = shares[step - first_step][0]
            masks = self._masks(indices)
            images, masks = self._augment(images, masks, self._generator(number, step, share))
            targets = torch.from_numpy(self.targets[indices]).to(self.device, non_blocking=True)
            groups = None
            if self.groups is not None:
                groups = torch.from_numpy(self.groups[indices]).to(self.device, non_blocking=True)
            target_counts = self._target_counts(indices)
            part = None if self.processes == 1 else share
            yield Batch(images, targets, indices, groups, masks, number, step, target_counts, part)

    def _own_share(self, chunk: Indices) -> tuple[Share, int]:
        """Return this process's share of a step, and its size."""
        target_counts = self._target_counts(chunk)
        start, stop = cut(len(chunk), self.processes)[self.rank : self.rank + 2]
        return _share(
            target_counts, start, stop, origin=Share(0, len(chunk), 1.0, int(target_counts.sum()))
        ), stop - start

    def _target_counts(self, indices: Indices) -> Indices:
        if self.target_counts is not None:
            return self.target_counts[indices]
        counts: Indices = (~np.isnan(self.targets[indices])).sum(axis=1, dtype=np.int64)
        return counts

    def _generator(self, epoch: int, step: int, share: Share) -> torch.Generator:
        """Return the generator of a step; the later shares of a step have their own, since they draw other images."""
        counters = (epoch, step, share.first) if share.first else (epoch, step)
        return seeded_generator(self.seed, *counters)

    def _masks(self, indices: Indices) -> Tensor | None:
        if self.masks is None:
            return None
        chosen = select_bits(self.masks.take(indices), self.mask_bit)
        return torch.from_numpy(chosen)[:, None].to(self.device, torch.float32)

    def _augment(
        self, images: Tensor, masks: Tensor | None, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        if not len(images):
            return images, masks
        if masks is None:
            return self.augment(images, generator), None
        # As one more channel, so that a mask moves with its image whatever the augmentation draws.
        stacked = self.augment(torch.cat([images, masks], 1), generator)
        return stacked[:, :-1], (stacked[:, -1:] > 0.5).float()
