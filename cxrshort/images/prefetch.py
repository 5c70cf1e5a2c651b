"""Images cut from the memory maps by a thread, while the network works on the batch before."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_DEPTH = 3
"""Batches in flight: one in use, one ready, one being cut."""

Indices = npt.NDArray[np.int64]


class Source(Protocol):
    """Hold what a network is given for each image: its pixels, uint8, or numbers computed from them, float32."""

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Return the shape of one image: (H, W), (3, H, W) for colour, or (D,) for features."""

    def __len__(self) -> int:
        """Return the number of images."""

    def take(self, indices: Indices) -> npt.NDArray[Any]:
        """Return a copy of what belongs to these images, (N, ...)."""


def prefetched(pixels: Source, chunks: Sequence[Indices], *, device: torch.device) -> Iterator[tuple[Indices, Tensor]]:
    """Yield (indices, images) for each chunk, while a thread cuts the next ones from the map."""
    with ThreadPoolExecutor(1) as thread:
        waiting: deque[tuple[Indices, Future[Tensor]]] = deque()
        for chunk in chunks:
            waiting.append((chunk, thread.submit(_cut, pixels, chunk, device)))
            if len(waiting) == _DEPTH:
                indices, future = waiting.popleft()
                yield indices, _to_unit(future.result(), device)
        while waiting:
            indices, future = waiting.popleft()
            yield indices, _to_unit(future.result(), device)


def _cut(pixels: Source, chunk: Indices, device: torch.device) -> Tensor:
    """Copy uint8 images out of the map: (N, C, H, W), float32 on the CPU, pinned uint8 for a GPU; features as is."""
    images = pixels.take(chunk)
    if images.dtype != np.uint8:
        return torch.from_numpy(images)
    if images.ndim == 3:
        images = images[:, None]
    if device.type == "cpu":
        return torch.from_numpy(np.multiply(images, np.float32(1 / 255), dtype=np.float32))
    tensor = torch.from_numpy(images)
    return tensor.pin_memory() if device.type == "cuda" else tensor


def _to_unit(images: Tensor, device: torch.device) -> Tensor:
    if device.type == "cpu":
        return images
    on_device = images.to(device, non_blocking=True)
    return on_device.to(torch.float32).mul_(1 / 255) if on_device.dtype == torch.uint8 else on_device
