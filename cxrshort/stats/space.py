"""Tests over space that are valid for maps: neighbouring pixels are not exchangeable, whole maps are.

A permutation of pixels or cells takes each for an independent fact, and so flags independent smooth maps far more often
than its nominal level. Here the unit is the person (the mean over a person's maps), and the null keeps every map whole:

- :func:`shift_test` and :func:`shift_correlation` move all maps together around the edges (toroidally), which keeps the
  smoothness of each map and what maps have in common. They ask whether maps lie on a region, or on another map, more
  than on other places of the image. What would invalidate them: maps that are rougher or higher in some places
  whatever the model has learned. Padding does this to a network's maps at the border, so that a border or corner is
  for the exchange, or for a comparison with clean models, and not for a shift.
- :func:`exchange_test` gives a person's maps to other persons' regions. It asks whether maps follow the region of their
  own image, wherever it lies, and is valid for maps of any smoothness and any mean. It says nothing of a region that
  lies in the same place in all images: there each exchange gives the same, and p is 1.

``tests/studies/spatial_null.py`` measures the false positives of all three on random smooth maps.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike
from scipy import fft
from scipy.stats import rankdata

from cxrshort.errors import DataError
from cxrshort.stats.midranks import Floats, number_persons

EXCHANGES = 2000
_TIE = 1e-6
"""Relative difference below which a value of the null counts as equal: exchanged maps are held in float32."""


@dataclass(frozen=True, slots=True, eq=False)
class SpaceTest:
    """Hold a test over space.

    Args:
        observed: the statistic of the maps as they are.
        null: (D,) the statistic of shifted or exchanged maps, without the observed one.
        p: one-sided, share of the null and the observed value that are at least the observed.
        smallest_p: the smallest p that so many shifts or exchanges can give, 1 / (D + 1).
        persons: whose maps were averaged; 0 where the maps were means already.
    """

    observed: float
    null: Floats
    p: float
    smallest_p: float
    persons: int


def shift_test(
    maps: ArrayLike,
    areas: ArrayLike,
    persons: ArrayLike,
    *,
    shifts: int | None = None,
    rng: np.random.Generator | None = None,
) -> SpaceTest:
    """Test whether maps lie on a region more than they lie on the same shape elsewhere.

    The statistic is the share of absolute attribution in the region, averaged over the maps of a person and then over
    persons. In the null all maps are moved by the same shift, so that what they have in common stays in common.

    Args:
        maps: (N, H, W) signed; none of them zero everywhere, none with NaN.
        areas: (N, H, W) the region in each image, or (H, W) in all of them.
        persons: (N,) whose images they are.
        shifts: how many shifts are drawn; None takes all but the trivial one, which costs no more.
        rng: draws them; not needed for all.

    Raises:
        DataError: a map that has no share, a region that is empty in every image, shapes that differ.

    Example:
        >>> maps = np.zeros((3, 8, 8))
        >>> maps[:, 2:4, 2:4] = 1
        >>> shift_test(maps, maps[0] > 0, ["a", "b", "c"]).p
        0.015625
    """
    values, regions = _whole_maps(maps), np.asarray(areas, dtype=bool)
    weights = _person_weights(persons, len(values))
    if regions.shape not in (values.shape, values.shape[1:]):
        raise DataError(f"regions of shape {regions.shape} do not fit maps of shape {values.shape}")
    if not regions.any():
        raise DataError(
            "the region is empty in every image: there is nothing to test", "test a region that images have"
        )
    total = np.zeros((values.shape[1], values.shape[2] // 2 + 1), np.complex128)
    for row, chart in enumerate(values):
        area = regions if regions.ndim == 2 else regions[row]
        absolute = np.abs(chart.astype(np.float64))
        spectra = fft.rfft2(absolute), fft.rfft2(area.astype(np.float64))
        total += weights[row] / absolute.sum() * np.conj(spectra[0]) * spectra[1]
    shares: Floats = fft.irfft2(total, s=values.shape[1:])
    return _shift_result(shares, persons=len(np.unique(np.asarray(persons))), shifts=shifts, rng=rng)


def shift_correlation(
    first: ArrayLike, second: ArrayLike, *, shifts: int | None = None, rng: np.random.Generator | None = None
) -> SpaceTest:
    """Test whether two maps, each a mean over persons, agree more than when one is shifted.

    The statistic is Spearman's correlation over pixels or cells; ranks do not change when a map is shifted around the
    edges, so all shifts come from one transform.

    Args:
        first: (H, W).
        second: (H, W).
        shifts: how many shifts are drawn; None takes all but the trivial one.
        rng: draws them; not needed for all.

    Raises:
        DataError: shapes that differ, a map of one value only, NaN.

    Example:
        >>> hill = np.add.outer(-np.abs(np.arange(9) - 4), -np.abs(np.arange(9) - 4))
        >>> found = shift_correlation(hill, 3 * hill + 1)
        >>> round(found.observed, 3), round(found.p * 81)
        (1.0, 1)
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.ndim != 2 or one.shape != other.shape:
        raise DataError(f"maps of shape {one.shape} and {other.shape} cannot be correlated: both must be (H, W)")
    spectra = [fft.rfft2(_centred_ranks(values)) for values in (one, other)]
    rho: Floats = fft.irfft2(np.conj(spectra[0]) * spectra[1], s=one.shape)
    return _shift_result(rho, persons=0, shifts=shifts, rng=rng)


def exchange_test(
    maps: ArrayLike, areas: ArrayLike, persons: ArrayLike, *, draws: int = EXCHANGES, rng: np.random.Generator
) -> SpaceTest:
    """Test whether maps follow the region of their own image more than that of another person's.

    The statistic is the share of a person's maps in that person's regions, averaged over persons; in the null the
    maps of persons are exchanged.

    Args:
        maps: (N, H, W) signed; none of them zero everywhere, none with NaN.
        areas: (N, H, W) the region in each image.
        persons: (N,) whose images they are.
        draws: exchanges.
        rng: draws them.

    Raises:
        DataError: a map that has no share, shapes that differ, fewer than two persons.
    """
    values, regions = _whole_maps(maps), np.asarray(areas, dtype=bool)
    if regions.shape != values.shape:
        raise DataError(f"regions of shape {regions.shape} do not fit maps of shape {values.shape}")
    codes = number_persons(persons, len(values))
    people = int(codes.max()) + 1
    if people < 2:
        raise DataError("maps of one person cannot be exchanged: two persons are needed", "explain more images")
    images = np.bincount(codes)
    means, covered = np.zeros((people, values[0].size), np.float32), np.zeros((people, values[0].size), np.float32)
    for row, person in enumerate(codes):
        absolute = np.abs(values[row].ravel().astype(np.float64))
        means[person] += (absolute / absolute.sum() / images[person]).astype(np.float32)
        covered[person] += (regions[row].ravel() / images[person]).astype(np.float32)
    crossed = (means @ covered.T).astype(np.float64)
    orders = rng.permuted(np.tile(np.arange(people), (draws, 1)), axis=1)
    null: Floats = crossed[orders, np.arange(people)].mean(axis=1)
    return _result(float(np.trace(crossed) / people), null, persons=people)


def _whole_maps(maps: ArrayLike) -> npt.NDArray[np.float32]:
    values = np.asarray(maps, dtype=np.float32)
    if values.ndim != 3 or not len(values):
        raise DataError(f"maps of shape {values.shape} cannot be tested", "give maps of shape (N, H, W)")
    peaks = np.abs(values).max(axis=(1, 2))
    if wrong := int((~np.isfinite(peaks) | (peaks == 0)).sum()):
        raise DataError(f"{wrong} of {len(values)} maps are zero everywhere or not finite", "leave them out and say so")
    return values


def _person_weights(persons: ArrayLike, rows: int) -> Floats:
    """Return the weight of each row in a mean over persons of means over their rows, (N,)."""
    codes = number_persons(persons, rows)
    images = np.bincount(codes)
    weights: Floats = 1 / images[codes] / len(images)
    return weights


def _centred_ranks(values: Floats) -> Floats:
    """Return mid-ranks with mean 0 and norm 1, (H, W)."""
    if not np.isfinite(values).all() or values.min() == values.max():
        raise DataError("a map of one value only, or with NaN, has no correlation", "leave it out and say so")
    ranks = np.asarray(rankdata(values, axis=None), np.float64).reshape(values.shape)
    ranks -= ranks.mean()
    centred: Floats = ranks / np.linalg.norm(ranks)
    return centred


def _shift_result(by_shift: Floats, *, persons: int, shifts: int | None, rng: np.random.Generator | None) -> SpaceTest:
    """Judge the first of the statistics of all shifts, (H, W), by the others or by some of them."""
    flat = by_shift.ravel()
    null = flat[1:]
    if shifts is not None and shifts < len(null):
        if rng is None:
            raise DataError(f"{shifts} shifts cannot be drawn without a generator", "give rng, or take all shifts")
        null = rng.choice(null, size=shifts, replace=False)
    return _result(float(flat[0]), null, persons=persons)


def _result(observed: float, null: Floats, *, persons: int) -> SpaceTest:
    tie = _TIE * max(abs(observed), float(np.abs(null).max(initial=0)))
    as_high = int((null >= observed - tie).sum())
    return SpaceTest(observed, null, (as_high + 1) / (len(null) + 1), 1 / (len(null) + 1), persons)
