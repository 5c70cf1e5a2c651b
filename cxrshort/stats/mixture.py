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
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cxrshort.errors import DataError
from cxrshort.stats.midranks import Floats, Integers

WEIGHT = 10.0
COMPONENTS = 128
"""Principal components at most."""
_BLOCK = 4096
_STEP_BLOCK = 1024
"""Images of a step at once: 2 MB of factors stay near the processor."""
_STEPS = 100
_TOLERANCE = 1e-4
_SMALLEST_VARIANCE = 1e-3
"""Of a component that is standardised to a variance of at most 1."""
_SMALLEST_CHANCE = 1e-4


class Embeddings(Protocol):
    """What is read a few thousand rows at a time: an array (N, D), or rows of a file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (N, D)."""

    def __getitem__(self, rows: Integers, /) -> NDArray[np.floating]:
        """Return rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Hold principal components.

    Args:
        centre: (D,) of the embeddings.
        axes: (D, C), scaled so that the first component has a variance of 1 and the others keep their share of it.
    """

    centre: Floats
    axes: Floats

    def apply(self, embeddings: Embeddings, rows: Integers | None = None) -> Floats:
        """Return components (n, C) of rows of embeddings (N, D); of all rows where none are named.

        Raises:
            DataError: a number is not finite.
        """
        blocks = [block @ self.axes for block in _centred_blocks(embeddings, rows, self.centre)]
        components = np.concatenate(blocks) if blocks else np.zeros((0, self.axes.shape[1]))
        _check_finite(components)
        return components


def principal_components(embeddings: Embeddings, rows: Integers | None = None, *, most: int = COMPONENTS) -> Projection:
    """Return the principal components of rows of embeddings, without those that hold nothing but rounding.

    Args:
        embeddings: (N, D), finite.
        rows: at least two; all where none are named.
        most: components at most.

    Raises:
        DataError: a number is not finite, or all embeddings are equal.

    Example:
        >>> points = np.array([[0.0, 0], [1, 2], [2, 4], [3, 6]])
        >>> principal_components(points).apply(points).round(3).ravel().tolist()
        [-1.342, -0.447, 0.447, 1.342]
    """
    rows = np.arange(embeddings.shape[0]) if rows is None else rows
    count, width = len(rows), embeddings.shape[1]
    centre = sum((block.sum(axis=0) for block in _blocks(embeddings, rows)), start=np.zeros(width)) / count
    _check_finite(centre)
    # From the smaller of the two matrices of products, which is a hundred times as fast as a whole decomposition.
    if count >= width:
        products = np.zeros((width, width))
        for block in _centred_blocks(embeddings, rows, centre):
            products += block.T @ block
        variances, vectors = np.linalg.eigh(products / count)
    else:
        centred = np.concatenate(list(_centred_blocks(embeddings, rows, centre)))
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


def _check_finite(values: Floats) -> None:
    if not np.isfinite(values).all():
        raise DataError("an embedding is not finite", "evaluate the model again")


def _blocks(embeddings: Embeddings, rows: Integers | None) -> Iterator[Floats]:
    """Yield rows in float64, a few thousand at a time: all of them would take twice the memory of the embeddings."""
    rows = np.arange(embeddings.shape[0]) if rows is None else rows
    for start in range(0, len(rows), _BLOCK):
        block: Floats = np.asarray(embeddings[rows[start : start + _BLOCK]], np.float64)
        yield block


def _centred_blocks(embeddings: Embeddings, rows: Integers | None, centre: Floats) -> Iterator[Floats]:
    for block in _blocks(embeddings, rows):
        block -= centre
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
        numbers = [
            np.argmax(_factors(components[start : start + _STEP_BLOCK]) @ self.coefficients(), axis=1)
            for start in range(0, len(components), _STEP_BLOCK)
        ]
        return np.concatenate(numbers).astype(np.int64)

    def likelihoods(self, components: Floats, truth: Floats, probabilities: Floats, weight: float) -> Floats:
        """Return joint log-likelihoods (N, S), up to a constant."""
        logs: Floats = _factors(components, truth, probabilities) @ self.coefficients(weight)
        return logs

    def coefficients(self, weight: float = 0.0) -> Floats:
        """Return what factors are multiplied by, (1 + 2 C + 2, S); without truth and prediction where they weigh 0."""
        precision = 1 / self.variances
        constant = (self.means**2 * precision).sum(axis=1) + np.log(self.variances).sum(axis=1)
        parts = [np.log(self.shares) - 0.5 * constant, (self.means * precision).T, -0.5 * precision.T]
        if weight:
            chances = np.stack([self.truths, self.predictions])
            parts[0] = parts[0] + weight * np.log1p(-chances).sum(axis=0)
            parts.append(weight * (np.log(chances) - np.log1p(-chances)))
        return np.vstack(parts)


def _factors(components: Floats, truth: Floats | None = None, probabilities: Floats | None = None) -> Floats:
    """Return ones, components, their squares, and truth and prediction where they are given, (N, 1 + 2 C + 2).

    Log-likelihoods are sums of these over columns, and the next mixture is of their sums over images: two products of
    matrices are a whole step.
    """
    count, width = components.shape
    more = [values for values in (truth, probabilities) if values is not None]
    factors = np.empty((count, 1 + 2 * width + len(more)))
    factors[:, 0] = 1
    factors[:, 1 : 1 + width] = components
    np.square(components, out=factors[:, 1 + width : 1 + 2 * width])
    for column, values in enumerate(more, start=1 + 2 * width):
        factors[:, column] = values
    return factors


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
    blocks = [slice(start, start + _STEP_BLOCK) for start in range(0, len(components), _STEP_BLOCK)]
    responsibilities = _initial(truth, probabilities, slices, rng)
    sums = sum(
        responsibilities[block].T @ _factors(components[block], truth[block], probabilities[block]) for block in blocks
    )
    mixture, before = _maximise(np.asarray(sums), 0), -np.inf
    for step in range(1, _STEPS + 1):
        weights = mixture.coefficients(weight)
        sums, total = np.zeros(weights.T.shape), 0.0
        for block in blocks:
            factors = _factors(components[block], truth[block], probabilities[block])
            shares, likelihood_sum = _share(factors @ weights)
            sums += shares.T @ factors
            total += likelihood_sum
        mixture, likelihood = _maximise(sums, step), total / len(components)
        if likelihood - before < _TOLERANCE * max(1.0, abs(likelihood)):
            break
        before = likelihood
    return mixture


def _share(logs: Floats) -> tuple[Floats, float]:
    """Return the share of each slice in each image (N, S), and the sum of the images' log-likelihoods."""
    largest = logs.max(axis=1, keepdims=True)
    shares = np.exp(logs - largest)
    totals = shares.sum(axis=1, keepdims=True)
    shares /= totals
    return shares, float((largest + np.log(totals)).sum())


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


def _maximise(sums: Floats, step: int) -> ErrorMixture:
    """Return the mixture that responsibilities make, from their products with the factors, (S, 1 + 2 C + 2)."""
    sizes, width = sums[:, 0] + 1e-9, (sums.shape[1] - 3) // 2
    averages = sums / sizes[:, None]
    means, squares = averages[:, 1 : 1 + width], averages[:, 1 + width : 1 + 2 * width]
    variances = np.maximum(squares - means**2, 0.0) + _SMALLEST_VARIANCE
    truths, predictions = np.clip(averages[:, -2:], _SMALLEST_CHANCE, 1 - _SMALLEST_CHANCE).T
    return ErrorMixture(sizes / sizes.sum(), means, variances, truths, predictions, step)
