"""Pictures at a smaller size, in grey, so that those of datasets of different sizes can be compared."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_BLOCK = 256


def reduce_images(pixels: Any, side: int) -> NDArray[np.uint8]:
    """Return all images of a dataset at a smaller size, (N, side, side), in grey.

    Args:
        pixels: with ``take``, ``image_shape`` and a length, as :class:`cxrshort.dataset.Pixels`.
        side: pixels of the result.
    """
    reduced = np.empty((len(pixels), side, side), np.uint8)
    for start in range(0, len(pixels), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(pixels)))
        for place, picture in zip(rows, pixels.take(rows), strict=True):
            reduced[place] = reduce_image(picture, side)
    return reduced


def reduce_image(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return one image, (H, W) or (3, H, W), as (side, side) in grey."""
    grey = picture if picture.ndim == 2 else picture.mean(axis=0).astype(np.uint8)
    if grey.shape == (side, side):
        return grey
    return np.asarray(Image.fromarray(grey).resize((side, side), Image.Resampling.BILINEAR))
