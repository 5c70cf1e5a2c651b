"""The pictures of a tuning grid: the same images, prompts and noise in every cell.

A grid takes hours, so that each cell is a file of its own, named by everything that its pictures depend on. A run that
is begun again finds the cells that are there, and a cell whose file has another name is made anew.
"""

import hashlib
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort import forecasts
from cxrshort.dataset import Dataset
from cxrshort.errors import DataError
from cxrshort.files import atomic
from cxrshort.generative.roentmod.contract import Editor, Prompt
from cxrshort.generative.roentmod.plan import plan_edits
from cxrshort.generative.roentmod.transform import editing, is_round_trip
from cxrshort.generative.roentmod.tuning_grid import Cell, cell_facts, editor_of
from cxrshort.images.raster import ImageError

Pictures = npt.NDArray[np.uint8]
Report = Callable[[Mapping[str, Any]], None]
_DIGITS = 16


@dataclass(frozen=True, eq=False)
class CellPictures:
    """Hold the pictures of one cell, in their file: those of a whole grid are too many for memory.

    Args:
        cell: its settings.
        path: of the file.
        shape: (prompts, images, H, W).
        facts: steps and start timestep, where the editor has them.
    """

    cell: Cell
    path: Path
    shape: tuple[int, int, int, int]
    facts: Mapping[str, Any]

    def read(self) -> tuple[Pictures, npt.NDArray[np.bool_]]:
        """Return the pictures (prompts, images, H, W), and whether each was made; those that failed are black.

        Raises:
            DataError: the file is damaged.
        """
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                return stored["pictures"].reshape(self.shape), stored["made"].reshape(self.shape[:2])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"'{self.path}' is damaged", "remove it, and run the same command again") from error


def tuning_rows(data: Dataset, prompts: Sequence[Prompt], *, seed: int) -> pd.DataFrame:
    """Return the rows of a cell's edits, by prompt and image; the same in all cells.

    Args:
        data: the sources.
        prompts: of each image, the sham among them.
        seed: of the noise.
    """
    rows = plan_edits(data.manifest, prompts, seed=seed)
    rows = rows[~is_round_trip(rows)]
    order = {prompt.edit: place for place, prompt in enumerate(prompts)}
    names = rows["edit"].str.rpartition(", ")[2].map(order)
    return rows.assign(place=names).sort_values("place", kind="stable").drop(columns="place").reset_index(drop=True)


def make_cells(
    editor: Editor,
    cells: Sequence[Cell],
    data: Dataset,
    rows: pd.DataFrame,
    *,
    home: Path,
    report: Report,
) -> list[CellPictures]:
    """Return the pictures of all cells, those that a former run left behind from their files.

    Args:
        editor: opened once.
        cells: of the grid.
        data: the sources.
        rows: of :func:`tuning_rows`.
        home: folder for a file for each cell; it exists.
        report: takes progress and, after the first cell, a forecast.

    Raises:
        UsageError: a cell that the editor cannot make.
        DataError: not one picture of the grid could be made.
    """
    editors = [editor_of(editor, cell) for cell in cells]  # refuses before the first edit
    originals = data.pixels.take(range(len(data.manifest)))
    prompts = len(rows) // len(originals)
    files = [home / f"{_name(own, rows, originals)}.npz" for own in editors]
    shape = (prompts, len(originals), *originals.shape[1:])
    results = []
    calls = [float(own.facts.get("unet_calls", 1)) for own in editors]
    waiting = [number for number, path in enumerate(files) if not path.exists()]
    for number, (own, cell, path) in enumerate(zip(editors, cells, files, strict=True)):
        if number in waiting:
            started = time.perf_counter()
            pictures, made = _make(own, np.tile(originals, (prompts, 1, 1)), rows)
            _keep(path, pictures, made)
            if len(waiting) > 1 and number == waiting[0]:
                left = [calls[other] for other in waiting[1:]]
                report(_forecast(time.perf_counter() - started, calls[number], left))
        results.append(CellPictures(cell, path, shape, cell_facts(own)))
        report({"event": "cells", "done": number + 1, "of": len(cells)})
    if not any(result.read()[1].any() for result in results):
        raise DataError("no picture of the grid could be made", "roentmod edit says why, in excluded.csv")
    return results


def forecast_cells(editor: Editor, cells: Sequence[Cell], data: Dataset, rows: pd.DataFrame) -> dict[str, Any]:
    """Return what a grid takes, from a batch of its first cell: ``images_per_second``, ``minutes`` and more.

    Args:
        editor: opened.
        cells: of the grid.
        data: the sources.
        rows: of :func:`tuning_rows`.
    """
    editors = [editor_of(editor, cell) for cell in cells]
    size = editors[0].batch_size
    places = np.resize(np.arange(len(rows)), size)
    sources = data.pixels.take(np.resize(np.arange(len(data.manifest)), len(rows)))[places]
    started = time.perf_counter()
    editing(editors[0])(sources, rows.iloc[places])
    calls = [float(own.facts.get("unet_calls", 1)) for own in editors]
    seconds = (time.perf_counter() - started) / size * len(rows) * sum(calls) / max(calls[0], 1.0)
    edits = len(rows) * len(cells)
    height, width = data.pixels.image_shape
    return {
        "images_per_second": forecasts.significant(edits / max(seconds, 1e-6)),
        "minutes": forecasts.significant(seconds / 60),
        "disk_mib": round(edits * height * width / 2**20, 1),
        "memory_mib": forecasts.peak_memory_mib(),
    }


def _name(editor: Editor, rows: pd.DataFrame, originals: Pictures) -> str:
    """Return what tells the pictures of a cell from all others."""
    columns = ["image_id", "source_image_id", "edit", "edit_prompt", "edit_label", "edit_seed"]
    text = "\n".join([editor.identity, rows[columns].to_csv(index=False)])
    return hashlib.sha256(text.encode() + originals.tobytes()).hexdigest()[:_DIGITS]


def _make(editor: Editor, sources: Pictures, rows: pd.DataFrame) -> tuple[Pictures, npt.NDArray[np.bool_]]:
    """Return the pictures of one cell and which of them there are; batches are of one size, filled up with copies."""
    transform, size = editing(editor), editor.batch_size
    pictures, made = np.zeros_like(sources), np.zeros(len(rows), bool)
    for start in range(0, len(rows), size):
        places = np.arange(start, min(start + size, len(rows)))
        filled = np.concatenate([places, np.repeat(places[-1:], size - len(places))])
        for place, outcome in zip(places, transform(sources[filled], rows.iloc[filled]), strict=False):
            if not isinstance(outcome, ImageError):
                pictures[place], made[place] = outcome.pixels, True
    return pictures, made


def _keep(path: Path, pictures: Pictures, made: npt.NDArray[np.bool_]) -> None:
    with atomic(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, pictures=pictures, made=made)


def _forecast(seconds: float, calls: float, waiting: Sequence[float]) -> dict[str, Any]:
    """Return what the other cells take, from one that was made: each in proportion to its calls of the U-Net."""
    hours = seconds * sum(waiting) / max(calls, 1.0) / 3600
    duration = forecasts.duration_text(hours)
    about = "" if duration.startswith("less") else "about "
    return {"event": "note", "text": f"cells left: {len(waiting):,}, {about}{duration}"}
