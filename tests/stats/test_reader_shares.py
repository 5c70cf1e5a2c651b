"""Shares of images that show a finding: readings, images and persons are counted once each."""

import numpy as np
import pytest
from scipy.stats import beta

from cxrshort.errors import UsageError
from cxrshort.stats.reader_shares import as_values, seen_share, share_difference


def test_unsure_is_dropped_or_half() -> None:
    np.testing.assert_equal(as_values([0, 1, 2, np.nan], "drop"), [0, 1, np.nan, np.nan])
    np.testing.assert_equal(as_values([0, 1, 2, np.nan], "half"), [0, 1, 0.5, np.nan])
    with pytest.raises(UsageError, match="'quarter' is not a known rule for unsure answers"):
        as_values([0], "quarter")


def test_images_count_alike_however_many_read_them() -> None:
    answers, images = [1, 1, 1, 0], ["a", "a", "a", "b"]
    share = seen_share(answers, images, images)
    assert share.interval.value == 0.5 and (share.images, share.readings) == (2, 4)


def test_one_reading_of_independent_images_has_exact_binomial_limits() -> None:
    answers = [1] * 92 + [0] * 8
    share = seen_share(answers, range(100), range(100))
    # Korn and Graubard's effective number of independent images is n - 1 here: the variance is estimated.
    assert share.interval.low == pytest.approx(beta.ppf(0.025, 92, 9), abs=0.002)
    assert share.interval.high == pytest.approx(beta.ppf(0.975, 93, 8), abs=0.002)


def test_images_of_one_person_are_not_independent() -> None:
    answers = np.repeat([1, 1, 1, 0, 1, 0, 1, 1], 10)
    apart = seen_share(answers, range(80), range(80)).interval
    together = seen_share(answers, range(80), np.repeat(np.arange(8), 10)).interval
    assert together.value == apart.value and together.high - together.low > 2 * (apart.high - apart.low)


def test_what_all_see_has_a_lower_limit_below_one() -> None:
    interval = seen_share([1] * 20, range(20), range(20)).interval
    assert (interval.value, interval.high) == (1.0, 1.0)
    assert interval.low == pytest.approx(0.025 ** (1 / 20))


def test_without_an_answer_there_is_no_share() -> None:
    share = seen_share([2, np.nan], ["a", "b"], ["P", "Q"])
    assert np.isnan(share.interval.value) and (share.images, share.readings, share.unsure) == (0, 0, 1)


def test_difference_is_paired_by_person() -> None:
    """Half of the persons show the finding anyway: unpaired limits would be far wider than those of the pairs."""
    shows = np.repeat([0, 1], 50)
    sham, edit = shows.copy(), shows.copy()
    edit[:10] = 1
    answers, persons = np.concatenate([edit, sham]), np.tile(np.arange(100), 2)
    first = np.repeat([True, False], 100)
    difference = share_difference(answers, range(200), persons, in_first=first, rng=np.random.default_rng(0))
    assert difference.value == pytest.approx(0.1)
    # The standard error of 10 changes in 100 pairs is 0.03; unpaired shares would have 0.07.
    assert (difference.low, difference.high) == pytest.approx((0.1 - 1.96 * 0.03, 0.1 + 1.96 * 0.03), abs=0.015)


def test_difference_needs_both_sides_and_two_persons() -> None:
    rng = np.random.default_rng(0)
    assert np.isnan(share_difference([1, 1], ["a", "b"], ["P", "Q"], in_first=[True, True], rng=rng).value)
    lonely = share_difference([1, 0], list("ab"), ["P", "P"], in_first=[True, False], rng=rng)
    assert lonely.value == 1.0 and np.isnan(lonely.low)
