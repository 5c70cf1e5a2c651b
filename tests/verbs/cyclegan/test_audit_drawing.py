"""Boxes on the regions that changed most in an image."""

import numpy as np

from cxrshort.figures.transformations import EDGE, ELSEWHERE, EXPECTED
from cxrshort.generative.cyclegan.audit.regions import PackedRegions
from cxrshort.verbs.cyclegan.audit_drawing import most_changed, outline_regions

NAMES = ("lungs", "marker", "border", "border_top", "shoulders", "unknown")


def cut() -> PackedRegions:
    areas = np.zeros((1, 6, 20, 20), bool)
    areas[0, 0, 6:14, 3:8] = areas[0, 0, 6:14, 11:16] = True
    areas[0, 1, 1:4, 15:19] = True
    areas[0, 2, :2], areas[0, 2, -2:] = True, True
    areas[0, 3, :2] = True
    areas[0, 4, 1:5, 14:20] = True  # holds the marker
    return PackedRegions(NAMES, np.packbits(areas, axis=-1), np.ones((1, 6), bool), 20)


def test_regions_are_outlined_by_kind_from_the_most_changed_on() -> None:
    chosen = most_changed(np.array([0.2, 0.3, 0.9, 0.25, 0.28, np.nan]), cut(), 0, mean=0.1)
    assert [NAMES[number] for number in chosen] == ["marker", "border_top", "lungs"]
    assert outline_regions(chosen, cut(), 0) == [
        (ELSEWHERE, (15, 1, 19, 4)),
        (EDGE, (0, 0, 20, 2)),
        (EXPECTED, (3, 6, 8, 14)),
        (EXPECTED, (11, 6, 16, 14)),
    ]


def test_region_that_holds_another_one_is_left_out_and_the_whole_border_too() -> None:
    chosen = most_changed(np.array([0, 0.3, 0.9, 0, 0.28, np.nan]), cut(), 0, mean=0.1)
    assert [NAMES[number] for number in chosen] == ["marker"]


def test_regions_that_changed_less_than_the_image_have_no_box() -> None:
    assert most_changed(np.full(6, 0.1), cut(), 0, mean=0.1) == []
