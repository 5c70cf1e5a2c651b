"""Forecast of the time, memory and disk of an explanation, from a short trial."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from cxrshort import forecasts
from cxrshort.attribution.checks import CHECKED_IMAGES
from cxrshort.attribution.faithfulness import CHECK_PASSES
from cxrshort.attribution.map_blocks import MapJob
from cxrshort.attribution.method_settings import PASSES
from cxrshort.attribution.sanity import STAGES
from cxrshort.compute import gpu_memory, seeded_generator
from cxrshort.images.prefetch import prefetched
from cxrshort.models.scoring import evaluating

_PASSES = 8
"""Passes for each map that a trial makes."""


def forecast_maps(job: MapJob, *, views: int = 0, checked: Sequence[str] = ()) -> dict[str, Any]:
    """Explain an image with few draws, and extrapolate to all maps and to what is done besides.

    A method without draws, such as occlusion, explains one image whole.

    Args:
        job: how the maps are made.
        views: passes for each image besides.
        checked: labels whose maps are checked.

    Returns:
        ``images_per_second`` (maps), ``hours``, ``memory_mib``, ``disk_mib``, and ``gpu_memory_mib`` where there is a
        GPU.
    """
    settings, shortened = _fewer_passes(job.settings)
    output = int(job.explained.outputs[0])
    background = job.backgrounds.get(output)
    _, image = next(prefetched(job.pixels, [job.explained.images[:1]], device=job.compute.torch_device))
    references = None if background is None else background.images(job.compute.torch_device)

    def explain() -> None:
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

    rate = 1 / (_seconds(explain) * shortened)
    count, (height, width) = len(job.explained.table), job.pixels.image_shape[-2:]
    maps, passes = _passes_besides(job, checked)
    passes += views * len(job.explained.data.manifest)
    seconds = (count + maps) / rate + (passes * _seconds_of_pass(job, image) if passes else 0)
    return {
        "images_per_second": forecasts.significant(rate),
        "hours": round(seconds / 3600, 3),
        "memory_mib": forecasts.peak_memory_mib(),
        "disk_mib": round(count * height * width * 4 / 2**20, 2),
        **gpu_memory(job.compute),
    }


def _seconds(work: Callable[[], None]) -> float:
    """Return how long work takes once caches are warm."""
    for _ in range(2):
        started = time.perf_counter()
        work()
        seconds = max(time.perf_counter() - started, 1e-9)
        if seconds >= forecasts.TRIAL_SECONDS / 2:
            break
    return seconds


def _seconds_of_pass(job: MapJob, image: Tensor) -> float:
    """Return how long an image of a batch takes through the network."""
    images = image.expand(job.batch_size, *image.shape[1:])

    def score() -> None:
        with evaluating(job.classifier), torch.inference_mode():
            job.classifier(images).cpu()

    return _seconds(score) / job.batch_size


def _passes_besides(job: MapJob, checked: Sequence[str]) -> tuple[int, int]:
    """Return how many maps, and how many single passes, the checks of some labels take."""
    counts = job.explained.table["label"].value_counts()
    images = sum(min(CHECKED_IMAGES, int(counts[label])) for label in checked)
    return images * (1 + STAGES + job.method.requires.references), images * CHECK_PASSES


def _fewer_passes(settings: Any) -> tuple[Any, float]:
    """Return settings with fewer draws or steps, and how many times as many the real ones have."""
    for name in PASSES:
        wanted = getattr(settings, name, 0)
        if wanted > _PASSES:
            return dataclasses.replace(settings, **{name: _PASSES}), wanted / _PASSES
    return settings, 1.0
