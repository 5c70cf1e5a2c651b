"""Sheets and maps of a grid: bytes that repeat, both forms, and limits."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrshort.errors import DataError
from cxrshort.figures.tuning import Measure, Place, draw_tuning_maps, draw_tuning_sheet

ORIGINAL = np.full((20, 20), 90, np.uint8)
GRID: list[Place] = [(strength, guidance) for strength in (0.2, 0.4) for guidance in (1.0, 4.0, 7.0)]
LINE: list[Place] = [(strength, None) for strength in (0.2, 0.4, 0.6)]


def sheet(places: list[Place], path: Path, proposed: Place | None = None) -> Path:
    pictures = {place: None if number == 1 else ORIGINAL + number for number, place in enumerate(places)}
    return draw_tuning_sheet(ORIGINAL, pictures, path, proposed=proposed, title="edema")


def maps(places: list[Place], path: Path, proposed: Place | None = None) -> Path:
    values = {place: None if number == 1 else 0.5 * number for number, place in enumerate(places)}
    measures = [Measure("target", values), Measure("distance", values, 1.5)]
    return draw_tuning_maps(measures, path, proposed=proposed, title="edema")


@pytest.mark.parametrize("draw", [sheet, maps])
@pytest.mark.parametrize("places", [GRID, LINE])
def test_same_grid_gives_the_same_bytes_and_a_proposal_others(
    tmp_path: Path, draw: object, places: list[Place]
) -> None:
    drawn = [draw(places, tmp_path / f"{name}.png").read_bytes() for name in "ab"]  # type: ignore[operator]
    assert drawn[0] == drawn[1]
    assert draw(places, tmp_path / "c.png", places[2]).read_bytes() != drawn[0]  # type: ignore[operator]


def test_sheet_has_a_row_for_each_strength_and_a_column_for_each_guidance(tmp_path: Path) -> None:
    sizes = []
    for count in (2, 4):
        places: list[Place] = [(strength / 10, guidance) for strength in range(1, count + 1) for guidance in (1.0, 4.0)]
        with Image.open(sheet(places, tmp_path / "a.png")) as image:
            sizes.append(image.size)
    assert sizes[0][0] == sizes[1][0] and sizes[1][1] - sizes[0][1] == pytest.approx(2 * 1.56 * 150, abs=2)


def test_values_of_one_size_and_below_zero_are_drawn(tmp_path: Path) -> None:
    for number, values in enumerate(([0.0] * 6, [-1.0] * 6, [None] * 6, [1e-5, 150.0, 12.0, -3.0, 0.0, 1.0])):
        measure = Measure("target", dict(zip(GRID, values, strict=True)))
        assert draw_tuning_maps([measure], tmp_path / f"{number}.png").is_file()


def test_grid_without_cells_or_with_too_many_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a grid of 0 by 0 cells cannot be drawn"):
        sheet([], tmp_path / "a.png")
    with pytest.raises(DataError, match="a grid of 41 by 0 cells cannot be drawn"):
        maps([(strength / 50, None) for strength in range(41)], tmp_path / "a.png")
