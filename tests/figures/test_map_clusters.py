"""The contact sheet of clusters: a row each, the mean map first, six members at most."""

import numpy as np
import pytest

from cxrshort.errors import DataError
from cxrshort.figures import map_clusters
from cxrshort.figures.map_clusters import ClusterRow, draw_clusters


def row(name="cluster 1", members=8, captions=8):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (members, 16, 16), dtype=np.uint8)
    maps = rng.normal(size=(members, 16, 16)).astype(np.float32)
    return ClusterRow(name, 30, "96 % COVID-19", maps.mean(axis=0), pixels, maps, [f"i{n}" for n in range(captions)])


def test_rows_hold_the_size_and_the_members_nearest_the_centre(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(map_clusters, "save_figure", lambda figure, path: kept.append(figure) or path)
    draw_clusters([row(), row("cluster 2", members=2, captions=2)], tmp_path / "a.png")
    texts = [text.get_text() for text in kept[0].texts]
    assert len(kept[0].axes) == 1 + 6 + 1 + 2
    assert texts.count("30 maps, 50 %\n96 % COVID-19") == 2
    assert [text for text in texts if text.startswith("i")] == ["i0", "i1", "i2", "i3", "i4", "i5", "i0", "i1"]


def test_picture_is_the_same_bytes(tmp_path):
    first, second = (
        draw_clusters([row()], tmp_path / name, title="strategies").read_bytes() for name in ("a.png", "b.png")
    )
    assert first == second and first.startswith(b"\x89PNG")


def test_no_cluster_or_members_without_captions_are_refused(tmp_path):
    with pytest.raises(DataError, match="no cluster to draw"):
        draw_clusters([], tmp_path / "a.png")
    with pytest.raises(DataError, match="8 images, 8 maps and 3 captions"):
        draw_clusters([row(captions=3)], tmp_path / "a.png")
