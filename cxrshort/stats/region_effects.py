"""What an intervention in one region does in the direction that a shortcut predicts, in units of the model's spread.

Units are pairs or persons. What would invalidate the numbers: units that are not independent, a direction chosen after
looking, or a spread of logits of other images than those of the fold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cxrshort.errors import DataError
from cxrshort.stats.changes import Interval, mean_by_person, median_interval, smallest_shift
from cxrshort.stats.midranks import Floats, number_persons
from cxrshort.stats.random_changes import check_changes
from cxrshort.stats.signed_rank import fewest_differences, signed_rank, smallest_signed_rank_p

_SIGNS = {"increase": 1.0, "decrease": -1.0}


@dataclass(frozen=True, slots=True)
class RegionEffect:
    """Hold what a region does.

    Args:
        effect: median change in the predicted direction, in standard deviations of the logits, with limits; of an
            intervention that predicts no direction, how much more it changes than random patches do.
        p: two-sided signed-rank test of the changes against the mean random changes, not corrected; 1 where the ranks
            of the differences from random patches say the opposite of the effect's sign: where random patches change
            the score as much in the direction of the effect, or more.
        smallest_effect: in the same unit; None where no effect would have been shown.
        units: how many independent ones there are.
    """

    effect: Interval
    p: float
    smallest_effect: float | None
    units: int


def predicted_changes(changes: ArrayLike, directions: Sequence[str]) -> Floats:
    """Return changes signed so that more than 0 is what a shortcut predicts, (N, ...); magnitudes for ``"either"``.

    Args:
        changes: (N,) or (N, n), logits after minus before.
        directions: of each image: ``"increase"``, ``"decrease"`` or ``"either"``.

    Example:
        >>> predicted_changes([1.0, -2.0, -3.0], ["increase", "decrease", "either"]).tolist()
        [1.0, 2.0, 3.0]
    """
    values = np.asarray(changes, np.float64)
    signs = np.array([_SIGNS.get(direction, np.nan) for direction in directions])
    signs = signs.reshape(-1, *[1] * (values.ndim - 1))
    signed: Floats = np.where(np.isnan(signs), np.abs(values), signs * values)
    return signed


def region_effect(
    changes: ArrayLike,
    random_changes: ArrayLike | None,
    *,
    directions: Sequence[str],
    units: ArrayLike,
    spread: float,
    rng: np.random.Generator,
    level: float,
) -> RegionEffect:
    """Test changes in one region against random changes, in the predicted direction.

    Args:
        changes: (N,) logits after minus before.
        random_changes: (N, n) the same for random patches; None where these have no room, which tests against 0.
            Changes of which no direction is predicted need them, since magnitudes are never below 0.
        directions: of each image: ``"increase"``, ``"decrease"`` or ``"either"``.
        units: (N,) what is independent: the pair or the person that an image is of.
        spread: standard deviation of the logits of the fold, above 0.
        rng: the only source of randomness.
        level: error of the first kind that the smallest effect is for; over R regions give level / R.

    Raises:
        DataError: a number that is not finite, lengths that differ, or neither random changes nor a direction.
    """
    if random_changes is None and "either" in directions:
        raise DataError("changes of which no direction is predicted can be tested against random changes alone")
    raw = np.asarray(changes, np.float64)
    raw, null = check_changes(raw, np.zeros((len(raw), 1)) if random_changes is None else random_changes)
    codes = number_persons(units, len(raw))
    predicted = predicted_changes(raw, directions)
    beyond = predicted - predicted_changes(null, directions).mean(axis=1)
    differences = mean_by_person(beyond, codes)
    test = signed_rank(differences)
    shown = beyond if "either" in directions else predicted
    effect = median_interval(shown / spread, codes, rng=rng)
    smallest = smallest_shift(differences / spread, rng=rng, level=level)
    disagrees = effect.value != 0 and (effect.value > 0) != _mostly_positive(differences)
    return RegionEffect(effect, 1.0 if disagrees else test.p, smallest, len(differences))


def _mostly_positive(differences: Floats) -> bool:
    """Return whether the ranks of positive differences outweigh those of negative ones."""
    ranks = np.argsort(np.argsort(np.abs(differences))) + 1.0
    return bool((np.sign(differences) * ranks).sum() > 0)


def too_few(count: int, noun: str, *, level: float, regions: int) -> str:
    """Return why so many pairs or persons cannot be tested over so many regions; empty where they can.

    Example:
        >>> too_few(6, "pairs", level=0.05, regions=4)
        '6 pairs reach p = 0.031 at best, and 0.0125 is needed (0.05 over 4 regions), which takes 8'
        >>> too_few(8, "pairs", level=0.05, regions=4)
        ''
    """
    needed = fewest_differences(level / regions)
    if count >= needed:
        return ""
    over = f" ({level:g} over {regions} regions)" if regions > 1 else ""
    reach = f"{count} {noun} reach" if count != 1 else f"1 {noun.removesuffix('s')} reaches"
    best = smallest_signed_rank_p(count)
    return f"{reach} p = {best:.2g} at best, and {level / regions:.3g} is needed{over}, which takes {needed}"
