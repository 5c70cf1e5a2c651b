"""The training loop.

Read it top to bottom: an epoch is steps, then validation, then a saved checkpoint. What is learned is the objective's
business; what chooses the best epoch is the validation's. Nothing here prints. Several processes read the same loop,
see :mod:`cxrshort.training.distributed_steps`; the first one saves and reports.
"""

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cxrshort import distributed, runs
from cxrshort.compute import Compute, enough_memory, seeded_draws
from cxrshort.errors import ResumableError, UsageError, WorkFailedError
from cxrshort.forecasts import significant
from cxrshort.models.architecture import FullPrecisionLinear
from cxrshort.models.classifier import Classifier
from cxrshort.models.scoring import SCORING_BATCH
from cxrshort.training.averaging import Average
from cxrshort.training.checkpointing import Checkpoint
from cxrshort.training.data.batches import Batch, Batches
from cxrshort.training.distributed_steps import all_reduce_step
from cxrshort.training.objectives.contract import Objective
from cxrshort.training.recipes import Recipe
from cxrshort.training.schedules import beta1, rate_factor

Validate = Callable[[nn.Module], Mapping[str, float]]
Report = Callable[[Mapping[str, Any]], None]

_DRAWS = 1
"""The last counter of the network's own draws, so that they are unrelated to the augmentation's."""

_STEPS_PER_CHECK = 20
"""Steps between two looks at the losses; each look waits for a GPU to finish."""


@dataclass(frozen=True)
class FitConfig:
    """Configure a fit.

    Args:
        objective: what the model learns; its buffers are part of the checkpoint.
        recipe: epochs, optimiser, schedule.
        compute: device and precision.
        validate: returns measures of the model, among them ``score``, higher is better; called after every epoch.
        report: takes one event; an event is one line of the log and one movement of the progress bar. Events, and the
            history, count epochs and steps from 1, as people do.
        interrupted: says whether a signal asked to stop; looked at between steps.
        teacher: the network that the model learns from, where the objective needs one; it is frozen.
    """

    objective: Objective
    recipe: Recipe
    compute: Compute
    validate: Validate
    report: Report = runs.ignore_event
    interrupted: Callable[[], bool] = lambda: False
    teacher: nn.Module | None = None


def fit(model: nn.Module, batches: Batches, *, config: FitConfig, checkpoint: Checkpoint) -> Checkpoint:
    """Train a model until the recipe's last epoch.

    Args:
        model: on its device; left at the last epoch's weights.
        batches: the training fold.
        config: how the fit proceeds.
        checkpoint: where to begin, fresh or loaded, and where it is saved.

    Returns:
        The checkpoint after the last epoch; ``best_weights`` is the model at the best score (the first of equals).

    Raises:
        ResumableError: a signal asked to stop; the state is saved.
        WorkFailedError: the loss or a weight is no longer a number, or the device has no memory left; the last good
            state is kept.
    """
    recipe, objective = config.recipe, config.objective
    move_to_device(config)
    optimizer = make_optimizer(model, recipe)
    if checkpoint.model:
        model.load_state_dict(checkpoint.model)
        optimizer.load_state_dict(checkpoint.optimizer)
        objective.load_state_dict(checkpoint.objective)
    average = Average(model, decay=recipe.ema) if recipe.ema else None
    if average and checkpoint.average:
        average.restore(checkpoint.average)
    if recipe.compile:
        model.compile()  # in place: the names of the weights stay
    while checkpoint.epoch < recipe.epochs and not _patience_is_exhausted(checkpoint, recipe):
        epoch, rate = checkpoint.epoch, set_rates(optimizer, recipe, checkpoint=checkpoint, steps=len(batches))
        started = time.monotonic()
        _train_epoch(model, batches, optimizer, config=config, checkpoint=checkpoint, average=average)
        seconds = time.monotonic() - started
        record = {"epoch": epoch + 1, "loss": checkpoint.loss_sum / len(batches)}
        with average.standing_in(model) if average else contextlib.nullcontext():
            with enough_memory(config.compute, images=SCORING_BATCH):
                measured = dict(config.validate(model))
            if not math.isfinite(measured.get("val_loss", 0.0)):
                raise _diverged(f"the validation loss is no number after epoch {epoch + 1}", checkpoint)
            warming = {"warm_up": True} if epoch < objective.warm_up_epochs else {}
            checkpoint.history.append(record | measured | {"learning_rate": rate} | warming)
            if chosen_epoch(checkpoint.history, recipe.selection) == epoch:
                checkpoint.best_weights = _copy(model)
        checkpoint.epoch, checkpoint.step, checkpoint.loss_sum = epoch + 1, 0, 0.0
        _save(checkpoint, model, optimizer, config=config, average=average)
        config.report({"event": "epoch", **checkpoint.history[-1], "seconds": round(seconds, 2)})
    return checkpoint


def move_to_device(config: FitConfig) -> None:
    """Move objective and teacher to the device, and freeze the teacher."""
    config.objective.to(config.compute.torch_device)
    if config.teacher is not None:
        config.teacher.to(config.compute.torch_device).eval().requires_grad_(False)


def _train_epoch(
    model: nn.Module,
    batches: Batches,
    optimizer: torch.optim.Optimizer,
    *,
    config: FitConfig,
    checkpoint: Checkpoint,
    average: Average | None,
) -> None:
    model.train()
    losses: list[Tensor] = []
    checked_at = saved_at = time.monotonic()
    for batch in batches.epoch(checkpoint.epoch, first_step=checkpoint.step):
        set_rates(optimizer, config.recipe, checkpoint=checkpoint, steps=len(batches))
        with _seeded_draws(batch, batches.seed, config):
            losses.append(take_step(model, batch, optimizer, config=config))
        if average:
            average.update(model, step=checkpoint.epoch * len(batches) + checkpoint.step)
        checkpoint.step += 1
        stop = _on_any_rank(config.interrupted(), config)
        last = checkpoint.step == len(batches)
        if not (last or stop or len(losses) == _STEPS_PER_CHECK):
            continue
        checkpoint.loss_sum += _sum_losses(losses, checkpoint=checkpoint)
        now = time.monotonic()
        rate = len(losses) * batches.batch_size / max(now - checked_at, 1e-9)
        config.report(_step_event(checkpoint, steps=len(batches), epochs=config.recipe.epochs, images_per_second=rate))
        losses, checked_at = [], now
        save = _on_any_rank(now - saved_at > checkpoint.save_seconds, config)
        if stop or last or save:
            _check_weights(model, checkpoint)
        if stop:
            _save(checkpoint, model, optimizer, config=config, average=average)
            raise ResumableError(
                f"interrupted in epoch {checkpoint.epoch + 1} after step {checkpoint.step}; the state is saved",
                "the same command with --resume continues",
            )
        if save and not last:
            _save(checkpoint, model, optimizer, config=config, average=average)
            saved_at = now


def _seeded_draws(batch: Batch, seed: int, config: FitConfig) -> AbstractContextManager[None]:
    """Seed what the network draws, as dropout does, by (seed, epoch, step) and by the share of the step."""
    first = batch.share.first if batch.share else 0
    return seeded_draws(seed, batch.epoch, batch.step, first, _DRAWS, device=config.compute.torch_device)


def _on_any_rank(flag: bool, config: FitConfig) -> bool:
    """Return whether one process has a flag, so that all stop, or save, after the same step."""
    return bool(distributed.any_rank(torch.tensor([flag]), config.compute))


def _step_event(checkpoint: Checkpoint, *, steps: int, epochs: int, images_per_second: float) -> dict[str, Any]:
    return {
        "event": "step",
        "epoch": checkpoint.epoch + 1,
        "step": checkpoint.step,
        "steps": steps,
        "epochs": epochs,
        "loss": checkpoint.loss_sum / checkpoint.step,
        "images_per_second": significant(images_per_second),
    }


def take_step(model: nn.Module, batch: Batch, optimizer: torch.optim.Optimizer, *, config: FitConfig) -> Tensor:
    """Do one optimiser step and return its loss, detached.

    The batch is worked on in as many micro-batches as the recipe accumulates; all processes together do the one step.

    Raises:
        WorkFailedError: the device has no memory left; the message proposes a batch size.
    """
    recipe, compute = config.recipe, config.compute
    optimizer.zero_grad(set_to_none=True)
    size = len(batch.indices)
    with enough_memory(compute, images=size, hint=f"try --batch-size {max(1, size // 2)}"):
        sums = [(buffer, buffer.clone()) for buffer in config.objective.summed_buffers()]
        batch = batch._replace(teacher=config.teacher)
        loss = config.objective.backward(model, batch, accumulation_steps=recipe.accumulate, compute=compute)
        loss = all_reduce_step(model, loss, batch=batch, compute=compute, sums=sums)
        if recipe.clip_norm > 0:
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        optimizer.step()
    return loss


def _sum_losses(losses: list[Tensor], *, checkpoint: Checkpoint) -> float:
    """Return the sum of the losses since the last look.

    Raises:
        WorkFailedError: one of them is not a number.
    """
    values = torch.stack(losses).double().cpu()
    finite = torch.isfinite(values)
    if not bool(finite.all()):
        first = checkpoint.step - len(losses) + int((~finite).int().argmax()) + 1
        loss = values[~finite][0].item()
        raise _diverged(f"the loss is {loss} in epoch {checkpoint.epoch + 1}, step {first}", checkpoint)
    return float(values.sum())


def _check_weights(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Refuse to save or to judge weights that the last step, whose loss was still a number, has broken.

    Raises:
        WorkFailedError: a weight is not a number.
    """
    # A sum is not a number where a part of it is not, and needs no memory: AlexNet has 57 million weights.
    if not all(bool(torch.isfinite(value.sum())) for value in model.state_dict().values()):
        position = f"epoch {checkpoint.epoch + 1}, step {checkpoint.step}"
        raise _diverged(f"a weight is no longer a number in {position}", checkpoint)


def _diverged(reason: str, checkpoint: Checkpoint) -> WorkFailedError:
    path = checkpoint.path
    kept = f"the last good state is kept in '{path}'" if path.is_file() else "nothing was saved before it"
    return WorkFailedError(
        f"{reason}; {kept}", "train again with --force and a lower --learning-rate, or with --precision fp32"
    )


def _save(
    checkpoint: Checkpoint,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    config: FitConfig,
    average: Average | None,
) -> None:
    checkpoint.model = model.state_dict()
    checkpoint.optimizer = optimizer.state_dict()
    checkpoint.objective = config.objective.state_dict()
    checkpoint.average = average.weights if average else {}
    distributed.on_first_rank(checkpoint.save, config.compute)


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def chosen_epoch(history: Sequence[Mapping[str, Any]], selection: str) -> int:
    """Return the epoch that is kept: the first of the best scores or of the lowest losses, or the last.

    Warm-up epochs of the objective (``warm_up``) count only where there are no others.
    """
    if selection == "last":
        return len(history) - 1
    after_warm_up = [number for number, record in enumerate(history) if not record.get("warm_up")]
    values = {
        number: history[number]["score"] if selection == "score" else -history[number]["val_loss"]
        for number in after_warm_up or range(len(history))
    }
    return max(values, key=lambda number: (values[number], -number))


def _patience_is_exhausted(checkpoint: Checkpoint, recipe: Recipe) -> bool:
    if not (recipe.patience and checkpoint.history):
        return False
    return len(checkpoint.history) - 1 - chosen_epoch(checkpoint.history, recipe.selection) >= recipe.patience


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's optimiser over the parameters that learn, in its fused form."""
    groups = _parameter_groups(model, recipe)
    rate, decay, betas = recipe.learning_rate, recipe.weight_decay, (beta1(recipe, progress=0), recipe.beta2)
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, rate, momentum=recipe.momentum, weight_decay=decay, fused=True)
    if recipe.optimizer == "adam":
        return torch.optim.Adam(groups, rate, betas=betas, weight_decay=decay, fused=True)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, rate, betas=betas, weight_decay=decay, fused=True)
    raise UsageError(f"'{recipe.optimizer}' is not a known optimizer", "one of: sgd, adam, adamw")


def _parameter_groups(model: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Return one group, or two where the head has a learning rate of its own."""
    head = {id(parameter) for parameter in _head_parameters(model)} if recipe.head_learning_rate else set()
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [parameter for parameter in trainable if id(parameter) not in head], "peak": recipe.learning_rate}
    ]
    if head:
        chosen = [parameter for parameter in trainable if id(parameter) in head]
        groups.append({"params": chosen, "peak": recipe.head_learning_rate, "weight_decay": recipe.head_weight_decay})
    return [group for group in groups if group["params"]]


def _head_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of the layers that are new to the task: the head, else the last layer."""
    if isinstance(model, Classifier) and model.head:
        return list(model.network.get_submodule(model.head).parameters())
    return [
        parameter
        for part in model.modules()
        if isinstance(part, FullPrecisionLinear)
        for parameter in part.parameters()
    ]


def set_rates(optimizer: torch.optim.Optimizer, recipe: Recipe, *, checkpoint: Checkpoint, steps: int) -> float:
    """Set the learning rates and Adam's beta1 that the schedule has at this position; return the first rate."""
    progress = (checkpoint.epoch + checkpoint.step / steps) / recipe.epochs
    factor = rate_factor(recipe, progress=progress, epoch=checkpoint.epoch, history=checkpoint.history)
    for group in optimizer.param_groups:
        group["lr"] = max(recipe.smallest_rate, group["peak"] * factor)
        if "betas" in group:
            group["betas"] = (beta1(recipe, progress=progress), recipe.beta2)
    return float(optimizer.param_groups[0]["lr"])
