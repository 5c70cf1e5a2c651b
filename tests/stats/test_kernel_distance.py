"""The kernel distance against sums over all pairs, by a second formula, and against sets of one distribution."""

import itertools

import numpy as np
import pytest
from scipy.stats import t

from cxrshort.errors import DataError
from cxrshort.stats.kernel_distance import kernel_distance


def kernel(x: np.ndarray, y: np.ndarray) -> float:
    return float((x @ y / len(x) + 1) ** 3)


def by_pairs(first: np.ndarray, second: np.ndarray, one: list[str], other: list[str]) -> float:
    """Return the unbiased estimate as a sum over pairs of images of different persons."""

    def mean(a: np.ndarray, b: np.ndarray, of_a: list[str], of_b: list[str]) -> float:
        values = [
            kernel(x, y)
            for (x, p), (y, q) in itertools.product(zip(a, of_a, strict=True), zip(b, of_b, strict=True))
            if p != q
        ]
        return float(np.mean(values))

    return mean(first, first, one, one) + mean(second, second, other, other) - 2 * mean(first, second, one, other)


@pytest.fixture
def sets() -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
    """Return features of 9 and 7 images; persons have one or two images, and one person is in both sets."""
    rng = np.random.default_rng(3)
    return rng.normal(size=(9, 5)), rng.normal(0.5, size=(7, 5)), list("aabbcdefg"), list("ghhijkl")


def test_value_is_that_of_a_sum_over_pairs_of_different_persons(sets: tuple) -> None:
    first, second, one, other = sets
    result = kernel_distance(first, second, persons=(one, other))
    assert result.value == pytest.approx(by_pairs(first, second, one, other), rel=1e-12)
    assert (result.images, result.persons) == ((9, 7), 12)


def test_limits_are_those_of_leaving_out_each_person_by_hand(sets: tuple) -> None:
    first, second, one, other = sets
    everybody, leaving = sorted({*one, *other}), []
    for person in everybody:
        kept, others = [name != person for name in one], [name != person for name in other]
        leaving.append(
            by_pairs(first[kept], second[others], [p for p in one if p != person], [p for p in other if p != person])
        )
    count = len(everybody)
    error = np.sqrt((count - 1) / count * ((np.array(leaving) - np.mean(leaving)) ** 2).sum())
    result = kernel_distance(first, second, persons=(one, other))
    assert result.high - result.value == pytest.approx(t.ppf(0.975, count - 1) * error, rel=1e-10)
    assert result.value - result.low == pytest.approx(result.high - result.value)


def test_sets_of_one_distribution_have_zero_in_the_interval_and_on_average() -> None:
    rng = np.random.default_rng(0)
    results = []
    for _ in range(100):
        first, second = rng.normal(size=(24, 6)), rng.normal(size=(18, 6))
        results.append(kernel_distance(first, second, persons=(range(24), range(100, 118))))
    assert np.mean([result.low <= 0 <= result.high for result in results]) >= 0.9
    values = np.array([result.value for result in results])
    # Unbiased: the mean of 100 lies within 4 standard errors of 0.
    assert abs(values.mean()) < 4 * values.std() / 10


def test_interval_of_sets_that_differ_covers_the_true_distance() -> None:
    """Of far larger samples the estimate is close to the truth, which small samples cover about as often as stated."""
    rng = np.random.default_rng(1)
    large = rng.normal(size=(1500, 3)), rng.normal(0.7, size=(1500, 3))
    truth = kernel_distance(*large, persons=(range(1500), range(1500, 3000))).value
    hits = []
    for _ in range(100):
        first, second = rng.normal(size=(40, 3)), rng.normal(0.7, size=(40, 3))
        result = kernel_distance(first, second, persons=(range(40), range(40, 80)))
        hits.append(result.low <= truth <= result.high)
    assert np.mean(hits) >= 0.85


@pytest.mark.parametrize(
    ("first", "second", "persons", "message"),
    [
        (np.ones((4, 2)), np.ones((4, 3)), (range(4), range(4)), "cannot be compared"),
        (np.ones((4, 2)), np.full((4, 2), np.nan), (range(4), range(4)), "features of 4 images are not finite"),
        (np.ones((4, 2)), np.ones((4, 2)), (range(4), [1, 1, 2, 2]), "a set of 2 persons has no kernel distance"),
    ],
)
def test_bad_features_are_refused(first: np.ndarray, second: np.ndarray, persons: tuple, message: str) -> None:
    with pytest.raises(DataError, match=message):
        kernel_distance(first, second, persons=persons)
