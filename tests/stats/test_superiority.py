"""Margins and parts of variance against statsmodels' tables, simulation and scipy's tests."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, ttest_1samp
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.weightstats import DescrStatsW

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.auc import auc, compare_paired
from cxrshort.stats.superiority import (
    chance_better,
    improvement,
    improvement_of_scores,
    margin_tests,
    runs_needed,
    variance_parts,
)


def crossed(seed, *, seeds=5, splits=4, spread=(0.02, 0.03, 0.01), mean=0.0):
    rng = np.random.default_rng(seed)
    rows, columns = rng.normal(0, spread[0], (seeds, 1)), rng.normal(0, spread[1], (1, splits))
    return mean + rows + columns + rng.normal(0, spread[2], (seeds, splits))


def test_parts_are_those_of_statsmodels_mean_squares():
    table = crossed(0)
    frame = pd.DataFrame([(i, j, table[i, j]) for i in range(5) for j in range(4)], columns=["seed", "split", "y"])
    squares = anova_lm(ols("y ~ C(seed) + C(split)", frame).fit())["mean_sq"]
    parts = variance_parts(table)
    rest = squares["Residual"]
    assert parts.residual == pytest.approx(rest)
    assert parts.seeds == pytest.approx((squares["C(seed)"] - rest) / 4)
    assert parts.splits == pytest.approx((squares["C(split)"] - rest) / 5)
    # The variance of the mean of a balanced table, without its parts.
    assert parts.mean == pytest.approx((squares["C(seed)"] + squares["C(split)"] - rest) / 20)


def test_freedom_of_a_crossed_table_is_satterthwaites():
    table = crossed(0)
    parts = variance_parts(table)
    squares = (4 * parts.seeds + parts.residual, 5 * parts.splits + parts.residual, parts.residual)
    terms = sum((square / 20) ** 2 / freedom for square, freedom in zip(squares, (4, 3, 12), strict=True))
    assert parts.freedom == pytest.approx(parts.mean**2 / terms)


def test_overlapping_training_images_add_to_the_splits_of_a_crossed_table():
    """Nadeau and Bengio: 1 / splits becomes 1 / splits + test / training images."""
    alone, overlapping = (variance_parts(crossed(0), test_to_train=ratio) for ratio in (0.0, 0.25))
    assert overlapping.mean == pytest.approx(alone.mean + 0.25 * alone.splits)
    assert overlapping.freedom < alone.freedom  # the splits, with 3 degrees of freedom, are more of the whole


def test_parts_are_right_on_average():
    estimates = [variance_parts(crossed(seed)) for seed in range(800)]
    # Standard errors: 2.5 % for seeds (4 degrees of freedom), 3 % for splits; truncation at 0 adds little here.
    assert np.mean([parts.seeds for parts in estimates]) == pytest.approx(0.02**2, rel=0.1)
    assert np.mean([parts.splits for parts in estimates]) == pytest.approx(0.03**2, rel=0.1)
    assert np.mean([parts.residual for parts in estimates]) == pytest.approx(0.01**2, rel=0.05)
    means = [crossed(seed).mean() for seed in range(800)]
    assert np.mean([parts.mean for parts in estimates]) == pytest.approx(np.var(means), rel=0.2)


def test_negative_parts_are_zero_and_named():
    table = [[0.0, 1.0], [1.0, 0.0]]  # rows and columns have one mean
    parts = variance_parts(table)
    assert (parts.seeds, parts.splits, parts.negative, parts.residual) == (0, 0, ("seeds", "splits"), 1)
    assert parts.mean == 0.25


def test_one_varying_factor_is_a_t_test():
    values = np.random.default_rng(0).normal(0.02, 0.02, 6)
    for table in (values[:, None], values[None, :]):
        gain = improvement(table)
        expected = ttest_1samp(values, 0)
        interval = expected.confidence_interval()
        assert (gain.tests.low, gain.tests.high) == pytest.approx((interval.low, interval.high))
        assert gain.tests.p_superior == pytest.approx(ttest_1samp(values, 0, alternative="greater").pvalue)
        assert gain.parts.freedom == pytest.approx(5)
    assert gain.caution == "the variance over seeds is unknown and not counted"


def test_overlapping_splits_have_nadeau_and_bengios_variance():
    values = np.random.default_rng(1).normal(0.02, 0.02, 10)
    gain = improvement(values[None, :], test_to_train=0.25)
    assert gain.parts.mean == pytest.approx((1 / 10 + 0.25) * values.var(ddof=1))
    assert gain.parts.freedom == pytest.approx(9)


def test_interval_of_a_crossed_table_holds_the_truth_about_as_often_as_it_says():
    intervals = [improvement(crossed(seed, mean=0.05)).tests for seed in range(400)]
    inside = sum(tests.low <= 0.05 <= tests.high for tests in intervals)
    # Nominal 380; Satterthwaite is an approximation, and short rather than long by a percent or two.
    assert 364 <= inside <= 396


def test_images_alone_are_the_paired_test():
    rng = np.random.default_rng(2)
    people = np.arange(80) // 2
    truth = rng.integers(0, 2, 80).astype(float)
    before, after = (truth + rng.normal(size=80) * noise for noise in (1.5, 1.0))
    gain = improvement_of_scores(truth, before=before, after=after, clusters=people)
    paired = compare_paired(truth, before=before, after=after, clusters=people)
    tests = gain.tests
    assert (tests.difference, tests.low, tests.high) == pytest.approx((paired.difference, paired.low, paired.high))
    assert gain.caution == "the variance over seeds and splits is unknown and not counted"
    persons = min(len(set(people[truth == value])) for value in (0, 1))
    assert (gain.parts.residual, gain.parts.freedom) == (None, persons - 1)


def test_seeds_and_images_add_up():
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 2, 100).astype(float)
    before, after = (truth[:, None] * effect + rng.normal(size=(100, 4)) for effect in (0.8, 1.6))
    gain = improvement_of_scores(truth, before=before, after=after, margin=0.01)
    differences = [auc(truth, new) - auc(truth, old) for old, new in zip(before.T, after.T, strict=True)]
    assert gain.tests.difference == pytest.approx(np.mean(differences))
    assert gain.parts.residual == pytest.approx(np.var(differences, ddof=1))
    assert gain.parts.mean == pytest.approx(gain.parts.residual / 4 + gain.parts.images)
    assert (gain.seeds, gain.splits) == (4, 1)


def test_margins_equal_two_one_sided_tests_of_statsmodels():
    values = np.random.default_rng(4).normal(0.01, 0.03, 25)
    error = values.std(ddof=1) / 5
    tests = margin_tests(values.mean(), standard_error=error, margin=0.02, freedom=24)
    overall, (_, lower, _), (_, upper, _) = DescrStatsW(values).ttost_mean(-0.02, 0.02)
    assert (tests.p_equivalent, tests.p_not_inferior) == pytest.approx((overall, lower))
    assert tests.p_superior == pytest.approx(1 - upper)


@pytest.mark.parametrize(
    ("difference", "margin", "verdict"),
    [
        (0.05, 0.02, "better by more than the margin of 0.02"),
        (0.03, 0.02, "better, but not shown to be so by the margin of 0.02"),
        (0.0, 0.03, "equivalent within the margin of 0.03"),
        (0.01, 0.02, "not inferior by the margin of 0.02; not shown to be better"),
        (0.0, 0.01, "not shown to be better; may be worse by more than the margin of 0.01"),
        (-0.05, 0.02, "worse by more than the margin of 0.02"),
        (0.03, 0.0, "better"),
        (0.01, 0.0, "not shown to be better"),
        (-0.03, 0.0, "worse"),
    ],
)
def test_verdicts_agree_with_the_tests(difference, margin, verdict):
    tests = margin_tests(difference, standard_error=0.01, margin=margin)
    assert tests.verdict == verdict
    assert verdict.startswith("better by") == (margin > 0 and tests.p_superior < 0.025)
    assert verdict.startswith("equivalent") == (margin > 0 and tests.p_equivalent < 0.025)


def test_chance_better_has_exact_limits():
    rng = np.random.default_rng(5)
    before = rng.normal(size=30)
    after = before + np.where(np.arange(30) < 24, 1, -1)
    wins = chance_better(before, after)
    expected = binomtest(24, 30).proportion_ci(method="exact")
    assert (wins.chance.low, wins.chance.high) == pytest.approx((expected.low, expected.high))
    assert (wins.chance.value, wins.verdict) == (0.8, "better, and meaningfully so")
    weak = chance_better(np.zeros(200), np.where(np.arange(200) < 130, 1, -1))
    assert weak.verdict == "better, but not meaningfully so"


def test_five_wins_of_five_show_nothing_for_sure():
    wins = chance_better([0] * 5, [1] * 5)
    assert (wins.chance.value, wins.chance.high) == (1, 1)
    assert wins.chance.low == pytest.approx(0.025**0.2)
    constant = chance_better([1, 1], [1, 1])
    assert (constant.chance.value, constant.ties, constant.verdict) == (0.5, 2, "not shown to be better")


def test_runs_needed_are_bouthilliers_29():
    assert (runs_needed(), chance_better([0], [1]).runs_needed) == (29, 29)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: improvement([[0.1, np.nan]]),
            DataError,
            "1 of 2 differences are not finite: every seed needs every split",
        ),
        (
            lambda: improvement([]),
            DataError,
            "differences of shape (1, 0): they must be (seeds, splits), with at least one run",
        ),
        (
            lambda: improvement([[0.1]]),
            DataError,
            'difference "0.1" with standard error "0": no test without a variance',
        ),
        (lambda: variance_parts([[0.1]], images=-1), DataError, 'variance "-1" and ratio "0": neither is negative'),
        (
            lambda: margin_tests(0.1, standard_error=1, margin=-1),
            UsageError,
            'margin "-1" must not be negative',
        ),
        (
            lambda: improvement_of_scores([0, 1], before=[1, 2], after=[[1, 2], [3, 4]]),
            DataError,
            "scores of shape (2, 1) before and (2, 2) after: runs must be pairs",
        ),
        (
            lambda: chance_better([1], []),
            DataError,
            "1 run before and 0 after: they must be pairs",
        ),
        (lambda: chance_better([np.nan], [1]), DataError, "1 of 1 pair without two finite numbers"),
        (lambda: runs_needed(0.4), UsageError, 'chance "0.4" is not between 0.5 and 1'),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert caught.value.message == message
