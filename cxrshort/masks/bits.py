"""The bits of a mask field: how fields become masks, and masks fields.

A mask field holds one bit for each structure (``columns.MASK_BITS``). A mask of one structure alone, from a file or a
segmenter, stands as a field in which foreground has every bit set, so that it answers for whatever structure is asked.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

EVERY_BIT = 255


def select_bits(fields: npt.NDArray[np.uint8], bits: int) -> npt.NDArray[np.bool_]:
    """Return where a field has any of some bits set, of the field's shape."""
    chosen: npt.NDArray[np.bool_] = (fields & np.uint8(bits)) > 0
    return chosen


def to_fields(masks: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return masks of one structure as fields: every bit set where a mask is not 0."""
    return np.where(masks != 0, np.uint8(EVERY_BIT), np.uint8(0))
