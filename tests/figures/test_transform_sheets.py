"""Sheets of transformed images: one PNG of the same bytes, in grey and colour."""

from pathlib import Path

import numpy as np
import pytest

from cxrshort.errors import DataError
from cxrshort.figures.transform_sheets import TransformRow, _differences, draw_transform_sheet

from ..training.tiny import png_signature


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 3, 32, 32)])
def test_sheet_is_drawn_to_the_same_bytes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    draw = np.random.default_rng(0)
    images = [draw.integers(0, 256, shape, dtype=np.uint8) for _ in range(3)]
    rows = [TransformRow("toward A", *images), TransformRow("toward B", *images[::-1])]
    first, second = (draw_transform_sheet(rows, tmp_path / name) for name in ("1.png", "2.png"))
    assert png_signature(first) and first.read_bytes() == second.read_bytes()


def test_differences_are_red_where_images_become_brighter_and_blue_where_darker() -> None:
    before, after = np.full((1, 1, 3), 100, np.uint8), np.array([[[100, 150, 50]]], np.uint8)
    colours = _differences(TransformRow("", before, after, before))[0, :, 0]
    assert colours.T.tolist() == [[255, 255, 255], [255, 155, 155], [155, 155, 255]]


def test_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs one image in each direction"):
        draw_transform_sheet([], tmp_path / "x.png")
