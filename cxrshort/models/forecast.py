"""What scoring many images would take, from a short trial."""

import time
from collections.abc import Sequence
from typing import Any

from cxrshort import forecasts
from cxrshort.compute import Compute, gpu_memory
from cxrshort.models.foreground import foreground
from cxrshort.models.predictions import Fold, first_rows
from cxrshort.models.scoring import SCORING_BATCH, score
from cxrshort.models.sources.opening import Reference, open_model

_MODELS = 3
"""Models that are tried; the others are taken to be as fast as these are on average."""


def forecast(references: Sequence[Reference], folds: Sequence[Sequence[Fold]], *, compute: Compute) -> dict[str, Any]:
    """Let the first models score one batch each, and say what all models take on all of their folds.

    Args:
        references: the models.
        folds: of each model, the folds that it would score.
        compute: device and precision.

    Returns:
        ``images_per_second``, ``hours``, ``memory_mib``, and ``gpu_memory_mib`` where there is one.
    """
    images, seconds = 0, 0.0
    for reference, own in list(zip(references, folds, strict=True))[:_MODELS]:
        model = open_model(reference, compute).classifier
        few = first_rows(max(own, key=lambda fold: len(fold.data.manifest)), SCORING_BATCH).data
        pixels = foreground(reference.description, few)
        score(model, pixels, compute=compute)  # the first batch warms caches up
        begun = time.perf_counter()
        score(model, pixels, compute=compute)
        seconds += time.perf_counter() - begun
        images += len(few.manifest)
    rate, count = images / seconds, sum(len(fold.data.manifest) for own in folds for fold in own)
    return {
        "images_per_second": round(rate, 1),
        "hours": round(count / rate / 3600, 3),
        "memory_mib": forecasts.peak_memory_mib(),
        **gpu_memory(compute),
    }
