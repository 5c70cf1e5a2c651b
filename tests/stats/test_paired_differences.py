"""Paired differences against SciPy, and the interval of a median against its definition and by simulation."""

import numpy as np
import pytest
from scipy import stats

from cxrshort.errors import DataError
from cxrshort.stats.changes import smallest_shift
from cxrshort.stats.paired_differences import median_limits, paired_differences


def measured(differences, persons=None, **options):
    return paired_differences(differences, persons, rng=np.random.default_rng(0), **options)


def test_published_value_comes_out():
    differences = measured(np.arange(1, 21))
    assert (differences.test.statistic, differences.persons) == (0.0, 20)
    assert f"{differences.test.p_normal:.3g}" == "8.86e-05"  # DeGrave et al. 2021
    assert differences.test.p_exact == pytest.approx(stats.wilcoxon(range(1, 21), method="exact").pvalue)


def test_differences_of_a_person_are_averaged_first():
    differences = measured([1.0, 3.0, -1.0, 5.0], ["a", "a", "b", "c"])
    assert (differences.pairs, differences.persons, differences.median) == (4, 3, 2.0)
    assert (differences.positive, differences.negative) == (2, 1)
    alone = measured([2.0, -1.0, 5.0])
    assert (differences.test, differences.smallest_shift) == (alone.test, alone.smallest_shift)


def test_zeros_are_counted_and_bound_the_smallest_p():
    differences = measured([0.0, 0.0, 1.0, 2.0, 3.0])
    assert (differences.test.zeros, differences.test.differences, differences.smallest_p) == (2, 3, 0.25)
    assert (differences.positive, differences.negative) == (3, 0)


@pytest.mark.parametrize(("count", "places"), [(5, None), (6, (0, 5)), (8, (0, 7)), (9, (1, 7)), (20, (5, 14))])
def test_limits_of_a_median_are_the_tabulated_order_statistics(count, places):
    # The places of 95 % from tables of the sign test (n = 9: 2nd and 8th, n = 20: 6th and 15th).
    expected = None if places is None else tuple(float(place) for place in places)
    assert median_limits(range(count)) == expected


def test_limits_of_a_median_cover_at_least_what_they_say():
    rng = np.random.default_rng(0)
    limits = [median_limits(rng.exponential(size=25)) for _ in range(2000)]
    covered = np.mean([low <= np.log(2) <= high for low, high in limits])
    assert covered > 0.95 - 0.015  # three standard errors of 2,000 runs; exactly 95.7 %


def test_too_few_differences_say_so():
    differences = measured([1.0, 2.0, 3.0])
    assert (differences.low, differences.high, differences.reason) == (None, None, "3 differences are too few")
    assert differences.smallest_shift is None and differences.smallest_p == 0.25


def test_smallest_shift_is_that_of_the_level():
    values = np.random.default_rng(1).normal(size=40)
    expected = smallest_shift(values, rng=np.random.default_rng(0), level=1 - 0.9)
    assert measured(values, level=0.9).smallest_shift == expected
    assert measured(values).smallest_shift > expected


@pytest.mark.parametrize(("differences", "persons"), [([], None), ([1.0], None), ([1.0, 2.0], ["a", "a"])])
def test_fewer_than_two_persons_are_refused(differences, persons):
    count = 1 if len(differences) else 0
    with pytest.raises(DataError, match=f"differences of {count} persons?: a test needs at least two"):
        measured(differences, persons)


def test_differences_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match="1 of 3 differences are not finite"):
        measured([1.0, np.inf, 2.0])


def test_differences_that_are_all_zero_tell_no_detectable_shift() -> None:
    differences = paired_differences(np.zeros(20), rng=np.random.default_rng(0))
    assert differences.test.p == 1.0 and differences.smallest_shift is None


def test_one_person_is_counted_in_the_singular() -> None:
    with pytest.raises(DataError, match="^differences of 1 person: a test needs at least two$"):
        paired_differences([0.1, 0.3], ["P1", "P1"], rng=np.random.default_rng(0))
