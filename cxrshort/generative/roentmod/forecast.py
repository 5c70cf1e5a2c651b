"""Forecast of an edited dataset: a batch of edits and one of round trips are made, and all others are as slow.

The paper's 160,000 edits take an accelerator days and a processor weeks, which nobody should learn afterwards.
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort import forecasts
from cxrshort.datasets.building.edits import Edited, Pictures, Transform
from cxrshort.datasets.building.image_source import ImageSource
from cxrshort.generative.roentmod.transform import is_round_trip
from cxrshort.images.cache import create_cache
from cxrshort.quantities import quantity

_AT_LEAST = 0.5
"""Seconds below which a batch is made a second time: the first one loads what the others share."""


def forecast_edits(
    image_source: ImageSource, rows: pd.DataFrame, chosen: Sequence[int], *, batch: int
) -> dict[str, Any]:
    """Return what the edits of some rows will take.

    Args:
        image_source: of all rows.
        rows: of all edits.
        chosen: the rows that will be made.
        batch: pictures made at a time.

    Returns:
        ``images_per_second``, ``minutes``, ``disk_mib`` and ``memory_mib``.
    """
    trips = is_round_trip(rows)[list(chosen)]
    seconds = 0.0
    for kind in (False, True):
        places = [row for row, trip in zip(chosen, trips, strict=True) if trip == kind]
        if places:
            seconds += _seconds_per_batch(image_source, places[:batch]) * len(places) / batch
    size = sum(int(np.prod(shape)) for shape in image_source.caches.values())
    return {
        "images_per_second": forecasts.significant(len(chosen) / max(seconds, 1e-6)),
        "minutes": forecasts.significant(seconds / 60),
        "disk_mib": round(len(chosen) * size / 2**20, 1),
        "memory_mib": forecasts.peak_memory_mib(),
    }


def _seconds_per_batch(image_source: ImageSource, places: Sequence[int]) -> float:
    """Time one batch, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as home:
        files = {name: Path(home) / name for name in image_source.caches}
        for name, file in files.items():
            create_cache(file, (len(places), *image_source.caches[name]))
        for _ in range(2):
            started = time.perf_counter()
            image_source.make(files, places, range(len(places)), 1, lambda results: None)
            seconds = time.perf_counter() - started
            if seconds > _AT_LEAST:
                break
    return seconds


def with_forecast(
    transform: Transform, *, count: int, batch: int, report: Callable[[Mapping[str, Any]], None]
) -> Transform:
    """Return the same transform, which after its first batch reports how long all edits take.

    Args:
        transform: makes a batch.
        count: edits of the whole job.
        batch: pictures made at a time.
        report: takes the event, a note.
    """
    reported = False

    def timed(sources: Pictures, rows: pd.DataFrame) -> Edited:
        nonlocal reported
        started = time.perf_counter()
        outcomes = transform(sources, rows)
        if not reported:
            reported = True
            report({"event": "note", "text": forecast_text(count, (time.perf_counter() - started) / batch)})
        return outcomes

    return timed


def forecast_text(count: int, seconds_per_image: float) -> str:
    """Return how long a job takes, as people are told.

    Example:
        >>> forecast_text(160_000, 20.0)
        '160,000 edits take about 888.9 hours, at 20.0 s per image'
    """
    duration = forecasts.duration_text(count * seconds_per_image / 3600)
    about = "" if duration.startswith("less") else "about "
    speed = forecasts.speed_text(1 / max(seconds_per_image, 1e-9))
    return f"{quantity(count, 'edit takes', 'edits take')} {about}{duration}, at {speed}"
