"""Masks kept in memory as single bits: those of a segmenter, or of a folder of files."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cxrshort.errors import DataError
from cxrshort.masks.bits import to_fields
from cxrshort.quantities import quantity


class PackedMasks:
    """Hold one mask per image, a bit per pixel: 100,000 images of 224 pixels take 630 MB.

    Args:
        shape: (H, W) of the masks.
        packed: (N, H W / 8) uint8, the masks as :func:`pack` writes them.
        available: (N,) which images have a mask; None where all have.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        *,
        packed: npt.NDArray[np.uint8],
        available: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        self._shape = shape
        self._packed = packed
        self.available = np.ones(len(packed), bool) if available is None else available

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Return the shape of one mask, (H, W)."""
        return self._shape

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._packed)

    def take(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Return fields (N, H, W), uint8, in which foreground has every bit set.

        Raises:
            DataError: an image has no mask.
        """
        positions = np.asarray(indices, dtype=np.int64)
        if not self.available[positions].all():
            missing = positions[~self.available[positions]]
            raise DataError(
                f"{quantity(len(missing), 'image has', 'images have')} no mask, first row {missing[0]}",
                "select the images that have one",
            )
        bits = np.unpackbits(self._packed[positions], axis=1, count=self._shape[0] * self._shape[1])
        return to_fields(bits).reshape(len(bits), *self._shape)


def pack(masks: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return masks (N, H, W) of one structure as bits, (N, H W / 8)."""
    return np.packbits(masks.reshape(len(masks), -1) != 0, axis=1)
