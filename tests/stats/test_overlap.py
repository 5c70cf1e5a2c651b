"""Dice, intersection over union, and their means."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import dice as dice_dissimilarity
from scipy.spatial.distance import jaccard

from cxrshort.stats.overlap import dice_and_iou, mean_interval, summarise_overlaps


def test_measures_equal_scipys():
    draw = np.random.default_rng(0)
    drawn, truth = draw.random((5, 6, 7)) < 0.4, draw.random((5, 6, 7)) < 0.5
    dice, iou = dice_and_iou(drawn, truth)
    pairs = list(zip(drawn.reshape(5, -1), truth.reshape(5, -1), strict=True))
    np.testing.assert_allclose(dice, [1 - dice_dissimilarity(a, b) for a, b in pairs], rtol=1e-12)
    np.testing.assert_allclose(iou, [1 - jaccard(a, b) for a, b in pairs], rtol=1e-12)


def test_two_empty_masks_agree_and_one_empty_mask_does_not():
    empty, full = np.zeros((1, 2, 2), bool), np.ones((1, 2, 2), bool)
    assert [float(measure[0]) for measure in dice_and_iou(empty, empty)] == [1.0, 1.0]
    assert [float(measure[0]) for measure in dice_and_iou(full, empty)] == [0.0, 0.0]


def test_interval_is_the_normal_one_for_many_persons_of_one_image():
    values = np.random.default_rng(1).normal(0.8, 0.1, 400)
    actual = mean_interval(values, np.arange(400), rng=np.random.default_rng(2), draws=4000)
    half = 1.96 * values.std() / 20
    assert actual.mean == pytest.approx(values.mean(), abs=1e-12)
    # The error of a 2.5 % quantile of 4,000 draws is about 0.04 standard errors.
    assert (actual.low, actual.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.15 * half)


def test_person_is_drawn_with_all_images():
    values, persons = [0.0] * 50 + [1.0] * 50, ["a"] * 50 + ["b"] * 50
    actual = mean_interval(values, persons, rng=np.random.default_rng(0))
    assert (actual.low, actual.high, actual.persons) == (0.0, 1.0, 2)


def test_one_person_has_no_interval():
    actual = mean_interval([0.5, 0.7], ["a", "a"], rng=np.random.default_rng(0))
    assert actual.mean == pytest.approx(0.6)
    assert np.isnan([actual.low, actual.high]).all()


def test_images_without_a_mask_are_counted_and_in_no_mean():
    cell = {"model": "m", "dataset": "d", "replicate": 0, "mask": "lungs"}
    table = pd.DataFrame({"person_id": ["a", "b", "c"], "dice": [0.8, 0.6, np.nan], "iou": [0.7, 0.5, np.nan]})
    row = summarise_overlaps(table.assign(**cell)).iloc[0]
    assert (row["images"], row["without_mask"]) == (2, 1)
    assert (row["dice"], row["iou"]) == pytest.approx((0.7, 0.6))
    assert (row["dice_low"], row["dice_high"]) == pytest.approx((0.6, 0.8))
