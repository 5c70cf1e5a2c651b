"""The regions of images that are transformed: their own, and for markers also where those of the other side lie.

A generator moves a marker by blotting it out in one place and drawing it in another. The marker of the original image
is one of the two places alone, so that the region ``marker`` is joined by the places where at least `USUAL` of the
images of the side that the direction leads to have theirs.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cxrshort.attribution.explained_regions import PARTS
from cxrshort.generative.cyclegan.audit.images import SIDES, Indices
from cxrshort.generative.cyclegan.networks import Direction
from cxrshort.regions import RegionBatch

MARKER = "marker"
USUAL = 0.1
"""Share of the images of a side that have a marker at a pixel from which on it is one of that side's usual places."""
_AT_ONCE = 64
Areas = npt.NDArray[np.bool_]


class NamedRegions(Protocol):
    """Cut the regions of images, as :class:`cxrshort.attribution.explained_regions.ExplainedRegions` does."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the regions."""

    def take(self, indices: Indices) -> RegionBatch:
        """Return the regions of these images."""


class TransformedRegions:
    """Cut the regions of images that one direction transforms.

    Args:
        regions: of the audited images.
        rows: positions of the images of each side.
    """

    def __init__(self, regions: NamedRegions, rows: Mapping[Direction, Indices]) -> None:
        self._regions = regions
        self._kept = [number for number, name in enumerate(regions.names) if name not in PARTS]
        self.names = tuple(regions.names[number] for number in self._kept)
        self._usual = {side: self._usual_places(rows[side]) for side in SIDES}

    def take(self, indices: Indices, direction: Direction) -> RegionBatch:
        """Return the regions of these images, (N, R, H, W), and which are known, (N, R).

        Args:
            indices: positions of images.
            direction: that transforms them.
        """
        batch = self._regions.take(indices)
        areas, available = batch.areas[:, self._kept], batch.available[:, self._kept].copy()
        usual = self._usual[direction]
        if usual is not None:
            place = self.names.index(MARKER)
            areas[:, place] |= usual
            available[:, place] = True
        return RegionBatch(areas, available)

    def packed(self, indices: Indices, direction: Direction) -> "PackedRegions":
        """Return the regions of these images as bits, which take an eighth of the memory."""
        parts = [self.take(indices[start : start + _AT_ONCE], direction) for start in range(0, len(indices), _AT_ONCE)]
        width = parts[0].areas.shape[-1]
        bits = np.concatenate([np.packbits(part.areas, axis=-1) for part in parts])
        return PackedRegions(self.names, bits, np.concatenate([part.available for part in parts]), width)

    def _usual_places(self, rows: Indices) -> Areas | None:
        """Return where markers of a side usually lie, (H, W); None where no image of it has one."""
        if MARKER not in self.names:
            return None
        place = self._regions.names.index(MARKER)
        counts, images = None, 0
        for start in range(0, len(rows), _AT_ONCE):
            batch = self._regions.take(rows[start : start + _AT_ONCE])
            outlined = batch.areas[batch.available[:, place], place]
            images += len(outlined)
            counts = outlined.sum(axis=0) + (0 if counts is None else counts)
        if counts is None or not counts.any():
            return None
        usual: Areas = counts >= max(1.0, USUAL * images)
        return usual if usual.any() else None


class PackedRegions:
    """Hold the regions of some images as bits.

    Args:
        names: the R regions.
        bits: (N, R, H, ceil(W / 8)) uint8.
        available: (N, R) which are known.
        width: W.
    """

    def __init__(self, names: tuple[str, ...], bits: npt.NDArray[np.uint8], available: Areas, width: int) -> None:
        self.names, self._bits, self.available, self._width = names, bits, available, width

    @classmethod
    def join(cls, parts: "Sequence[PackedRegions]") -> "PackedRegions":
        """Return the regions of the images of all parts, which are the same regions."""
        bits, available = (np.concatenate([getattr(part, name) for part in parts]) for name in ("_bits", "available"))
        return cls(parts[0].names, bits, available, parts[0]._width)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._bits)

    def region(self, number: int) -> Areas:
        """Return one region of all images, (N, H, W)."""
        return self._unpacked(self._bits[:, number])

    def image(self, row: int) -> Areas:
        """Return all regions of one image, (R, H, W)."""
        return self._unpacked(self._bits[row])

    def batch(self, rows: slice) -> RegionBatch:
        """Return the regions of some images."""
        return RegionBatch(self._unpacked(self._bits[rows]), self.available[rows])

    def _unpacked(self, bits: npt.NDArray[np.uint8]) -> Areas:
        areas: Areas = np.unpackbits(bits, axis=-1, count=self._width).astype(bool)
        return areas
