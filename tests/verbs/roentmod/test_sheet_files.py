"""Nothing in a reader's folder tells one image from another but its pixels."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxrshort.errors import OutputError
from cxrshort.verbs.roentmod.sheet_files import instructions, write_png, write_sheets

PICTURES = np.stack([np.zeros((24, 20)), np.random.default_rng(0).integers(0, 256, (24, 20))]).astype(np.uint8)
"""One that can be compressed, and one that cannot."""


def write(folder: Path) -> Path:
    key = pd.DataFrame(
        {
            "reading_id": ["R1-001", "R1-002", "R2-001"],
            "reader": ["R1", "R1", "R2"],
            "position": [1, 0, 0],
            "edit": ["edema", "sham", "sham"],
        }
    )
    write_sheets(folder, key, ["Edema", "Mass"], pixels=lambda positions: PICTURES[list(positions)])
    return folder


def test_sheet_has_a_row_for_each_picture_and_empty_cells(tmp_path: Path) -> None:
    lines = (write(tmp_path / "readers") / "R1" / "sheet.csv").read_text().splitlines()
    assert lines == [
        "reading_id,image,Edema,Mass,artificial,other_finding,notes",
        "R1-001,images/R1-001.png,,,,,",
        "R1-002,images/R1-002.png,,,,,",
    ]


def test_pictures_hold_the_pixels_and_nothing_else(tmp_path: Path) -> None:
    home = write(tmp_path / "readers")
    with Image.open(home / "R1" / "images" / "R1-001.png") as image:
        np.testing.assert_array_equal(np.asarray(image), PICTURES[1])
        assert image.mode == "L" and image.info == {}


def test_size_time_and_text_of_files_tell_nothing(tmp_path: Path) -> None:
    home = write(tmp_path / "readers")
    pictures = sorted(home.rglob("*.png"))
    assert len(pictures) == 3 and len({path.stat().st_size for path in pictures}) == 1
    assert len({path.stat().st_mtime_ns for path in home.rglob("*")}) == 1
    written = b"".join(path.read_bytes() for path in home.rglob("*") if path.suffix in (".csv", ".txt"))
    assert b"sham" not in written and b"position" not in written


def test_instructions_name_findings_and_coding() -> None:
    text = instructions(["Edema", "Mass"])
    assert "Findings: Edema, Mass." in text and "2 if you are unsure" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 100


def test_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_png(tmp_path / "none" / "a.png", PICTURES[0])
