"""Domino's mixture: principal components by scikit-learn, clusters that are there, assignment by embedding alone."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import multivariate_normal, norm
from sklearn.decomposition import PCA

from cxrshort.errors import DataError
from cxrshort.stats.mixture import _initial, fit_mixture, principal_components


@pytest.mark.parametrize("shape", [(200, 12), (20, 50)], ids=["more images", "more features"])
def test_components_are_those_of_scikit_learn(shape: tuple[int, int]) -> None:
    points = np.random.default_rng(0).normal(size=shape) * np.geomspace(3, 0.5, shape[1])
    components = principal_components(points, most=8).apply(points)
    reference = PCA(8, svd_solver="full").fit_transform(points)
    scale = reference[:, 0].std()
    np.testing.assert_allclose(np.abs(components), np.abs(reference) / scale, atol=1e-6)
    assert components[:, 0].std() == pytest.approx(1)


def test_components_of_rounding_are_left_out() -> None:
    points = np.outer(np.arange(10.0), [1, 2, 3])
    assert principal_components(points).axes.shape == (3, 1)


@pytest.mark.parametrize(
    ("points", "message"),
    [(np.full((5, 2), np.nan), "an embedding is not finite"), (np.ones((5, 2)), "all embeddings are equal")],
)
def test_points_without_components_are_refused(points: np.ndarray, message: str) -> None:
    with pytest.raises(DataError) as caught:
        principal_components(points)
    assert caught.value.message == message


def clusters(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return three clusters: ill and found, healthy and left alone, ill and missed."""
    rng = np.random.default_rng(seed)
    which = rng.integers(0, 3, 600)
    centres = np.array([[0.0, 0, 0], [4, 0, 0], [0, 4, 0]])
    return (
        centres[which] + 0.5 * rng.normal(size=(600, 3)),
        np.array([1.0, 0, 1])[which],
        np.array([0.95, 0.05, 0.05])[which],
        which,
    )


def test_clusters_that_are_there_are_found_again() -> None:
    points, truth, probabilities, which = clusters()
    mixture = fit_mixture(points, truth, probabilities, slices=8, rng=np.random.default_rng(0))
    numbers = mixture.assign(points)
    for cluster, (ill, chance) in enumerate([(1, 0.95), (0, 0.05), (1, 0.05)]):
        own = numbers[which == cluster]
        right = (np.abs(mixture.truths - ill) < 0.1) & (np.abs(mixture.predictions - chance) < 0.1)
        assert right[own].mean() > 0.97
    assert mixture.shares.sum() == pytest.approx(1)


def test_likelihood_is_the_gaussian_one_with_weighted_truth_and_prediction() -> None:
    points, truth, probabilities, _ = clusters()
    mixture = fit_mixture(points, truth, probabilities, slices=2, rng=np.random.default_rng(0))
    logs = mixture.likelihoods(points, truth, probabilities, 10.0)
    for number in range(2):
        normal = multivariate_normal(mixture.means[number], np.diag(mixture.variances[number])).logpdf(points)
        weighted = sum(
            10 * (values * np.log(chance[number]) + (1 - values) * np.log(1 - chance[number]))
            for values, chance in ((truth, mixture.truths), (probabilities, mixture.predictions))
        )
        expected = np.log(mixture.shares[number]) + normal + weighted
        np.testing.assert_allclose(logs[:, number] - 1.5 * np.log(2 * np.pi), expected, rtol=1e-9)


def test_steps_are_those_of_the_textbook() -> None:
    """The same steps from the same start, an image at a time; more images than are worked on at once."""
    rng = np.random.default_rng(0)
    which = rng.integers(0, 2, 3000)
    points = np.array([[0.0, 0], [2, 1]])[which] + rng.normal(size=(3000, 2))
    truth, probabilities = (rng.random(3000) < 0.3).astype(float), rng.uniform(0.05, 0.95, 3000)
    mixture = fit_mixture(points, truth, probabilities, slices=3, rng=np.random.default_rng(1))
    shares = _initial(truth, probabilities, 3, np.random.default_rng(1))
    for step in range(mixture.steps + 1):
        sizes = shares.sum(axis=0)
        means = shares.T @ points / sizes[:, None]
        spreads = np.stack([shares[:, s] @ (points - means[s]) ** 2 / sizes[s] for s in range(3)]) + 1e-3
        rates = [np.clip(shares.T @ values / sizes, 1e-4, 1 - 1e-4) for values in (truth, probabilities)]
        logs = np.log(sizes / 3000) + norm.logpdf(points[:, None], means, np.sqrt(spreads)).sum(axis=2)
        for values, rate in zip((truth, probabilities), rates, strict=True):
            logs += 10 * (values[:, None] * np.log(rate) + (1 - values[:, None]) * np.log(1 - rate))
        if step < mixture.steps:
            shares = softmax(logs, axis=1)
    assert mixture.steps > 3
    np.testing.assert_allclose(mixture.means, means, rtol=1e-6)
    np.testing.assert_allclose(mixture.variances, spreads, rtol=1e-6)
    np.testing.assert_allclose([mixture.truths, mixture.predictions], rates, rtol=1e-6)


def test_rows_of_embeddings_are_those_that_are_named() -> None:
    points = np.random.default_rng(0).normal(size=(60, 4))
    rows = np.array([3, 50, 7, 9, 22, 41, 5])
    few, alone = principal_components(points, rows), principal_components(points[rows])
    np.testing.assert_array_equal(few.axes, alone.axes)
    np.testing.assert_array_equal(few.apply(points, rows), few.apply(points)[rows])


def test_embedding_that_is_not_finite_is_refused_wherever_it_stands() -> None:
    points = np.random.default_rng(0).normal(size=(60, 4))
    projection = principal_components(points)
    points[59, 2] = np.nan
    with pytest.raises(DataError) as caught:
        projection.apply(points)
    assert caught.value.message == "an embedding is not finite"


def test_assignment_does_not_look_at_the_truth() -> None:
    points, truth, probabilities, _ = clusters()
    mixture = fit_mixture(points, truth, probabilities, slices=3, rng=np.random.default_rng(0))
    one_by_one = np.concatenate([mixture.assign(points[place : place + 1]) for place in range(50)])
    np.testing.assert_array_equal(one_by_one, mixture.assign(points)[:50])


def test_same_seed_gives_the_same_mixture() -> None:
    points, truth, probabilities, _ = clusters()
    first, again = (fit_mixture(points, truth, probabilities, slices=5, rng=np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first.means, again.means)
