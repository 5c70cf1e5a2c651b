"""Pictures of maps: the scale from white to red, the overlay, and the same bytes each time."""

import numpy as np
import pytest
from PIL import Image

from cxrshort.errors import DataError
from cxrshort.figures import maps as figure_of_maps
from cxrshort.figures.maps import IMPORTANCE, RED, draw_maps, importance, overlay_map


def test_importance_is_linear_up_to_its_percentile():
    chart = np.random.default_rng(0).normal(size=(40, 50))
    top = np.sort(np.abs(chart).ravel())[int(0.995 * 1999)]
    found = importance(-chart)
    assert (found == 1).sum() in (10, 11)
    np.testing.assert_allclose(found[found < 1], (np.abs(chart) / top)[found < 1], rtol=0.02, atol=1e-3)


def test_maps_of_one_value_or_of_one_pixel_have_a_scale():
    assert not importance(np.ones((3, 3))).any()
    single = np.zeros((30, 30))
    single[4, 4] = -2
    assert importance(single)[4, 4] == 1 and importance(single).sum() == 1
    assert importance([[np.nan, 1.0], [0.0, np.inf]]).tolist() == [[0, 1], [0, 0]]


def test_the_scale_runs_from_white_to_the_paper_s_red():
    assert IMPORTANCE(0.0)[:3] == (1, 1, 1)
    assert IMPORTANCE(1.0)[:3] == pytest.approx((180 / 256, 51 / 256, 53 / 256))


def test_overlay_shows_the_radiograph_where_nothing_matters():
    film, chart = np.full((2, 2), 51, np.uint8), np.array([[0.0, 0.0], [0.0, 5.0]])
    found = overlay_map(film, chart)
    assert found[0, 0].tolist() == pytest.approx([0.2] * 3)
    assert found[1, 1].tolist() == pytest.approx(RED)


def test_picture_is_the_same_bytes_and_holds_its_radiograph(tmp_path):
    rng = np.random.default_rng(1)
    pixels, maps = rng.integers(0, 256, (2, 32, 32), dtype=np.uint8), rng.normal(size=(2, 32, 32))
    captions = ["COVID-19, P = 0.93", "no finding " * 30]
    first, second = (draw_maps(pixels, maps, captions, tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert first == second
    drawn = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    reds = (np.abs(drawn.astype(int) - [180, 51, 53]).max(axis=2) < 8).sum()
    assert reds > 500
    draw_maps(pixels[:1], np.zeros((1, 32, 32)), [""], tmp_path / "empty.png")


def test_title_is_broken_above_the_first_row_and_moves_all_others_down(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(figure_of_maps, "save_figure", lambda figure, path: figures.append(figure) or path)
    pixels, chart = np.zeros((2, 32, 32), np.uint8), np.ones((2, 32, 32))
    for title in (
        "",
        "maps",
        "maps, COVID-19 (caution: maps fail randomisation and background and faithfulness), " * 3,
    ):
        draw_maps(pixels, chart, ["a", "b"], tmp_path / "a.png", title=title)
    heights = [figure.get_size_inches()[1] for figure in figures]
    assert np.diff(heights) == pytest.approx([0.35, 0.4])  # one line, and two more
    titles = [figure.texts[0].get_text() for figure in figures[1:]]
    assert titles[0] == "maps" and titles[1].count("\n") == 2
    tops = [(1 - figure.axes[0].get_position().y1) * height for figure, height in zip(figures, heights, strict=True)]
    assert np.diff(tops) == pytest.approx([0.35, 0.4])


def test_shapes_that_differ_are_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be drawn"):
        draw_maps(np.zeros((1, 4, 4), np.uint8), np.zeros((2, 4, 4)), ["a"], tmp_path / "a.png")
