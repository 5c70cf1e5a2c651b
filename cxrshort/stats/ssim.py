"""How alike two pictures are, pixel by pixel: structural similarity and absolute difference, within regions too.

Structural similarity as Wang et al. 2004 (IEEE Trans. Image Process. 13:600), equation 13: means, variances and
covariance in a Gaussian window of 11 x 11 pixels with a standard deviation of 1.5, C1 = 0.01^2, C2 = 0.03^2 for
pictures in [0, 1]; beyond the edges pictures are mirrored. What would mislead: values of pictures of different sizes,
since the window has one size in pixels; and the similarity right at the edge of a region, whose window reaches outside.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter

from cxrshort.errors import DataError
from cxrshort.stats.midranks import Floats

SPREAD, RADIUS = 1.5, 5
"""Standard deviation of the window, and how far it reaches from its middle, in pixels."""
_C1, _C2 = 0.01**2, 0.03**2


def similarity_map(first: ArrayLike, second: ArrayLike) -> Floats:
    """Return the structural similarity around each pixel, (N, H, W), in [-1, 1].

    Args:
        first: (N, H, W) in [0, 1].
        second: (N, H, W) in [0, 1].

    Raises:
        DataError: shapes that differ.

    Example:
        >>> picture = np.eye(16)[None]
        >>> similarity_map(picture, picture).mean().item()
        1.0
    """
    x, y = _stacks(first, second)
    mean_x, mean_y = _windowed(x), _windowed(y)
    var_x, var_y = _windowed(x * x) - mean_x**2, _windowed(y * y) - mean_y**2
    covariance = _windowed(x * y) - mean_x * mean_y
    similarity = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    similarity /= (mean_x**2 + mean_y**2 + _C1) * (var_x + var_y + _C2)
    return similarity


def absolute_difference(first: ArrayLike, second: ArrayLike) -> Floats:
    """Return the absolute difference of each pixel, (N, H, W).

    Args:
        first: (N, H, W).
        second: (N, H, W).

    Raises:
        DataError: shapes that differ.
    """
    x, y = _stacks(first, second)
    differences: Floats = np.abs(x - y)
    return differences


def mean_within(values: Floats, areas: NDArray[np.bool_]) -> Floats:
    """Return the mean of each picture's values within its area, (N,); NaN where that is empty.

    Args:
        values: (N, H, W).
        areas: (N, H, W).
    """
    pixels = areas.sum(axis=(1, 2))
    sums = np.where(areas, values, 0.0).sum(axis=(1, 2))
    means: Floats = np.divide(sums, pixels, out=np.full(len(values), np.nan), where=pixels > 0)
    return means


def _stacks(first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if x.shape != y.shape or x.ndim != 3:
        raise DataError(f"pictures {x.shape} and {y.shape} cannot be compared", "bring them to one size")
    return x, y


def _windowed(values: Floats) -> Floats:
    means: Floats = gaussian_filter(values, (0, SPREAD, SPREAD), radius=(0, RADIUS, RADIUS))
    return means
