"""What cells are judged by, against numbers that are written down here, and the rule."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from cxrshort.errors import UsageError
from cxrshort.stats.changes import Interval
from cxrshort.stats.tuning import CellScore, may_be_proposed, mean_interval, propose_cell, score_cell

NAN = math.nan


def test_interval_is_that_of_the_t_test() -> None:
    values = np.random.default_rng(0).normal(1, 2, 8)
    interval = mean_interval(values, range(8))
    limits = ttest_1samp(values, 0).confidence_interval()
    assert (interval.value, interval.low, interval.high) == pytest.approx((values.mean(), limits.low, limits.high))


def test_persons_count_once() -> None:
    interval = mean_interval([1.0, 3.0, NAN, 6.0], ["a", "a", "b", "c"])
    assert interval.value == 4.0 and interval.low < 2 < 6 < interval.high
    assert np.isnan(mean_interval([1.0, 2.0], ["a", "a"]).low)
    assert np.isnan(mean_interval([NAN], ["a"]).value)


def test_cell_is_measured_on_and_off_target_and_beyond_the_sham() -> None:
    before = np.array([[0.0, 1.0, -1.0], [0.0, 0.0, 0.0]])
    after = before + [[2.0, 0.5, -0.5], [4.0, 1.0, 0.0]]
    sham = before + [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    score = score_cell(before, after, sham, target=0, distances=[4.0, 6.0], persons=["a", "b"])
    assert (score.target.value, score.beyond_sham.value) == (3.0, 2.0)
    assert (score.off_target, score.distance, score.images) == (0.5, 5.0, 2)


def test_pictures_that_were_not_made_and_findings_without_label_do_not_count() -> None:
    before, after = np.zeros((2, 2)), np.array([[1.0, 2.0], [NAN, NAN]])
    score = score_cell(before, after, before, target=1, distances=[3.0, NAN], persons=["a", "b"])
    assert (score.target.value, score.off_target, score.images) == (2.0, 1.0, 1)
    without = score_cell(before, after, before, target=None, distances=[3.0, NAN], persons=["a", "b"])
    assert np.isnan(without.target.value) and without.off_target == 1.5
    nothing = score_cell(
        np.zeros((1, 0)), np.zeros((1, 0)), np.zeros((1, 0)), target=None, distances=[1.0], persons=["a"]
    )
    assert np.isnan(nothing.off_target) and nothing.distance == 1.0


def cell(rise: float, off_target: float = 0.0, distance: float = 0.0) -> CellScore:
    interval = Interval(rise, NAN, NAN)
    return CellScore(interval, interval, off_target, distance, 5)


@pytest.mark.parametrize(
    ("score", "allowed"),
    [
        (cell(2.0, 1.0, 5.0), True),
        (cell(2.0, 1.1, 5.0), False),
        (cell(2.0, 1.0, 5.1), False),
        (cell(-1.0), False),
        (cell(NAN), False),
        (cell(1.0, NAN), True),
        (cell(1.0, 0.0, NAN), False),
    ],
)
def test_cell_may_be_proposed_within_both_limits(score: CellScore, allowed: bool) -> None:
    assert may_be_proposed(score, limit=5.0, most_off_target=0.5) is allowed


def test_largest_rise_within_the_limits_is_proposed() -> None:
    cells = [[cell(1.0)], [cell(3.0, distance=9.0)], [cell(2.0)], [cell(2.5, off_target=2.0)]]
    assert propose_cell(cells, limit=5.0) == 2
    assert propose_cell(cells, limit=None) == 1
    assert propose_cell(cells, limit=None, most_off_target=0.0) == 1
    assert propose_cell([[cell(-1.0)]], limit=None) is None


def test_cell_for_all_prompts_fulfils_the_rule_for_each() -> None:
    cells = [[cell(9.0), cell(-1.0)], [cell(1.0), cell(2.0)], [cell(2.0), cell(2.0)]]
    assert propose_cell(cells, limit=None) == 2


def test_share_below_zero_is_refused() -> None:
    with pytest.raises(UsageError, match="--most-off-target -1 is below 0"):
        may_be_proposed(cell(1.0), limit=None, most_off_target=-1)
