import dataclasses

import numpy as np
import pytest

from cxrshort.datasets.phantom.hospitals import HOSPITALS, draw_style
from cxrshort.datasets.phantom.markers import GLYPHS, lay_marker

STYLE = draw_style(HOSPITALS["site-a"].rooms[0], np.random.default_rng(0))


def test_glyphs_are_rectangles_of_seven_rows() -> None:
    for letter, glyph in GLYPHS.items():
        assert len(glyph) == 7, letter
        assert len({len(row) for row in glyph}) == 1, letter


def test_lay_marker_prints_the_bitmap_where_one_dot_is_one_pixel() -> None:
    style = dataclasses.replace(
        STYLE, marker_text="L", marker_frame="none", marker_x=0.5, marker_y=0.25, marker_height=0.07
    )
    marker = lay_marker(style, size=100)
    assert marker is not None
    assert marker.box == (50, 25, 55, 32)
    assert np.array_equal(marker.cover, [[dot == "#" for dot in row] for row in GLYPHS["L"]])


@pytest.mark.parametrize("size", [32, 64, 90, 256, 500])
@pytest.mark.parametrize("frame", ["none", "plate", "ring"])
def test_lay_marker_keeps_the_share_of_lead_at_every_size(size: int, frame: str) -> None:
    style = dataclasses.replace(STYLE, marker_text="R", marker_frame=frame)
    small, large = lay_marker(style, size=size), lay_marker(style, size=1024)
    assert small is not None and large is not None
    # Area averaging keeps the mean exactly up to the rounding of the box.
    assert small.cover.mean() == pytest.approx(large.cover.mean(), abs=0.01)
    assert 0 <= small.cover.min() and small.cover.max() <= 1.0001


def test_lay_marker_moves_a_marker_inside_the_film() -> None:
    marker = lay_marker(dataclasses.replace(STYLE, marker_x=0.999, marker_y=0.999), size=64)
    assert marker is not None
    assert marker.box[2] == marker.box[3] == 64


def test_lay_marker_gives_nothing_without_text() -> None:
    assert lay_marker(dataclasses.replace(STYLE, marker_text=""), size=64) is None
