"""Strips of a swap-test: pictures and outlines where they belong, readable words, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cxrshort.errors import DataError
from cxrshort.figures import swap_strips
from cxrshort.figures.swap_strips import OUTLINES, Strip, draw_strips

RNG = np.random.default_rng(0)
BEFORE, PARTNER, AFTER = RNG.integers(0, 256, (3, 40, 40), dtype=np.uint8)
SWAPPED = Strip(
    "film-1",
    "marker",
    "positive",
    BEFORE,
    AFTER,
    -1.2,
    2.31,
    [[2, 4, 10, 12]],
    partner=PARTNER,
    partner_id="BIMCV-COVID19+/sub-S03045_ses-E06165_run-1_bp-chest_vp-ap_dx",
    partner_boxes=[[20, 22, 28, 30]],
)
MOVED = Strip(
    "film-2", "shoulders_and_clavicles", "negative", BEFORE, AFTER, -812.5, -1204.25, [[0, 8, 9, 16]], [[0, 0, 9, 8]]
)


def drawn(monkeypatch, strips, path, **options):
    """Return the figure that would be written."""
    kept = []
    monkeypatch.setattr(swap_strips, "save_figure", lambda figure, path: kept.append(figure) or path)
    draw_strips(strips, path, **options)
    return kept[0]


def outlines(axes):
    """Return (colour, box) of each outline, the box without the room around it."""
    out = 0.4
    return [
        (
            patch.get_edgecolor(),
            [
                round(float(value), 6)
                for value in (
                    patch.get_x() + out,
                    patch.get_y() + out,
                    patch.get_x() + patch.get_width() - out,
                    patch.get_y() + patch.get_height() - out,
                )
            ],
        )
        for patch in axes.patches
    ]


def colour(name):
    return tuple(int(OUTLINES[name][place : place + 2], 16) / 255 for place in (1, 3, 5)) + (1.0,)


def test_a_swap_shows_three_pictures_with_their_boxes(tmp_path, monkeypatch):
    figure = drawn(monkeypatch, [SWAPPED], tmp_path / "a.png")
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    assert all(np.array_equal(*pair) for pair in zip(shown, (BEFORE, PARTNER, AFTER), strict=True))
    tested, partner = (colour("tested box"), [2, 4, 10, 12]), (colour("partner's box"), [20, 22, 28, 30])
    assert [outlines(axes) for axes in figure.axes] == [[tested], [partner], [tested]]
    written = [text.get_text() for text in figure.texts]
    assert "positive\n\nlog-odds\n−1.20 → 2.31\nchange +3.51" in written
    assert {"before", "partner", "after", "marker", "film-1", "tested box", "partner's box"} <= set(written)
    assert "destination" not in written


def test_a_move_shows_two_pictures_and_where_its_box_went(tmp_path, monkeypatch):
    figure = drawn(monkeypatch, [MOVED], tmp_path / "a.png")
    both = [(colour("tested box"), [0, 8, 9, 16]), (colour("destination"), [0, 0, 9, 8])]
    assert [outlines(axes) for axes in figure.axes] == [both, both]
    assert "partner" not in [text.get_text() for text in figure.texts]


@pytest.mark.parametrize("count", [1, 2, 4, 5, 12])
def test_no_words_are_cut_or_covered(count, tmp_path, monkeypatch):
    strips = ([SWAPPED, MOVED, replace(SWAPPED, image_id="W" * 30, logit_before=-12345.678)] * 4)[:count]
    figure = drawn(monkeypatch, strips, tmp_path / "a.png", title="swap-test of a model " * 5)
    figure.canvas.draw()
    extents = [text.get_window_extent() for text in figure.texts if text.get_text()]
    words = len(extents)
    extents += [axes.get_window_extent() for axes in figure.axes]
    across, down = figure.get_size_inches() * figure.dpi
    for number, extent in enumerate(extents):
        assert extent.x0 >= 0 and extent.y0 >= 0 and extent.x1 <= across and extent.y1 <= down
        assert not any(extent.overlaps(other) for other in extents[: min(number, words)])
    assert len(figure.axes) == sum(len(strip.pictures) for strip in strips)


def test_strips_go_down_the_left_block_first(tmp_path, monkeypatch):
    strips = [replace(MOVED, image_id=f"film {number}") for number in range(5)]
    figure = drawn(monkeypatch, strips, tmp_path / "a.png")
    places = {text.get_text(): text.get_position() for text in figure.texts}
    (x0, y0), (x2, y2), (x3, y3) = (places[f"film {number}"] for number in (0, 2, 3))
    assert x0 == x2 < x3 and y0 == y3 > y2


def test_colour_is_shown_in_colour(tmp_path, monkeypatch):
    colours = RNG.integers(0, 256, (2, 3, 20, 30), dtype=np.uint8)
    figure = drawn(monkeypatch, [replace(MOVED, before=colours[0], after=colours[1])], tmp_path / "a.png")
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), colours[0].transpose(1, 2, 0))


def test_picture_is_the_same_bytes_and_holds_its_outlines(tmp_path):
    first, second = (draw_strips([SWAPPED], tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert first == second
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    for name in ("tested box", "partner's box"):
        wanted = 255 * np.array(colour(name)[:3])
        assert (np.abs(pixels - wanted).max(axis=2) < 8).sum() > 100


@pytest.mark.parametrize(
    ("strips", "message"),
    [
        ([], "0 strips cannot be drawn in one figure: there must be 1 to 12"),
        ([MOVED] * 13, "13 strips cannot be drawn"),
        (
            [SWAPPED, replace(MOVED, after=AFTER[:20])],
            "pictures of 40 x 20 and 40 x 40 pixels cannot be drawn in one figure: all must be of one size",
        ),
    ],
)
def test_strips_that_cannot_be_drawn_are_refused(strips, message, tmp_path):
    with pytest.raises(DataError, match=message):
        draw_strips(strips, tmp_path / "a.png")
