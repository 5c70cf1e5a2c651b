"""What a tuning grid is judged by, and the cell that a stated rule proposes.

Of each cell: how much the logit of the added finding rises (target), how much the others move either way (off target),
and how far a picture is from its original in an embedding (distance). The rule proposes the cell with the largest rise
of the target beyond the sham edit, among those whose off-target change is at most a share of that rise and whose
pictures are nearer to their originals than a limit, such as the distance of two real images of one person.

What would mislead: a proposal taken for a result. The images are few, the classifier that judges may itself take one
finding for another, and a grid that is searched for its largest number finds one; so the cell is proposed, its interval
stands beside it, and readers of other images have to confirm it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as t_distribution

from cxrshort.errors import UsageError
from cxrshort.stats.changes import Interval, mean_by_person
from cxrshort.stats.midranks import number_persons

MOST_OFF_TARGET = 0.5
"""Off-target change over target change up to which a cell may be proposed."""


@dataclass(frozen=True, slots=True)
class CellScore:
    """Hold what is measured of one prompt in one cell.

    Args:
        target: change of the logit of the added finding, after minus before, with limits over persons.
        beyond_sham: the same beyond the sham edit of the same image.
        off_target: mean absolute change of the other logits.
        distance: median squared distance of edit and original in an embedding.
        images: pictures that there are.
    """

    target: Interval
    beyond_sham: Interval
    off_target: float
    distance: float
    images: int


def mean_interval(values: ArrayLike, persons: ArrayLike, *, level: float = 0.95) -> Interval:
    """Return the mean of persons' means with its t-interval; limits NaN for one person, all NaN for none.

    Args:
        values: (N,) NaN where there is none.
        persons: (N,) whose image it is.
        level: coverage, in (0, 1).

    Example:
        >>> interval = mean_interval([1.0, 2.0, 3.0], ["a", "b", "c"])
        >>> interval.value, round(interval.high, 2)
        (2.0, 4.48)
    """
    numbers = np.asarray(values, np.float64)
    rows = np.isfinite(numbers)
    if not rows.any():
        return Interval(math.nan, math.nan, math.nan)
    means = mean_by_person(numbers[rows], number_persons(np.asarray(persons, object)[rows], int(rows.sum())))
    value = float(means.mean())
    if len(means) < 2:
        return Interval(value, math.nan, math.nan)
    half = float(t_distribution.ppf((1 + level) / 2, len(means) - 1) * means.std(ddof=1) / math.sqrt(len(means)))
    return Interval(value, value - half, value + half)


def score_cell(
    before: ArrayLike,
    after: ArrayLike,
    sham: ArrayLike,
    *,
    target: int | None,
    distances: ArrayLike,
    persons: ArrayLike,
) -> CellScore:
    """Return what is measured of one prompt in one cell.

    Args:
        before: (N, L) logits of the originals; (N, 0) without a classifier.
        after: (N, L) of the edits, NaN where there is no picture.
        sham: (N, L) of the sham edits of the same cell, likewise.
        target: column of the added finding; None where no label is of it.
        distances: (N,) of edits and originals, NaN where there is no picture.
        persons: (N,) whose images they are.
    """
    first, second, control = (np.asarray(values, np.float64) for values in (before, after, sham))
    changes = second - first
    nothing = np.full(len(first), np.nan)
    on_target = nothing if target is None else changes[:, target]
    beyond = nothing if target is None else second[:, target] - control[:, target]
    others = np.abs(np.delete(changes, [] if target is None else [target], axis=1))
    lengths = np.asarray(distances, np.float64)
    stated = lengths[np.isfinite(lengths)]
    return CellScore(
        mean_interval(on_target, persons),
        mean_interval(beyond, persons),
        mean_interval(others.mean(axis=1), persons).value if others.shape[1] else math.nan,
        float(np.median(stated)) if len(stated) else math.nan,
        len(stated),
    )


def may_be_proposed(score: CellScore, *, limit: float | None, most_off_target: float = MOST_OFF_TARGET) -> bool:
    """Return whether a cell fulfils the rule's conditions.

    Args:
        score: of a prompt in the cell.
        limit: largest distance of edit and original; None where there is none.
        most_off_target: largest off-target change, as a share of the target's.

    Raises:
        UsageError: a share below 0.
    """
    if most_off_target < 0:
        raise UsageError(f"--most-off-target {most_off_target:g} is below 0", "try 0.5")
    rise = score.beyond_sham.value
    if not rise > 0:
        return False
    is_specific = math.isnan(score.off_target) or score.off_target <= most_off_target * rise
    return is_specific and (limit is None or score.distance <= limit)


def propose_cell(
    scores: Sequence[Sequence[CellScore]], *, limit: float | None, most_off_target: float = MOST_OFF_TARGET
) -> int | None:
    """Return the place of the proposed cell, None where no cell fulfils the conditions for every prompt.

    Args:
        scores: of each cell, one for each prompt that it is chosen for.
        limit: as for :func:`may_be_proposed`.
        most_off_target: as for :func:`may_be_proposed`.
    """
    allowed = [
        place
        for place, cell in enumerate(scores)
        if cell and all(may_be_proposed(score, limit=limit, most_off_target=most_off_target) for score in cell)
    ]
    if not allowed:
        return None
    return max(allowed, key=lambda place: float(np.mean([score.beyond_sham.value for score in scores[place]])))
