"""Clusters of maps: planted places are found, one place is one cluster, and the same maps give the same answer."""

import numpy as np
import pandas as pd
import pytest

from cxrshort.attribution import clusters
from cxrshort.attribution.clusters import cluster_maps, mean_maps, pool_maps
from cxrshort.errors import DataError


def planted(sizes=(30, 20, 14), seed: int = 0):
    """Return maps with noise and a bright patch whose place says the group, shuffled, and the groups."""
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    maps = 0.1 * rng.normal(size=(len(groups), 24, 24)).astype(np.float32)
    for chart, group in zip(maps, groups, strict=True):
        y, x = [(1, 1), (1, 17), (16, 8)][group]
        chart[y : y + 6, x : x + 6] -= 1 + rng.random()
    return maps, groups


def test_planted_places_are_the_clusters_the_largest_first():
    maps, groups = planted()
    found = cluster_maps(maps, cells=8)
    np.testing.assert_array_equal(found.labels, groups)
    assert found.sizes == (30, 20, 14)
    assert found.eigenvalues[2] < 0.01 and found.eigenvalues[3] > 0.1
    np.testing.assert_allclose(found.mean_maps[1], maps[groups == 1].mean(axis=0), rtol=1e-5, atol=1e-7)


def test_members_nearest_the_centre_come_first():
    maps, groups = planted()
    found = cluster_maps(maps, cells=8)
    profiles = np.sqrt(pool_maps(maps, cells=8)[groups == 0])
    distances = ((profiles - profiles.mean(axis=0)) ** 2).sum(axis=(1, 2))
    np.testing.assert_array_equal(found.members[0], np.flatnonzero(groups == 0)[np.argsort(distances)])


def test_one_strategy_is_one_cluster():
    maps = np.random.default_rng(1).normal(size=(60, 24, 24))
    assert cluster_maps(maps, cells=8).sizes == (60,)
    for seed in range(3):
        assert cluster_maps(planted((60,), seed)[0], cells=8).sizes == (60,)
    assert len(cluster_maps(maps, cells=8, clusters=4).sizes) == 4


def test_the_same_maps_give_the_same_clusters_and_scale_does_not_matter():
    maps, _ = planted(seed=2)
    first, second = cluster_maps(maps), cluster_maps(maps * np.linspace(1, 100, len(maps))[:, None, None])
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.labels, cluster_maps(maps).labels)


def test_maps_without_a_place_are_in_no_cluster():
    maps, groups = planted()
    maps[groups == 1] = 0
    maps[np.flatnonzero(groups == 2)[0], 3, 3] = np.nan
    found = cluster_maps(maps, cells=8)
    assert found.sizes == (30, 13)
    assert (found.labels == -1).sum() == 21
    with pytest.raises(DataError, match="2 of 3 maps can be clustered, 3 are needed"):
        cluster_maps(np.stack([np.zeros((4, 4)), np.ones((4, 4)), np.eye(4)]))


def test_further_maps_join_their_nearest_neighbour(monkeypatch):
    maps, groups = planted()
    monkeypatch.setattr(clusters, "DIRECT", 50)
    np.testing.assert_array_equal(cluster_maps(maps, cells=8).labels, groups)


def test_pooled_maps_are_sums_of_cells():
    maps = np.random.default_rng(3).normal(size=(2, 12, 12))
    cells = np.abs(maps).reshape(2, 4, 3, 4, 3).sum(axis=(2, 4))
    np.testing.assert_allclose(pool_maps(maps, cells=4), cells / cells.sum(axis=(1, 2), keepdims=True), rtol=1e-5)
    assert pool_maps(maps, cells=40).shape == (2, 12, 12)


def test_mean_maps_are_of_each_class_and_repository():
    maps = np.arange(5, dtype=np.float32)[:, None, None] * np.ones((5, 2, 2), np.float32)
    maps[2, 0, 0] = np.nan
    groups = pd.DataFrame({"class": [1, 1, 1, 0, np.nan], "repository": list("aabbb")})
    found = mean_maps(maps, groups)
    assert [(key, count, float(mean[0, 0])) for key, count, mean in found] == [
        ({"class": 0.0, "repository": "b"}, 1, 3.0),
        ({"class": 1.0, "repository": "a"}, 2, 0.5),
    ]
    with pytest.raises(DataError, match="5 maps and 2 rows"):
        mean_maps(maps, groups[:2])
