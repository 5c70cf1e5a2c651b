"""Distances of single embeddings against the full formula; other persons; shares and their words."""

import math

import numpy as np
import pytest

from cxrshort.errors import DataError
from cxrshort.stats.changes import Interval
from cxrshort.stats.clustered_medians import clustered_median
from cxrshort.stats.identity_scores import (
    DISTANCES,
    WinRate,
    derange_persons,
    keeps_word,
    pairwise_frechet,
    summarise_distances,
    to_unit_length,
    win_rate,
)


def draw(seed: int, shape: tuple[int, int] = (12, 9)) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Fréchet distance of two sets of embeddings by the whole formula (Heusel et al. 2017)."""
    covariances = [np.cov(values, rowvar=False, ddof=0) for values in (first, second)]
    values, vectors = np.linalg.eigh(covariances[0])
    root = vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T
    # The eigenvalues of S1 S2 are those of a symmetric matrix, so that its root needs no Schur form.
    roots = np.sqrt(np.clip(np.linalg.eigvalsh(root @ covariances[1] @ root), 0, None)).sum()
    means = [values.mean(axis=0) for values in (first, second)]
    return float(((means[0] - means[1]) ** 2).sum() + np.trace(covariances[0] + covariances[1]) - 2 * roots)


def test_pairwise_distance_is_the_whole_formula_of_sets_without_covariance() -> None:
    first, second = draw(0), draw(1)
    whole = [
        frechet(np.repeat(x[None], 2, axis=0), np.repeat(y[None], 2, axis=0))
        for x, y in zip(first, second, strict=True)
    ]
    np.testing.assert_allclose(pairwise_frechet(first, second), whole, rtol=1e-12)


def test_pairwise_distance_is_the_whole_formula_of_equal_covariances() -> None:
    """Two clouds of one shape are as far apart as their middles."""
    cloud, shift = draw(2, (40, 5)), draw(3, (1, 5))
    middle, moved = cloud.mean(axis=0, keepdims=True), cloud.mean(axis=0, keepdims=True) + shift
    assert frechet(cloud, cloud + shift) == pytest.approx(pairwise_frechet(middle, moved).item(), abs=1e-6)


@pytest.mark.parametrize("name", DISTANCES)
def test_distances_are_zero_of_oneself_symmetric_and_not_negative(name: str) -> None:
    first, second = draw(4), draw(5)
    first[0] = 0
    measure = DISTANCES[name]
    assert not measure(first, first).any()
    np.testing.assert_array_equal(measure(first, second), measure(second, first))
    assert (measure(first, second) > 0).all()


def test_cosine_and_euclidean_distance_are_those_of_their_formulas() -> None:
    first, second = draw(6), draw(7)
    cosines = [1 - x @ y / math.sqrt(x @ x * (y @ y)) for x, y in zip(first, second, strict=True)]
    np.testing.assert_allclose(DISTANCES["cosine"](first, second), cosines, rtol=1e-12)
    lengths = [math.dist(x, y) for x, y in zip(first, second, strict=True)]
    np.testing.assert_allclose(DISTANCES["l2"](first, second), lengths, rtol=1e-12)
    np.testing.assert_allclose(pairwise_frechet(to_unit_length(first), to_unit_length(second)), 2 * np.array(cosines))


def test_embeddings_of_two_networks_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        pairwise_frechet(draw(0), draw(0, (12, 8)))
    assert caught.value.message == "embeddings (12, 9) and (12, 8) cannot be compared"


@pytest.mark.parametrize("sizes", [(1, 1), (3, 1), (1, 5, 1), (2, 2, 2), (4, 1, 2, 1), (7, 3, 3, 1)])
@pytest.mark.parametrize("seed", range(5))
def test_nobody_is_his_own_control(sizes: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    persons = rng.permutation(np.repeat([f"P{number}" for number in range(len(sizes))], sizes))
    partners = derange_persons(persons, rng=np.random.default_rng(seed))
    assert (persons[partners] != persons).all()
    if 2 * max(sizes) <= sum(sizes):
        assert sorted(partners) == list(range(len(persons)))
    np.testing.assert_array_equal(partners, derange_persons(persons, rng=np.random.default_rng(seed)))


def test_one_person_has_no_control() -> None:
    with pytest.raises(DataError) as caught:
        derange_persons(["a", "a"], rng=np.random.default_rng(0))
    assert caught.value.message == "1 person has no other person's image beside it"


def test_summary_has_the_median_of_pairs_with_limits_over_persons() -> None:
    values, persons = np.arange(30.0), np.arange(30) // 2
    summary = summarise_distances(values, persons)
    assert summary.median == clustered_median(values, persons)
    assert (summary.pairs, summary.persons) == (30, 15)
    assert summary.interquartile_range == pytest.approx(np.subtract(*np.percentile(values, [75, 25])))


def test_win_rate_counts_ties_half() -> None:
    rate = win_rate([1.0, 1.0, 2.0, 3.0], [2.0, 1.0, 1.0, 4.0], ["a", "b", "c", "d"])
    assert rate.share.value == 0.625 and (rate.images, rate.persons) == (4, 4)


def test_images_of_one_person_have_no_limits() -> None:
    rate = win_rate([1.0, 1.0], [2.0, 2.0], ["a", "a"])
    assert math.isnan(rate.share.low) and rate.keeps == "undecided"


def test_distances_of_other_images_are_not_paired() -> None:
    with pytest.raises(DataError, match="2 and 1 distances cannot be paired"):
        win_rate([1.0, 1.0], [2.0], ["a", "b"])


@pytest.mark.parametrize(
    ("low", "high", "keeps", "direction"),
    [
        (0.8, 1.0, "kept", "nearer"),
        (0.6, 0.7, "not kept", "nearer"),
        (0.6, 0.9, "undecided", "nearer"),
        (0.4, 0.6, "not kept", "undecided"),
        (0.1, 0.4, "not kept", "farther"),
        (0.2, 0.9, "undecided", "undecided"),
    ],
)
def test_words_follow_the_limits(low: float, high: float, keeps: str, direction: str) -> None:
    rate = WinRate(Interval((low + high) / 2, low, high), 40, 40)
    assert (rate.keeps, rate.direction, keeps_word(rate)) == (keeps, direction, keeps)


def test_no_comparison_is_not_testable() -> None:
    assert keeps_word(None) == "not testable"
