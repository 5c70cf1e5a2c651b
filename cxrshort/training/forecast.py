"""Forecast of a training run's time and memory, from a short trial."""

import time
from collections.abc import Iterator

import torch
from torch import nn

from cxrshort import distributed
from cxrshort.forecasts import TRIAL_SECONDS, significant
from cxrshort.training.data.batches import Batch, Batches
from cxrshort.training.loop import FitConfig, make_optimizer, move_to_device, take_step

_TRIAL_STEPS = 6
"""Steps that are timed at most."""
_FEWEST = 2
"""Images of the first step, before it is known how long one takes; a batch norm needs two."""
_GROWTH = 2
"""A step has so many times the images of the one before it, while there is time for that."""


def forecast(
    model: nn.Module,
    batches: Batches,
    *,
    config: FitConfig,
    validation_images: int,
    seconds_before: float = 0.0,
    seconds: float = TRIAL_SECONDS,
) -> dict[str, float]:
    """Time a few training steps, without keeping what they learn.

    Args:
        model: on its device; its weights change.
        batches: the training fold.
        config: recipe, device and precision; ``report`` takes an event for each step.
        validation_images: scored after every epoch, at the cost that the objective states, of a step without penalty.
        seconds_before: what is computed once, before the first epoch, takes.
        seconds: how long the trial may take; where a whole batch takes longer, steps of fewer images are timed.

    Returns:
        ``parameters``, ``images_per_second`` of the method once its warm-up epochs are over, ``seconds_per_step``,
        ``trial_images`` (of the steps that were timed), ``hours`` of the whole run, ``state_mib`` on disk.
    """
    move_to_device(config)
    warm_up, epochs = config.objective.warm_up_epochs, config.recipe.epochs
    model.train()
    optimizer = make_optimizer(model, config.recipe)
    trial = _Trial(model, batches, optimizer, config, seconds / 2 if warm_up else seconds)
    # The last warm-up epoch is that from which a method estimates what it needs later.
    warm_up_rate = trial.rate(warm_up - 1)[0] if warm_up else 0.0
    rate, images = trial.rate(epochs - 1)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    seconds_per_image = (warm_up / warm_up_rate if warm_up else 0.0) + (epochs - warm_up) / rate
    total = seconds_before + seconds_per_image * batches.images_per_epoch
    total += epochs * validation_images * config.objective.validation_cost / (warm_up_rate or rate)
    return {
        "parameters": parameters,
        "images_per_second": significant(rate),
        "seconds_per_step": significant(min(batches.batch_size, batches.images_per_epoch) / rate),
        "trial_images": images,
        "hours": round(total / 3600, 3),
        "state_mib": round(4 * parameters * 4 / 2**20, 1),
    }


class _Trial:
    """Time training steps within a number of seconds.

    Args:
        model: whose weights change.
        batches: the training fold.
        optimizer: of the model.
        config: recipe, device and precision.
        seconds: how long the steps of an epoch may take together.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Batches,
        optimizer: torch.optim.Optimizer,
        config: FitConfig,
        seconds: float,
    ) -> None:
        self._model = model
        self._batches = batches
        self._optimizer = optimizer
        self._config = config
        self._seconds = seconds

    def rate(self, epoch: int) -> tuple[float, int]:
        """Return how many images a second a few steps of an epoch take, and how many images the largest step had.

        The first steps have few images; they grow while there is time for two larger ones. The batches are those of the
        first epoch.
        """
        size, spent = _FEWEST, 0.0
        timed: list[tuple[int, float]] = []  # images and seconds of the steps of the present size
        for batch in self._repeated():
            count, seconds = self._step(batch._replace(epoch=epoch), size)
            spent += seconds
            timed.append((count, seconds))
            grown = min(_GROWTH * size, self._batches.batch_size)
            if grown > size and self._all(spent + 2 * seconds * grown / size <= self._seconds):
                size, timed = grown, []
            elif len(timed) > _TRIAL_STEPS or not self._all(spent + seconds <= self._seconds):
                break
        steady = timed[1:] or timed  # the first step of a size allocates its memory
        return sum(count for count, _ in steady) / sum(seconds for _, seconds in steady), max(timed)[0]

    def _repeated(self) -> Iterator[Batch]:
        while True:
            yield from self._batches.epoch(0)

    def _step(self, batch: Batch, size: int) -> tuple[int, float]:
        """Train on about ``size`` images of a batch; return the number over all processes, and the seconds it took."""
        images = batch.share.images if batch.share else len(batch.indices)
        parts = -(-images // size)
        batch = batch.split(parts)[0]
        count = images if parts == 1 else len(batch.indices) * self._config.compute.processes
        started = time.monotonic()
        float(take_step(self._model, batch, self._optimizer, config=self._config))
        seconds = max(time.monotonic() - started, 1e-9)
        self._config.report({"event": "trial", "images": count, "seconds": seconds})
        return count, seconds

    def _all(self, enough: bool) -> bool:
        """Return whether all processes have time for another step, so that all take the same number of steps."""
        return not bool(distributed.any_rank(torch.tensor([not enough]), self._config.compute))
