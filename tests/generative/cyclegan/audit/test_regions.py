"""Regions of transformed images: a marker's own place and the usual ones of the other side; regions as bits."""

import numpy as np

from cxrshort.generative.cyclegan.audit.regions import PackedRegions, TransformedRegions
from cxrshort.regions import RegionBatch

ROWS = {"from": np.arange(0, 20), "to": np.arange(20, 40)}


class Markers:
    """Hold a marker at the left of each image of one side, at the right of the other, and a lung."""

    names = ("lungs", "marker", "lung_left")

    def __init__(self, *, without: int = 0) -> None:
        self.areas = np.zeros((40, 3, 6, 10), bool)
        self.areas[:, 0, 2:5, 3:7] = True
        self.areas[:20, 1, 0, 0:2] = True
        self.areas[20:, 1, 0, 8:10] = True
        self.areas[20, 1, 5, 5] = True  # one image of 20: not usual
        self.available = np.ones((40, 3), bool)
        self.available[:without, 1] = False
        self.areas[:without, 1] = False

    def take(self, indices: np.ndarray) -> RegionBatch:
        """Return the regions of some images."""
        return RegionBatch(self.areas[indices], self.available[indices])


def test_marker_is_joined_by_the_usual_places_of_the_side_that_is_led_to() -> None:
    regions = TransformedRegions(Markers(), ROWS)
    assert regions.names == ("lungs", "marker")
    to, back = regions.take(ROWS["from"][:2], "to").areas, regions.take(ROWS["to"][:1], "from").areas
    assert np.argwhere(to[0, 1]).tolist() == [[0, 0], [0, 1], [0, 8], [0, 9]]
    assert np.argwhere(back[0, 1]).tolist() == [[0, 0], [0, 1], [0, 8], [0, 9], [5, 5]]
    assert (to[:, 0] == Markers().areas[:2, 0]).all()


def test_usual_places_stand_in_for_a_marker_that_nobody_outlined() -> None:
    batch = TransformedRegions(Markers(without=5), ROWS).take(np.array([0]), "to")
    assert batch.available.all() and np.argwhere(batch.areas[0, 1]).tolist() == [[0, 8], [0, 9]]


def test_side_without_markers_adds_no_place() -> None:
    markers = Markers()
    markers.areas[20:, 1] = False
    areas = TransformedRegions(markers, ROWS).take(np.array([3]), "to").areas
    assert np.argwhere(areas[0, 1]).tolist() == [[0, 0], [0, 1]]


def test_bits_are_the_regions() -> None:
    regions, rows = TransformedRegions(Markers(), ROWS), np.arange(0, 20)
    whole, packed = regions.take(rows, "to"), regions.packed(rows, "to")
    assert len(packed) == 20 and packed.names == regions.names
    assert (packed.region(1) == whole.areas[:, 1]).all() and (packed.image(4) == whole.areas[4]).all()
    batch = packed.batch(slice(2, 5))
    assert (batch.areas == whole.areas[2:5]).all() and (batch.available == whole.available[2:5]).all()
    joined = PackedRegions.join([packed, regions.packed(ROWS["to"], "from")])
    assert len(joined) == 40 and (joined.image(30) == regions.take(np.array([30]), "from").areas[0]).all()
