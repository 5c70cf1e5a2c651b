"""How near synthetic images are to real ones, beside how near real images are to those of other persons.

A generator that has learnt a training film by heart draws it again, and with it a patient. A distance alone says
nothing: all chest films look alike. The yardstick is what real films of different persons are from each other, each by
its nearest neighbour in the same collection, at the same size and by the same measure.

Three levels. A pair whose fine structure (ribs, vessels) fits after registration as that of one film does is a leak,
whatever its distance. A synthetic image that is nearer to a real one than any real film of the yardstick is to another
person's is suspicious: one in n + 1 would be by chance, of n films. Everything else is no evidence.

What would invalidate it: the same film under two names in the real dataset, which would make the yardstick as short as
a copy; such pairs are recognised by registration, left out and counted. And a synthetic set compared with another
collection than the generator was trained on: what is not there cannot be found.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cxrshort.stats.leakage import LEAK, NO_EVIDENCE, SUSPICIOUS

SAME_FILM = 0.85
"""Correlation from which a pair is certainly one film: films of one person on different days reach 0.80."""
SAME_PERSON = 0.75
"""Correlation that films of different persons stay below (0.67 in 1,619 real ones)."""
_TILE = 1024

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NearestVerdict:
    """Hold what is said of one synthetic image.

    Args:
        verdict: ``"leak"``, ``"suspicious"`` or ``"no evidence"``.
        why: in words; empty for no evidence.
    """

    verdict: str
    why: str = ""


def nearest_rows(
    vectors: NDArray[np.float32],
    references: NDArray[np.float32],
    *,
    groups: ArrayLike,
    reference_groups: ArrayLike,
) -> tuple[Integers, Floats]:
    """Return for each vector the nearest reference of another group, and their Euclidean distance.

    Args:
        vectors: (N, D).
        references: (M, D).
        groups: (N,) of each vector; references of the same group are left out.
        reference_groups: (M,).

    Returns:
        Place among the references (N,), -1 where there is none, and the distance (N,), infinite where there is none.

    Example:
        >>> places, distances = nearest_rows(
        ...     np.zeros((1, 2), np.float32),
        ...     np.array([[0, 0], [3, 4]], np.float32),
        ...     groups=["A"],
        ...     reference_groups=["A", "B"],
        ... )
        >>> places.tolist(), distances.tolist()
        ([1], [5.0])
    """
    _, codes = np.unique(np.concatenate([np.asarray(groups), np.asarray(reference_groups)]), return_inverse=True)
    own, others = codes[: len(vectors)], codes[len(vectors) :]
    centre = references.mean(axis=0)  # small numbers lose less when squares are subtracted
    queries, stored = vectors - centre, references - centre
    squares = (stored**2).sum(axis=1)
    places, smallest = np.full(len(vectors), -1, np.int64), np.full(len(vectors), np.inf)
    for i in range(0, len(vectors), _TILE):
        rows = np.arange(i, min(i + _TILE, len(vectors)))
        for j in range(0, len(references), _TILE):
            columns = slice(j, j + _TILE)
            far = squares[columns] - 2 * (queries[rows] @ stored[columns].T)
            far[own[rows, np.newaxis] == others[columns]] = np.inf
            best = far.argmin(axis=1)
            values = far[np.arange(len(rows)), best].astype(np.float64)
            nearer = values < smallest[rows]
            places[rows[nearer]], smallest[rows[nearer]] = best[nearer] + j, values[nearer]
    matched = places >= 0
    exact = np.linalg.norm(vectors[matched].astype(np.float64) - references[places[matched]], axis=1)
    distances = np.full(len(vectors), np.inf)
    distances[matched] = exact
    return places, distances


def shares_as_near(distances: ArrayLike, yardstick: ArrayLike) -> Floats:
    """Return the share of real films that are as near to another person's, (N,); the synthetic image counts as one.

    Args:
        distances: (N,) of synthetic images to their nearest real ones.
        yardstick: (n,) of real films to their nearest ones of other persons.

    Example:
        >>> shares_as_near([0.1, 2.5], [1.0, 2.0, 3.0]).tolist()
        [0.25, 0.75]
    """
    ordered = np.sort(np.asarray(yardstick, np.float64))
    below = np.searchsorted(ordered, np.asarray(distances, np.float64), side="right")
    return (1 + below) / (1 + len(ordered))


def judge_nearest(correlation: float, nearer: Mapping[str, bool], *, certain: bool = True) -> NearestVerdict:
    """Return what is said of a synthetic image.

    Args:
        correlation: how well its fine structure fits that of a real film.
        nearer: by the name of each measure, whether the image is nearer to a real one than any real film of the
            yardstick is to another person's.
        certain: whether the pictures are large enough for fine structure to tell persons apart.

    Example:
        >>> judge_nearest(0.4, {"hash": True, "pixels": False})
        NearestVerdict(verdict='suspicious', why='nearer than any two real films by hash')
    """
    if correlation >= SAME_FILM and certain:
        return NearestVerdict(LEAK, f"the same film: fine structure correlates by {correlation:.2f}")
    reasons = [f"fine structure correlates by {correlation:.2f}"] if correlation >= SAME_PERSON else []
    names = [name for name, is_nearer in nearer.items() if is_nearer]
    reasons += [f"nearer than any two real films by {' and '.join(names)}"] if names else []
    return NearestVerdict(SUSPICIOUS, "; ".join(reasons)) if reasons else NearestVerdict(NO_EVIDENCE)
