"""From the words of the command line to an objective."""

import dataclasses
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from cxrshort import registry
from cxrshort.errors import UsageError
from cxrshort.models.outputs import Task
from cxrshort.training import OBJECTIVES
from cxrshort.training.data.batches import Batch


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
    if settings and not fields:
        raise UsageError(f"'{name}' has no settings", "leave --set out")
    given: dict[str, Any] = {}
    for text in filter(None, (each.strip() for each in settings.split(","))):
        key, sign, value = text.partition("=")
        if not sign:
            raise UsageError(f"--set '{text}' is not of the form name=value", "such as --set weight=10")
        registry.check_name(fields, key, kind=f"setting of {name}")
        given[key] = parse_value(value, like=fields[key], said=f"--set {key}={value}")
    objective: Objective = kind(kind.Settings(**given), task=task)
    return objective


def parse_value(text: str, *, like: object, said: str) -> Any:
    """Read a value as the type that its default has.

    Args:
        text: the value.
        like: the default.
        said: what the user wrote, for messages.

    Raises:
        UsageError: it is of another type.
    """
    if isinstance(like, bool):
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise UsageError(f"{said}: it must be true or false")
    if isinstance(like, int | float):
        try:
            return type(like)(text)
        except ValueError as error:
            kind = "a whole number" if isinstance(like, int) else "a number"
            raise UsageError(f"{said}: it must be {kind}") from error
    return text
