"""The contract of all cures, and their construction from command-line settings.

A cure takes what enters the last layer of a trained model, for the images of a validation fold, and returns another
last layer. What would invalidate its numbers: validation persons whom the model was trained on, whose features say how
well it remembers them, and logits that are judged on the persons they were fitted to. The first is refused before a
cure is asked (:mod:`cxrshort.training.cures.start`); for the second a cure says which rows it may be judged on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from cxrshort import registry
from cxrshort.errors import UsageError
from cxrshort.expressions import categories
from cxrshort.models.outputs import Task
from cxrshort.training import CURES
from cxrshort.training.method_settings import parse_settings

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LastLayer:
    """Hold a linear last layer.

    Args:
        weights: (L, D).
        biases: (L,).
    """

    weights: Floats
    biases: Floats

    def logits(self, features: Floats) -> Floats:
        """Return (N, L) of features (N, D)."""
        return features @ self.weights.T + self.biases


@dataclass(frozen=True, eq=False)
class ReactiveLayer:
    """Hold two linear last layers and the detector that chooses between them for each image.

    Args:
        plain: where nothing is detected.
        projected: where the detector's logit is above 0.
        detector: of one output.
    """

    plain: LastLayer
    projected: LastLayer
    detector: LastLayer

    def logits(self, features: Floats) -> Floats:
        """Return (N, L) of features (N, D)."""
        detected = self.detector.logits(features) > 0
        return np.where(detected, self.projected.logits(features), self.plain.logits(features))


@dataclass(frozen=True, eq=False)
class ValidationFeatures:
    """Hold what a cure learns from: one validation fold, without images.

    Args:
        values: (N, D) float64, what enters the last layer.
        targets: (N, L), NaN where a label is empty.
        labels: names of the L outputs.
        persons: (N,) person ids.
        groups: for each label, (N,) names of groups, ``""`` where empty; none where a cure needs none.
        present: (N,) bool, where the shortcut is; None where a cure does not ask.
    """

    values: Floats
    targets: npt.NDArray[np.float32]
    labels: tuple[str, ...]
    persons: npt.NDArray[np.object_]
    groups: Sequence[npt.NDArray[np.object_]] = ()
    present: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class Judged:
    """Hold what one label's output may be judged on.

    Args:
        rows: (M,) positions in the fold.
        groups: (M,) names of groups.
        scores: (M,) log-odds after the cure, of a last layer that was not fitted to these persons' labels.
    """

    rows: npt.NDArray[np.int64]
    groups: npt.NDArray[np.object_]
    scores: Floats


@dataclass(frozen=True, eq=False)
class CuredLayer:
    """Hold what a cure returns.

    Args:
        layer: the new last layer.
        judged: for each label.
        record: what was chosen and measured on the way, as JSON values.
        notes: what must be known besides, one sentence each.
    """

    layer: LastLayer | ReactiveLayer
    judged: Sequence[Judged]
    record: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()


Progress = Callable[[int, int], None]
"""Take how many parts of the work are done, and of how many; may raise to stop the work."""


class Cure:
    """Define how a last layer is changed. This one class is inherited, so that a cure states only its own part.

    Args:
        settings: of the class ``Settings``.
        task: what the outputs mean.
    """

    name: ClassVar[str]
    Settings: ClassVar[type]
    tasks: ClassVar[tuple[str, ...]]
    """Tasks whose outputs it can change."""

    def __init__(self, settings: Any = None, *, task: Task) -> None:
        self.settings = self.Settings() if settings is None else settings
        self.task = task

    @property
    def from_masks(self) -> bool:
        """Return whether masks say where the shortcut is, and not a column."""
        return False

    def read_groups(
        self, manifest: pd.DataFrame, group: str, labels: Sequence[str]
    ) -> Sequence[npt.NDArray[np.object_]]:
        """Return what :class:`ValidationFeatures` holds as groups, of a fold's rows and a column or an expression."""
        return [categories(manifest, group).to_numpy(dtype=object)] * len(labels)

    def check(self, data: ValidationFeatures) -> None:
        """Refuse a fold that the cure cannot learn from, before features are computed; ``values`` has no columns.

        Raises:
            UsageError: it lacks groups, or they are not of the kind that is needed.
            DataError: a class or a group is missing.
        """
        raise NotImplementedError

    def scores(self, logits: Floats) -> Floats:
        """Return the log-odds (N, L) that logits (N, L) stand for, which an AUC is taken of."""
        return self.task.scores(torch.from_numpy(logits)).numpy()

    def fit(self, data: ValidationFeatures, layer: LastLayer, *, seed: int, progress: Progress) -> CuredLayer:
        """Return another last layer, a function of its arguments alone.

        Args:
            data: the fold.
            layer: the model's own.
            seed: of all draws.
            progress: told before each part of the work.
        """
        raise NotImplementedError


def make_cure(name: str, settings: str, *, task: Task) -> Cure:
    """Build the cure that a recipe names.

    Args:
        name: one of ``CURES``.
        settings: ``name=value`` joined by commas; empty takes the published ones.
        task: what the outputs mean.

    Raises:
        UsageError: an unknown cure or setting, a value of another type, or a task whose outputs it cannot change.

    Example:
        >>> make_cure("dfr", "refits=10", task=Task()).settings.refits
        10
    """
    kind = registry.load_entry(CURES, name, kind="method")
    if task.name not in kind.tasks:
        raise UsageError(
            f"'{name}' changes models of {' or '.join(kind.tasks)} outputs, and these are {task.name}",
            "--method p-clarc takes every classifier",
        )
    cure: Cure = kind(kind.Settings(**parse_settings(name, kind.Settings, settings)), task=task)
    return cure
