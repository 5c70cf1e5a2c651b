"""Forecast of the time and memory of scoring, from a short trial."""

import time
from collections.abc import Sequence
from typing import Any

from cxrshort import forecasts
from cxrshort.compute import Compute, gpu_memory
from cxrshort.models.foreground import visible_pixels
from cxrshort.models.predictions import Fold, first_rows
from cxrshort.models.scoring import SCORING_BATCH, score
from cxrshort.models.sources.opening import Reference, open_model

_FEWEST = 2
"""Images of the first batch, before it is known how long one takes."""
_MODELS = 3
"""Models that are tried; the others are taken to be as fast as these are on average."""


def forecast(references: Sequence[Reference], folds: Sequence[Sequence[Fold]], *, compute: Compute) -> dict[str, Any]:
    """Score a batch by each of the first models, or the part there is time for, and extrapolate to all models.

    Args:
        references: the models.
        folds: of each model, the folds that it would score.
        compute: device and precision.

    Returns:
        ``images_per_second``, ``hours``, ``memory_mib``, and ``gpu_memory_mib`` where there is one.
    """
    tried = list(zip(references, folds, strict=True))[:_MODELS]
    images, seconds = 0, 0.0
    for reference, model_folds in tried:
        largest = max(model_folds, key=lambda fold: len(fold.data.manifest))
        count, taken = _time(reference, largest, compute=compute, seconds=forecasts.TRIAL_SECONDS / len(tried))
        images, seconds = images + count, seconds + taken
    rate, total = images / seconds, sum(len(fold.data.manifest) for own in folds for fold in own)
    return {
        "images_per_second": forecasts.significant(rate),
        "hours": round(total / rate / 3600, 3),
        "memory_mib": forecasts.peak_memory_mib(),
        **gpu_memory(compute),
    }


def _time(reference: Reference, fold: Fold, *, compute: Compute, seconds: float) -> tuple[int, float]:
    """Score a batch, or what of it there is time for; return the number of images and the seconds that they took."""
    model = open_model(reference, compute).classifier

    def score_first(count: int) -> tuple[int, float]:
        sample = first_rows(fold, count).data
        pixels = visible_pixels(reference.description, sample)
        started = time.perf_counter()
        score(model, pixels, compute=compute)
        return len(sample.manifest), max(time.perf_counter() - started, 1e-9)

    score_first(_FEWEST)  # warms caches up
    images, taken = score_first(_FEWEST)
    affordable = int(seconds / 2 / taken * images)
    if affordable <= _FEWEST:
        return images, taken
    score_first(min(affordable, SCORING_BATCH))  # allocates its memory
    return score_first(min(affordable, SCORING_BATCH))
