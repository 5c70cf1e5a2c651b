"""Matrices of what readers saw: bytes that repeat, and limits."""

from pathlib import Path

import pytest
from PIL import Image

from cxrshort.errors import DataError
from cxrshort.figures.reader_shares import ShareCell, draw_shares

NAMES = ("Cardiomegaly", "Edema", "Pleural_Thickening")


def cells(shift: float = 0.0) -> list[ShareCell]:
    return [
        ShareCell(added, seen, None if seen == "Edema" else min(1, 0.3 + shift + 0.5 * (added == seen)), added == seen)
        for added in (*NAMES, "sham")
        for seen in NAMES
    ]


def test_same_cells_give_the_same_bytes(tmp_path: Path) -> None:
    drawn = [draw_shares({"all": cells()}, tmp_path / f"{name}.png", title="Shares", foot="framed") for name in "ab"]
    assert drawn[0].read_bytes() == drawn[1].read_bytes()
    assert draw_shares({"all": cells(0.1)}, tmp_path / "c.png").read_bytes() != drawn[0].read_bytes()


def test_many_matrices_stand_in_lines(tmp_path: Path) -> None:
    sizes = []
    for count in (1, 4, 8):
        path = draw_shares({f"reader {number}": cells() for number in range(count)}, tmp_path / f"{count}.png")
        with Image.open(path) as image:
            sizes.append(image.size)
    assert sizes[0][0] < sizes[1][0] and sizes[1][1] == sizes[0][1] and sizes[2][1] > sizes[1][1]


@pytest.mark.parametrize(
    ("matrices", "message"),
    [
        ({}, "no cell to draw"),
        ({str(number): cells() for number in range(9)}, "9 matrices are more than the 8 that a figure shows"),
        ({"all": [ShareCell("Edema", f"finding {n}", 0.1) for n in range(21)]}, "21 columns are more than the 20"),
    ],
)
def test_what_has_no_room_is_refused(tmp_path: Path, matrices: dict[str, list[ShareCell]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        draw_shares(matrices, tmp_path / "a.png")
