"""Scoring: logits of many images, in large batches, without gradients.

The last bit of a logit depends on the batch that its image is in. Batches are therefore cut from all images, and
several processes do whole ones: what they find has the bytes of what one process finds.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from cxrshort import distributed
from cxrshort.compute import Compute
from cxrshort.images.prefetch import Indices, Source, prefetched

SCORING_BATCH = 64
"""Images at a time; large enough that bookkeeping vanishes, small enough for 224 px on any device."""


def score(
    model: nn.Module, pixels: Source, *, compute: Compute, batch_size: int = SCORING_BATCH
) -> npt.NDArray[np.float32]:
    """Return the logits (N, L), float32, of every image, in order.

    Several processes score a share each, and all return the logits of all images. The model's train/eval mode is
    restored afterwards.
    """

    def work(chunks: Sequence[Indices]) -> Iterator[tuple[Indices, npt.NDArray[np.float32]]]:
        with torch.inference_mode(), compute.autocast():
            for indices, images in prefetched(pixels, chunks, device=compute.torch_device):
                yield indices, model(images).float().cpu().numpy()

    was_training = model.training
    model.eval()
    logits: npt.NDArray[np.float32] = in_shares(work, len(pixels), compute=compute, batch_size=batch_size)
    model.train(was_training)
    return logits


def in_shares(
    work: Callable[[Sequence[Indices]], Iterable[tuple[Indices, npt.NDArray[Any]]]],
    count: int,
    *,
    compute: Compute,
    batch_size: int = SCORING_BATCH,
) -> npt.NDArray[Any]:
    """Let every process do its share of the batches of a scan over images, and return all values in all processes.

    Args:
        work: takes batches of indices and yields, for each, its indices and their values, (n, ...).
        count: number of images, N.
        compute: the processes.
        batch_size: images in a batch at most; batches are the same for any number of processes.

    Returns:
        The values of all images in order, (N, ...), the same bytes in every process.
    """
    chunks = np.array_split(np.arange(count), max(1, -(-count // batch_size)))
    own = np.array_split(np.arange(len(chunks)), compute.processes)[compute.rank]
    made: npt.NDArray[Any] | None = None
    for indices, values in work([chunks[each] for each in own]):
        if made is None:
            made = np.zeros((count, *values.shape[1:]), values.dtype)
        made[indices] = values
    if compute.processes > 1:
        # The first process has a batch whenever any has one.
        known = {} if made is None else {"shape": made.shape, "dtype": made.dtype.str}
        told = distributed.broadcast(known)
        made = np.zeros(told["shape"], told["dtype"]) if made is None else made
        # As bytes, of which all but one process have zeros: exact for every type of number, -0.0 included.
        distributed.all_reduce(torch.from_numpy(made.reshape(-1).view(np.uint8)), compute)
    return np.zeros(0) if made is None else made
