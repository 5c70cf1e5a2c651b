"""Ties: where they lie, and that each is the same picture in its own colour."""

import numpy as np
import pytest

from cxrshort.datasets.benchmarks.ties import BOW_TIE, NECKTIE, draw_tie, tie_box


def test_necktie_hangs_from_the_top_and_bow_tie_lies_across_the_middle():
    assert tie_box(NECKTIE, (10, 20, 50, 30)) == (25, 20, 45, 80)
    x0, y0, x1, y1 = tie_box(BOW_TIE, (10, 20, 40, 30))
    assert (x0, x1) == (10, 50) and y1 - y0 == 22 and (y0 + y1) / 2 == 35


def test_tie_of_the_smallest_mark_has_pixels():
    x0, y0, x1, y1 = tie_box(NECKTIE, (5, 5, 0.1, 0.1))
    assert (x1 - x0, y1 - y0) == (2, 2)


@pytest.mark.parametrize(("kind", "strong", "weak"), [(NECKTIE, 0, 2), (BOW_TIE, 2, 1)])
def test_tie_has_its_colour_on_a_transparent_ground(kind, strong, weak):
    pixels = np.asarray(draw_tie(kind, 40, 30))
    assert pixels.shape == (30, 40, 4)
    opaque = pixels[pixels[..., 3] == 255]
    assert 0.2 < len(opaque) / 1200 < 0.95
    assert (opaque[:, strong] > opaque[:, weak]).all()


@pytest.mark.parametrize("kind", [NECKTIE, BOW_TIE])
def test_tie_is_symmetric_in_outline(kind):
    outline = np.asarray(draw_tie(kind, 40, 40))[..., 3].astype(int)
    assert (np.abs(outline - outline[:, ::-1]) > 128).mean() < 0.02
