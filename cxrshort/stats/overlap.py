"""How well drawn masks cover true ones: Dice and intersection over union of each image, their means with intervals.

A mean over images, not over pixels: each image counts once, however large its structure is.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import ArrayLike

from cxrshort.stats.bootstrap import percentile_interval, resample

Floats = npt.NDArray[np.float64]

_SEED = 0
_CELL = ["model", "dataset", "replicate", "mask"]


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """Hold a mean over images and its percentile interval.

    Args:
        mean: over images.
        low: lower limit; NaN where one person alone leaves nothing to resample.
        high: upper limit.
        images: number of images.
        persons: number of persons resampled.
    """

    mean: float
    low: float
    high: float
    images: int
    persons: int


def dice_and_iou(drawn: ArrayLike, truth: ArrayLike) -> tuple[Floats, Floats]:
    """Return Dice and intersection over union of each image, (N,) each, in [0, 1].

    Where both masks are empty nothing was missed and nothing made up: both measures are 1.

    Args:
        drawn: (N, H, W) bool.
        truth: (N, H, W) bool.

    Example:
        >>> dice, iou = dice_and_iou([[[True, True, False]]], [[[True, False, False]]])
        >>> float(dice[0].round(3)), float(iou[0])
        (0.667, 0.5)
    """
    first, second = np.asarray(drawn, bool), np.asarray(truth, bool)
    axes = tuple(range(1, first.ndim))
    both = np.count_nonzero(first & second, axis=axes).astype(np.float64)
    total = np.count_nonzero(first, axis=axes) + np.count_nonzero(second, axis=axes)
    empty = total == 0
    dice = np.divide(2 * both, total, out=np.ones_like(both), where=~empty)
    iou = np.divide(both, total - both, out=np.ones_like(both), where=~empty)
    return dice, iou


def mean_interval(
    values: ArrayLike, persons: ArrayLike, *, rng: np.random.Generator, draws: int = 2000, level: float = 0.95
) -> MeanInterval:
    """Return the mean of a measure over images, with a bootstrap interval over persons.

    Args:
        values: (N,) a measure of each image.
        persons: (N,) whose image it is; a person is drawn with all images.
        rng: the only source of randomness.
        draws: resamples.
        level: of the interval.
    """
    measured = np.asarray(values, np.float64)
    ids, codes = np.unique(np.asarray(persons), return_inverse=True)
    mean = float(measured.mean())
    if len(ids) < 2:
        return MeanInterval(mean, np.nan, np.nan, len(measured), len(ids))
    sums = np.bincount(codes, weights=measured, minlength=len(ids))
    counts = np.bincount(codes, minlength=len(ids))
    resamples = resample(
        lambda weights: ((weights @ sums) / (weights @ counts))[:, None],
        strata=np.zeros(len(ids), np.int64),
        draws=draws,
        rng=rng,
    )
    low, high = percentile_interval(resamples.values[:, 0], level=level)
    return MeanInterval(mean, low, high, len(measured), len(ids))


def summarise_overlaps(measured: pd.DataFrame, *, seed: int = _SEED) -> pd.DataFrame:
    """Return mean Dice and mean IoU with 95 % intervals, a row per model, dataset and mask.

    Args:
        measured: a row per image: ``model, dataset, replicate, mask, person_id, dice, iou``; images without a mask have
            empty measures, are in no mean, and are counted.
        seed: of the bootstrap; both measures see the same resamples.
    """
    rows = []
    for cell, table in measured.groupby(_CELL, sort=False):
        with_mask = table[table["dice"].notna()]
        row = dict(zip(_CELL, cell, strict=True)) | {
            "images": len(with_mask),
            "without_mask": len(table) - len(with_mask),
        }
        for name in ("dice", "iou"):
            interval = mean_interval(with_mask[name], with_mask["person_id"], rng=np.random.default_rng(seed))
            row |= {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
        rows.append(row)
    return pd.DataFrame(rows)
