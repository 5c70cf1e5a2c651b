"""Composites: the edit inside some structures, the source outside them, with a soft edge in between.

A generator changes the whole film, also where no finding is: markers, bones, the grey of the background. What would
mislead: a finding that reaches beyond the structures (a large heart beyond the heart's own mask) is cut off there; the
lungs and a few pixels around them suit most.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import distance_transform_edt

from cxrshort.dataset import Dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.generative.roentmod.contract import Pictures
from cxrshort.registry import check_name

EDGE = 0.02
"""Width of the soft edge as a share of the film's side: 4 pixels of 224."""


@dataclass(frozen=True)
class Composite:
    """Keep the source outside some structures.

    Args:
        data: the sources with their masks.
        structures: names of those inside which the edit stays.
        edge: width of the soft edge, outside the structures, as a share of the film's side; 0 is a hard edge.
    """

    data: Dataset
    structures: Sequence[str]
    edge: float = EDGE

    @property
    def identity(self) -> str:
        """Return what changes whenever other composites would be made."""
        return f"inside {'+'.join(self.structures)} edge={self.edge!r}"

    def weights(self, names: Sequence[str]) -> list[npt.NDArray[np.float32] | None]:
        """Return for each source how far the edit shows, (H, W) from 0 to 1; None without such a mask.

        Args:
            names: ``image_id`` of the sources.
        """
        positions = pd.Index(self.data.manifest["image_id"]).get_indexer(list(names))
        weights: dict[int, npt.NDArray[np.float32] | None] = {}
        for position in {int(place) for place in positions}:
            weights[position] = self._weight(position)
        return [weights[int(position)] for position in positions]

    def _weight(self, position: int) -> npt.NDArray[np.float32] | None:
        masks = self.data.masks
        if masks is None or not self.data.has_mask[position]:
            return None
        bits = np.bitwise_or.reduce([self.data.structures[name][position] for name in self.structures])
        inside = (masks.take([position])[0] & bits) > 0
        return soft_mask(inside, edge=self.edge * inside.shape[-1]) if inside.any() else None


def soft_mask(inside: npt.NDArray[np.bool_], *, edge: float) -> npt.NDArray[np.float32]:
    """Return 1 inside, falling to 0 over so many pixels outside.

    Example:
        >>> soft_mask(np.array([[True, False, False, False]]), edge=1).tolist()
        [[1.0, 0.5, 0.0, 0.0]]
    """
    distance = distance_transform_edt(~inside)
    return np.clip(1.0 - distance / (edge + 1.0), 0.0, 1.0).astype(np.float32)


def blend(source: Pictures, edit: Pictures, weight: npt.NDArray[np.float32]) -> Pictures:
    """Return the edit where the weight is 1, the source where it is 0, and a mixture in between."""
    mixed = source + weight * (edit.astype(np.float32) - source)
    return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)


def open_composite(data: Dataset, structures: Sequence[str], *, edge: float) -> Composite | None:
    """Return the composite that is asked for; None where no structure is.

    Raises:
        UsageError: an edge out of range.
        DataError: the dataset has no such masks.
    """
    if not structures:
        return None
    if not 0 <= edge <= 0.25:
        raise UsageError(f"--edge is '{edge:g}', it must be from 0 to 0.25", "0.02 is 4 pixels of 224")
    names = list(data.structures)
    if not names:
        raise DataError(f"{data.name} has no masks, which --inside needs", "build-dataset --masks DIR adds them")
    for name in structures:
        check_name(names, name, kind="structure of this dataset's masks")
    return Composite(data, tuple(structures), edge)
