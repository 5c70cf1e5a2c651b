"""Limits of a median: those of order statistics where persons have one image, and their coverage where they do not."""

import numpy as np
import pytest

from cxrshort.errors import DataError
from cxrshort.stats.clustered_medians import clustered_median, effective_number
from cxrshort.stats.paired_differences import median_limits


@pytest.mark.parametrize("count", [6, 9, 20, 101])
def test_one_image_per_person_gives_the_limits_of_order_statistics(count: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    interval = clustered_median(values, range(count))
    assert (interval.low, interval.high) == median_limits(values)
    assert interval.value == np.median(values)


def test_copies_of_images_tell_nothing_more() -> None:
    values = np.random.default_rng(0).normal(size=40)
    alone, copied = clustered_median(values, range(40)), clustered_median(values.repeat(5), np.arange(40).repeat(5))
    assert copied.value == alone.value
    assert copied.low <= alone.low and copied.high >= alone.high


def test_independent_images_of_a_person_count_almost_as_persons() -> None:
    values = np.random.default_rng(2).normal(size=400)
    size = effective_number(values, np.arange(100).repeat(4), float(np.median(values)), level=0.95)
    assert 250 < size <= 400


@pytest.mark.parametrize(("persons", "images", "within"), [(15, 3, 0.3), (15, 3, 1.0), (60, 4, 0.3)])
def test_limits_cover_what_they_say_for_clustered_images(persons: int, images: int, within: float) -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(1000):
        values = rng.normal(size=persons).repeat(images) + rng.normal(0, within, persons * images)
        interval = clustered_median(values, np.arange(persons).repeat(images))
        hits += interval.low <= 0 <= interval.high
    assert hits / 1000 > 0.95 - 0.021  # three standard errors of 1,000 runs


def test_bootstrap_free_limits_cover_with_percentages_that_are_tied() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(1000):
        values = np.where(rng.random(25) < 0.7, 0.0, rng.exponential(20, 25))
        interval = clustered_median(values, range(25))
        hits += interval.low <= 0 <= interval.high
    assert hits / 1000 > 0.95 - 0.021


def test_too_few_persons_have_no_limits() -> None:
    assert np.isnan(clustered_median([1.0, 2.0, 3.0], ["a", "b", "c"]).low)
    assert np.isnan(clustered_median(np.arange(9.0), ["a"] * 9).low)


def test_row_without_a_person_is_refused() -> None:
    with pytest.raises(DataError, match="1 of 2 rows have no person"):
        clustered_median([1.0, 2.0], ["a", ""])
