"""Largest gaps: permutations keep persons whole and disease alike; p-values by enumeration; false alarms."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from cxrshort.stats.group_gaps import EXCEEDANCES, _in_order, largest_gaps, permutation


def means_of(values: np.ndarray, groups: int) -> Callable[[np.ndarray], np.ndarray]:
    def means(numbers: np.ndarray) -> np.ndarray:
        return np.bincount(numbers, weights=values, minlength=groups) / np.bincount(numbers, minlength=groups)

    return means


def test_p_value_is_that_of_all_permutations() -> None:
    rng = np.random.default_rng(0)
    values, numbers = rng.normal(size=7) + [1, 1, 1, 0, 0, 0, 0], np.array([0, 0, 0, 1, 1, 1, 1])
    statistic = means_of(values, 2)
    gap = float(np.ptp(statistic(numbers)))
    gaps = [np.ptp(statistic(np.isin(np.arange(7), chosen, invert=True).astype(int)))
            for chosen in itertools.combinations(range(7), 3)]  # fmt: skip
    exact = np.mean(np.array(gaps) >= gap - 1e-12)
    largest = largest_gaps(
        {"mean": statistic},
        numbers,
        positive=np.full(7, True),
        codes=np.arange(7),
        rng=np.random.default_rng(1),
        draws=20_000,
    )["mean"]
    assert largest.gap == pytest.approx(gap)
    # It stops after 20 exceedances: a relative standard error of 22 %.
    assert exact / 2 < largest.p < exact * 2
    assert largest.draws < 20_000


def test_whole_persons_change_places_with_persons_alike_in_disease() -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(40), rng.integers(1, 5, 40))
    truth = (np.arange(40) % 3 == 0)[codes]
    numbers = rng.integers(0, 3, 40)[codes]
    permute, moved = permutation(numbers, positive=truth, codes=codes), 0
    for _ in range(20):
        permuted = permute(rng)
        moved += (permuted != numbers).any()
        of_person = [set(permuted[codes == person]) for person in range(40)]
        assert all(len(groups) == 1 for groups in of_person)
        for ill in (True, False):
            persons = np.unique(codes[truth == ill])
            before, after = (np.bincount([column[codes == person][0] for person in persons], minlength=3)
                             for column in (numbers, permuted))  # fmt: skip
            assert list(before) == list(after)
    assert moved == 20


def test_groups_that_differ_within_persons_are_permuted_class_by_class() -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(30), np.r_[np.full(20, 2), np.full(9, 3), 7])
    truth = rng.random(len(codes)) < 0.4
    numbers = rng.integers(0, 2, len(codes))
    permute, changed = permutation(numbers, positive=truth, codes=codes), np.zeros(len(codes), bool)
    for _ in range(200):
        permuted = permute(rng)
        for ill in (True, False):
            assert permuted[truth == ill].sum() == numbers[truth == ill].sum()
        own = codes == 29  # nobody else has seven images: shuffled within himself only
        assert permuted[own].sum() == numbers[own].sum()
        changed |= permuted != numbers
    assert changed[:40].mean() > 0.8  # the others have counts that nobody shares


@pytest.mark.parametrize("length", [1, 2, 5, 8, 9, 12])
def test_images_of_a_block_come_in_the_order_of_their_chances(length: int) -> None:
    rng = np.random.default_rng(length)
    images, chances = rng.integers(0, 1000, (length, 40)), rng.random((length, 40))
    expected = np.stack([images[np.argsort(chances[:, block]), block] for block in range(40)], axis=1)
    np.testing.assert_array_equal(_in_order(images, chances), expected)


def test_clear_gap_uses_every_draw_and_no_gap_few() -> None:
    values = np.r_[np.zeros(30), np.ones(30)]
    statistics = {"clear": means_of(values, 2), "none": means_of(np.tile([0.0, 1.0], 30), 2)}
    largest = largest_gaps(
        statistics,
        np.repeat([0, 1], 30),
        positive=np.full(60, True),
        codes=np.arange(60),
        rng=np.random.default_rng(0),
        draws=500,
    )
    assert (largest["clear"].p, largest["clear"].draws) == (1 / 501, 500)
    assert (largest["clear"].lowest, largest["clear"].highest) == (0, 1)
    assert (largest["none"].p, largest["none"].draws) == (1.0, EXCEEDANCES)


def test_different_prevalence_alone_is_no_gap() -> None:
    """Groups with 60 and 20 % positives: a share of positives that permutations do not change has p = 1."""
    truth = np.r_[np.arange(100) < 60, np.arange(100) < 20]
    largest = largest_gaps(
        {"prevalence": means_of(truth.astype(float), 2)},
        np.repeat([0, 1], 100),
        positive=truth,
        codes=np.arange(200),
        rng=np.random.default_rng(0),
    )["prevalence"]
    assert (largest.gap, largest.p) == (pytest.approx(0.4), 1.0)


@pytest.mark.parametrize("within", [False, True], ids=["persons", "images"])
def test_false_alarms_are_at_the_level(within: bool) -> None:
    """200 samples of repeated persons: 5 % have p <= 0.05, and more than 20 of 200 with a chance of 0.0005 only."""
    alarms = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        codes = np.repeat(np.arange(30), 3)
        values = rng.normal(size=30)[codes] + 0.3 * rng.normal(size=90)
        numbers = rng.integers(0, 2, 90) if within else rng.permutation(np.arange(30) % 2)[codes]
        largest = largest_gaps(
            {"mean": means_of(values, 2)}, numbers, positive=np.full(90, True), codes=codes, rng=rng, draws=100
        )
        alarms += largest["mean"].p <= 0.05
    assert alarms <= 20
