"""Planned pictures drawn into the rows of a cache, in parallel."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import joblib

from cxrshort.datasets.benchmarks.plan import Drawing
from cxrshort.images.cache import open_cache
from cxrshort.images.decoding import Decoding
from cxrshort.images.raster import ImageError

_CHUNK = 64
"""Pictures per task: half a second of photographs, milliseconds of digits."""


def draw_into(
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
    chunks = [slice(start, start + _CHUNK) for start in range(0, len(rows), _CHUNK)]
    work = joblib.delayed(_draw_chunk)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # around all threads, since filters are global
        pool = joblib.Parallel(n_jobs=jobs, prefer="threads", return_as="generator")
        for done in pool(
            work(images_path, masks_path, pictures[each], draw=draw, rows=rows[each], size=size) for each in chunks
        ):
            record(done)


def _draw_chunk(
    images_path: Path,
    masks_path: Path,
    pictures: Sequence[Any],
    *,
    draw: Callable[..., Drawing],
    rows: Sequence[int],
    size: int,
) -> list[Decoding]:
    images, masks = open_cache(images_path, "r+"), open_cache(masks_path, "r+")
    results = []
    for picture, row in zip(pictures, rows, strict=True):
        try:
            drawing = draw(picture, size=size)
        except ImageError as error:
            results.append(Decoding(int(row), error.reason, error.detail))
            continue
        images[row], masks[row] = drawing.pixels, drawing.masks
        results.append(Decoding(int(row), source_height=drawing.source_height, source_width=drawing.source_width))
    return results
