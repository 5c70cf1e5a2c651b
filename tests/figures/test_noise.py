"""The figure of evaluation noise and winner gap."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrshort.errors import DataError
from cxrshort.figures.noise import NoiseRow, draw_noise


def row(name: str = "nodules", values: np.ndarray | None = None) -> NoiseRow:
    differences = np.random.default_rng(0).normal(0, 0.02, 80) if values is None else values
    return NoiseRow(name, differences, 0.03, 0.01, "within noise")


def test_each_row_makes_the_figure_higher_and_has_both_colours(tmp_path: Path) -> None:
    heights = []
    for count in (1, 3):
        with Image.open(draw_noise([row()] * count, tmp_path / f"{count}.png", measure="AUC")) as picture:
            heights.append(picture.size[1])
            colours = {colour for _, colour in picture.convert("RGB").getcolors(1_000_000)}
    assert heights[1] - heights[0] == pytest.approx(2 * 0.85 * 150, abs=2)
    assert {(0x8A, 0x5A, 0x2B), (0x1E, 0x57, 0x9A)} <= colours


def test_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    paths = [draw_noise([row()], tmp_path / f"{name}.png", measure="AUC") for name in "ab"]
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("values", [np.zeros(5), np.array([0.01]), np.array([-1.0, 1.0])])
def test_constant_and_short_differences_are_drawn(tmp_path: Path, values: np.ndarray) -> None:
    assert draw_noise([row("a name $x_1$ that is long " * 5, values)], tmp_path / "n.png", measure="AUC").exists()


def test_nothing_to_draw_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no evaluation noise to draw"):
        draw_noise([], tmp_path / "n.png", measure="AUC")
