"""Mask fields to masks, and masks to fields."""

import numpy as np
import pytest

from cxrshort.masks.bits import select_bits, to_fields

FIELDS = np.array([[0, 1, 2, 3], [4, 8, 16, 255]], np.uint8)


@pytest.mark.parametrize("bits", [1, 2, 3, 5, 16, 31])
def test_select_is_where_any_of_the_bits_is_set(bits):
    expected = [[any(int(value) >> bit & 1 and bits >> bit & 1 for bit in range(8)) for value in row] for row in FIELDS]
    np.testing.assert_array_equal(select_bits(FIELDS, bits), expected)


@pytest.mark.parametrize("foreground", [True, 1, 127, 255])
def test_to_fields_answers_for_every_structure(foreground):
    masks = np.array([0, foreground, 0, foreground])
    fields = to_fields(masks)
    assert fields.dtype == np.uint8 and fields.tolist() == [0, 255, 0, 255]
    for bits in (1, 2, 3, 16):
        np.testing.assert_array_equal(select_bits(fields, bits), masks != 0)
