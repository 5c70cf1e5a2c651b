"""Where a picture lies in its square of the cache."""

import numpy as np
import pytest
from PIL import Image

from cxrshort.errors import UsageError
from cxrshort.images.placement import FITS, fit_image, place


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("shape", [(300, 400), (400, 300), (123, 457)])
def test_place_says_where_a_box_of_the_original_lands(fit, shape):
    box = np.zeros(shape, np.uint8)
    y0, y1, x0, x1 = 0.4 * shape[0], 0.6 * shape[0], 0.45 * shape[1], 0.55 * shape[1]
    box[round(y0) : round(y1), round(x0) : round(x1)] = 255
    at = place(*shape, size=100, fit=fit)
    square = np.asarray(fit_image(Image.fromarray(box), size=100, fit=fit)) > 127
    rows, columns = np.flatnonzero(square.any(1)), np.flatnonzero(square.any(0))
    landed = [rows[0], rows[-1] + 1, columns[0], columns[-1] + 1]
    expected = [y * at.scale_y + at.top for y in (y0, y1)] + [x * at.scale_x + at.left for x in (x0, x1)]
    np.testing.assert_allclose(landed, expected, atol=1.0)  # whole pixels of the square


def test_fit_image_keeps_the_values_of_masks():
    mask = Image.fromarray((np.indices((300, 400)).sum(0) // 70 % 2).astype(np.uint8) * 5)
    for fit in FITS:
        square = np.asarray(fit_image(mask, size=50, fit=fit, resample=Image.Resampling.NEAREST))
        assert set(np.unique(square)) == {0, 5}


def test_unknown_fit_is_refused():
    with pytest.raises(UsageError) as caught:
        place(10, 10, size=5, fit="crap")
    assert str(caught.value) == "'crap' is not a known fit"
    assert caught.value.hint == "did you mean 'crop'?"


@pytest.mark.parametrize("fit", FITS)
def test_place_leaves_a_square_where_it_is(fit):
    at = place(64, 64, size=32, fit=fit)
    assert (at.scale_y, at.scale_x, at.top, at.left) == (0.5, 0.5, 0, 0)


def test_pad_keeps_at_least_one_row_of_a_strip():
    at = place(1, 5000, size=16, fit="pad")
    assert (at.scale_y, at.top) == (1.0, 7.0)
    assert fit_image(Image.new("L", (5000, 1), 255), size=16, fit="pad").getbbox() == (0, 7, 16, 8)
