"""Forecast of a build: images per second from a short trial, minutes, disk."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from cxrshort import forecasts
from cxrshort.datasets.building.image_source import ImageSource
from cxrshort.images.cache import create_cache

_TRIAL_IMAGES = 32


def forecast(image_source: ImageSource, count: int, *, jobs: int) -> dict[str, Any]:
    """Make a few images that lie evenly among the candidates, and extrapolate to all of them.

    Args:
        image_source: what pixels are made from.
        count: number of images to make.
        jobs: workers that will share the work; each is taken to be as fast as the one of the trial.

    Returns:
        ``images_per_second``, ``jobs``, ``minutes``, ``disk_mib`` and ``memory_mib``, what one worker holds.
    """
    rate = jobs * _images_per_second(image_source, count)
    row = sum(int(np.prod(shape)) for shape in image_source.caches.values())
    return {
        "images_per_second": round(rate, 1),
        "jobs": jobs,
        "minutes": round(count / rate / 60, 2),
        "disk_mib": round(count * row / 2**20, 1),
        "memory_mib": forecasts.peak_memory_mib(),
    }


def _images_per_second(image_source: ImageSource, count: int) -> float:
    """Time one worker, in a folder that is gone afterwards."""
    chosen = sorted({count * number // _TRIAL_IMAGES for number in range(_TRIAL_IMAGES)})
    rows = range(len(chosen))
    with tempfile.TemporaryDirectory() as home:
        files = {name: Path(home) / name for name in image_source.caches}
        for name, file in files.items():
            create_cache(file, (len(chosen), *image_source.caches[name]))
        # The first one loads decoders, which many images share.
        image_source.make(files, chosen[:1], rows[:1], 1, lambda results: None)
        started = time.perf_counter()
        image_source.make(files, chosen, rows, 1, lambda results: None)
        return len(chosen) / (time.perf_counter() - started)
