"""Blur: a box is smoothed by a Gaussian, which sees the pixels around the box; letters vanish, brightness stays."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cxrshort.errors import UsageError
from cxrshort.interventions.boxes import box_size, cut_patches
from cxrshort.interventions.contract import Intervention, Patch, Places

REACH = 3.0
"""Standard deviations after which the Gaussian is cut off; 0.3 % of its weight lies beyond."""


@dataclass(frozen=True)
class BlurSettings:
    """Say how far to smooth.

    Args:
        width: standard deviation of the Gaussian as a share of the shorter side of the box, above 0 and at most 1.
    """

    width: float = 0.25

    def __post_init__(self) -> None:
        """Refuse a width out of range.

        Raises:
            UsageError: the width is not in (0, 1].
        """
        if not 0 < self.width <= 1:
            raise UsageError(f"the width of blur is '{self.width:g}', it must be above 0 and at most 1", "try 0.25")


def blurred(images: Tensor, places: Places, *, settings: BlurSettings) -> Sequence[Patch]:
    """Return smoothed boxes; see :class:`~cxrshort.interventions.contract.EditFunction`."""
    h, w = box_size(places.boxes)
    deviation = settings.width * min(h, w)
    margin = math.ceil(REACH * deviation)
    patches = cut_patches(images, places.boxes, margin=margin)
    down, across = (torch.from_numpy(_weights(side, margin, deviation)).to(images.device) for side in (h, w))
    return (Patch(places.boxes, (down @ patches @ across.T).clamp(0, 1)),)


@functools.lru_cache(maxsize=64)
def _weights(side: int, margin: int, deviation: float) -> npt.NDArray[np.float32]:
    """Return the weight of each pixel around a side in each smoothed pixel of it, (side, side + 2 margin)."""
    distance = np.arange(side + 2 * margin) - margin - np.arange(side)[:, None]
    weights = np.exp(-((distance / deviation) ** 2) / 2) * (np.abs(distance) <= margin)
    scaled: npt.NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return scaled


BLUR = Intervention("blur", blurred, Settings=BlurSettings)
