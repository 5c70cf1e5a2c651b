"""Masks kept as single bits."""

import numpy as np
import pytest

from cxrshort.errors import DataError
from cxrshort.masks.packed import PackedMasks, pack

MASKS = np.random.default_rng(0).random((6, 3, 7)) < 0.5


def test_masks_come_back_as_they_were_packed() -> None:
    masks = PackedMasks((3, 7), packed=pack(MASKS))
    np.testing.assert_array_equal(masks.take(np.array([1, 5])), MASKS[[1, 5]] * np.uint8(255))
    assert (len(masks), masks.image_shape, masks.available.all()) == (6, (3, 7), True)


def test_image_without_a_mask_is_refused_not_empty() -> None:
    masks = PackedMasks((3, 7), packed=pack(MASKS), available=np.arange(6) != 4)
    np.testing.assert_array_equal(masks.take([5]) > 0, MASKS[[5]])
    with pytest.raises(DataError) as caught:
        masks.take([5, 4])
    assert caught.value.message == "1 image has no mask, first row 4"
