"""Empirical p-values of a change against random changes of the same image (DeGrave et al. 2021, Methods, "Statistics").

p = (r + 1) / (n + 1), where r counts the n random changes that are at least as extreme as the observed one. Ties count:
where nothing changes anything, p is 1 and not 1 / (n + 1). What would invalidate it: a direction chosen after looking.
"""

import numpy as np
from numpy.typing import ArrayLike

from cxrshort.errors import DataError
from cxrshort.registry import check_name
from cxrshort.stats.midranks import Floats, Integers

DIRECTIONS = ("increase", "decrease", "either")
"""Which random changes are at least as extreme: those that add as much, that take as much, or that differ as much."""


def empirical_p(changes: ArrayLike, random_changes: ArrayLike, *, direction: str) -> Floats:
    """Return the empirical p-value of each image's change, (N,), in (0, 1].

    Args:
        changes: (N,) logit after minus before.
        random_changes: (N, n) the same for n random patches of each image.
        direction: one of `DIRECTIONS`; ``"either"`` compares magnitudes.

    Raises:
        DataError: a change is not finite, there is no random change, or lengths differ.
        UsageError: an unknown direction.

    Example:
        >>> empirical_p([2.0], [[1.0, 2.0, 3.0, -4.0]], direction="increase")
        array([0.6])
        >>> empirical_p([2.0], [[1.0, 2.0, 3.0, -4.0]], direction="either")
        array([0.8])
    """
    observed, null = _signed(changes, random_changes, direction)
    extreme = np.count_nonzero(null >= observed[:, None], axis=1)
    p: Floats = (extreme + 1) / (null.shape[1] + 1)
    return p


def more_extreme(changes: ArrayLike, random_changes: ArrayLike, *, direction: str) -> Integers:
    """Return how many random changes are more extreme than each image's change, (N,), ties not counted.

    This is r as DeGrave et al. 2021 word it; :func:`empirical_p` counts ties, without which no p-value is valid.

    Args:
        changes: as for :func:`empirical_p`.
        random_changes: as for :func:`empirical_p`.
        direction: as for :func:`empirical_p`.

    Raises:
        DataError: as :func:`empirical_p`.
        UsageError: an unknown direction.

    Example:
        >>> more_extreme([2.0], [[1.0, 2.0, 3.0, -4.0]], direction="either")
        array([2])
    """
    observed, null = _signed(changes, random_changes, direction)
    counts: Integers = (null > observed[:, None]).sum(axis=1)
    return counts


def _signed(changes: ArrayLike, random_changes: ArrayLike, direction: str) -> tuple[Floats, Floats]:
    """Return checked changes and random changes, signed so that larger ones are more extreme."""
    check_name(DIRECTIONS, direction, kind="direction")
    observed, null = check_changes(changes, random_changes)
    if direction == "either":
        return np.abs(observed), np.abs(null)
    return (-observed, -null) if direction == "decrease" else (observed, null)


def check_changes(changes: ArrayLike, random_changes: ArrayLike) -> tuple[Floats, Floats]:
    """Return changes (N,) and random changes (N, n) as float64.

    Raises:
        DataError: a change is not finite, there is no random change, or lengths differ.
    """
    observed, null = np.asarray(changes, np.float64), np.asarray(random_changes, np.float64)
    if observed.ndim != 1 or null.ndim != 2 or len(null) != len(observed) or not null.shape[1]:
        raise DataError(
            f"random changes of shape {null.shape} do not fit changes of shape {observed.shape}",
            "give one or more random changes of each image, (N, n)",
        )
    if wrong := int(np.count_nonzero(~np.isfinite(observed)) + np.count_nonzero(~np.isfinite(null))):
        raise DataError(f"{wrong} changes are not finite: a change must be a number", "score the images again")
    return observed, null
