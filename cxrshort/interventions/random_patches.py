"""The null of a trial: the same intervention in random patches of the tested boxes' size, elsewhere in the image.

As DeGrave et al. 2021 (Methods, "Experimental validation of feature attributions"), with what they leave open stated:

- positions are uniform over all that lie fully inside the image and overlap no tested box and no destination; patches
  may overlap one another, and a position may be drawn twice;
- a swap takes a random patch of the partner too, of its box's size and away from its tested boxes;
- a move takes a random patch to the tested destination, so that what is covered there is the same in every draw.

One image lies on the device; changed copies are composed there, at most ``batch_size`` at a time, and only boxes come
from the host. Draws belong to the image's own generator and are made before anything is scored, so that they depend
neither on the batch size nor on other images.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cxrshort.compute import is_out_of_memory
from cxrshort.errors import DataError, UsageError
from cxrshort.interventions.contract import Intervention, Places
from cxrshort.models.scoring import SCORING_BATCH, evaluating

PATCHES = 1000
"""Random patches for each image (DeGrave et al. 2021)."""


class Trial(NamedTuple):
    """Say where an intervention takes place in one image: in K boxes, one after the other.

    Args:
        boxes: (K, 4), int64: a region may have several boxes, as two shoulders.
        partner: (C, H, W), for interventions that need another image.
        partner_boxes: (K, 4), int64.
        destinations: (K, 4), int64.
    """

    boxes: Tensor
    partner: Tensor | None = None
    partner_boxes: Tensor | None = None
    destinations: Tensor | None = None


class Draws(NamedTuple):
    """Hold the boxes of a trial's random copies.

    Args:
        boxes: (n, K, 4), int64, on the CPU.
        partner_boxes: (n, K, 4), where the trial has some.
        destinations: (n, K, 4), where the trial has some: the same in every draw.
    """

    boxes: Tensor
    partner_boxes: Tensor | None
    destinations: Tensor | None

    def between(self, start: int, end: int) -> "Draws":
        """Return some of the draws."""
        parts = (None if part is None else part[start:end] for part in (self.partner_boxes, self.destinations))
        return Draws(self.boxes[start:end], *parts)


def edit_image(image: Tensor, intervention: Intervention, *, trial: Trial, settings: Any = None) -> Tensor:
    """Return an image after a trial, (C, H, W).

    Args:
        image: (C, H, W) in [0, 1].
        intervention: what is done in each box.
        trial: where.
        settings: of the intervention's ``Settings``.

    Raises:
        UsageError: something that the intervention requires is missing.
        DataError: a box reaches outside its image.
    """
    parts = (None if part is None else part[None] for part in (trial.partner_boxes, trial.destinations))
    edited = torch.empty(1, *image.shape, device=image.device)
    _compose(
        image, intervention, Draws(trial.boxes[None], *parts), partner=trial.partner, settings=settings, out=edited
    )
    return edited[0]


def draw_patches(trial: Trial, *, shape: tuple[int, int], patches: int, generator: torch.Generator) -> Draws:
    """Draw random boxes for a trial.

    Args:
        trial: the tested boxes.
        shape: (H, W) of the image.
        patches: how many times to draw each box.
        generator: the image's own, on the CPU.

    Raises:
        DataError: no box of this size has room beside the tested ones.
    """
    avoided = trial.boxes if trial.destinations is None else torch.cat([trial.boxes, trial.destinations])
    boxes = _random_boxes(trial.boxes, avoided, shape=shape, patches=patches, generator=generator)
    partners = trial.partner_boxes
    if partners is not None:
        partners = _random_boxes(partners, partners, shape=shape, patches=patches, generator=generator)
    same = None if trial.destinations is None else trial.destinations.expand(patches, -1, -1)
    return Draws(boxes, partners, same)


def null_logits(
    model: nn.Module,
    image: Tensor,
    *,
    intervention: Intervention,
    trial: Trial,
    output: int,
    draws: Draws,
    batch_size: int = SCORING_BATCH,
    settings: Any = None,
) -> Tensor:
    """Return a logit of an image after the intervention in each of its random patches, (n,), float32, on the CPU.

    Args:
        model: maps images (N, C, H, W) in [0, 1] to logits (N, L), on the image's device; the caller sets autocast.
        image: (C, H, W) in [0, 1].
        intervention: what is done in each box.
        trial: the tested boxes, and the partner.
        output: the number of the logit.
        draws: of :func:`draw_patches`.
        batch_size: images in the network at a time; halved, for this image, whenever memory does not suffice.
        settings: of the intervention's ``Settings``.

    Raises:
        UsageError: something that the intervention requires is missing, or the batch size is below 1.
    """
    if batch_size < 1:
        raise UsageError(f"the batch size is '{batch_size}', it must be 1 or more", f"try {SCORING_BATCH}")
    count, start, logits = len(draws.boxes), 0, []
    # As even as can be: 1,000 in 16 batches of 62 or 63 rather than 15 of 64 and one of 40.
    size = -(-count // max(1, -(-count // batch_size)))
    with torch.inference_mode(), evaluating(model):
        # One memory for all batches: with new memory for each, the C library may return it to the system in between;
        # a small network at 64 px then took up to 1.4 times as long, in 48,000 page faults.
        memory = torch.empty(min(size, count), *image.shape, device=image.device)
        while start < count:
            part = draws.between(start, start + size)
            try:
                images = memory[: len(part.boxes)]
                _compose(image, intervention, part, partner=trial.partner, settings=settings, out=images)
                logits.append(model(images)[:, output].float())
                start += size
                continue
            except (RuntimeError, MemoryError) as error:
                if size == 1 or not is_out_of_memory(error):
                    raise
            # Outside the handler, whose traceback keeps the tensors of the failed attempt alive.
            size //= 2
            if image.device.type == "cuda":
                torch.cuda.empty_cache()
        return torch.cat(logits).cpu() if logits else torch.zeros(0)


def _compose(
    image: Tensor, intervention: Intervention, draws: Draws, *, partner: Tensor | None, settings: Any, out: Tensor
) -> None:
    """Write a copy of an image for each draw, changed in its boxes, into ``out``, (n, C, H, W)."""
    count = len(draws.boxes)
    images = image.expand(count, -1, -1, -1)
    partners = None if partner is None else partner.expand(count, -1, -1, -1)
    for number in range(draws.boxes.shape[1]):
        partner_boxes, destinations = (
            None if part is None else part[:, number] for part in (draws.partner_boxes, draws.destinations)
        )
        places = Places(draws.boxes[:, number], partners, partner_boxes, destinations)
        images = intervention(images, places, settings=settings, out=out)


def _random_boxes(
    boxes: Tensor, avoided: Tensor, *, shape: tuple[int, int], patches: int, generator: torch.Generator
) -> Tensor:
    """Return random boxes of the sizes of K boxes, (n, K, 4), that overlap none of those to avoid."""
    drawn = []
    for x0, y0, x1, y1 in boxes.tolist():
        size = (y1 - y0, x1 - x0)
        free = free_positions(size, avoided, shape=shape)
        if not len(free):
            raise DataError(
                f"no other patch of {size[1]} x {size[0]} pixels has room in {shape[1]} x {shape[0]} beside the "
                f"tested box '{x0}, {y0}, {x1}, {y1}': its change cannot be compared with that of random patches",
                "give a smaller box",
            )
        corners = free[torch.randint(len(free), (patches,), generator=generator)]
        drawn.append(torch.cat([corners, corners + torch.tensor([size[1], size[0]])], dim=1))
    return torch.stack(drawn, dim=1)


def free_positions(size: tuple[int, int], avoided: Tensor, *, shape: tuple[int, int]) -> Tensor:
    """Return where a patch lies fully inside an image and overlaps no box, (P, 2): x0 and y0, row by row.

    Args:
        size: (h, w) of the patch.
        avoided: (A, 4) boxes, half-open.
        shape: (H, W) of the image.

    Example:
        >>> free_positions((2, 2), torch.tensor([[0, 0, 2, 3]]), shape=(3, 4)).tolist()
        [[2, 0], [2, 1]]
    """
    h, w = size
    free = torch.ones(max(0, shape[0] - h + 1), max(0, shape[1] - w + 1), dtype=torch.bool)
    for x0, y0, x1, y1 in avoided.tolist():
        # A patch at (x, y) overlaps the box where x0 - w < x < x1 and y0 - h < y < y1.
        free[max(0, y0 - h + 1) : y1, max(0, x0 - w + 1) : x1] = False
    return free.nonzero().flip(1)
