"""The pictures of a dataset: what its repositories look like on average, and some of its images."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort import manifest as manifests
from cxrshort.dataset import Pixels
from cxrshort.figures import plots

AVERAGES = "average-images.png"
SHEET = "contact-sheet.png"
_SHEET_IMAGES = 24
_BLOCK = 256


def draw_gallery(manifest: pd.DataFrame, pixels: Pixels, *, path_of: Callable[[str], Path]) -> None:
    """Draw the average image of each repository (DeGrave et al. 2021, Fig. 4) and a contact sheet.

    Args:
        manifest: the rows.
        pixels: their images.
        path_of: gives the path of a named output.
    """
    groups = {str(name): np.asarray(rows) for name, rows in manifest.groupby("repository", sort=True).groups.items()}
    averages = {name: average(pixels, rows) for name, rows in groups.items()}
    plots.average_images(averages, path_of(AVERAGES), counts={name: len(rows) for name, rows in groups.items()})
    chosen = np.linspace(0, len(manifest) - 1, min(_SHEET_IMAGES, len(manifest))).astype(np.int64)
    labels = manifests.label_columns(manifest)
    captions = [_caption(manifest.iloc[row], labels) for row in chosen]
    plots.contact_sheet(pixels.take(chosen), captions, path_of(SHEET))


def drawn(folder: Path) -> list[Path]:
    """Return the figures that a dataset folder holds."""
    return [path for name in (AVERAGES, SHEET) if (path := folder / name).is_file()]


def average(pixels: Pixels, rows: "np.ndarray[Any, np.dtype[np.int64]]") -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Return the pixel mean of some images, in [0, 1]."""
    total = np.zeros(pixels.image_shape, np.float64)
    for start in range(0, len(rows), _BLOCK):
        total += pixels.take(rows[start : start + _BLOCK]).sum(axis=0, dtype=np.float64)
    return total / len(rows) / 255


def _caption(row: "pd.Series[Any]", labels: Sequence[str]) -> str:
    present = [label for label in labels if row[label] == 1]
    return f"{row['repository']} {row['view']}\n{', '.join(present) or 'no finding'}"
