"""The excess over co-occurrence: its arithmetic, its test against SciPy, its power by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from cxrshort.stats.signed_rank import signed_rank
from cxrshort.stats.stress_excess import NOT_COUNTED, NOT_MEASURED, excess_change, mean_test, smallest_excess


def by_person(values: np.ndarray) -> dict[int, float]:
    return dict(enumerate(values.tolist()))


def test_nothing_is_taken_off_where_nothing_comes_along() -> None:
    excess = excess_change({0: 4.0, 1: 6.0}, 0.0, own={0: 50.0, 1: 60.0})
    assert (excess.mean.value, excess.explained, excess.missing) == (5.0, 0.0, "")


def test_share_of_the_own_change_is_taken_off_person_by_person() -> None:
    excess = excess_change({0: 20.0, 1: 30.0, 9: 99.0}, 0.45, own={0: 40.0, 1: 60.0, 5: 7.0}, adherence=0.9)
    # 20 - 0.5 * 40 and 30 - 0.5 * 60; persons with one of the two edits are left out.
    assert (excess.mean.value, excess.explained, excess.persons) == (0.0, 25.0, 2)


def test_real_images_stand_for_a_finding_that_no_edit_adds() -> None:
    values = np.random.default_rng(0).normal(12, 3, 40)
    excess = excess_change(by_person(values), 0.3, own={}, labelled=(40.0, 5.0))
    assert excess.mean.value == pytest.approx(values.mean() - 12) and excess.explained == 12
    assert excess.error == pytest.approx(math.hypot(values.std(ddof=1) / math.sqrt(40), 1.5))


@pytest.mark.parametrize(("share", "missing"), [(None, NOT_COUNTED), (0.3, NOT_MEASURED), (0.0, "")])
def test_what_is_missing_is_said(share: float | None, missing: str) -> None:
    excess = excess_change({0: 4.0, 1: 6.0}, share, own={})
    assert (excess.missing, excess.mean.value) == (missing, 5.0)


def test_test_of_the_mean_is_that_of_scipy() -> None:
    values = np.random.default_rng(1).normal(0.4, 1, 17)
    interval, error, p = mean_test(values)
    expected = stats.ttest_1samp(values, 0)
    limits = expected.confidence_interval(0.95)
    assert p == pytest.approx(expected.pvalue) and error == pytest.approx(stats.sem(values))
    assert (interval.low, interval.high) == pytest.approx((limits.low, limits.high))


@pytest.mark.parametrize(("values", "p"), [([0.0] * 5, 1.0), ([2.0] * 6, 2.0**-5), ([3.0], None)])
def test_values_that_do_not_vary_have_the_p_value_of_the_sign_test(values: list[float], p: float | None) -> None:
    assert mean_test(np.array(values))[2] == p


def test_smallest_excess_is_shown_in_80_percent_of_new_populations() -> None:
    rng = np.random.default_rng(0)
    level, margin, count = 0.05 / 30, 4.0, 40
    smallest = smallest_excess(6 / math.sqrt(count), count, level=level, margin=margin)
    tests = [mean_test(rng.normal(smallest, 6, count)) for _ in range(1500)]
    shown = np.mean([p is not None and p <= level and interval.value >= margin for interval, _, p in tests])
    assert abs(shown - 0.8) < 0.04  # three standard errors of 1,500 runs, and an estimate instead of the true error


def test_signed_ranks_of_the_excess_would_accuse_where_means_do_not() -> None:
    """A finding that comes along in 45 % of the edits and explains all of the change."""
    rng = np.random.default_rng(0)
    own = rng.normal(40, 5, (100, 120))
    changes = own * (rng.random((100, 120)) < 0.45) + rng.normal(0, 2, (100, 120))
    by_rank = [signed_rank(row - 0.45 * first).p for row, first in zip(changes, own, strict=True)]
    by_mean = [
        excess_change(by_person(row), 0.45, own=by_person(first)).p for row, first in zip(changes, own, strict=True)
    ]
    assert np.mean(np.array(by_mean, float) <= 0.05) < 0.12  # 5 % are expected, three standard errors above them
    assert np.mean(np.array(by_rank) <= 0.05) > 0.3  # 48 %
