"""The files that readers are given: a sheet, its pictures and instructions in a folder for each reader.

What would unblind a reader besides names and order: text within a picture's file, the time at which a file was written,
and its size, since noise is compressed less than what a network has smoothed. So pictures hold pixels alone, are stored
without compression, and all files have one time.
"""

import io
import os
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from cxrshort.files import atomic, write_text
from cxrshort.manifest import write_table
from cxrshort.verbs.roentmod.sheet_plan import READER, READING

SHEET, PICTURES, INSTRUCTIONS = "sheet.csv", "images", "instructions.txt"
IMAGE = "image"
ARTIFICIAL, OTHER, NOTES = "artificial", "other_finding", "notes"
"""Columns of a sheet beside findings: does it look artificial, does it show another finding, and free text."""
_SECTIONS = (
    "The file sheet.csv has a row for each radiograph, and a column for each finding. Read the radiographs in the "
    "order of the rows: the column image names the picture. Some of them were edited by a computer, some may be shown "
    "twice, and how many show a finding is not said. Please read alone, and do not go back to earlier answers.",
    "Write into each column of a finding: 1 if the finding is present, 0 if it is not, 2 if you are unsure. Leave no "
    "cell empty: an empty cell counts as a question that was not answered.",
    f"Write into {ARTIFICIAL}: 1 if the picture does not look like a real radiograph, else 0. Write into {OTHER}: 1 "
    f"if there is a notable finding that has no column, else 0. {NOTES} takes any text, such as what looks odd.",
    "Save the file as CSV under a name of your own, and send back this file alone. Do not change the columns image and "
    "reading_id.",
)


def write_sheets(
    folder: Path,
    key: pd.DataFrame,
    findings: Sequence[str],
    *,
    pixels: Callable[[Sequence[int]], npt.NDArray[np.uint8]],
) -> None:
    """Write a folder for each reader.

    Args:
        folder: for the folders; made here.
        key: of :func:`~cxrshort.verbs.roentmod.sheet_plan.plan_readings`.
        findings: columns to be filled in.
        pixels: returns the pictures at some positions, (n, H, W).

    Raises:
        OutputError: a file cannot be written.
    """
    folder.mkdir()
    for reader, rows in key.groupby(READER, sort=False):
        home = folder / str(reader)
        (home / PICTURES).mkdir(parents=True)
        names = [f"{PICTURES}/{reading}.png" for reading in rows[READING]]
        for name, position in zip(names, rows["position"], strict=True):
            write_png(home / name, pixels([position])[0])
        blank = dict.fromkeys((*findings, ARTIFICIAL, OTHER, NOTES), "")
        write_table(pd.DataFrame({READING: rows[READING].tolist(), IMAGE: names, **blank}), home / SHEET)
        write_text(home / INSTRUCTIONS, instructions(findings))
    _set_one_time(folder)


def write_png(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    """Write a grey picture, (H, W), as a PNG of pixels alone whose size depends on the picture's sides alone."""
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG", compress_level=0)
    with atomic(path) as temporary:
        temporary.write_bytes(encoded.getbuffer())


def instructions(findings: Sequence[str]) -> str:
    """Return what readers are told, after RoentMod 2025, Supplemental Table 4, whose blanks stood for 0 too."""
    paragraphs = [*_SECTIONS[:2], f"Findings: {', '.join(findings)}.", *_SECTIONS[2:]]
    return "\n\n".join(textwrap.fill(paragraph, 100) for paragraph in paragraphs) + "\n"


def _set_one_time(folder: Path) -> None:
    """Give all files and folders the present time, so that none tells when it was written."""
    now = int(time.time())
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (now, now))
