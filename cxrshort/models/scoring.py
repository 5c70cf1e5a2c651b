"""Scoring: logits of many images, in large batches, without gradients."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cxrshort import devices
from cxrshort.devices import Compute
from cxrshort.prefetch import Indices, Source, prefetched

SCORING_BATCH = 64
"""Images at a time; large enough that bookkeeping vanishes, small enough for 224 px on any device."""


def score(
    model: nn.Module, pixels: Source, *, compute: Compute, batch_size: int = SCORING_BATCH
) -> npt.NDArray[np.float32]:
    """Return the logits (N, L), float32, of every image, in order.

    Several processes score a share each, and all return the logits of all images. The model's train/eval mode is
    restored afterwards.
    """
    count = len(pixels)
    if count < compute.processes:  # too few to share
        return _score_rows(model, pixels, np.arange(count), compute=compute, batch_size=batch_size).numpy()
    rows = np.array_split(np.arange(count), compute.processes)[compute.rank]
    own = _score_rows(model, pixels, rows, compute=compute, batch_size=batch_size)
    if compute.processes == 1:
        return own.numpy()
    logits = torch.zeros(count, *own.shape[1:])
    logits[torch.from_numpy(rows)] = own
    return devices.add_up(logits, compute).numpy()


def _score_rows(model: nn.Module, pixels: Source, rows: Indices, *, compute: Compute, batch_size: int) -> Tensor:
    was_training = model.training
    model.eval()
    parts: list[Tensor] = []
    chunks = np.array_split(rows, max(1, -(-len(rows) // batch_size)))
    with torch.inference_mode(), compute.autocast():
        for _, images in prefetched(pixels, chunks, device=compute.torch_device):
            parts.append(model(images).float().cpu())
    model.train(was_training)
    return torch.cat(parts)
