"""Replace: a box takes what another image shows at the same place.

Unlike :mod:`cxrshort.interventions.swap` it needs no box in the partner: a marker is replaced by whatever the partner
has there, which may be nothing.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from cxrshort.interventions.boxes import cut_patches
from cxrshort.interventions.contract import EditRequirements, Intervention, Patch, Places, present


def replaced(images: Tensor, places: Places, *, settings: Any) -> Sequence[Patch]:
    """Return what the partners hold in the same boxes; see :class:`~cxrshort.interventions.contract.EditFunction`."""
    del images, settings
    return (Patch(places.boxes, cut_patches(present(places.partners, "partners"), places.boxes)),)


REPLACE = Intervention("replace", replaced, requires=EditRequirements(partners=True))
