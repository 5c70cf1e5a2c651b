"""Learning rates as functions of the position in a run and of its history, so that a resumed run needs no memory."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cxrshort.training.recipes import Recipe

_WARM_UP = 0.3
_START = 25.0
_END = 1e5
"""fastai's one cycle: up from 1/25 during 30 % of the run, then down to 1/100,000, both along a half cosine."""
_BETA1 = 0.9
_CYCLED = (0.95, 0.85)
"""fastai's one cycle moves Adam's beta1 the other way: from the first to the second number, and back."""


def rate_factor(recipe: Recipe, *, progress: float, epoch: int, history: Sequence[Mapping[str, Any]]) -> float:
    """Return what the recipe's learning rates are multiplied by.

    Args:
        recipe: names the schedule.
        progress: share of the run that is done, 0 to 1; counted in steps, for ``"one-cycle"``.
        epoch: epochs done; the other schedules move between epochs.
        history: a record with ``val_loss`` for each of them.
    """
    if recipe.schedule == "step":
        return float(recipe.step_factor ** (epoch // recipe.step_epochs))
    if recipe.schedule == "milestones":
        passed = sum(epoch >= int(milestone) for milestone in recipe.milestones.split(",") if milestone.strip())
        return float(recipe.step_factor**passed)
    if recipe.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * epoch / recipe.epochs))
    if recipe.schedule == "plateau":
        return float(recipe.step_factor ** _plateaus(history, recipe.step_epochs))
    if recipe.schedule == "one-cycle":
        return _cycle(progress, 1 / _START, 1.0, 1 / _END)
    return 1.0


def beta1(recipe: Recipe, *, progress: float) -> float:
    """Return the decay of Adam's and AdamW's mean of gradients.

    Args:
        recipe: names the schedule; ``"one-cycle"`` moves it.
        progress: share of the run that is done, 0 to 1; counted in steps.
    """
    return _cycle(progress, *_CYCLED, _CYCLED[0]) if recipe.schedule == "one-cycle" else _BETA1


def _plateaus(history: Sequence[Mapping[str, Any]], patience: int) -> int:
    """Count how often the validation loss failed to fall for more than ``patience`` epochs (torch's rule)."""
    best, waited, count = math.inf, 0, 0
    for record in history:
        # torch's default threshold: an improvement is more than one part in ten thousand.
        if record["val_loss"] < best * (1 - 1e-4):
            best, waited = record["val_loss"], 0
        else:
            waited += 1
        if waited > patience:
            count, waited = count + 1, 0
    return count


def _cycle(progress: float, start: float, peak: float, end: float) -> float:
    if progress < _WARM_UP:
        return _between(start, peak, progress / _WARM_UP)
    return _between(peak, end, (progress - _WARM_UP) / (1 - _WARM_UP))


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
