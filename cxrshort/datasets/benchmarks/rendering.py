"""Planned pictures drawn into the rows of a cache, in parallel."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cxrshort.datasets.benchmarks.plan import Drawing
from cxrshort.images.cache import Filling, fill_rows
from cxrshort.images.decoding import Decoding

_CHUNK = 64
"""Pictures per task: half a second of photographs, milliseconds of digits."""


def draw_pictures(
    images_path: Path,
    masks_path: Path,
    pictures: Sequence[Any],
    *,
    draw: Callable[..., Drawing],
    rows: Sequence[int],
    size: int,
    jobs: int,
    record: Callable[[list[Decoding]], None],
) -> None:
    """Draw pictures into existing caches of pixels and masks, in place.

    A picture whose files cannot be decoded is refused with a reason, and its rows stay zero. Threads do the work:
    decoding and resizing release the interpreter lock.

    Args:
        images_path: cache of pixels, (N, 3, size, size).
        masks_path: cache of mask bits, (N, size, size).
        pictures: what to draw, of ``Plan.pictures``.
        draw: the benchmark's own.
        rows: the cache row of each.
        size: side of the square in pixels.
        jobs: number of pictures drawn at the same time.
        record: called with the results newly done, in the order of ``pictures``.
    """
    fill_rows(
        [images_path, masks_path],
        pictures,
        partial(_draw, draw=draw, size=size),
        rows=rows,
        jobs=jobs,
        chunk=_CHUNK,
        record=lambda results: record([Decoding(**result) for result in results]),
    )


def _draw(picture: Any, *, draw: Callable[..., Drawing], size: int) -> Filling:
    drawing = draw(picture, size=size)
    return Filling(
        (drawing.pixels, drawing.masks),
        {"source_height": drawing.source_height, "source_width": drawing.source_width},
    )
