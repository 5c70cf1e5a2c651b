"""Swap: a box takes the contents of a box of another image, as DeGrave et al. 2021 swap laterality markers.

Rule for boxes of different size: what the partner's box holds is resampled (bilinear, antialiased) to the size of the
image's own box, so that nothing of the image's own marker remains and no pixel outside the box changes. Of a pair, both
images are changed by two calls with the roles exchanged; a box swapped with itself stays exactly as it is.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from cxrshort.interventions.boxes import box_size, cut_patches, resize_patches
from cxrshort.interventions.contract import EditRequirements, Intervention, Patch, Places, present


def swapped(images: Tensor, places: Places, *, settings: Any) -> Sequence[Patch]:
    """Return what the partners' boxes hold; see :class:`~cxrshort.interventions.contract.EditFunction`."""
    del images, settings
    patches = cut_patches(present(places.partners, "partners"), present(places.partner_boxes, "partner boxes"))
    return (Patch(places.boxes, resize_patches(patches, box_size(places.boxes))),)


SWAP = Intervention("swap", swapped, requires=EditRequirements(partners=True, partner_boxes=True))
