"""Mean: a box takes its own mean grey, colour channel by channel. Its brightness stays, its structure goes."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from cxrshort.interventions.boxes import cut_patches
from cxrshort.interventions.contract import Intervention, Patch, Places


def averaged(images: Tensor, places: Places, *, settings: Any) -> Sequence[Patch]:
    """Return boxes of one grey; see :class:`~cxrshort.interventions.contract.EditFunction`."""
    del settings
    patches = cut_patches(images, places.boxes)
    return (Patch(places.boxes, patches.mean(dim=(2, 3), keepdim=True).clamp(0, 1).expand_as(patches)),)


MEAN = Intervention("mean", averaged)
