"""Inpaint: a box is filled by the harmonic function of the pixels around it, the smoothest surface that meets them.

The discrete Laplace equation with the ring of pixels around the box as its boundary is solved directly, by the
eigenvectors of the second difference along rows and columns, for thousands of boxes at once; where a box lies at the
edge of the image the surface ends there level (no boundary to meet). By the maximum principle the filling lies between
the darkest and the brightest pixel of the ring. Biharmonic inpainting (scikit-image's) overshoots that range, and needs
a sparse system for each box.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cxrshort.errors import DataError
from cxrshort.interventions.boxes import box_size, cut_patches
from cxrshort.interventions.contract import Intervention, Patch, Places

Bases = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


def inpainted(images: Tensor, places: Places, *, settings: Any) -> Sequence[Patch]:
    """Return filled boxes; see :class:`~cxrshort.interventions.contract.EditFunction`.

    Raises:
        DataError: a box covers its whole image, so that there is nothing to fill it from.
    """
    del settings
    return (Patch(places.boxes, fill_smoothly(images, places.boxes)),)


def fill_smoothly(images: Tensor, boxes: Tensor) -> Tensor:
    """Return harmonic fillings of boxes of one size, (N, C, h, w), in the range of the pixels around each box.

    Args:
        images: (N, C, H, W) in [0, 1].
        boxes: (N, 4), within the images.

    Raises:
        DataError: a box covers its whole image, so that there is nothing to fill it from.
    """
    height, width = images.shape[2:]
    h, w = box_size(boxes)
    if (h, w) == (height, width):
        raise DataError("a box covers its whole image: there is nothing to fill it from", "give a smaller box")
    # Which of the four sides have pixels to meet: top, bottom, left, right.
    met = torch.stack([boxes[:, 1] > 0, boxes[:, 3] < height, boxes[:, 0] > 0, boxes[:, 2] < width])
    top, bottom, left, right = met.to(images.device, torch.float32)[:, :, None, None]
    ring = cut_patches(images, boxes, margin=1)
    known = torch.zeros_like(ring[:, :, 1:-1, 1:-1])
    known[:, :, 0] += top * ring[:, :, 0, 1:-1]
    known[:, :, -1] += bottom * ring[:, :, -1, 1:-1]
    known[:, :, :, 0] += left * ring[:, :, 1:-1, 0]
    known[:, :, :, -1] += right * ring[:, :, 1:-1, -1]
    down, down_rates = _of_boxes(_bases(h), 2 * met[0] + met[1], images.device)
    across, across_rates = _of_boxes(_bases(w), 2 * met[2] + met[3], images.device)
    spectrum = down.transpose(2, 3) @ known @ across
    spectrum /= down_rates[:, :, :, None] + across_rates[:, :, None, :]
    return (down @ spectrum @ across.transpose(2, 3)).clamp(0, 1)


def _of_boxes(bases: Bases, kinds: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the eigenvectors (N, 1, n, n) and eigenvalues (N, 1, n) that belong to the boxes' ends."""
    vectors, values = (torch.from_numpy(part).to(device) for part in bases)
    kinds = kinds.to(device)
    return vectors[kinds][:, None], values[kinds][:, None]


@functools.lru_cache(maxsize=64)
def _bases(length: int) -> Bases:
    """Return the eigenvectors and eigenvalues of the second difference for the four kinds of ends.

    Returns:
        (4, n, n) and (4, n); number 2 a + b is for a first end that meets pixels if a, a second one if b.
    """
    matrices = np.zeros((4, length, length))
    for kind in range(4):
        matrix = 2 * np.eye(length) - np.eye(length, k=1) - np.eye(length, k=-1)
        matrix[0, 0] -= kind < 2
        matrix[-1, -1] -= kind % 2 == 0
        matrices[kind] = matrix
    values, vectors = np.linalg.eigh(matrices)
    return vectors.astype(np.float32), np.maximum(values, 0).astype(np.float32)


INPAINT = Intervention("inpaint", inpainted)
