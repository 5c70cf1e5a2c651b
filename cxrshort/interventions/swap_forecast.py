"""Forecast of the time and memory of a swap-test, from a short trial of random patches."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from cxrshort import forecasts
from cxrshort.compute import gpu_memory
from cxrshort.interventions.random_patches import draw_patches, null_logits
from cxrshort.interventions.trial_scores import Scorer, as_tensors, to_unit, trial_boxes
from cxrshort.interventions.trials import RegionTrial, intervention_of

_FEWEST = 2
"""Random patches of the first try, before it is known how long one takes."""


def forecast_trials(trials: Sequence[RegionTrial], scorer: Scorer, *, forwards: int) -> dict[str, Any]:
    """Score random patches of the first trial for as long as there is time, and extrapolate.

    Args:
        trials: those that have a null; nothing is forecast without one.
        scorer: what scores them.
        forwards: images that the network would see.

    Returns:
        ``images_per_second``, ``hours``, ``memory_mib``, and ``gpu_memory_mib`` where there is one.
    """
    if not trials:
        return {"memory_mib": forecasts.peak_memory_mib()}
    _time(trials[0], scorer, _FEWEST)  # warms caches up
    taken = _time(trials[0], scorer, _FEWEST)
    count = int(min(scorer.batch_size, forecasts.TRIAL_SECONDS / 2 / taken * _FEWEST))
    if count > _FEWEST:
        _time(trials[0], scorer, count)  # allocates its memory
        taken = _time(trials[0], scorer, count)
    rate = max(count, _FEWEST) / taken
    return {
        "images_per_second": forecasts.significant(rate),
        "hours": round(forwards / rate / 3600, 3),
        "memory_mib": forecasts.peak_memory_mib(),
        **gpu_memory(scorer.compute),
    }


def _time(trial: RegionTrial, scorer: Scorer, count: int) -> float:
    """Return the seconds that so many random patches of a trial take."""
    device = scorer.compute.torch_device
    image = to_unit(scorer.pixels.take(np.array([trial.row])), device)[0]
    tensors = as_tensors(trial, scorer.pixels, device=device)
    started = time.perf_counter()
    shape = (image.shape[1], image.shape[2])
    draws = draw_patches(trial_boxes(trial), shape=shape, patches=count, generator=trial.generator(0))
    with scorer.compute.autocast(), torch.inference_mode():
        null_logits(
            scorer.model,
            image,
            intervention=intervention_of(trial.intervention),
            trial=tensors,
            output=0,
            draws=draws,
            batch_size=scorer.batch_size,
        )
    return max(time.perf_counter() - started, 1e-9)
