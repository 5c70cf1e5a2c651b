"""What a training run would take, from a short trial."""

import time

from torch import nn

from cxrshort.training.batches import Batches
from cxrshort.training.loop import Course, make_optimizer, take_step

_TRIAL_STEPS = 6


def forecast(model: nn.Module, batches: Batches, *, course: Course, validation_images: int) -> dict[str, float]:
    """Time a few training steps, without keeping what they learn.

    Args:
        model: on its device; its weights change.
        batches: the training fold.
        course: recipe, device and precision.
        validation_images: scored after every epoch, at about a third of a step's cost each.

    Returns:
        ``parameters``, ``images_per_second``, ``hours`` of the whole run, ``state_mib`` on disk.
    """
    recipe = course.recipe
    model.train()
    optimizer = make_optimizer(model, recipe)
    images, started = 0, time.monotonic()
    for number, batch in enumerate(batches.epoch(0)):
        if number == 2:  # the first steps warm caches up
            images, started = 0, time.monotonic()
        float(take_step(model, batch, optimizer, course=course))
        images += len(batch.indices)
        if number == _TRIAL_STEPS:
            break
    rate = images / (time.monotonic() - started)
    parameters = sum(each.numel() for each in model.parameters())
    seconds = recipe.epochs * (len(batches.pixels) + validation_images / 3) / rate
    return {
        "parameters": parameters,
        "images_per_second": round(rate, 1),
        "hours": round(seconds / 3600, 3),
        "state_mib": round(4 * parameters * 4 / 2**20, 1),
    }
