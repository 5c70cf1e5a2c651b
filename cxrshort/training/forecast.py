"""What a training run would take, from a short trial."""

import time

import torch
from torch import nn

from cxrshort.training.data.batches import Batches
from cxrshort.training.loop import FitConfig, make_optimizer, place, take_step

_TRIAL_STEPS = 6


def forecast(
    model: nn.Module, batches: Batches, *, config: FitConfig, validation_images: int, seconds_before: float = 0.0
) -> dict[str, float]:
    """Time a few training steps, without keeping what they learn.

    Args:
        model: on its device; its weights change.
        batches: the training fold.
        config: recipe, device and precision.
        validation_images: scored after every epoch, at about a third of a plain step's cost each.
        seconds_before: what is computed once, before the first epoch, takes.

    Returns:
        ``parameters``, ``images_per_second`` of the method once its plain epochs are over, ``hours`` of the whole run,
        ``state_mib`` on disk.
    """
    place(config)
    plain = config.objective.warm_up_epochs
    model.train()
    optimizer = make_optimizer(model, config.recipe)
    # The last plain epoch is that from which a method estimates what it needs later.
    plain_rate = _rate(model, batches, optimizer, config=config, epoch=plain - 1) if plain else 0.0
    rate = _rate(model, batches, optimizer, config=config, epoch=config.recipe.epochs - 1)
    parameters = sum(each.numel() for each in model.parameters())
    seconds_each = (plain / plain_rate if plain else 0.0) + (config.recipe.epochs - plain) / rate
    seconds = seconds_before + seconds_each * len(batches.pixels)
    seconds += config.recipe.epochs * validation_images / 3 / (plain_rate or rate)
    return {
        "parameters": parameters,
        "images_per_second": round(rate, 1),
        "hours": round(seconds / 3600, 3),
        "state_mib": round(4 * parameters * 4 / 2**20, 1),
    }


def _rate(
    model: nn.Module, batches: Batches, optimizer: torch.optim.Optimizer, *, config: FitConfig, epoch: int
) -> float:
    """Return how many images a second a few steps of an epoch take; their batches are those of the first."""
    images, started = 0, time.monotonic()
    for number, batch in enumerate(batches.epoch(0)):
        if number == 2:  # the first steps warm caches up
            images, started = 0, time.monotonic()
        float(take_step(model, batch._replace(epoch=epoch), optimizer, config=config))
        images += batch.share.images if batch.share else len(batch.indices)
        if number == _TRIAL_STEPS:
            break
    return images / (time.monotonic() - started)
