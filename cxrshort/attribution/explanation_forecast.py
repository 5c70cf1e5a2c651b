"""Forecast of the time, memory and disk of an explanation, from a short trial."""

import dataclasses
import time
from typing import Any

import numpy as np
import torch

from cxrshort import forecasts
from cxrshort.attribution.map_blocks import MapJob
from cxrshort.compute import gpu_memory, seeded_generator
from cxrshort.models.scoring import evaluating

_DRAWN = ("samples", "steps")
"""Settings that count passes through the network, of which a trial makes fewer."""
_PASSES = 8


def forecast_maps(job: MapJob) -> dict[str, Any]:
    """Explain an image with few draws, and extrapolate to all maps.

    A method without draws, such as occlusion, explains one image whole.

    Returns:
        ``images_per_second`` (maps), ``hours``, ``memory_mib``, ``disk_mib``, and ``gpu_memory_mib`` where there is a
        GPU.
    """
    settings, shortened = _fewer_passes(job.settings)
    output = int(job.explained.outputs[0])
    background = job.backgrounds.get(output)
    pixels = job.pixels.take(job.explained.images[:1])
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels
    image = torch.from_numpy(pixels.astype(np.float32) / 255).to(job.compute.torch_device)
    references = None if background is None else background.images(job.compute.torch_device)

    def explain() -> float:
        started = time.perf_counter()
        with evaluating(job.classifier):
            job.method(
                job.classifier,
                image,
                torch.tensor([output]),
                settings=settings,
                references=references,
                generators=[seeded_generator(job.seed, 0)] if job.method.requires.generators else [],
                batch_size=job.batch_size,
            ).cpu()
        return max(time.perf_counter() - started, 1e-9)

    seconds = explain()  # warms caches up
    if seconds < forecasts.TRIAL_SECONDS / 2:
        seconds = explain()
    rate = 1 / (seconds * shortened)
    count, (height, width) = len(job.explained.table), job.pixels.image_shape[-2:]
    return {
        "images_per_second": forecasts.significant(rate),
        "hours": round(count / rate / 3600, 3),
        "memory_mib": forecasts.peak_memory_mib(),
        "disk_mib": round(count * height * width * 4 / 2**20, 2),
        **gpu_memory(job.compute),
    }


def _fewer_passes(settings: Any) -> tuple[Any, float]:
    """Return settings with fewer draws or steps, and how many times as many the real ones have."""
    for name in _DRAWN:
        wanted = getattr(settings, name, 0)
        if wanted > _PASSES:
            return dataclasses.replace(settings, **{name: _PASSES}), wanted / _PASSES
    return settings, 1.0
