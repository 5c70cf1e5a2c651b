"""Domino's mixture: clusters of images that are alike in embedding, truth and prediction.

What would invalidate the clusters as findings: to judge them on the images that they were found on, or to assign new
images by their truth and prediction. The second makes clusters of errors out of any errors at all, so
:meth:`ErrorMixture.assign` looks at the embedding alone.

Eyuboglu et al., Domino, ICLR 2022: a mixture of Gaussians with diagonal covariance on principal components, in which
the log-likelihoods of truth and prediction count `WEIGHT` times. A prediction counts as the shares that it gives the
two classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from cxrshort.errors import DataError
from cxrshort.stats.midranks import Floats, Integers

WEIGHT = 10.0
COMPONENTS = 128
"""Principal components at most."""
_BLOCK = 4096
_STEPS = 100
_TOLERANCE = 1e-4
_SMALLEST_VARIANCE = 1e-3
"""Of a component that is standardised to a variance of at most 1."""
_SMALLEST_CHANCE = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Hold principal components.

    Args:
        centre: (D,) of the embeddings.
        axes: (D, C), scaled so that the first component has a variance of 1 and the others keep their share of it.
    """

    centre: Floats
    axes: Floats

    def apply(self, embeddings: NDArray[np.floating]) -> Floats:
        """Return components (N, C) of embeddings (N, D)."""
        blocks = [block @ self.axes for block in _centred_blocks(embeddings, self.centre)]
        return np.concatenate(blocks) if blocks else np.zeros((0, self.axes.shape[1]))


def principal_components(embeddings: NDArray[np.floating], *, most: int = COMPONENTS) -> Projection:
    """Return the principal components of embeddings, without those that hold nothing but rounding.

    Args:
        embeddings: (N, D), finite, at least two rows.
        most: components at most.

    Raises:
        DataError: a number is not finite, or all embeddings are equal.

    Example:
        >>> points = np.array([[0.0, 0], [1, 2], [2, 4], [3, 6]])
        >>> principal_components(points).apply(points).round(3).ravel().tolist()
        [-1.342, -0.447, 0.447, 1.342]
    """
    count, width = embeddings.shape
    centre = embeddings.mean(axis=0, dtype=np.float64)
    if not np.isfinite(centre).all():
        raise DataError("an embedding is not finite", "evaluate the model again")
    # From the smaller of the two matrices of products, which is a hundred times as fast as a whole decomposition.
    if count >= width:
        products = np.zeros((width, width))
        for block in _centred_blocks(embeddings, centre):
            products += block.T @ block
        variances, vectors = np.linalg.eigh(products / count)
    else:
        centred = np.asarray(embeddings, np.float64) - centre
        variances, left = np.linalg.eigh(centred @ centred.T / count)
        vectors = centred.T @ left / np.sqrt(np.maximum(variances, 1e-300) * count)
    order = np.argsort(-variances)[: min(most, count - 1)]
    order = order[variances[order] > 1e-10 * max(float(variances.max()), 1e-300)]
    if not len(order) or variances[order[0]] <= 0:
        raise DataError("all embeddings are equal", "give those of a trained model")
    axes = vectors[:, order]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])  # eigh leaves signs open
    scaled: Floats = axes / np.sqrt(variances[order[0]])
    return Projection(centre, scaled)


def _centred_blocks(embeddings: NDArray[np.floating], centre: Floats) -> Iterator[Floats]:
    """Yield rows in float64, a few thousand at a time: all of them would take twice the memory of the embeddings."""
    for start in range(0, len(embeddings), _BLOCK):
        block: Floats = np.asarray(embeddings[start : start + _BLOCK], np.float64) - centre
        yield block


@dataclass(frozen=True, slots=True, eq=False)
class ErrorMixture:
    """Hold a fitted mixture of S slices.

    Args:
        shares: (S,) of the images.
        means: (S, C) of the components.
        variances: (S, C).
        truths: (S,) share of positives.
        predictions: (S,) mean predicted probability.
        steps: of the fit.
    """

    shares: Floats
    means: Floats
    variances: Floats
    truths: Floats
    predictions: Floats
    steps: int

    def assign(self, components: Floats) -> Integers:
        """Return the slice of each image, (N,), by its embedding alone.

        Args:
            components: (N, C).
        """
        numbers: Integers = np.argmax(self._embedding_likelihoods(components), axis=1)
        return numbers

    def _embedding_likelihoods(self, components: Floats) -> Floats:
        precision = 1 / self.variances
        squares = components**2 @ precision.T - 2 * components @ (self.means * precision).T
        constant = (self.means**2 * precision).sum(axis=1) + np.log(self.variances).sum(axis=1)
        logs: Floats = np.log(self.shares) - 0.5 * (squares + constant)
        return logs

    def likelihoods(self, components: Floats, truth: Floats, probabilities: Floats, weight: float) -> Floats:
        """Return joint log-likelihoods (N, S), up to a constant."""
        logs = self._embedding_likelihoods(components)
        for values, chances in ((truth, self.truths), (probabilities, self.predictions)):
            logs = logs + weight * (values[:, None] * np.log(chances) + (1 - values[:, None]) * np.log1p(-chances))
        return logs


def fit_mixture(
    components: Floats,
    truth: Floats,
    probabilities: Floats,
    *,
    slices: int,
    rng: np.random.Generator,
    weight: float = WEIGHT,
) -> ErrorMixture:
    """Fit the mixture by expectation and maximisation.

    Each slice begins with images of one cell of the confusion matrix (Domino's initialisation), so that rare errors
    have slices to begin with.

    Args:
        components: (N, C).
        truth: (N,) 0 or 1.
        probabilities: (N,) predicted, in [0, 1].
        slices: how many.
        rng: chooses the images that slices begin with.
        weight: of the log-likelihoods of truth and prediction.
    """
    responsibilities = _initial(truth, probabilities, slices, rng)
    mixture, before = _maximise(components, truth, probabilities, responsibilities, 0), -np.inf
    for step in range(1, _STEPS + 1):
        logs = mixture.likelihoods(components, truth, probabilities, weight)
        total = logsumexp(logs, axis=1)
        likelihood = float(total.mean())
        mixture = _maximise(components, truth, probabilities, np.exp(logs - total[:, None]), step)
        if likelihood - before < _TOLERANCE * max(1.0, abs(likelihood)):
            break
        before = likelihood
    return mixture


def _initial(truth: Floats, probabilities: Floats, slices: int, rng: np.random.Generator) -> Floats:
    """Return responsibilities (N, S) that favour, for each slice, images of one cell of the confusion matrix."""
    cells = np.stack([np.where(truth == 1, 1.0, 0.0), probabilities])
    kinds = [(first, second) for first in (0, 1) for second in (0, 1)]
    weights = np.stack(
        [(cells[0] if first else 1 - cells[0]) * (cells[1] if second else 1 - cells[1]) for first, second in kinds],
        axis=1,
    )
    start = weights[:, np.arange(slices) % len(kinds)] * rng.dirichlet(np.ones(slices), len(truth)) + 1e-12
    responsibilities: Floats = start / start.sum(axis=1, keepdims=True)
    return responsibilities


def _maximise(
    components: Floats, truth: Floats, probabilities: Floats, responsibilities: Floats, step: int
) -> ErrorMixture:
    sizes = responsibilities.sum(axis=0) + 1e-9
    means = responsibilities.T @ components / sizes[:, None]
    squares = responsibilities.T @ components**2 / sizes[:, None]
    variances = np.maximum(squares - means**2, 0.0) + _SMALLEST_VARIANCE
    truths, predictions = (
        np.clip(responsibilities.T @ values / sizes, _SMALLEST_CHANCE, 1 - _SMALLEST_CHANCE)
        for values in (truth, probabilities)
    )
    return ErrorMixture(sizes / sizes.sum(), means, variances, truths, predictions, step)
