"""Structural similarity against its formula, window by window."""

import numpy as np
import pytest

from cxrshort.errors import DataError
from cxrshort.stats.ssim import absolute_difference, mean_within, similarity_map


def by_the_formula(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Wang's equation 13 for each pixel of two pictures, with weights that are written out."""
    offsets = np.arange(-5, 6)
    weights = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    padded = [np.pad(values, 5, mode="symmetric") for values in (first, second)]
    result = np.empty(first.shape)
    for row, column in np.ndindex(*first.shape):
        x, y = (values[row : row + 11, column : column + 11] for values in padded)
        mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
        var_x, var_y = (weights * (x - mean_x) ** 2).sum(), (weights * (y - mean_y) ** 2).sum()
        covariance = (weights * (x - mean_x) * (y - mean_y)).sum()
        top = (2 * mean_x * mean_y + 1e-4) * (2 * covariance + 9e-4)
        result[row, column] = top / ((mean_x**2 + mean_y**2 + 1e-4) * (var_x + var_y + 9e-4))
    return result


def test_map_is_that_of_the_formula() -> None:
    rng = np.random.default_rng(0)
    first = rng.random((2, 20, 17))
    second = np.clip(first + rng.normal(0, 0.2, first.shape), 0, 1)
    expected = np.stack([by_the_formula(x, y) for x, y in zip(first, second, strict=True)])
    np.testing.assert_allclose(similarity_map(first, second), expected, atol=1e-10)


def test_a_picture_is_like_itself_and_unlike_its_negative() -> None:
    picture = np.random.default_rng(1).random((1, 24, 24))
    np.testing.assert_allclose(similarity_map(picture, picture), 1)
    assert similarity_map(picture, 1 - picture).mean() < 0
    np.testing.assert_allclose(similarity_map(picture, picture / 2), similarity_map(picture / 2, picture))


def test_differences_are_absolute_and_averaged_within_areas() -> None:
    first, second = np.zeros((2, 4, 4)), np.zeros((2, 4, 4))
    second[0, :2] = 0.5
    second[1, 0, 0] = -1.0
    areas = np.zeros((2, 4, 4), bool)
    areas[0, 1:3] = True
    means = mean_within(absolute_difference(first, second), areas)
    assert means[0] == 0.25 and np.isnan(means[1])


def test_pictures_of_two_sizes_are_refused() -> None:
    for function in (similarity_map, absolute_difference):
        with pytest.raises(DataError) as caught:
            function(np.zeros((1, 4, 4)), np.zeros((1, 4, 5)))
        assert caught.value.message == "pictures (1, 4, 4) and (1, 4, 5) cannot be compared"
