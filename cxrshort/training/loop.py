"""The one training loop.

Read it top to bottom: an epoch is steps, then validation, then a saved state. What is learned is the objective's
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

from cxrshort import distributed
from cxrshort.compute import Compute, enough_memory, seeded_draws
from cxrshort.errors import ResumableError, UsageError, WorkFailedError
from cxrshort.models.architecture import FullPrecisionLinear
from cxrshort.models.classifier import Classifier
from cxrshort.models.scoring import SCORING_BATCH
from cxrshort.training.averaging import Average
from cxrshort.training.checkpointing import Keeper, State
from cxrshort.training.data.batches import Batch, Batches
from cxrshort.training.distributed_steps import combine, known_divisor
from cxrshort.training.objectives.comparison import Comparing, learn_from_whole
from cxrshort.training.recipes import Recipe
from cxrshort.training.schedules import beta1, rate_factor

Objective = Callable[[nn.Module, Batch], Tensor]
Validate = Callable[[nn.Module], Mapping[str, float]]
Report = Callable[[Mapping[str, Any]], None]

_DRAWS = 1
"""The last counter of the network's own draws, so that they are unrelated to the augmentation's."""

_LOOK_EVERY = 20
"""Steps between two looks at the losses; each look waits for a GPU to finish."""


@dataclass(frozen=True)
class Course:
    """Say how a run proceeds.

    Args:
        objective: maps (model, batch) to what the batch adds to the loss of its step, a scalar; where it is a module,
            its buffers are part of the state.
        recipe: epochs, optimiser, schedule.
        compute: device and precision.
        validate: returns measures of the model, among them ``score``, higher is better; called after every epoch.
        keeper: where and when the state is saved.
        report: takes one event; an event is one line of the log and one movement of the progress bar.
    """

    objective: Objective
    recipe: Recipe
    compute: Compute
    validate: Validate
    keeper: Keeper
    report: Report


def fit(model: nn.Module, batches: Batches, *, course: Course, state: State) -> State:
    """Train a model until the recipe's last epoch.

    Args:
        model: on its device; left at the last epoch's weights.
        batches: the training fold.
        course: how the run proceeds.
        state: where to begin; a fresh ``State`` or a loaded one.

    Returns:
        The state after the last epoch; ``best_weights`` is the model at the best score (the first of equals).

    Raises:
        ResumableError: a signal asked to stop; the state is saved.
        WorkFailedError: the loss or a weight is no longer a number, or the device has no memory left; the last good
            state is kept.
    """
    recipe = course.recipe
    optimizer = make_optimizer(model, recipe)
    memory = _memory(course)
    if state.model:
        model.load_state_dict(state.model)
        optimizer.load_state_dict(state.optimizer)
        memory.load_state_dict(state.objective)
    average = Average(model, decay=recipe.ema) if recipe.ema else None
    if average and state.average:
        average.load(state.average)
    warm_up = plain_epochs(course.objective, recipe)
    if recipe.compile:
        model.compile()  # in place: the names of the weights stay
    while state.epoch < recipe.epochs and not _has_lost_patience(state, recipe):
        epoch, rate = state.epoch, set_rates(optimizer, recipe, state=state, steps=len(batches))
        started = time.monotonic()
        _train_epoch(model, batches, optimizer, course=course, state=state, average=average)
        seconds = time.monotonic() - started
        record = {"epoch": epoch, "loss": state.loss_sum / len(batches)}
        with average.standing_in(model) if average else contextlib.nullcontext():
            with enough_memory(course.compute, images=SCORING_BATCH):
                measured = dict(course.validate(model))
            if not math.isfinite(measured.get("val_loss", 0.0)):
                raise _diverged(f"the validation loss is no number after epoch {epoch + 1}", course.keeper)
            warming = {"warm_up": True} if epoch < warm_up else {}
            state.history.append(record | measured | {"learning_rate": rate} | warming)
            if chosen_epoch(state.history, recipe.selection) == epoch:
                state.best_weights = _copy(model)
        state.epoch, state.step, state.loss_sum = epoch + 1, 0, 0.0
        _save(state, model, optimizer, course=course, average=average)
        course.report({"event": "epoch", **state.history[-1], "seconds": round(seconds, 2)})
    return state


def plain_epochs(objective: object, recipe: Recipe) -> int:
    """Return how many epochs at the start are plain training, or nearly.

    Raises:
        UsageError: all of them are.
    """
    warm_up = int(getattr(objective, "warm_up", 0))
    if warm_up >= recipe.epochs:
        raise UsageError(
            f"--epochs is '{recipe.epochs}', and the first {warm_up} of '{recipe.method}' are plain training",
            f"--epochs {warm_up + 1} or more, or --set plain_epochs=N",
        )
    return warm_up


def _train_epoch(
    model: nn.Module,
    batches: Batches,
    optimizer: torch.optim.Optimizer,
    *,
    course: Course,
    state: State,
    average: Average | None,
) -> None:
    model.train()
    losses: list[Tensor] = []
    looked = saved = time.monotonic()
    for batch in batches.epoch(state.epoch, first_step=state.step):
        set_rates(optimizer, course.recipe, state=state, steps=len(batches))
        with _own_draws(batch, batches.seed, course):
            losses.append(take_step(model, batch, optimizer, course=course))
        if average:
            average.update(model, step=state.epoch * len(batches) + state.step)
        state.step += 1
        stop = _any(course.keeper.interrupted(), course)
        last = state.step == len(batches)
        if not (last or stop or len(losses) == _LOOK_EVERY):
            continue
        state.loss_sum += _sum_losses(losses, state=state, keeper=course.keeper)
        now = time.monotonic()
        rate = len(losses) * batches.batch_size / max(now - looked, 1e-9)
        course.report(_step_event(state, steps=len(batches), epochs=course.recipe.epochs, images_per_second=rate))
        losses, looked = [], now
        save = _any(now - saved > course.keeper.seconds, course)
        if stop or last or save:
            _refuse_broken_weights(model, state, keeper=course.keeper)
        if stop:
            _save(state, model, optimizer, course=course, average=average)
            raise ResumableError(
                f"interrupted in epoch {state.epoch + 1} after step {state.step}; the state is saved",
                "the same command with --resume goes on",
            )
        if save and not last:
            _save(state, model, optimizer, course=course, average=average)
            saved = now


def _own_draws(batch: Batch, seed: int, course: Course) -> AbstractContextManager[None]:
    """Make what the network draws, as dropout does, a function of (seed, epoch, step), and of the share of the step."""
    first = batch.share.first if batch.share else 0
    return seeded_draws(seed, batch.epoch, batch.step, first, _DRAWS, device=course.compute.torch_device)


def _any(flag: bool, course: Course) -> bool:
    """Say whether one process has a flag, so that all stop, or save, after the same step."""
    return bool(distributed.any_rank(torch.tensor([flag]), course.compute))


def _step_event(state: State, *, steps: int, epochs: int, images_per_second: float) -> dict[str, Any]:
    return {
        "event": "step",
        "epoch": state.epoch,
        "step": state.step,
        "steps": steps,
        "epochs": epochs,
        "loss": state.loss_sum / state.step,
        "images_per_second": round(images_per_second, 1),
    }


def take_step(model: nn.Module, batch: Batch, optimizer: torch.optim.Optimizer, *, course: Course) -> Tensor:
    """Do one optimiser step and return its loss, detached.

    The batch is worked on in as many passes as the recipe accumulates; all processes together do the one step.

    Raises:
        WorkFailedError: the device has no memory left; the message proposes a batch size.
    """
    recipe, compute = course.recipe, course.compute
    optimizer.zero_grad(set_to_none=True)
    size = len(batch.indices)
    with enough_memory(compute, images=size, hint=f"try --batch-size {max(1, size // 2)}"):
        if isinstance(course.objective, Comparing):
            loss = learn_from_whole(course.objective, model, batch, passes=recipe.accumulate, compute=compute)
            loss = combine(model, loss, batch=batch, compute=compute)
        else:
            sums = [(each, each.clone()) for each in _memory(course).buffers()]
            loss = combine(model, _learn(model, batch, course=course), batch=batch, compute=compute, sums=sums)
        if recipe.clip_norm > 0:
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        optimizer.step()
    return loss


def _learn(model: nn.Module, batch: Batch, *, course: Course) -> Tensor:
    """Add the gradients of this process's share of a step, in passes, and return what it adds to the loss, detached."""
    compute, losses = course.compute, [torch.zeros((), device=course.compute.torch_device)]
    batch = known_divisor(course.objective, batch, compute)
    for part in batch.split(course.recipe.accumulate):
        if len(part.indices):
            with compute.autocast():
                loss = course.objective(model, part)
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
    return torch.stack(losses).sum()


def _sum_losses(losses: list[Tensor], *, state: State, keeper: Keeper) -> float:
    """Return the sum of the losses since the last look.

    Raises:
        WorkFailedError: one of them is not a number.
    """
    values = torch.stack(losses).double().cpu()
    finite = torch.isfinite(values)
    if not bool(finite.all()):
        first = state.step - len(losses) + int((~finite).int().argmax()) + 1
        raise _diverged(f"the loss is {values[~finite][0].item()} in epoch {state.epoch + 1}, step {first}", keeper)
    return float(values.sum())


def _refuse_broken_weights(model: nn.Module, state: State, *, keeper: Keeper) -> None:
    """Refuse to save or to judge weights that the last step, whose loss was still a number, has broken.

    Raises:
        WorkFailedError: a weight is not a number.
    """
    # A sum is not a number where a part of it is not, and needs no memory: AlexNet has 57 million weights.
    if not all(bool(torch.isfinite(value.sum())) for value in model.state_dict().values()):
        raise _diverged(f"a weight is no longer a number in epoch {state.epoch + 1}, step {state.step}", keeper)


def _diverged(what: str, keeper: Keeper) -> WorkFailedError:
    kept = f"the last good state is kept in '{keeper.path}'" if keeper.path.exists() else "nothing was saved before it"
    return WorkFailedError(
        f"{what}; {kept}", "train again with --force and a lower --learning-rate, or with --precision fp32"
    )


def _save(
    state: State, model: nn.Module, optimizer: torch.optim.Optimizer, *, course: Course, average: Average | None
) -> None:
    state.model = model.state_dict()
    state.optimizer = optimizer.state_dict()
    state.objective = _memory(course).state_dict()
    state.average = average.weights if average else {}
    distributed.on_first_rank(lambda: state.save(course.keeper.path), course.compute)


def _memory(course: Course) -> nn.Module:
    """Return what holds the objective's buffers, on the device: the objective, or nothing for a plain function."""
    objective = course.objective
    return objective.to(course.compute.torch_device) if isinstance(objective, nn.Module) else nn.Identity()


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def chosen_epoch(history: Sequence[Mapping[str, Any]], selection: str) -> int:
    """Return the epoch that is kept: the first of the best scores or of the lowest losses, or the last.

    Epochs in which the objective was still plain training (``warm_up``) count only where there are no others.
    """
    if selection == "last":
        return len(history) - 1
    full = [number for number, each in enumerate(history) if not each.get("warm_up")]
    values = {
        number: history[number]["score"] if selection == "score" else -history[number]["val_loss"]
        for number in full or range(len(history))
    }
    return max(values, key=lambda number: (values[number], -number))


def _has_lost_patience(state: State, recipe: Recipe) -> bool:
    if not (recipe.patience and state.history):
        return False
    return len(state.history) - 1 - chosen_epoch(state.history, recipe.selection) >= recipe.patience


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
    own = {id(each) for each in _head_parameters(model)} if recipe.head_learning_rate else set()
    learning = [each for each in model.parameters() if each.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [each for each in learning if id(each) not in own], "peak": recipe.learning_rate}
    ]
    if own:
        chosen = [each for each in learning if id(each) in own]
        groups.append({"params": chosen, "peak": recipe.head_learning_rate, "weight_decay": recipe.head_weight_decay})
    return [group for group in groups if group["params"]]


def _head_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of the layers that are new to the task: the head, else the last layer."""
    if isinstance(model, Classifier) and model.head:
        return list(model.network.get_submodule(model.head).parameters())
    return [each for part in model.modules() if isinstance(part, FullPrecisionLinear) for each in part.parameters()]


def set_rates(optimizer: torch.optim.Optimizer, recipe: Recipe, *, state: State, steps: int) -> float:
    """Set the learning rates and Adam's beta1 that the schedule has at the state's position; return the first rate."""
    progress = (state.epoch + state.step / steps) / recipe.epochs
    factor = rate_factor(recipe, progress=progress, epoch=state.epoch, history=state.history)
    for group in optimizer.param_groups:
        group["lr"] = max(recipe.smallest_rate, group["peak"] * factor)
        if "betas" in group:
            group["betas"] = (beta1(recipe, progress=progress), recipe.beta2)
    return float(optimizer.param_groups[0]["lr"])
