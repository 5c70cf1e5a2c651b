"""Mean maps: what stands where, on one scale."""

import numpy as np
import pytest

from cxrshort.errors import DataError
from cxrshort.figures import mean_maps
from cxrshort.figures.mean_maps import MeanMap, draw_mean_maps

FILM = np.full((8, 8), 0.5)


def means(count: int = 4) -> list[MeanMap]:
    groups = [("COVID-19", "site-a"), *[("no COVID-19", f"site-{n}") for n in range(count - 1)]]
    return [MeanMap(group, name, 1000 + n, FILM, np.full((8, 8), n - 1.0)) for n, (group, name) in enumerate(groups)]


def drawn(points, path, monkeypatch, **options):
    """Return the figure that would be written."""
    kept = []
    monkeypatch.setattr(mean_maps, "save_figure", lambda figure, path: kept.append(figure) or path)
    draw_mean_maps(points, path, **options)
    return kept[0]


def test_groups_stand_below_each_other_and_share_one_scale(tmp_path, monkeypatch):
    figure = drawn(means(6), tmp_path / "a.png", monkeypatch, title="mean maps")
    texts = [text.get_text() for text in figure.texts]
    assert {"mean maps", "COVID-19", "no COVID-19", "site-a, mean of 1,000", "site-4, mean of 1,005"} <= set(texts)
    pictures = [axes.images[0] for axes in figure.axes]
    charts = [picture for picture in pictures if picture.get_array().min() != 0.5]
    assert {picture.get_clim() for picture in charts if picture.get_array().shape == (8, 8)} == {(-4.0, 4.0)}
    tops = {text.get_text(): round(text.get_position()[1], 3) for text in figure.texts}
    assert tops["site-0, mean of 1,001"] == tops["site-2, mean of 1,003"] > tops["site-3, mean of 1,004"]


def test_long_title_is_broken_and_not_cut(tmp_path, monkeypatch):
    caution = "mean maps, COVID-19 (caution: maps fail randomisation and background and faithfulness)"
    figure = drawn(means(1), tmp_path / "a.png", monkeypatch, title=caution)
    (title,) = [text for text in figure.texts if text.get_text().startswith("mean maps")]
    assert title.get_text().replace("\n", " ") == caution
    heading = next(text for text in figure.texts if text.get_text() == "COVID-19")
    assert title.get_window_extent().y0 > heading.get_window_extent().y1


def test_maps_of_zeros_and_nothing(tmp_path):
    path = draw_mean_maps([MeanMap("all", "", 3, FILM, np.zeros((8, 8)))], tmp_path / "a.png")
    assert path.read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(DataError, match="no mean map to draw"):
        draw_mean_maps([], tmp_path / "b.png")
