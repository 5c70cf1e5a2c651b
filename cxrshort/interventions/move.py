"""Move: the contents of a box go to a destination in the same image, as DeGrave et al. 2021 move the shoulders up.

What the box held is first filled as the settings say, then laid into the destination, resampled where that has another
size; a box that is its own destination stays exactly as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from cxrshort.interventions.boxes import box_size, cut_patches, resize_patches
from cxrshort.interventions.contract import EditRequirements, Intervention, Patch, Places, present
from cxrshort.interventions.inpaint import fill_smoothly
from cxrshort.registry import check_name

FILLINGS = ("smooth", "keep")


@dataclass(frozen=True)
class MoveSettings:
    """Say what the box holds afterwards.

    Args:
        behind: ``"smooth"`` fills the box from the pixels around it, ``"keep"`` leaves a copy there.
    """

    behind: str = "smooth"

    def __post_init__(self) -> None:
        """Refuse an unknown filling.

        Raises:
            UsageError: it is none of `FILLINGS`.
        """
        check_name(FILLINGS, self.behind, kind="filling behind a moved box")


def moved(images: Tensor, places: Places, *, settings: MoveSettings) -> Sequence[Patch]:
    """Return the filled box and the filled destination; see :class:`~cxrshort.interventions.contract.EditFunction`."""
    destinations = present(places.destinations, "destinations")
    patches = cut_patches(images, places.boxes)
    there = Patch(destinations, resize_patches(patches, box_size(destinations)))
    if settings.behind == "keep":
        return (there,)
    return Patch(places.boxes, fill_smoothly(images, places.boxes)), there


MOVE = Intervention("move", moved, Settings=MoveSettings, requires=EditRequirements(destinations=True))
