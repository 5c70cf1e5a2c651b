"""Clusters of maps: the strategies of a model over a population, on one page (SpRAy, Lapuschkin et al. 2019).

Maps are pooled to cells and scaled to the same sum, so that a cluster is a place and not a strength. Distances are
Hellinger's, of square roots of shares, so that one bright cell does not outweigh all others. Clusters are those of a
graph that joins each map to its nearest neighbours (Ng, Jordan and Weiss 2002), and their number is where the
eigenvalues of its Laplacian leave the widest gap after one near 0 (von Luxburg 2007, section 8.3). The same maps give
the same clusters.

What would invalidate them: a cluster is a likeness, not a shortcut. Views, sexes or repositories make clusters too;
look at what its members share. Maps that are zero everywhere, or not finite, are in no cluster (label -1).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import ArrayLike
from scipy.linalg import eigh
from sklearn.cluster import KMeans
from sklearn.neighbors import NearestNeighbors

from cxrshort.attribution.shares import checked_maps
from cxrshort.errors import DataError
from cxrshort.stats.midranks import Floats, Integers

CELLS = 16
"""Cells along a side of a pooled map, as in OSCAR's finer grid: 14 px of 224."""
LEAST_NEIGHBOURS = 10
NEIGHBOURS_SHARE = 1 / 8
"""Share of the maps that each is joined to, if more than the least: with fewer, a strategy whose strength varies from
image to image falls into pieces along its strength."""
NEAR_ZERO = 0.1
"""Largest eigenvalue that counts as a cluster of its own: about the share of a cluster's edges that leave it. One
strategy of varying strength has second eigenvalues of 0.11 to 0.16, three planted ones a third of at most 0.001."""
MOST_CLUSTERS = 8
DIRECT = 2000
"""Maps whose graph is decomposed; further maps join the cluster of their nearest neighbour among these. Seconds."""
LEAST_MAPS = 3


@dataclass(frozen=True, slots=True, eq=False)
class MapClusters:
    """Hold clusters of N maps, the largest first.

    Args:
        labels: (N,) cluster of each map, from 0; -1 for maps that are zero everywhere or not finite.
        members: for each cluster, the positions of its maps, those nearest the centre first.
        mean_maps: (K, H, W) mean of the members' maps, signed, in logits.
        eigenvalues: the smallest of the graph's Laplacian, in [0, 2]; as many near 0 as there are clean clusters.
    """

    labels: Integers
    members: tuple[Integers, ...]
    mean_maps: npt.NDArray[np.float32]
    eigenvalues: Floats

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return how many maps each cluster has."""
        return tuple(len(positions) for positions in self.members)


def cluster_maps(
    maps: ArrayLike, *, clusters: int | None = None, cells: int = CELLS, neighbours: int | None = None
) -> MapClusters:
    """Cluster maps by where their attribution lies.

    Args:
        maps: (N, H, W) signed; a memory map is read twice.
        clusters: how many; None leaves it to the eigenvalues, 8 at most.
        cells: cells along a side of a pooled map; images smaller than that keep their pixels.
        neighbours: maps that each map is joined to; None takes an eighth of them, 10 at least.

    Raises:
        DataError: fewer maps that can be clustered than three, or than clusters.

    Example:
        >>> maps = np.zeros((20, 8, 8), np.float32)
        >>> maps[:12, :2] = 1
        >>> maps[12:, :, :2] = 1
        >>> cluster_maps(maps, neighbours=4).sizes
        (12, 8)
    """
    values = checked_maps(maps)
    profiles = np.sqrt(pool_maps(values, cells=cells)).reshape(len(values), -1)
    usable = np.flatnonzero(np.isfinite(profiles).all(axis=1))
    needed = max(LEAST_MAPS, clusters or 0)
    if len(usable) < needed:
        raise DataError(
            f"{len(usable)} of {len(values)} maps can be clustered, {needed} are needed", "explain more images"
        )
    directly = usable[np.unique(np.linspace(0, len(usable) - 1, min(DIRECT, len(usable))).astype(np.int64))]
    found, eigenvalues = _spectral(profiles[directly], clusters=clusters, neighbours=neighbours)
    nearest = NearestNeighbors(n_neighbors=1).fit(profiles[directly]).kneighbors(profiles[usable])[1][:, 0]
    labels = np.full(len(values), -1, np.int64)
    labels[usable] = found[nearest]
    labels[directly] = found  # equal maps may be each other's nearest
    labels = _largest_first(labels)
    members = tuple(_from_centre(profiles, labels, cluster) for cluster in range(labels.max() + 1))
    means = np.stack([_mean(values, positions) for positions in members])
    return MapClusters(labels, members, means, eigenvalues)


def pool_maps(maps: ArrayLike, *, cells: int = CELLS) -> Floats:
    """Return the share of absolute attribution in each cell, (N, cells, cells); rows add up to 1.

    Cells are as equal as whole pixels allow. A map that is zero everywhere, or not finite, becomes NaN.

    Example:
        >>> pool_maps([[[1.0, -1.0, 0.0], [0.0, 0.0, 2.0]]], cells=2)[0].tolist()
        [[0.25, 0.25], [0.0, 0.5]]
    """
    values = checked_maps(maps)
    starts = [np.unique(np.arange(cells) * side // cells) for side in values.shape[1:]]
    pooled = np.full((len(values), len(starts[0]), len(starts[1])), np.nan)
    for row, chart in enumerate(values):
        absolute = np.abs(chart)
        peak = absolute.max(initial=0)
        if 0 < peak < np.inf:
            sums = np.add.reduceat(np.add.reduceat(absolute / peak, starts[0], axis=0), starts[1], axis=1)
            pooled[row] = sums.astype(np.float64) / sums.sum(dtype=np.float64)
    return pooled


def _spectral(profiles: Floats, *, clusters: int | None, neighbours: int | None) -> tuple[Integers, Floats]:
    """Return the cluster of each profile, and the smallest eigenvalues of the normalised Laplacian."""
    count = len(profiles)
    joining = min(neighbours or max(LEAST_NEIGHBOURS, round(NEIGHBOURS_SHARE * count)), count - 1)
    graph = NearestNeighbors(n_neighbors=joining).fit(profiles).kneighbors_graph().toarray()
    joined = np.maximum(graph, graph.T)
    scale = 1 / np.sqrt(joined.sum(axis=1))
    laplacian = np.eye(count) - scale[:, None] * joined * scale
    last = min(max(MOST_CLUSTERS, clusters or 0), count - 1)
    eigenvalues, vectors = eigh(laplacian, subset_by_index=(0, last))
    if clusters is None:
        clusters = int(np.argmax(np.where(eigenvalues[:-1] <= NEAR_ZERO, np.diff(eigenvalues), -1))) + 1
    if clusters == 1:
        return np.zeros(count, np.int64), eigenvalues
    places = vectors[:, :clusters]
    places = places / np.maximum(np.linalg.norm(places, axis=1, keepdims=True), np.finfo(float).tiny)
    labels = KMeans(clusters, n_init=10, random_state=0).fit_predict(places)
    return labels.astype(np.int64), eigenvalues


def _largest_first(labels: Integers) -> Integers:
    """Number clusters anew by size; of equal sizes, that of the earlier map comes first."""
    names, first, counts = np.unique(labels[labels >= 0], return_index=True, return_counts=True)
    order = names[np.lexsort((first, -counts))]
    numbers = {int(name): number for number, name in enumerate(order)}
    return np.array([numbers.get(int(label), -1) for label in labels], np.int64)


def _from_centre(profiles: Floats, labels: Integers, cluster: int) -> Integers:
    positions = np.flatnonzero(labels == cluster)
    distances = np.linalg.norm(profiles[positions] - profiles[positions].mean(axis=0), axis=1)
    ordered: Integers = positions[np.argsort(distances, kind="stable")]
    return ordered


def _mean(maps: npt.NDArray[np.float32], positions: Integers) -> npt.NDArray[np.float32]:
    """Return the mean of some maps, added up one at a time, so that a memory map is never held as a whole."""
    total = np.zeros(maps.shape[1:])
    for position in positions:
        total += maps[position]
    return (total / len(positions)).astype(np.float32)


def mean_maps(maps: ArrayLike, groups: pd.DataFrame) -> list[tuple[dict[str, object], int, npt.NDArray[np.float32]]]:
    """Return the mean map of each group of images, such as each class of each repository.

    Args:
        maps: (N, H, W) signed. Maps with NaN or infinity are left out; those that are zero everywhere count.
        groups: N rows; each combination of its values is a group, and rows with an empty value are in none.

    Returns:
        For each group its values by column, how many maps were averaged, and their mean, (H, W); groups without a
        map are missing.

    Raises:
        DataError: lengths that differ.
    """
    values, keys = checked_maps(maps), list(groups.columns)
    if len(groups) != len(values):
        raise DataError(f"{len(values)} maps and {len(groups)} rows of groups: they must be as many")
    finite = np.array([bool(np.isfinite(chart).all()) for chart in values], bool)
    means = []
    for key, positions in groups.reset_index(drop=True).groupby(keys, sort=True).indices.items():
        rows = np.asarray(positions, np.int64)
        kept = rows[finite[rows]]
        if len(kept):
            names = key if isinstance(key, tuple) else (key,)
            means.append((dict(zip(keys, names, strict=True)), len(kept), _mean(values, kept)))
    return means
