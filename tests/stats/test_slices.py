"""Slices as science: a planted cluster of errors is found, and without one there are no more alarms than the level."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.contingency_tables import StratifiedTable

from cxrshort.errors import DataError
from cxrshort.stats.slices import compare_within_strata, find_slices, halve_persons

from .planted_errors import simulate


def shown(seed: int, **options: float) -> tuple[list, object, np.ndarray]:
    images, member = simulate(seed, **options)
    slices = find_slices(images, rng=np.random.default_rng(seed))
    return [part for part in slices.slices if part.p_holm is not None and part.p_holm <= 0.05], slices, member


def test_planted_cluster_is_found_on_the_other_half() -> None:
    hits = 0
    for seed in range(20):
        accused, slices, member = shown(seed, planted=0.7)
        if not accused:
            continue
        testing = (slices.numbers == accused[0].number) & ~slices.finding
        hits += member[testing].mean() > 0.8
        assert accused[0].excess.low > 0 and accused[0].errors.value > accused[0].expected
    assert hits >= 17


@pytest.mark.parametrize(
    "options",
    [{}, {"per_person": 4}, {"prevalence": 0.06}, {"stretched": 2.5}],
    ids=["calibrated", "many images a person", "rare", "overconfident"],
)
def test_without_a_cluster_alarms_are_at_most_the_level(options: dict[str, float]) -> None:
    """60 samples: 3 alarms are expected at the level, and more than 8 come with a chance of 0.003."""
    assert sum(bool(shown(seed, **options)[0]) for seed in range(100, 160)) <= 8


def test_errors_near_the_threshold_are_no_slice() -> None:
    """A cluster of images near the threshold has many errors, and as many as its scores say."""
    rng = np.random.default_rng(0)
    images, _ = simulate(0)
    unsure = np.abs(images.probabilities - 0.5) < 0.15
    points = images.embeddings + 6 * unsure[:, None] * (np.arange(24) == 5)
    slices = find_slices(replace(images, embeddings=points), rng=rng)
    testing = [
        part for part in slices.slices if unsure[slices.numbers == part.number].mean() > 0.8 and part.images > 20
    ]
    assert testing and max(part.errors.value for part in testing) > 2 * images.errors.mean()
    assert all(part.p_holm is None or part.p_holm > 0.05 for part in testing)


def test_halves_are_of_persons_with_about_as_many_errors() -> None:
    images, _ = simulate(1, per_person=5)
    finding = halve_persons(images, np.random.default_rng(0))
    assert not set(images.codes[finding]) & set(images.codes[~finding])
    assert 0.4 < finding.mean() < 0.6
    assert images.errors[finding].mean() == pytest.approx(images.errors[~finding].mean(), abs=0.06)


def test_same_seed_gives_the_same_slices() -> None:
    images, _ = simulate(3, planted=0.6)
    first, again = (find_slices(images, rng=np.random.default_rng(5)) for _ in range(2))
    assert first.slices == again.slices
    np.testing.assert_array_equal(first.numbers, again.numbers)


def test_slices_not_tested_say_why_and_count_in_no_correction() -> None:
    images, _ = simulate(2, planted=0.6)
    slices = find_slices(images, rng=np.random.default_rng(0))
    tested = [part for part in slices.slices if part.p is not None]
    assert slices.slices[: len(tested)] == tested
    assert all(part.reason and part.p_holm is None for part in slices.slices[len(tested) :])
    assert tested[0].p_holm == pytest.approx(min(1, tested[0].p * len(tested)))
    assert sum(part.images for part in slices.slices) == (~slices.finding).sum()


def test_limits_hold_the_common_difference_where_strata_hold_one_image_of_the_slice() -> None:
    """A slice of about 25 images in 20 strata: an image alone in its stratum scatters about the common difference."""
    held = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        inside, strata = rng.random(500) < 0.05, rng.integers(0, 20, 500)
        errors = rng.random(500) < 0.1 + 0.015 * strata + 0.3 * inside
        comparison = compare_within_strata(errors, inside, strata, np.arange(500))
        assert comparison is not None
        held += comparison.difference.low <= 0.3 <= comparison.difference.high
    assert held >= 366  # 95 % of 400 are 380; fewer than 366 have a chance below 1 in 1,000


def test_common_difference_is_that_of_mantel_and_haenszel() -> None:
    rng = np.random.default_rng(0)
    strata, inside = rng.integers(0, 5, 800), rng.random(800) < 0.3
    errors = rng.random(800) < 0.1 + 0.05 * strata + 0.02 * inside
    comparison = compare_within_strata(errors, inside, strata, np.arange(800))
    tables, weights, apart = [], [], []
    for stratum in range(5):
        part = strata == stratum
        cells = [[(errors & (inside == side) & part).sum(), (~errors & (inside == side) & part).sum()]
                 for side in (True, False)]  # fmt: skip
        tables.append(np.array(cells, float))
        sizes = tables[-1].sum(axis=1)
        weights.append(sizes[0] * sizes[1] / sizes.sum())
        apart.append(tables[-1][0, 0] / sizes[0] - tables[-1][1, 0] / sizes[1])
    assert comparison.difference.value == pytest.approx(np.average(apart, weights=weights))
    # The test of independent images: two-sided, by the hypergeometric variance, and normal.
    reference = StratifiedTable(tables).test_null_odds(correction=False).statistic
    assert norm.isf(comparison.p) ** 2 == pytest.approx(reference, rel=0.1)


def test_strata_of_one_side_are_left_out() -> None:
    inside = np.array([True, True, False, False])
    assert compare_within_strata(inside, inside, np.array([0, 0, 1, 1]), np.arange(4)) is None
    comparison = compare_within_strata(
        np.array([1, 0, 1, 0, 1, 1]) == 1,
        np.array([1, 1, 0, 0, 0, 0]) == 1,
        np.array([0, 0, 0, 0, 1, 1]),
        np.arange(6),
    )
    assert comparison.expected == 0.5


@pytest.mark.parametrize(
    ("images", "right", "message"),
    [
        (40, False, "halves of 20 and 20 images are too few to find slices in and to test them"),
        (400, True, "the model makes no error in one half of the persons: there is nothing to find"),
    ],
)
def test_what_cannot_be_halved_is_refused(images: int, right: bool, message: str) -> None:
    made, _ = simulate(0, images=images, per_person=1)
    made = replace(made, positive=made.called) if right else replace(made, called=~made.positive)
    with pytest.raises(DataError) as caught:
        find_slices(made, rng=np.random.default_rng(0))
    assert caught.value.message == message
