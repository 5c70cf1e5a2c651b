"""How alike two maps of the same image are: structural similarity and Spearman's rank correlation.

Both are of absolute maps, as in Adebayo et al. 2018. A map that is zero everywhere, of one value only, or not finite
resembles nothing: 0. What would invalidate a value by itself: maps that are nearly empty are structurally alike
wherever their few pixels lie, and all maps of chest radiographs share an anatomy. Read a similarity beside that of maps
of different images, as :func:`retained_similarity` does.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from cxrshort.attribution.shares import checked_maps
from cxrshort.errors import DataError
from cxrshort.stats.midranks import Floats
from cxrshort.stats.ssim import similarity_map

CLIP = 99.5
"""Percentile of the absolute map that counts as 1, as in the paper's pictures."""
MOST_CHANCE = 0.95
"""What chance counts at most: a method that draws the same map for every image is not excused by it."""

Similarity = Callable[[ArrayLike, ArrayLike], Floats]


def structural_similarity(first: ArrayLike, second: ArrayLike) -> Floats:
    """Return the mean structural similarity of pairs of maps, (N,), in [-1, 1] (Wang et al. 2004, equation 13).

    Absolute maps are scaled to [0, 1], clipped at their percentile 99.5.

    Args:
        first: (N, H, W).
        second: (N, H, W).

    Raises:
        DataError: shapes that differ.

    Example:
        >>> chart = np.eye(8)[None]
        >>> structural_similarity(chart, -2 * chart).item()
        1.0
    """
    x, y, usable = _pairs(first, second)
    similarity = similarity_map(_scaled(x), _scaled(y))
    return np.where(usable, similarity.mean(axis=(1, 2)), 0.0)


def rank_similarity(first: ArrayLike, second: ArrayLike) -> Floats:
    """Return Spearman's correlation of pairs of absolute maps over their pixels, (N,), in [-1, 1].

    Args:
        first: (N, H, W).
        second: (N, H, W).

    Raises:
        DataError: shapes that differ.
    """
    x, y, usable = _pairs(first, second)
    ranks = [rankdata(values.reshape(len(values), -1), axis=1) for values in (x, y)]
    centred = [values - values.mean(axis=1, keepdims=True) for values in ranks]
    norms = np.prod([np.linalg.norm(values, axis=1) for values in centred], axis=0)
    products = np.einsum("np,np->n", *centred)
    correlations: Floats = np.divide(products, norms, out=np.zeros(len(x)), where=usable & (norms > 0))
    return correlations


def similarity_between_images(maps: ArrayLike, similarity: Similarity) -> float:
    """Return the mean similarity of each map with that of the next image, and of the last with the first.

    It is what maps of one model have in common; 0 for fewer than two maps.
    """
    values = checked_maps(maps)
    return float(similarity(values, np.roll(values, 1, axis=0)).mean()) if len(values) > 1 else 0.0


def retained_similarity(similarity: float, chance: float) -> float:
    """Return where a similarity lies between that of maps of different images, 0, and equality, 1.

    Args:
        similarity: of maps of the same images.
        chance: of maps of different images.

    Example:
        >>> retained_similarity(0.75, 0.5)
        0.5
    """
    chance = min(chance, MOST_CHANCE)
    return (similarity - chance) / (1 - chance)


def _pairs(first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return absolute maps in double precision, and which pairs can be compared."""
    x, y = checked_maps(first), checked_maps(second)
    if x.shape != y.shape:
        raise DataError(f"maps of shape {x.shape} and {y.shape} cannot be compared", "explain the same images")
    usable = np.ones(len(x), bool)
    absolute = []
    for values in (x, y):
        clean = np.abs(np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0))
        usable &= np.isfinite(values).all(axis=(1, 2)) & (clean.max(axis=(1, 2), initial=0) > 0)
        absolute.append(clean)
    return absolute[0], absolute[1], usable


def _scaled(absolute: Floats) -> Floats:
    tops = np.percentile(absolute, CLIP, axis=(1, 2), keepdims=True) if len(absolute) else np.ones((0, 1, 1))
    tops = np.where(tops > 0, tops, absolute.max(axis=(1, 2), keepdims=True, initial=np.finfo(float).tiny))
    return np.minimum(absolute / tops, 1)
