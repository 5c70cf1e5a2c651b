"""Pairs of an image and a draw as one stream, of which a batch is on the device at a time.

Two hundred references for each of 64 images are 12,800 passes through the network. All at once they fit no device, and
image by image they leave it idle where the references are few. The pairs are therefore numbered image by image, cut
into batches wherever a batch ends, composed on the device and added to the maps in place. Where memory runs out, the
batch is halved and its pairs are done again; what was added before stays.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cxrshort.attribution.passes import exact, explained_logits
from cxrshort.compute import is_out_of_memory


class Inputs(NamedTuple):
    """Hold what the network sees of a batch of pairs, and what each slope counts.

    Args:
        images: (B, C, H, W), on the device, without a graph.
        factors: the slopes are multiplied by them; of a shape that broadcasts to that of the images.
    """

    images: Tensor
    factors: Tensor


Compose = Callable[[Tensor, Tensor], Inputs]
"""Compose pairs from the numbers of their images, (B,), and of the draw within the image, (B,), int64, on the CPU."""


def run_in_batches(
    work: Callable[[int, int], None], count: int, *, batch_size: int, device: torch.device | str = "cpu"
) -> None:
    """Call ``work(start, stop)`` until all items are done, with half as many at a time whenever memory runs out.

    Args:
        work: does the items from start to stop, or fails before it has changed anything.
        count: number of items.
        batch_size: largest number of items in a call.
        device: where memory is freed before the next attempt.

    Raises:
        RuntimeError: memory does not suffice for one item; other errors of ``work`` pass as they are.

    Example:
        >>> run_in_batches(lambda start, stop: print(start, stop), 5, batch_size=2)
        0 2
        2 4
        4 5
    """
    start, size = 0, batch_size
    while start < count:
        stop = min(start + size, count)
        try:
            work(start, stop)
            start = stop
            continue
        except (RuntimeError, MemoryError) as error:
            if stop - start == 1 or not is_out_of_memory(error):
                raise
            size = (stop - start) // 2
        # Outside the handler, whose traceback keeps the tensors of the failed attempt alive.
        if torch.device(device).type == "cuda":
            torch.cuda.empty_cache()


def summed_slopes(
    model: nn.Module,
    images: Tensor,
    outputs: Tensor,
    *,
    compose: Compose,
    draws: int,
    groups: int = 1,
    batch_size: int,
) -> Tensor:
    """Return the sum over draws of slope times factor, summed over channels too, (N, G, H, W).

    Args:
        model: maps images (B, C, H, W) to logits (B, L); in eval mode.
        images: (N, C, H, W).
        outputs: (N,) int64, on the CPU, the logit whose slope is taken.
        compose: makes the inputs of a batch of pairs; the same inputs whenever the same pairs are asked for.
        draws: number of pairs per image.
        groups: number of groups G that the draws of an image are summed in, one after the other; their sizes differ
            by one at most.
        batch_size: largest number of pairs in the network.

    Raises:
        UsageError: an output is none of the model's.
    """
    sums = images.new_zeros(len(images), groups, *images.shape[2:])
    rows = sums.view(len(images) * groups, *images.shape[2:])

    def work(start: int, stop: int) -> None:
        owners, numbers = _pairs(start, stop, draws)
        inputs = compose(owners, numbers)
        products = (input_slopes(model, inputs.images, outputs[owners]) * inputs.factors).sum(dim=1)
        places = owners * groups + numbers * groups // draws
        first = int(places[0])
        # Sums of slices are the same bytes in each run; on a GPU, those of index_add_ are not.
        ends = torch.bincount(places - first).cumsum(0).tolist()
        parts = [products[begin:end].sum(dim=0) for begin, end in itertools.pairwise([0, *ends])]
        for place, part in enumerate(parts, start=first):
            rows[place] += part

    run_in_batches(work, len(images) * draws, batch_size=batch_size, device=images.device)
    return sums


def input_slopes(model: nn.Module, images: Tensor, outputs: Tensor) -> Tensor:
    """Return d logit / d image for a batch, (B, C, H, W), of a model in eval mode.

    Args:
        model: maps images to logits (B, L).
        images: (B, C, H, W), of no graph; they are part of one afterwards.
        outputs: (B,) int64, on the CPU.

    Raises:
        UsageError: an output is none of the model's.
    """
    images = images.requires_grad_()
    with exact(images):
        score = explained_logits(model(images), outputs).sum()
        return torch.autograd.grad(score, images)[0]


def logits_of_draws(
    model: nn.Module,
    images: Tensor,
    outputs: Tensor,
    *,
    compose: Callable[[Tensor, Tensor], Tensor],
    draws: int,
    batch_size: int,
) -> Tensor:
    """Return one logit for each draw of each image, (N, draws), by forward passes alone.

    Args:
        model: any function from images (B, C, H, W) to logits (B, L), in eval mode.
        images: (N, C, H, W).
        outputs: (N,) int64, on the CPU.
        compose: makes the images of a batch of pairs, (B, C, H, W), as :data:`Compose` does.
        draws: number of pairs per image.
        batch_size: largest number of pairs in the network.

    Raises:
        UsageError: an output is none of the model's.
    """
    logits = images.new_zeros(len(images), draws)

    def work(start: int, stop: int) -> None:
        owners, numbers = _pairs(start, stop, draws)
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            logits.view(-1)[start:stop] = explained_logits(model(compose(owners, numbers)), outputs[owners])

    run_in_batches(work, len(images) * draws, batch_size=batch_size, device=images.device)
    return logits


def mean_logits(model: nn.Module, references: Tensor, *, like: Tensor, batch_size: int) -> Tensor:
    """Return the mean logits of reference images, (L,).

    Args:
        model: any function from images (B, C, H, W) to logits (B, L), in eval mode.
        references: (R, C, H, W), on any device.
        like: an image batch of the device and precision that the model takes.
        batch_size: largest number of images in the network.
    """
    parts: list[Tensor] = []

    def work(start: int, stop: int) -> None:
        with torch.no_grad(), torch.autocast(like.device.type, enabled=False):
            parts.append(model(references[start:stop].to(like)))

    run_in_batches(work, len(references), batch_size=batch_size, device=like.device)
    return torch.cat(parts).mean(dim=0)


def _pairs(start: int, stop: int, draws: int) -> tuple[Tensor, Tensor]:
    """Return the image of each pair and the number of its draw."""
    pairs = torch.arange(start, stop)
    return pairs // draws, pairs % draws
