"""Balance of a training fold: sampling weights of images, and loss weights of positives."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from cxrshort.errors import UsageError
from cxrshort.images.prefetch import Indices
from cxrshort.models.outputs import Task
from cxrshort.registry import check_name


def balanced_sampling_weights(codes: Sequence[int] | Indices) -> npt.NDArray[np.float64]:
    """Return sampling weights that make all classes equally likely, (N,), which add up to 1.

    Args:
        codes: (N,) of each image's class, -1 where it is empty. Images without a class keep the weight 1 / N.

    Example:
        >>> balanced_sampling_weights([0, 0, 0, 1]).round(3).tolist()
        [0.167, 0.167, 0.167, 0.5]
    """
    values = np.asarray(codes, dtype=np.int64)
    has_class = values >= 0
    counts = np.bincount(values[has_class])
    weights = np.full(len(values), 1 / len(values))
    weights[has_class] = has_class.mean() / np.count_nonzero(counts) / counts[values[has_class]]
    return weights


def class_codes(targets: npt.NDArray[np.float32], *, task: Task, select: int | None) -> Indices:
    """Return the class of each image, (N,): of exclusive classes the true one, else the selecting label's 0 or 1.

    Args:
        targets: (N, L) of the training fold, NaN where a label is empty; soft targets are rounded.
        task: what they mean.
        select: position of the label.

    Raises:
        UsageError: the task has no classes, or no label selects.
    """
    if task.name not in ("multilabel", "multiclass"):
        raise UsageError(f"--balance label fits labels or classes, not {task.name}", "--balance group")
    answers = task.true_classes(torch.from_numpy(targets)).numpy()
    if task.name == "multiclass":
        select = 0
    if select is None:
        raise UsageError("--balance label needs to know which label", "--select-label NAME")
    codes: Indices = answers[:, select]
    return codes


def positive_weights(
    targets: npt.NDArray[np.float32], times: npt.NDArray[np.float64] | None = None
) -> tuple[float, ...]:
    """Return negatives / positives of each label, (L,), over its known targets; 1 where one of them is missing.

    Args:
        targets: (N, L) in [0, 1], NaN where empty; a soft target counts in part as either.
        times: (N,) how often an epoch shows each image; None shows all of them once.

    Example:
        >>> positive_weights(np.array([[1, np.nan], [0, 1], [0, 1]], np.float32))
        (2.0, 1.0)
    """
    weights = []
    shown = np.ones(len(targets)) if times is None else times
    for column in targets.T.astype(np.float64):
        positives, negatives = float(np.nansum(shown * column)), float(np.nansum(shown * (1 - column)))
        weights.append(negatives / positives if positives > 0 and negatives > 0 else 1.0)
    return tuple(weights)


def parse_label_weights(text: str, labels: Sequence[str]) -> tuple[float, ...]:
    """Return the weight of each label, (L,), from ``LABEL=X`` joined by commas; 1 for those that are not named.

    Raises:
        UsageError: a label that the model does not have, or a weight that is not above 0.

    Example:
        >>> parse_label_weights("COVID-19=25", ["Pneumonia", "COVID-19"])
        (1.0, 25.0)
    """
    weights = dict.fromkeys(labels, 1.0)
    for part in text.split(","):
        label, _, value = (piece.strip() for piece in part.rpartition("="))
        check_name(labels, label, kind="label of this model")
        try:
            weights[label] = float(value)
        except ValueError:
            weights[label] = math.nan
        if not 0 < weights[label] < math.inf:
            raise UsageError(f"the weight of '{label}' is '{value}', it must be a number above 0", "COVID-19=25")
    return tuple(weights.values())


def count_targets(targets: npt.NDArray[np.float32], *, task: Task) -> Indices:
    """Return the number of known targets of each image, (N,), as the mean loss counts them.

    Args:
        targets: (N, L), NaN where empty.
        task: what they mean; exclusive classes are one target together, a mask counts once.
    """
    if task.name == "masks":
        return np.ones(len(targets), np.int64)
    if task.name == "multiclass":
        return np.asarray((np.nan_to_num(targets) > 0).any(1), np.int64)
    counts: Indices = (~np.isnan(targets)).sum(axis=1, dtype=np.int64)
    return counts
