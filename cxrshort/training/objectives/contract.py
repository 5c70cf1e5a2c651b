"""From the words of the command line to an objective."""

import dataclasses
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from cxrshort import registry
from cxrshort.errors import UsageError
from cxrshort.settings import parse_value
from cxrshort.training import OBJECTIVES
from cxrshort.training.data.batches import Batch
from cxrshort.training.recipes.settings import recipe_fields
from cxrshort.training.task import Task


class Objective(Protocol):
    """What every way to learn offers; its buffers are part of a run's state."""

    uses_masks: bool

    def check(self, groups: npt.NDArray[np.int64] | None, masks: object | None) -> None:
        """Refuse a training fold that it cannot learn from."""

    def __call__(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the loss of one batch, a scalar."""


def make_objective(name: str, settings: str, *, task: Task) -> Objective:
    """Build the objective that a recipe names.

    Args:
        name: one of ``OBJECTIVES``.
        settings: ``name=value`` joined by commas; empty takes the published ones.
        task: what the outputs mean.

    Raises:
        UsageError: an unknown objective or setting, or a value of another type.

    Example:
        >>> make_objective("group-dro", "step=0.1", task=Task()).settings.step
        0.1
    """
    kind = registry.load(OBJECTIVES, name, kind="method")
    fields = {field.name: field.default for field in dataclasses.fields(kind.Settings)} if settings else {}
    given: dict[str, Any] = {}
    for text in filter(None, (each.strip() for each in settings.split(","))):
        key, sign, value = text.partition("=")
        if not sign:
            raise UsageError(f"--set '{text}' is not of the form name=value", "such as --set weight=10")
        registry.check_name([*fields, *recipe_fields()], key, kind=f"setting of {name}", list_all="--set help")
        if key not in fields:
            raise UsageError(
                f"'{key}' is no setting of {name}", "as a setting of the recipe, give it a --set of its own"
            )
        given[key] = parse_value(value, like=fields[key], said=f"--set {key}={value}")
    objective: Objective = kind(kind.Settings(**given), task=task)
    return objective
