"""Phantoms drawn into the rows of a cache, in parallel."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cxrshort.datasets.phantom.drawing import draw_phantom
from cxrshort.datasets.phantom.parameters import Phantom
from cxrshort.images.cache import Filling, fill_rows

_CHUNK = 32
"""Phantoms per task: a third of a second of work."""


def draw_phantoms(
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
        record: called with the results newly done: ``row``, ``regions`` (name to half-open box) and ``crc32``.
    """
    fill_rows(
        [images_path, masks_path],
        phantoms,
        partial(_draw, size=size),
        rows=rows,
        jobs=jobs,
        chunk=_CHUNK,
        prefer="processes",
        record=record,
    )


def _draw(phantom: Phantom, *, size: int) -> Filling:
    drawing = draw_phantom(phantom, size=size)
    boxes = {name: [int(edge) for edge in box] for name, box in drawing.regions.items()}
    return Filling((drawing.pixels, drawing.masks), {"regions": boxes})
