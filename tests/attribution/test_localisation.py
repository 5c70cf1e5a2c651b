"""Agreement of maps with masks, each number against a count by hand or by sorting."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from cxrshort.attribution.localisation import localise
from cxrshort.errors import DataError


def drawn(count: int = 20, side: int = 12, seed: int = 0):
    rng = np.random.default_rng(seed)
    masks = np.zeros((count, side, side), bool)
    for mask in masks:
        y, x = rng.integers(0, side - 4, 2)
        mask[y : y + 4, x : x + 3] = True
    return rng.normal(size=masks.shape).astype(np.float32), masks


def test_mass_and_rank_agree_with_their_definitions_by_sorting():
    maps, masks = drawn()
    found = localise(maps, masks)
    for row, (chart, mask) in enumerate(zip(maps, masks, strict=True)):
        positive = chart.clip(min=0)
        assert found.mass[row] == pytest.approx(sum(positive[mask]) / positive.sum(), rel=1e-5)
        highest = np.argsort(-positive, axis=None)[: mask.sum()]
        assert found.rank[row] == pytest.approx(mask.ravel()[highest].mean())
        assert found.pointing[row] == mask.ravel()[highest[0]]
        assert found.area[row] == 12 / 144


def test_pointing_allows_the_tolerance_that_a_distance_transform_gives():
    maps, masks = drawn(count=60, seed=1)
    for tolerance in (1.0, 2.5, 4.0):
        expected = [
            distance_transform_edt(~mask).ravel()[chart.argmax()] <= tolerance
            for chart, mask in zip(maps, masks, strict=True)
        ]
        assert 0 < np.mean(expected) < 1
        np.testing.assert_array_equal(localise(maps, masks, tolerance=tolerance).pointing, expected)


def test_equal_pixels_count_as_much_as_chance_would_have_them():
    even = np.ones((1, 4, 4), np.float32)
    mask = np.zeros((1, 4, 4), bool)
    mask[0, 0, :2] = True
    found = localise(even, mask)
    assert (found.mass[0], found.rank[0], found.pointing[0]) == pytest.approx((1 / 8, 1 / 8, 1 / 8))


def test_what_is_not_defined_is_nan_and_never_zero():
    maps = np.ones((4, 2, 2), np.float32)
    maps[0], maps[1, 0, 0] = -1, np.nan
    maps[3, 0, 1] = np.inf
    masks = np.ones((4, 2, 2), bool)
    masks[2] = False
    found = localise(maps, masks)
    for numbers in (found.mass, found.rank, found.pointing):
        assert np.isnan(numbers).all()
    np.testing.assert_array_equal(found.area, [1, 1, 0, 1])


def test_masks_of_other_images_are_refused():
    with pytest.raises(DataError, match=r"masks of shape \(1, 2, 2\) do not fit maps of shape \(2, 2, 2\)"):
        localise(np.ones((2, 2, 2)), np.ones((1, 2, 2), bool))
