"""Adjusted mutual information: against scikit-learn, permutations, and simulations of its limits and p-values."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score, mutual_info_score

from cxrshort.stats.mutual_information import (
    draw_one_row,
    expected_information,
    label_information,
    table_information,
    tail_p,
)


def entropy(values):
    shares = np.bincount(values) / len(values)
    return float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())


def noise(rng, *, levels, persons=1000, prevalence=0.3):
    return (rng.random(persons) < prevalence).astype(int), rng.integers(0, levels, persons)


@pytest.mark.parametrize("levels", [2, 5, 40, 200])
def test_expected_information_is_that_of_scikit_learn(levels: int) -> None:
    targets, values = noise(np.random.default_rng(levels), levels=levels)
    mean, information = (entropy(targets) + entropy(values)) / 2, mutual_info_score(targets, values)
    adjusted = adjusted_mutual_info_score(targets, values)  # (MI - E) / (mean - E), solved for E
    sizes = np.bincount(values)
    actual = expected_information(sizes[sizes > 0], int(targets.sum()))
    assert actual == pytest.approx((information - adjusted * mean) / (1 - adjusted), rel=1e-8)


def test_value_is_the_share_of_the_labels_entropy_above_chance() -> None:
    rng = np.random.default_rng(0)
    targets, values = noise(rng, levels=4)
    values = np.where(rng.random(1000) < 0.5, targets, values)
    chance = expected_information(np.bincount(values), int(targets.sum()))
    expected = (mutual_info_score(targets, values) - chance) / (entropy(targets) - chance)
    assert label_information(targets, values, rng=rng).value == pytest.approx(expected)


def test_noise_of_many_levels_tells_nothing() -> None:
    """200 levels among 1,000 persons; mean of 30 simulations, whose standard error is 0.005."""
    rng = np.random.default_rng(1)
    values = [label_information(*noise(rng, levels=200), rng=rng).value for _ in range(30)]
    plain = [mutual_info_score(*pair) / entropy(pair[0]) for pair in (noise(rng, levels=200) for _ in range(5))]
    assert np.mean(values) == pytest.approx(0, abs=0.016)
    assert np.mean(plain) > 0.15


@pytest.mark.parametrize(("levels", "prevalence"), [(2, 0.3), (6, 0.1), (30, 0.3)])
def test_p_is_uniform_and_limits_hold_zero_of_noise(levels: int, prevalence: float) -> None:
    """5 % of 300 with a standard error of 1.3 points; three allowed."""
    rng = np.random.default_rng(levels)
    information = [
        label_information(*noise(rng, levels=levels, persons=250, prevalence=prevalence), rng=rng) for _ in range(300)
    ]
    assert np.mean([info.p <= 0.05 for info in information]) == pytest.approx(0.05, abs=0.038)
    assert np.mean([info.low <= 0 <= info.high for info in information]) >= 0.95


@pytest.mark.parametrize(
    ("joint", "least"),
    [([[0.55, 0.05], [0.15, 0.25]], 0.92), ([[0.68, 0.01], [0.02, 0.29]], 0.92), ([[0.45, 0.15], [0.25, 0.15]], 0.84)],
)
def test_limits_hold_the_truth(joint: list[list[float]], least: float) -> None:
    """Where the utility is small (0.015) the limits cover 87 %, else 92 to 96 %; 300 simulations, two errors below."""
    rng, shares = np.random.default_rng(2), np.array(joint)
    rows, columns = shares.sum(axis=1, keepdims=True), shares.sum(axis=0, keepdims=True)
    truth = (shares * np.log(shares / (rows * columns))).sum() / -(columns * np.log(columns)).sum()
    covered = []
    for _ in range(300):
        cells = rng.choice(4, 400, p=shares.ravel())
        info = label_information(cells % 2, cells // 2, rng=rng)
        covered.append(info.low <= truth <= info.high)
    assert np.mean(covered) >= least - 0.03


def test_perfect_relation_is_one_with_a_limit_below() -> None:
    targets = np.repeat([0, 1], 100)
    info = label_information(targets, 1 - targets, rng=np.random.default_rng(0))
    assert (info.value, info.high) == (pytest.approx(1), 1)
    assert 0.9 < info.low < 0.99 and info.p < 1e-10


def test_smallest_information_is_shown_four_times_in_five() -> None:
    """A power of 80 % of 300 with a standard error of 2.3 points; three allowed."""
    rng = np.random.default_rng(3)
    smallest = label_information(*noise(rng, levels=2, persons=400, prevalence=0.5), rng=rng).smallest
    differences = np.linspace(0.01, 0.4, 400)
    shares = 0.25 * np.stack([1 + differences, 1 - differences])
    utilities = 2 * (shares * np.log(shares * 4)).sum(axis=0) / np.log(2)
    difference = differences[np.searchsorted(utilities, smallest)]
    shown = []
    for _ in range(300):
        targets = rng.integers(0, 2, 400)
        values = np.where(rng.random(400) < 0.5 + difference / 2, targets, 1 - targets)
        shown.append(label_information(targets, values, rng=rng).p <= 0.05)
    assert np.mean(shown) == pytest.approx(0.8, abs=0.07)


@pytest.mark.parametrize(
    ("targets", "values", "reason"),
    [
        ([], [], "no value is known"),
        ([0, 1, 0, 1], [3, 3, 3, 3], "only one value"),
        ([0, 0, 0, 1], [0, 1, 0, 1], "only 1 person in the smaller class"),
        ([0, 0, 1, 1], [0, 1, 2, 3], "a value for every person"),
    ],
)
def test_reason_stands_where_there_is_no_information(targets, values, reason) -> None:
    info = label_information(np.array(targets, int), np.array(values, int), rng=np.random.default_rng(0))
    assert (info.value, info.low, info.p, info.reason) == (None, None, None, reason)


def test_table_information_is_the_mean_over_strata() -> None:
    rng = np.random.default_rng(4)
    tables = rng.integers(1, 30, (2, 3, 4, 5))
    for draw, actual in zip(tables, table_information(tables), strict=True):
        parts = []
        for stratum in draw:
            rows, columns = np.indices(stratum.shape)
            pairs = np.repeat(rows.ravel(), stratum.ravel()), np.repeat(columns.ravel(), stratum.ravel())
            parts.append(stratum.sum() * mutual_info_score(*pairs))
        assert actual == pytest.approx(sum(parts) / draw.sum())


def test_draw_one_row_takes_one_usable_row_of_each_person_and_keeps_positives() -> None:
    rng = np.random.default_rng(5)
    codes, targets = np.repeat(np.arange(50), 6), (rng.random(300) < 0.1).astype(float)
    usable = rng.random(300) < 0.7
    rows = draw_one_row(targets, usable, codes, rng=rng)
    assert usable[rows].all() and len(set(codes[rows])) == len(rows) == len(set(codes[usable]))
    assert set(codes[rows][targets[rows] == 1]) == set(codes[usable & (targets == 1)])
    others = [draw_one_row(targets, usable, codes, rng=rng) for _ in range(20)]
    assert len({tuple(draw) for draw in others}) > 1


def test_tail_of_a_permutation_distribution_reaches_beyond_its_draws() -> None:
    rng = np.random.default_rng(6)
    draws = rng.chisquare(4, 999)
    for p, quantile in ((0.05, 9.488), (0.001, 18.467), (1e-5, 28.473)):
        assert tail_p(quantile, draws) == pytest.approx(p, rel=0.6)
    assert tail_p(1.0, np.zeros(99)) == 0.01 and tail_p(0.0, np.zeros(99)) == 1.0
