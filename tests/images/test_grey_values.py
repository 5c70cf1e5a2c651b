"""Features without fine anatomy: against plain loops, and blind to what they must not see."""

import numpy as np
import pytest

from cxrshort.images.grey_values import (
    border_strips,
    grey_histograms,
    local_patterns,
    shuffle_pixels,
    thumbnails,
    to_grey,
)

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 37, 50), dtype=np.uint8)


def test_grey_histograms_are_numpys() -> None:
    expected = [np.histogram(image, bins=64, range=(0, 256))[0] / image.size for image in IMAGES]
    np.testing.assert_allclose(grey_histograms(IMAGES), expected)


@pytest.mark.parametrize("cell", [(0, 0), (7, 3), (15, 15)])
def test_thumbnail_is_the_mean_of_each_cell(cell: tuple[int, int]) -> None:
    rows, columns = (np.linspace(0, side, 17).astype(int) for side in IMAGES.shape[1:])
    row, column = cell
    expected = IMAGES[1, rows[row] : rows[row + 1], columns[column] : columns[column + 1]].mean()
    assert thumbnails(IMAGES)[1].reshape(16, 16)[row, column] == pytest.approx(expected)


def test_images_smaller_than_a_thumbnail_keep_their_pixels() -> None:
    small = IMAGES[:, :5, :7]
    np.testing.assert_array_equal(thumbnails(small), small.reshape(3, -1))


def test_border_strips_see_the_border_alone() -> None:
    changed = IMAGES.copy()
    changed[:, 2:-2, 2:-2] = 0  # 5 % of 37 and of 50 pixels are two
    np.testing.assert_array_equal(border_strips(changed), border_strips(IMAGES))
    changed[:, 0, :] = 0
    assert (border_strips(changed)[:, :16] < border_strips(IMAGES)[:, :16]).all()
    assert border_strips(IMAGES).shape == (3, 64)


def test_shuffling_keeps_each_histogram_and_forgets_where() -> None:
    ordered = np.sort(IMAGES.reshape(3, -1), axis=1).reshape(IMAGES.shape)
    shuffled = shuffle_pixels(ordered, np.random.default_rng(1))
    np.testing.assert_array_equal(np.sort(shuffled.reshape(3, -1), axis=1), ordered.reshape(3, -1))
    halves = shuffled[:, :18].mean(axis=(1, 2)) - shuffled[:, 19:].mean(axis=(1, 2))
    assert np.abs(halves).max() < 12  # about three standard errors; 128 before
    assert not np.array_equal(shuffled[0].argsort(axis=None), shuffled[1].argsort(axis=None))


def test_local_patterns_see_grain_and_shuffling_removes_it() -> None:
    smooth = np.sort(IMAGES, axis=2)
    before, after = (
        local_patterns(images)[:, 64:96] for images in (smooth, shuffle_pixels(smooth, np.random.default_rng(0)))
    )
    assert before[:, 0].min() > 0.5 > 0.2 > after[:, 0].max()
    assert local_patterns(IMAGES).shape == (3, 128)
    np.testing.assert_allclose(local_patterns(IMAGES).sum(axis=1), 3)


def test_colours_become_their_mean() -> None:
    colours = np.stack([np.full((2, 4, 4), value, np.uint8) for value in (0, 30, 91)], axis=1)
    np.testing.assert_array_equal(to_grey(colours), np.full((2, 4, 4), 40))
    assert to_grey(IMAGES) is IMAGES
