"""Mean shares with intervals: who counts, who is drawn, and what is said where something is missing."""

import numpy as np
import pytest

from cxrshort.errors import DataError
from cxrshort.stats.region_shares import share_intervals

NAN = float("nan")


def intervals(shares, areas, persons, seed=0):
    return share_intervals(np.transpose(shares), np.transpose(areas), persons, rng=np.random.default_rng(seed))


def test_means_are_of_images_with_a_share_and_ratio_is_of_means():
    first, second = intervals(
        [[0.2, 0.4, NAN, 0.6], [0.1, 0.0, 0.2, NAN]], [[0.1, 0.3, 0.5, 0.2], [0.2] * 4], list("abcd")
    )
    assert (first.share, first.area, first.images, first.persons) == (pytest.approx(0.4), pytest.approx(0.2), 3, 3)
    assert first.ratio == pytest.approx(2)
    assert (second.share, second.ratio, second.images) == (pytest.approx(0.1), pytest.approx(0.5), 3)


def test_interval_is_wider_where_images_are_of_the_same_person():
    """Equal images of one person are one fact: the variance grows by the images per person, here 5."""
    rng = np.random.default_rng(1)
    shares = np.repeat(rng.uniform(0.2, 0.6, 40), 5)
    areas = np.full(200, 0.2)
    alone = intervals([shares], [areas], np.arange(200))[0]
    together = intervals([shares], [areas], np.repeat(np.arange(40), 5))[0]
    width = (together.share_high - together.share_low) / (alone.share_high - alone.share_low)
    assert width == pytest.approx(np.sqrt(5), rel=0.1)
    error = shares[::5].std() / np.sqrt(40)
    assert together.share_high - together.share_low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert together.ratio_high == pytest.approx(together.share_high / 0.2)


def test_what_is_missing_says_why():
    nothing, empty, few = intervals(
        [[NAN] * 4, [0.0] * 4, [0.1, 0.1, NAN, NAN]], [[0.1] * 4, [0.0] * 4, [0.1] * 4], list("abcd")
    )
    assert (nothing.share, nothing.images, nothing.reason) == (None, 0, "no image has a share")
    assert (empty.share, empty.share_low, empty.ratio) == (0, 0, None)
    assert empty.reason == "the region is empty in every image"
    assert (few.share, few.share_low, few.reason) == (pytest.approx(0.1), None, "only 2 persons")


def test_ratio_of_a_region_that_few_persons_have_gets_no_interval():
    areas = np.zeros(20)
    areas[0] = 0.1
    found = intervals([areas * 2], [areas], np.arange(20))[0]
    assert (found.ratio, found.ratio_low) == (pytest.approx(2), None)
    assert found.share_low is not None and found.reason == "too few persons have the region"


def test_shapes_that_differ_are_refused():
    with pytest.raises(DataError, match="both must be"):
        share_intervals([[1.0]], [[1.0, 2.0]], "a", rng=np.random.default_rng(0))
