"""Empirical p-values against counting by hand."""

import numpy as np
import pytest

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.random_changes import check_changes, empirical_p, more_extreme


@pytest.mark.parametrize(
    ("direction", "expected"),
    [("increase", [2 / 5, 5 / 5]), ("decrease", [5 / 5, 1 / 5]), ("either", [3 / 5, 2 / 5])],
)
def test_p_counts_random_changes_at_least_as_extreme(direction: str, expected: list[float]) -> None:
    p = empirical_p([2.0, -3.0], [[1.0, -2.5, 0.5, 2.0], [-2.0, 3.5, 0.0, 1.0]], direction=direction)
    assert p.tolist() == expected


@pytest.mark.parametrize(("direction", "expected"), [("increase", [0, 4]), ("decrease", [3, 0]), ("either", [1, 1])])
def test_strictly_more_extreme_changes_leave_out_ties(direction: str, expected: list[int]) -> None:
    counts = more_extreme([2.0, -3.0], [[1.0, -2.5, 0.5, 2.0], [-2.0, 3.5, 0.0, 1.0]], direction=direction)
    assert counts.tolist() == expected


@pytest.mark.parametrize("direction", ["increase", "decrease", "either"])
def test_nothing_changed_is_no_evidence(direction: str) -> None:
    assert empirical_p([0.0], [[0.0] * 1000], direction=direction).tolist() == [1.0]


def test_p_is_uniform_where_the_tested_patch_is_one_of_the_random_ones() -> None:
    draw = np.random.default_rng(0).normal(size=(4000, 20))
    p = empirical_p(draw[:, 0], draw[:, 1:], direction="increase")
    counts = np.bincount(np.rint(p * 20).astype(int), minlength=21)[1:]
    assert abs(counts - 200).max() < 70  # 5 standard deviations of 13.8


def test_unusable_changes_are_refused() -> None:
    with pytest.raises(DataError, match=r"random changes of shape \(1, 0\) do not fit changes of shape \(1,\)"):
        check_changes([1.0], np.zeros((1, 0)))
    with pytest.raises(DataError, match=r"random changes of shape \(3, 2\) do not fit"):
        check_changes([1.0, 2.0], np.zeros((3, 2)))
    with pytest.raises(DataError, match="2 changes are not finite"):
        check_changes([1.0, np.nan], [[0.0], [np.inf]])
    with pytest.raises(UsageError, match="'incraese' is not a known direction"):
        empirical_p([1.0], [[1.0]], direction="incraese")
