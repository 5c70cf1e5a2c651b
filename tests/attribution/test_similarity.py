"""Similarities of maps against windows and ranks written out."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from cxrshort.attribution.similarity import (
    rank_similarity,
    retained_similarity,
    similarity_between_images,
    structural_similarity,
)
from cxrshort.errors import DataError


def pairs(seed=0, side=20):
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(2, side, side)).cumsum(axis=1).astype(np.float32)
    return first, (first + 2 * rng.normal(size=first.shape)).astype(np.float32)


def windowed(x, y):
    """Return the structural similarity by Wang's formula with one explicit window at each pixel."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(window, window) / window.sum() ** 2
    scale = [np.minimum(np.abs(v) / np.percentile(np.abs(v), 99.5), 1) for v in (x.astype(float), y.astype(float))]
    padded = [np.pad(values, 5, mode="symmetric") for values in scale]
    values = []
    for row in range(x.shape[0]):
        for column in range(x.shape[1]):
            a, b = (values[row : row + 11, column : column + 11] for values in padded)
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            var_a, var_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
            cov = (window * (a - mean_a) * (b - mean_b)).sum()
            values.append(
                (2 * mean_a * mean_b + 1e-4)
                * (2 * cov + 9e-4)
                / ((mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4))
            )
    return np.mean(values)


def test_structural_similarity_is_that_of_explicit_windows():
    first, second = pairs()
    expected = [windowed(x, y) for x, y in zip(first, second, strict=True)]
    np.testing.assert_allclose(structural_similarity(first, second), expected, rtol=1e-6)
    assert 0.02 < expected[0] < 0.9


def test_rank_similarity_is_spearman_of_absolute_maps():
    first, second = pairs(1)
    expected = [spearmanr(np.abs(x).ravel(), np.abs(y).ravel()).statistic for x, y in zip(first, second, strict=True)]
    np.testing.assert_allclose(rank_similarity(first, second), expected)


@pytest.mark.parametrize("similarity", [structural_similarity, rank_similarity])
def test_equal_maps_are_alike_and_empty_or_broken_ones_resemble_nothing(similarity):
    first, _ = pairs(2)
    assert similarity(first, -3 * first) == pytest.approx([1, 1])
    broken = first.copy()
    broken[0], broken[1, 0, 0] = 0, np.nan
    np.testing.assert_array_equal(similarity(first, broken), [0, 0])
    with pytest.raises(DataError, match="cannot be compared"):
        similarity(first, first[:1])


def test_chance_is_the_similarity_of_maps_of_different_images():
    first, _ = pairs(3)
    assert similarity_between_images(first, rank_similarity) == pytest.approx(rank_similarity(first[:1], first[1:])[0])
    assert similarity_between_images(first[:1], rank_similarity) == 0
    assert similarity_between_images(np.stack([first[0], first[0]]), rank_similarity) == pytest.approx(1)


def test_one_map_for_all_images_keeps_everything():
    assert retained_similarity(0.2, 0.2) == 0
    assert retained_similarity(1.0, 1.0) == pytest.approx(1)
