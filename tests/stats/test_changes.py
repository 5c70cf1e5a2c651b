"""Changes of a population: intervals hold the truth, and what would have been shown is shown as often as said."""

import numpy as np
import pytest
from scipy.stats import beta, wilcoxon

from cxrshort.errors import DataError
from cxrshort.stats.changes import (
    differences_from_random,
    mean_by_person,
    median_interval,
    population_change,
    rate_interval,
    smallest_shift,
    weighted_median,
)
from cxrshort.stats.signed_rank import signed_rank


def test_population_change_reproduces_the_published_test() -> None:
    """10 positives lose and 10 negatives gain, always more than random patches change: T = 0, P = 8.86e-5."""
    draw = np.random.default_rng(0)
    before = np.repeat([2.0, -2.0], 10)
    after = before - np.sign(before) * draw.uniform(1, 5, 20)
    null = before[:, None] + draw.normal(0, 0.1, (20, 1000))
    found = population_change(before, after, random_logits=null, persons=range(20), rng=draw, magnitudes=True)
    assert found.statistic == 0 and f"{found.p_normal:.2e}" == "8.86e-05"
    assert found.p_exact == found.smallest_p == 2 / 2**20
    assert (found.images, found.persons) == (20, 20)
    assert found.flips.value == np.mean(np.abs(after - before) > 2)
    assert found.median.low < found.median.value < found.median.high
    signed = population_change(before, after, random_logits=null, persons=range(20), rng=draw, magnitudes=False)
    assert signed.p_normal > 0.3  # gains and losses cancel


def test_persons_are_the_unit() -> None:
    draw = np.random.default_rng(1)
    before, after = np.zeros(12), draw.normal(1, 1, 12)
    null = draw.normal(0, 0.1, (12, 50))
    persons = np.repeat(list("abcd"), 3)
    found = population_change(before, after, random_logits=null, persons=persons, rng=draw, magnitudes=False)
    means = (after - null.mean(axis=1)).reshape(4, 3).mean(axis=1)
    assert found.p_exact == pytest.approx(wilcoxon(means, method="exact").pvalue)
    assert (found.images, found.persons, found.smallest_p, found.smallest_effect) == (12, 4, 0.125, None)


def test_no_change_at_all_is_no_evidence() -> None:
    draw = np.random.default_rng(0)
    found = population_change(
        np.ones(9), np.ones(9), random_logits=np.ones((9, 5)), persons=range(9), rng=draw, magnitudes=True
    )
    assert (found.p_exact, found.p_normal, found.median.value, found.flips.value) == (1, 1, 0, 0)
    assert found.smallest_effect == 0


def test_what_does_not_fit_is_refused() -> None:
    draw = np.random.default_rng(0)
    with pytest.raises(DataError, match="0 logits after and 0 before: they must be as many, and at least one"):
        population_change([], [], random_logits=np.zeros((0, 3)), persons=[], rng=draw, magnitudes=True)
    with pytest.raises(DataError, match="2 logits after and 3 before"):
        population_change(
            [1, 2, 3], [1, 2], random_logits=np.zeros((3, 3)), persons=list("abc"), rng=draw, magnitudes=True
        )
    with pytest.raises(DataError, match="1 of 2 rows have no person"):
        population_change([1, 2], [1, 2], random_logits=np.zeros((2, 3)), persons=["a", ""], rng=draw, magnitudes=True)


def test_differences_are_of_magnitudes_or_signed() -> None:
    changes, null = np.array([-3.0, 1.0]), np.array([[1.0, -1.0], [2.0, 4.0]])
    assert differences_from_random(changes, null, magnitudes=True).tolist() == [2.0, -2.0]
    assert differences_from_random(changes, null, magnitudes=False).tolist() == [-3.0, -2.0]


def test_mean_by_person_is_that_of_each_group() -> None:
    assert mean_by_person(np.array([1.0, 5.0, 2.0]), np.array([1, 0, 1])).tolist() == [5.0, 1.5]


def test_weighted_median_is_numpys_of_repeated_values() -> None:
    draw = np.random.default_rng(0)
    values, weights = draw.normal(size=9), draw.integers(0, 4, (200, 9)).astype(float) + (np.arange(9) == 4)
    expected = [np.median(values.repeat(row.astype(int))) for row in weights]
    np.testing.assert_array_equal(weighted_median(values, weights=weights), expected)


def test_median_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """20 persons with two images of one value each; the median of the population is 0."""
    draw, inside = np.random.default_rng(3), 0
    for number in range(200):
        values = draw.standard_t(3, 20).repeat(2)
        found = median_interval(values, np.arange(20).repeat(2), rng=np.random.default_rng(number))
        inside += found.low <= 0 <= found.high
    assert 178 <= inside <= 200  # 95 % of 200 are 190; fewer than 178 have a chance below 1 in 1,000


def test_median_of_one_person_has_no_limits() -> None:
    found = median_interval([1.0, 2.0], ["a", "a"], rng=np.random.default_rng(0))
    assert found.value == 1.5 and np.isnan([found.low, found.high]).all()


def test_rate_of_independent_images_has_nearly_clopper_and_pearsons_limits() -> None:
    found = rate_interval([True] * 6 + [False] * 24, range(30))
    effective = 29.0  # the variance has n - 1 in the place of n
    assert found.value == 0.2
    assert found.low == pytest.approx(beta.ppf(0.025, 0.2 * effective, 0.8 * effective + 1))
    assert found.high == pytest.approx(beta.ppf(0.975, 0.2 * effective + 1, 0.8 * effective))


def test_rate_counts_persons_and_not_copies_of_their_images() -> None:
    hits = np.array([True] * 6 + [False] * 24)
    once, thrice = rate_interval(hits, range(30)), rate_interval(hits.repeat(3), np.arange(30).repeat(3))
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))
    none = rate_interval(np.zeros(90, bool), np.arange(30).repeat(3))
    assert (none.low, none.high) == pytest.approx((0, 1 - 0.025 ** (1 / 30)))
    assert rate_interval([True] * 5, list("abcde")).high == 1


@pytest.mark.parametrize("count", [10, 40])
def test_smallest_shift_is_shown_as_often_as_said(count: int) -> None:
    """Normal differences: the test finds the mean smallest shift in about 80 % of new populations."""
    draw = np.random.default_rng(count)
    shifts = [smallest_shift(draw.normal(0, 1, count), rng=draw) for _ in range(40)]
    shift = float(np.mean([shift for shift in shifts if shift is not None]))
    p = np.array([signed_rank(draw.normal(shift, 1, count)).p for _ in range(400)])
    assert 0.68 < np.mean(p <= 0.05) < 0.92


def test_smallest_shift_shrinks_with_more_persons_and_needs_enough() -> None:
    draw = np.random.default_rng(0)
    few, many = (smallest_shift(draw.normal(0, 1, count), rng=draw) for count in (12, 400))
    assert few is not None and many is not None and 0.1 < many < few
    assert smallest_shift(draw.normal(0, 1, 5), rng=draw) is None
