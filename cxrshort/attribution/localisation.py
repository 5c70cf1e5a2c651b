"""How well maps agree with masks or boxes of a finding: relevance mass, relevance rank, pointing game.

Relevance is the positive part of a signed map: what speaks for the finding. What would invalidate the numbers: a map
without a positive value has none of them (NaN, not 0), nor has an image whose mask is empty or a map with NaN or
infinity. A large mask is met by chance: the share of the area stands beside each number, and is what mass and rank are
on average for a map that knows nothing.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from cxrshort.attribution.shares import checked_maps
from cxrshort.errors import DataError
from cxrshort.stats.midranks import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Localisation:
    """Hold the agreement of N maps with N masks; NaN where it is not defined.

    Args:
        mass: (N,) share of the relevance that lies in the mask, in [0, 1] (relevance mass accuracy, Arras et al. 2022,
            Information Fusion 81:14, section 3.2).
        rank: (N,) share of the K pixels of highest relevance that lie in the mask of K pixels, in [0, 1] (relevance
            rank accuracy, the same section). Of pixels with equal relevance, as many count as would by chance.
        pointing: (N,) 1 where the highest pixel lies in the mask or within the tolerance of it, else 0; a share of
            them where there are more. The mean over images is the accuracy of the pointing game (Zhang et al. 2018,
            IJCV 126:1084, section 4.2).
        area: (N,) share of the pixels that the mask holds.
    """

    mass: Floats
    rank: Floats
    pointing: Floats
    area: Floats


def localise(maps: ArrayLike, masks: ArrayLike, *, tolerance: float = 0.0) -> Localisation:
    """Compare maps with where the finding is.

    Args:
        maps: (N, H, W) signed.
        masks: (N, H, W), true where the finding is; boxes are masks of rectangles.
        tolerance: pixels by which the highest pixel may miss the mask in the pointing game; Zhang et al. allow 15 of
            their images' pixels, the default allows none.

    Raises:
        DataError: maps and masks are of other images.

    Example:
        >>> found = localise([[[4.0, 0, 3, 1]]], [[[True, True, False, False]]])
        >>> found.mass.item(), found.rank.item(), found.pointing.item()
        (0.5, 0.5, 1.0)
    """
    values, truth = checked_maps(maps), np.asarray(masks, dtype=bool)
    if truth.shape != values.shape:
        raise DataError(
            f"masks of shape {truth.shape} do not fit maps of shape {values.shape}", "give one mask for each map"
        )
    numbers = np.full((3, len(values)), np.nan)
    for row, (chart, mask) in enumerate(zip(values, truth, strict=True)):
        relevance = np.maximum(chart, 0)
        peak = relevance.max(initial=0)
        if 0 < peak < np.inf and np.isfinite(chart).all() and mask.any():
            relevance /= peak
            numbers[:, row] = _mass(relevance, mask), _rank(relevance, mask), _hit(relevance, mask, tolerance)
    mass, rank, pointing = numbers
    return Localisation(mass, rank, pointing, truth.mean(axis=(1, 2)))


def _mass(relevance: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> float:
    return float(relevance[mask].sum(dtype=np.float64) / relevance.sum(dtype=np.float64))


def _rank(relevance: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> float:
    size = np.count_nonzero(mask)
    least = np.partition(relevance.ravel(), -size)[-size]
    above, level = relevance > least, relevance == least
    left = size - np.count_nonzero(above)  # places for pixels of the lowest relevance that still counts
    by_chance = left * np.count_nonzero(level & mask) / np.count_nonzero(level)
    return float((np.count_nonzero(above & mask) + by_chance) / size)


def _hit(relevance: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_], tolerance: float) -> float:
    points = np.argwhere(relevance == relevance.max())
    inside = mask[tuple(points.T)]
    if tolerance <= 0 or inside.all():
        return float(inside.mean())
    places = np.argwhere(mask)
    missing = points[~inside][:, None]
    near = np.array([(((places - point) ** 2).sum(axis=1)).min() <= tolerance**2 for point in missing])
    return float((np.count_nonzero(inside) + np.count_nonzero(near)) / len(points))
