"""One scan of images with a model, for every per-image result: logits, features, masks, measures, maps.

The last bit of a logit depends on the batch that its image is in. Batches are therefore cut from all images, and
several processes do whole ones: together they return the bytes of one process.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cxrshort import distributed, runs
from cxrshort.compute import Compute, is_out_of_memory
from cxrshort.images.prefetch import Indices, Source, prefetched
from cxrshort.models.blocks import Report

SCORING_BATCH = 64
"""Images at a time; large enough that bookkeeping vanishes, small enough for 224 px on any device."""

Work = Callable[[Tensor, Indices], Tensor | npt.NDArray[Any]]
"""What is done to a batch: images (N, C, H, W) in [0, 1] on the device, and their positions in the source (N,); returns
one result per image, (N, ...)."""


def score(
    model: nn.Module,
    pixels: Source,
    *,
    compute: Compute,
    batch_size: int = SCORING_BATCH,
    shrink: bool = False,
    report: Report = runs.ignore_event,
) -> npt.NDArray[np.float32]:
    """Return the logits (N, L), float32, of every image, in order; see :func:`scan` and :func:`counted`."""

    def logits(images: Tensor, indices: Indices) -> Tensor:
        del indices
        outputs: Tensor = model(images)
        return outputs.float()

    work = counted(logits, unit="images scored", count=len(pixels), compute=compute, report=report)
    return scan(work, pixels, model=model, compute=compute, batch_size=batch_size, shrink=shrink)


def counted(work: Work, *, unit: str, count: int, compute: Compute, report: Report, start: int = 0) -> Work:
    """Return work that reports before each batch how much is done.

    The first of several processes has the first share of a scan, and counts for each of the others what it has done.

    Args:
        work: of a scan of consecutive images.
        unit: what is counted, in the plural.
        count: how many there are.
        compute: the processes.
        report: takes an event before each batch.
        start: position of the scan's first image.
    """

    def counting(images: Tensor, indices: Indices) -> Tensor | npt.NDArray[Any]:
        done = start + (int(indices[0]) - start) * compute.processes
        report({"event": unit, "done": min(done, count), "of": count})
        return work(images, indices)

    return counting


def scan(
    work: Work,
    source: Source,
    *,
    model: nn.Module,
    compute: Compute,
    batch_size: int = SCORING_BATCH,
    rows: Indices | None = None,
    gradients: bool = False,
    shrink: bool = False,
) -> npt.NDArray[Any]:
    """Return what ``work`` finds for each image; several processes do a share each, and all return the whole.

    Args:
        work: from a batch to one result per image, with ``model`` in eval mode and under autocast.
        source: the images.
        model: the network that ``work`` runs, on its device; the mode of each of its modules is restored afterwards,
            after an error too.
        compute: device, precision and processes.
        batch_size: images in a batch at most; batches are the same for any number of processes.
        rows: positions of the images to scan; None takes all.
        gradients: whether ``work`` differentiates; otherwise it runs in inference mode.
        shrink: whether a batch that memory does not suffice for is halved, and all later ones with it. The results of
            a smaller batch may differ in the last bit; whatever else ``work`` holds on the device must shrink with it.

    Returns:
        The results in the order of the rows, (N, ...), the same bytes in every process.
    """
    chosen = np.arange(len(source)) if rows is None else rows
    chunks = np.array_split(chosen, max(1, -(-len(chosen) // batch_size)))
    if shrink:
        work = _halving(work, batch_size, compute)
    own_chunks = np.array_split(np.arange(len(chunks)), compute.processes)[compute.rank]
    start = sum(len(chunk) for chunk in chunks[: own_chunks[0]]) if len(own_chunks) else 0
    mode = torch.enable_grad() if gradients else torch.inference_mode()
    results: npt.NDArray[Any] | None = None
    with evaluating(model), mode, compute.autocast():
        for indices, images in prefetched(
            source, [chunks[number] for number in own_chunks], device=compute.torch_device
        ):
            values = _array(work(images, indices))
            if results is None:
                results = np.zeros((len(chosen), *values.shape[1:]), values.dtype)
            results[start : start + len(indices)] = values
            start += len(indices)
    return _gathered(results, count=len(chosen), compute=compute)


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into eval mode while the block runs; afterwards each of its modules has the mode it had."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _gathered(results: npt.NDArray[Any] | None, *, count: int, compute: Compute) -> npt.NDArray[Any]:
    """Return the results of all processes, (count, ...); each has its own at their places, and zeros elsewhere."""
    if compute.processes > 1:
        # The first process has a batch whenever any has one.
        own_results = np.zeros(0) if results is None else results
        layout = distributed.broadcast({"shape": [count, *own_results.shape[1:]], "dtype": own_results.dtype.str})
        results = np.zeros(layout["shape"], layout["dtype"]) if results is None else results
        # As bytes, of which all but one process have zeros: exact for every type of number, -0.0 included.
        distributed.all_reduce(torch.from_numpy(results.reshape(-1).view(np.uint8)), compute)
    return np.zeros(0) if results is None else results


def _array(values: Tensor | npt.NDArray[Any]) -> npt.NDArray[Any]:
    if not isinstance(values, Tensor):
        return values
    array: npt.NDArray[Any] = values.detach().cpu().numpy()
    return array


def _halving(work: Work, size: int, compute: Compute) -> Work:
    """Return work that goes on with half as many images at a time whenever memory runs out."""
    limit = size

    def in_parts(images: Tensor, indices: Indices) -> npt.NDArray[Any]:
        nonlocal limit
        while True:
            try:
                starts = range(0, max(1, len(images)), limit)
                return np.concatenate(
                    [_array(work(images[at : at + limit], indices[at : at + limit])) for at in starts]
                )
            except (RuntimeError, MemoryError) as error:
                limit = min(limit, len(images)) // 2
                if limit == 0 or not is_out_of_memory(error):
                    raise
            # Outside the handler, whose traceback keeps the tensors of the failed attempt alive.
            if compute.torch_device.type == "cuda":
                torch.cuda.empty_cache()

    return in_parts
