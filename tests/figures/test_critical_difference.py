"""The critical difference diagram."""

from pathlib import Path

import pytest
from PIL import Image

from cxrshort.errors import DataError
from cxrshort.figures.critical_difference import Ranking, draw_critical_differences

DEMSAR = Ranking("n = 14", ["C4.5", "m", "cf", "m+cf"], [3.143, 2.0, 2.893, 1.964], 1.12, [(3, 1, 2), (2, 0)])


def test_each_bar_and_each_method_makes_the_diagram_higher(tmp_path: Path) -> None:
    single = Ranking("n = 14", DEMSAR.methods, DEMSAR.mean_ranks, 2.0, [(3, 1, 2, 0)])
    heights = []
    for number, rankings in enumerate(([single], [DEMSAR], [single, DEMSAR])):
        with Image.open(draw_critical_differences(rankings, tmp_path / f"{number}.png")) as picture:
            heights.append(picture.size[1])
            assert (0x1E, 0x57, 0x9A) in {colour for _, colour in picture.convert("RGB").getcolors(1_000_000)}
    assert heights[0] < heights[1] < heights[2]


def test_methods_that_are_all_told_apart_have_no_bar(tmp_path: Path) -> None:
    apart = Ranking("n = 40", ["a", "b", "c"], [1.0, 2.0, 3.0], 0.5, [(0,), (1,), (2,)])
    with Image.open(draw_critical_differences([apart], tmp_path / "c.png")) as picture:
        assert (0x1E, 0x57, 0x9A) not in {colour for _, colour in picture.convert("RGB").getcolors(1_000_000)}


def test_same_ranking_gives_the_same_bytes_with_long_names_too(tmp_path: Path) -> None:
    long = Ranking("$x_1$", ["a very long name " * 5] * 5, [1.0, 2, 3, 4, 5], 9.0, [(0, 1, 2, 3, 4)])
    paths = [draw_critical_differences([long], tmp_path / f"{name}.png") for name in "ab"]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_nothing_to_draw_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no ranking to draw"):
        draw_critical_differences([], tmp_path / "c.png")
