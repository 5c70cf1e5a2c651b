"""A file of masks that stands in for a dataset's own: one mask for each row of the dataset's cache.

What would invalidate it: masks in another order than the rows of ``images.npy``. Nothing in the file says which image a
mask is of, so only its shape and its values can be checked.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cxrshort.errors import DataError
from cxrshort.images.cache import open_array
from cxrshort.masks.bits import to_fields

_VALUES = (0, 1, 255)
"""What pixels may hold: background, and either of the two usual foregrounds."""
_MASKS_AT_ONCE = 256
"""Masks read at a time: 13 MB of 224 x 224 pixels."""
_FORM = "np.save a bool array: for each row of images.npy, where evidence may lie"
_TAKES = f"--mask-file takes a .npy file: {_FORM}"


class Tally(NamedTuple):
    """Count the masks that say nothing.

    Args:
        images: number of masks.
        empty: of these, without any foreground.
        full: of these, without any background.
    """

    images: int
    empty: int
    full: int


class MaskFile:
    """Cut batches from a memory-mapped file of masks, as `cxrshort.dataset.Pixels` does from a cache.

    Args:
        path: ``.npy``, (R, H, W), bool, or uint8 of 0 and 1 or of 0 and 255; never a pickle.
        rows: (N,) which row each image's mask is.
        shape: (R, H, W) of the cache that the rows are of.

    Raises:
        MissingInputError: there is no such file.
        DataError: it is no such array.
    """

    def __init__(self, path: Path, rows: npt.NDArray[np.int64], *, shape: tuple[int, ...]) -> None:
        self._path, self._rows = path, rows
        self._masks = open_array(path, kind="a readable .npy array", missing=_TAKES, damaged=_TAKES)
        if self._masks.dtype not in (np.bool_, np.uint8):
            raise DataError(f"'{path}' holds {self._masks.dtype}, masks are bool or uint8", _FORM)
        if self._masks.shape != shape:
            raise DataError(f"'{path}' is {_sides(self._masks.shape)}, the dataset's cache is {_sides(shape)}", _FORM)

    @property
    def available(self) -> npt.NDArray[np.bool_]:
        """Return whether each image has a mask, (N,): all have."""
        return np.ones(len(self._rows), bool)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Return the shape of one mask, (H, W)."""
        return tuple(self._masks.shape[1:])

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._rows)

    def take(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Return bit fields (N, H, W), uint8, in which foreground has every bit set, whatever structure it is."""
        chosen = self._masks[self._rows[np.asarray(indices, dtype=np.int64)]]
        return to_fields(chosen)

    @cached_property
    def tally(self) -> Tally:
        """Look at every mask of these images once.

        Raises:
            DataError: a pixel is neither 0, 1 nor 255, or no mask has any foreground, or none any background.
        """
        empty = full = 0
        for start in range(0, len(self._rows), _MASKS_AT_ONCE):
            masks = self._masks[self._rows[start : start + _MASKS_AT_ONCE]]
            self._check_values(masks)
            flat = masks.reshape(len(masks), -1)
            empty += int((~flat.any(1)).sum())
            full += int(flat.all(1).sum())
        count = len(self._rows)
        if count and count in (empty, full):
            missing = "foreground" if empty else "background"
            raise DataError(f"'{self._path}': none of the {count} masks of this fold has any {missing}", _FORM)
        return Tally(count, empty, full)

    def _check_values(self, masks: npt.NDArray[Any]) -> None:
        if masks.dtype == np.bool_:
            return
        values = np.flatnonzero(np.bincount(masks.reshape(-1), minlength=256))
        invalid = np.setdiff1d(values, _VALUES)
        if len(invalid):
            raise DataError(
                f"'{self._path}' holds {invalid[0]}, a mask is 0 and 1, or 0 and 255",
                "of a dataset's masks.npy, save one structure: masks & 1 > 0 are the lungs",
            )


def _sides(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single value"
