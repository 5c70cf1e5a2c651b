"""Tests over space: shifts against rolling by hand, and false positives where nothing is to be found."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr

from cxrshort.errors import DataError
from cxrshort.stats.space import exchange_test, shift_correlation, shift_test


def smooth(rng, count, side=16, sigma=2.0):
    return gaussian_filter(rng.normal(size=(count, side, side)), (0, sigma, sigma), mode="wrap")


def test_shift_test_equals_rolling_every_map_by_every_shift():
    rng = np.random.default_rng(0)
    maps, areas = smooth(rng, 4, side=6, sigma=1.0), rng.random((4, 6, 6)) < 0.3
    found = shift_test(maps, areas, ["a", "a", "b", "c"])
    shares = np.abs(maps) / np.abs(maps).sum(axis=(1, 2), keepdims=True)

    def statistic(y, x):
        each = (np.roll(shares, (y, x), axis=(1, 2)) * areas).sum(axis=(1, 2))
        return ((each[0] + each[1]) / 2 + each[2] + each[3]) / 3

    expected = np.array([[statistic(y, x) for x in range(6)] for y in range(6)]).ravel()
    assert found.observed == pytest.approx(expected[0])
    np.testing.assert_allclose(np.sort(found.null), np.sort(expected[1:]), rtol=1e-5)
    assert found.p == pytest.approx((expected >= expected[0] - 1e-12).mean())
    assert (found.persons, found.smallest_p) == (3, 1 / 36)


def test_shift_correlation_equals_spearman_of_every_shift():
    rng = np.random.default_rng(1)
    first, second = smooth(rng, 2, side=7, sigma=1.0)
    found = shift_correlation(first, second)
    expected = [
        spearmanr(first.ravel(), np.roll(second, (y, x), axis=(0, 1)).ravel()).statistic
        for y in range(7)
        for x in range(7)
    ]
    assert found.observed == pytest.approx(expected[0])
    np.testing.assert_allclose(np.sort(np.append(found.null, found.observed)), np.sort(expected), atol=1e-12)


def test_a_planted_region_is_found_and_an_even_map_is_not():
    rng = np.random.default_rng(2)
    area = np.zeros((16, 16), bool)
    area[10:14, 2:6] = True
    maps = smooth(rng, 20) + 2 * area
    assert shift_test(maps, area, np.arange(20)).p < 0.02
    assert shift_test(np.ones((5, 16, 16)), area, np.arange(5)).p == 1
    drawn = shift_test(maps, area, np.arange(20), shifts=99, rng=rng)
    assert len(drawn.null) == 99 and drawn.p <= 0.05


def test_shifts_keep_their_level_on_smooth_maps_with_a_common_mean():
    """At a nominal 5 %, 2,000 runs have a standard error of 0.49 points: a valid test is above 6 % in one of 50 seeds.

    5.0 % and 4.5 % were flagged with this seed; the study spatial_null.py has more shapes and smoothness.
    """
    rng = np.random.default_rng(3)
    area = np.zeros((16, 16), bool)
    area[3:8, 4:12] = True
    flags = np.zeros(2)
    for _ in range(2000):
        maps = smooth(rng, 5)
        flags[0] += shift_test(maps[:4] + maps[4], area, np.arange(4)).p <= 0.05
        flags[1] += shift_correlation(maps[0], maps[1]).p <= 0.05
    assert (flags / 2000 <= 0.06).all() and (flags / 2000 >= 0.035).all()


def test_exchange_finds_maps_that_follow_their_own_region():
    rng = np.random.default_rng(4)
    areas = np.zeros((30, 16, 16), bool)
    for area in areas:
        y, x = rng.integers(0, 12, 2)
        area[y : y + 4, x : x + 4] = True
    persons = np.repeat(np.arange(15), 2)
    maps = smooth(rng, 30) + 3 * smooth(rng, 1)
    follow = exchange_test(maps + areas, areas, persons, rng=rng)
    assert (follow.p, follow.persons) == (pytest.approx(1 / 2001), 15)
    fixed = exchange_test(maps, np.broadcast_to(areas[0], areas.shape), persons, rng=rng)
    assert fixed.p == 1


def test_exchange_keeps_its_level_whatever_maps_have_in_common():
    """As above; 5.5 % were flagged with this seed."""
    rng = np.random.default_rng(5)
    common, flags = 3 * smooth(rng, 1), 0
    for _ in range(2000):
        areas = smooth(rng, 10) > 0.1
        flags += exchange_test(smooth(rng, 10) + common, areas, np.arange(10), draws=199, rng=rng).p <= 0.05
    assert 0.035 <= flags / 2000 <= 0.06


MAPS, AREA = np.ones((2, 4, 4)), np.ones((4, 4), bool)
WRONG = [
    (lambda: shift_test(MAPS * [[[0]], [[1]]], AREA, list("ab")), "1 of 2 maps are zero everywhere or not finite"),
    (lambda: shift_test(MAPS, ~AREA, list("ab")), "empty in every image"),
    (lambda: shift_test(MAPS, AREA[:3], list("ab")), "do not fit maps"),
    (lambda: shift_test(MAPS[0], AREA, list("a")), "cannot be tested"),
    (lambda: shift_test(MAPS, AREA, list("ab"), shifts=3), "without a generator"),
    (lambda: exchange_test(MAPS, MAPS > 0, list("aa"), rng=np.random.default_rng(0)), "two persons"),
    (lambda: exchange_test(MAPS, AREA, list("ab"), rng=np.random.default_rng(0)), "do not fit maps"),
    (lambda: shift_correlation(MAPS[0], MAPS[1]), "one value only"),
    (lambda: shift_correlation(MAPS[0], MAPS), "cannot be correlated"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_cannot_be_tested_is_refused(call, message):
    with pytest.raises(DataError, match=message):
        call()
