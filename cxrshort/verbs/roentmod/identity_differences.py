"""How alike originals and edits are, pixel by pixel, inside and outside of the region that is edited.

That region is what the masks or boxes of either image name after the finding; else the lungs. The sham edit of an image
is measured in the region of the finding beside which it stands. What would mislead: the lungs for a finding that lies
elsewhere, such as cardiomegaly; a mask names another region.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort import regions
from cxrshort.dataset import Dataset
from cxrshort.masks.structures import structures
from cxrshort.regions import Regions
from cxrshort.stats.finding_names import canonical
from cxrshort.stats.ssim import absolute_difference, mean_within, similarity_map
from cxrshort.verbs.roentmod.identity_pairs import AFTER, BEFORE, EDIT, SAME_PLACE
from cxrshort.verbs.roentmod.identity_tables import MEASURES

BLOCK = 16
"""Pairs at a time: 2 MB of pixels and some 20 MB of regions at 224 px."""
LUNGS = "lungs"


@dataclass(frozen=True, slots=True, eq=False)
class EditedAreas:
    """Find the region that an edit changes.

    Args:
        regions: of originals and edits, by role.
        structures: names of masks that the user says; empty for the finding's own, else the lungs.
        edited: position of the edit of each edit and original.
    """

    regions: Mapping[str, Regions]
    structures: Sequence[str]
    edited: Mapping[tuple[str, int], int]

    def area(self, edit: str, original: int) -> tuple[npt.NDArray[np.bool_] | None, str]:
        """Return the area of an original, (H, W), and what it is of; None where nothing outlines it."""
        if self.structures:
            return self._union(BEFORE, original, self.structures), "+".join(self.structures)
        other = self.edited.get((edit, original))
        for role, place in ((AFTER, other), (BEFORE, original)):
            if role in self.regions and place is not None:
                names = [name for name in self.regions[role].names if canonical(name) == canonical(edit)]
                area = self._union(role, place, names) if names else None
                if area is not None and area.any():
                    return area, "finding"
        return self._union(BEFORE, original, [LUNGS]), LUNGS

    def _union(self, role: str, place: int, names: Sequence[str]) -> npt.NDArray[np.bool_] | None:
        """Return where any of some regions lies; None where the image has none of them."""
        own = self.regions[role]
        columns = [own.names.index(name) for name in names if name in own.names]
        if not columns or not own.available[place, columns].any():
            return None
        batch = own.take([place])
        if not batch.available[0, columns].any():
            return None
        area: npt.NDArray[np.bool_] = np.logical_or.reduce(batch.areas[0, columns], axis=0)
        return area


def measure_differences(data: Mapping[str, Dataset], table: pd.DataFrame, *, mask_bit: str | None) -> pd.DataFrame:
    """Return structural similarity and mean absolute difference of each pair, in the order of the table.

    Args:
        data: the images that stand in pairs, by role.
        table: of :func:`~cxrshort.verbs.roentmod.identity_pairs.used_images`.
        mask_bit: structures that edits change, such as ``"lungs+heart"``; None for the finding's own region.

    Returns:
        `MEASURES`, NaN where nothing outlines the region, and ``region``.

    Raises:
        UsageError: an unknown structure.
    """
    own = table[table["kind"] == EDIT]
    edited = dict(zip(zip(own["edit"], own["first"], strict=True), own["second"], strict=True))
    areas = EditedAreas(
        {role: regions.of(data[role]) for role in (BEFORE, AFTER) if role in data},
        structures(mask_bit) if mask_bit else (),
        edited,
    )
    measured = np.full((len(table), len(MEASURES)), np.nan)
    names = np.full(len(table), "", dtype=object)
    for places in _blocks(table):
        part = table.iloc[places]
        pictures = [_pictures(data, part, side) for side in ("first", "second")]
        maps = [similarity_map(*pictures), absolute_difference(*pictures)]
        masks = np.zeros((2, *maps[0].shape), bool)
        for number, (edit, kind, original) in enumerate(zip(part["edit"], part["kind"], part["first"], strict=True)):
            area, name = areas.area(edit, original) if kind in SAME_PLACE else (None, "")
            if area is not None:
                masks[0, number], masks[1, number], names[places[number]] = area, ~area, name
        for number, values in enumerate(maps):
            inside, outside = (mean_within(values, mask) for mask in masks)
            measured[places, 3 * number : 3 * number + 3] = np.stack(
                [values.mean(axis=(1, 2)), inside, outside], axis=1
            )
    return pd.DataFrame(measured, columns=list(MEASURES), index=table.index).assign(region=names)


def _blocks(table: pd.DataFrame) -> list[npt.NDArray[np.int64]]:
    """Return the positions of pairs of the same roles, some at a time."""
    blocks = []
    for _, rows in table.reset_index(drop=True).groupby(["first_role", "second_role"], sort=False).groups.items():
        places = np.asarray(rows, dtype=np.int64)
        blocks += [places[start : start + BLOCK] for start in range(0, len(places), BLOCK)]
    return blocks


def _pictures(data: Mapping[str, Dataset], part: pd.DataFrame, side: str) -> npt.NDArray[np.float64]:
    pixels = data[str(part[f"{side}_role"].iloc[0])].pixels
    return pixels.take(part[side].to_numpy(np.int64)) / 255.0
