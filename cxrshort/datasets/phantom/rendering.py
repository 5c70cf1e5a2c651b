"""Phantoms drawn into the rows of a cache, in parallel."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import joblib

from cxrshort.datasets.phantom.drawing import draw
from cxrshort.datasets.phantom.parameters import Phantom
from cxrshort.images.cache import open_cache
from cxrshort.workers import tethered

_CHUNK = 32
"""Phantoms per task: a third of a second of work."""


def draw_into(
    images_path: Path,
    masks_path: Path,
    phantoms: Sequence[Phantom],
    *,
    rows: Sequence[int],
    size: int,
    jobs: int,
    record: Callable[[list[dict[str, Any]]], None],
) -> None:
    """Draw phantoms into existing caches of pixels and masks, in place.

    Drawing is many short array operations that hold the interpreter lock, so that processes do the work, not threads.

    Args:
        images_path: cache of pixels, (N, size, size).
        masks_path: cache of mask bits, (N, size, size).
        phantoms: what to draw.
        rows: the cache row of each.
        size: side of the square in pixels.
        jobs: number of processes.
        record: called with the results newly done: ``row`` and ``regions`` (name to half-open box).
    """
    chunks = [slice(start, start + _CHUNK) for start in range(0, len(rows), _CHUNK)]
    work = joblib.delayed(tethered(_draw_chunk))
    pool = joblib.Parallel(n_jobs=min(jobs, max(1, len(chunks))), return_as="generator")
    for done in pool(work(images_path, masks_path, phantoms[each], rows=rows[each], size=size) for each in chunks):
        record(done)


def _draw_chunk(
    images_path: Path, masks_path: Path, phantoms: Sequence[Phantom], *, rows: Sequence[int], size: int
) -> list[dict[str, Any]]:
    images, masks = open_cache(images_path, "r+"), open_cache(masks_path, "r+")
    results = []
    for phantom, row in zip(phantoms, rows, strict=True):
        drawing = draw(phantom, size=size)
        images[row], masks[row] = drawing.pixels, drawing.masks
        boxes = {name: [int(edge) for edge in box] for name, box in drawing.regions.items()}
        results.append({"row": int(row), "regions": boxes})
    return results
