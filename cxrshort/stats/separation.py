"""What each region contributes to the difference between the maps of two classes.

The contribution of a region to an image's logit is the sum of the image's map over it, signed. What a region carries of
the class separation is the mean over persons of the positives' contributions less that of the negatives', divided by
the same difference of whole maps: 1 where the region is all that tells the classes apart, 0 where it adds nothing.

The unit is the person: a person's images of a class are averaged, and persons are drawn again for the intervals. The
test is Mann and Whitney's, two-sided, Holm-corrected over the regions that are judged. A person with images of both
classes counts in both; contributions of one person resemble each other, which makes the test more careful, not less.
Where ranks and means point in opposite directions, as a single outlier makes them, the test says nothing of the effect
and p is 1; where so few persons cannot reach the level whatever they show, nothing is tested.

What would invalidate it: classes that differ in what is shown and not in what the model uses of it. A map holds what
the model uses; a border that the finding's hospital draws and the model ignores contributes nothing.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import mannwhitneyu
from scipy.stats import t as student

from cxrshort.errors import DataError
from cxrshort.stats.bootstrap import percentile_interval, resample
from cxrshort.stats.midranks import Bools, Floats, Integers, number_persons
from cxrshort.stats.signed_rank import holm

LEAST_PERSONS = 3
"""Persons of a class below which nothing is tested."""
DRAWS = 2000
POWER = 0.8
LEVEL = 0.05
_EFFICIENCY = np.pi / 3
"""What the variance of Mann and Whitney's test is to that of a t-test, where values are normal (Pitman 1948)."""


@dataclass(frozen=True, slots=True)
class WholeSeparation:
    """Hold what tells the whole maps of two classes apart.

    Args:
        separation: mean sum of the positives' maps less that of the negatives', over persons, in logits; None where a
            class is missing.
        p: two-sided, Mann and Whitney's; None where it cannot be tested.
        positives: persons with a positive image.
        negatives: persons with a negative image.
        reason: why no region can be tested; empty where some can.
    """

    separation: float | None
    p: float | None
    positives: int
    negatives: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RegionSeparation:
    """Hold what one region contributes to the separation of the classes.

    Args:
        region: its name.
        effect: share of the whole separation, above 0 in its direction; None where there is none.
        low: lower limit; None where there is none.
        high: upper limit.
        p: Holm-corrected over the judged regions; None where it is not tested.
        smallest_effect: what such persons would have shown with a power of 80 % at level / regions; None where it is
            not tested.
        reason: why it is not tested; empty where it is.
    """

    region: str
    effect: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    smallest_effect: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Units:
    """Hold means per person and class.

    Args:
        values: (U, 2) contribution of the region and of the whole map.
        positive: (U,) class.
        persons: (U,) number of the person.
    """

    values: Floats
    positive: Bools
    persons: Integers

    def differences(self, weights: Floats) -> Floats:
        """Return the difference of the class means for each row of weights of persons, (B, 2)."""
        own = weights[:, self.persons]
        sides = []
        for chosen in (self.positive, ~self.positive):
            part = own[:, chosen]
            with np.errstate(invalid="ignore", divide="ignore"):
                sides.append(part @ self.values[chosen] / part.sum(axis=1, keepdims=True))
        differences: Floats = sides[0] - sides[1]
        return differences

    def counts(self) -> tuple[int, int]:
        """Return the persons of both classes."""
        return int(self.positive.sum()), int((~self.positive).sum())


def separate_classes(
    contributions: ArrayLike,
    totals: ArrayLike,
    classes: ArrayLike,
    persons: ArrayLike,
    *,
    names: Sequence[str],
    not_judged: Mapping[str, str] | None = None,
    rng: np.random.Generator,
    level: float = LEVEL,
) -> tuple[WholeSeparation, list[RegionSeparation]]:
    """Return what tells the maps of the classes apart, and how much of it each region carries.

    Args:
        contributions: (N, R) sums of the maps over each region; NaN where the region is unknown.
        totals: (N,) sums of the whole maps.
        classes: (N,) 1 for positives and 0 for negatives; other images are left out.
        persons: (N,) whose images they are.
        names: of the R regions.
        not_judged: regions that are not tested, and why; their effects are returned all the same, unless the whole
            maps of the classes do not differ.
        rng: draws persons again for the intervals.
        level: of the tests, which the smallest effects refer to.

    Raises:
        DataError: lengths that differ, or totals that are no numbers.

    Example:
        >>> values = np.array([5.0, 6.0, 7.0, 5.5, 0.0, 1.0, 2.0, 0.5])
        >>> whole, (border, lungs) = separate_classes(
        ...     np.column_stack([0.8 * values, 0.2 * values]),
        ...     values,
        ...     [1, 1, 1, 1, 0, 0, 0, 0],
        ...     list("abcdefgh"),
        ...     names=["border", "lungs"],
        ...     not_judged={"lungs": "the finding may lie there"},
        ...     rng=np.random.default_rng(0),
        ... )
        >>> round(whole.separation, 3), round(border.effect, 3), round(border.p, 4), lungs.reason
        (5.0, 0.8, 0.0286, 'the finding may lie there')
    """
    sums, parts, truth = (np.asarray(values, np.float64) for values in (totals, contributions, classes))
    if parts.shape != (len(sums), len(names)) or truth.shape != sums.shape:
        raise DataError(f"contributions of shape {parts.shape} do not fit {len(sums)} maps and {len(names)} regions")
    if not np.isfinite(sums).all():
        raise DataError(f"{int((~np.isfinite(sums)).sum())} of {len(sums)} maps have no finite sum", "leave them out")
    codes = number_persons(persons, len(sums))
    excluded = dict(not_judged or {})
    units = [_units(column, sums, truth, codes) for column in parts.T]
    whole = _whole(_units(sums, sums, truth, codes), level)
    reasons = [excluded.get(name) or whole.reason or _why_not(own) for name, own in zip(names, units, strict=True)]
    open_questions = sum(not reason for reason in reasons)
    reasons = [
        reason or too_few(*own.counts(), level=level, regions=open_questions)
        for reason, own in zip(reasons, units, strict=True)
    ]
    raw = [None if reason else _p(own) for reason, own in zip(reasons, units, strict=True)]
    judged = sum(p is not None for p in raw)
    corrected = holm(raw)
    regions = []
    for number, name in enumerate(names):
        effect, low, high = _effect(units[number], rng) if whole.separation and not whole.reason else (None, None, None)
        smallest = None if reasons[number] else _smallest(units[number], level / judged)
        regions.append(RegionSeparation(name, effect, low, high, corrected[number], smallest, reasons[number]))
    return whole, regions


def too_few(positives: int, negatives: int, *, level: float, regions: int = 1) -> str:
    """Return why so few persons cannot be tested over so many regions; empty where they can.

    Args:
        positives: persons with a positive image, 1 or more.
        negatives: persons with a negative image, 1 or more.
        level: of the tests together.
        regions: that are tested.

    Example:
        >>> too_few(3, 3, level=0.05)
        '3 positive and 3 negative persons reach p = 0.1 at best, and 0.05 is needed, which takes 4 of each'
        >>> too_few(4, 4, level=0.05)
        ''
    """
    best = _smallest_p(positives, negatives)
    if best <= level / regions:
        return ""
    needed = next(count for count in itertools.count(1) if _smallest_p(count, count) <= level / regions)
    over = f" ({level:g} over {regions} regions)" if regions > 1 else ""
    reach = f"{positives} positive and {negatives} negative persons reach p = {best:.2g} at best"
    return f"{reach}, and {level / regions:.3g} is needed{over}, which takes {needed} of each"


def _smallest_p(positives: int, negatives: int) -> float:
    """Return the p of persons whose classes do not overlap."""
    ordered = np.arange(positives + negatives)
    return float(mannwhitneyu(ordered[:positives], ordered[positives:], alternative="two-sided").pvalue)


def _units(values: Floats, totals: Floats, truth: Floats, codes: Integers) -> _Units:
    """Average the images of each person and class that have a class and a value."""
    kept = np.isin(truth, (0, 1)) & np.isfinite(values)
    positive, people = truth[kept] == 1, codes[kept]
    keys, unit = np.unique(2 * people + positive, return_inverse=True)
    sums = np.zeros((len(keys), 3))
    np.add.at(sums, unit.reshape(-1), np.column_stack([values[kept], totals[kept], np.ones(int(kept.sum()))]))
    return _Units(sums[:, :2] / sums[:, 2:], keys % 2 == 1, (keys // 2).astype(np.int64))


def _why_not(units: _Units) -> str:
    positives, negatives = units.counts()
    if not positives and not negatives:
        return "no image is known to have this region, or not to have it"
    if min(positives, negatives) < LEAST_PERSONS:
        return f"known in {positives} positive and {negatives} negative persons, and {LEAST_PERSONS} of each are needed"
    return ""


def _whole(units: _Units, level: float) -> WholeSeparation:
    positives, negatives = units.counts()
    if not (positives and negatives):
        present = "positives" if positives else "negatives"
        return WholeSeparation(
            None, None, positives, negatives, f"only {present}" if positives or negatives else "no image has a class"
        )
    separation = float(units.values[units.positive, 0].mean() - units.values[~units.positive, 0].mean())
    if min(positives, negatives) < LEAST_PERSONS:
        reason = f"{positives} positive and {negatives} negative persons, and {LEAST_PERSONS} of each are needed"
        return WholeSeparation(separation, None, positives, negatives, reason)
    if reason := too_few(positives, negatives, level=level):
        return WholeSeparation(separation, None, positives, negatives, reason)
    p = _p(units)
    same = "the maps of positives and negatives do not differ as a whole"
    return WholeSeparation(separation, p, positives, negatives, "" if p <= level else f"{same} (p = {p:.2g})")


def _p(units: _Units) -> float:
    """Return Mann and Whitney's p; 1 where ranks do not go in the direction of the difference of means."""
    values = units.values[:, 0]
    if np.ptp(values) == 0:
        return 1.0
    sides = values[units.positive], values[~units.positive]
    test = mannwhitneyu(*sides, alternative="two-sided")
    by_ranks = np.sign(test.statistic - len(sides[0]) * len(sides[1]) / 2)
    return float(test.pvalue) if by_ranks == np.sign(sides[0].mean() - sides[1].mean()) else 1.0


def _effect(units: _Units, rng: np.random.Generator) -> tuple[float | None, float | None, float | None]:
    """Return the share of the separation, with limits; None where a class is missing or too small."""
    if not all(units.counts()):
        return None, None, None
    codes = np.unique(units.persons, return_inverse=True)[1].reshape(-1).astype(np.int64)
    own = _Units(units.values, units.positive, codes)
    people = int(codes.max()) + 1
    whole = own.differences(np.ones((1, people)))[0]
    if whole[1] == 0:
        return None, None, None
    effect = float(whole[0] / whole[1])
    if min(units.counts()) < LEAST_PERSONS:
        return effect, None, None
    strata = np.zeros(people, np.int64)
    np.add.at(strata, codes, np.where(units.positive, 1, 2))

    def ratios(weights: Floats) -> Floats:
        differences = own.differences(weights)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(differences[:, 1:] != 0, differences[:, :1] / differences[:, 1:], np.nan)

    drawn = resample(ratios, strata=strata, draws=DRAWS, rng=rng, largest=len(units.persons))
    return effect, *percentile_interval(drawn.values[:, 0])


def _smallest(units: _Units, level: float) -> float | None:
    """Return the share of the separation that the test would find with the power, if values are about normal."""
    positives, negatives = units.counts()
    sides = units.values[units.positive], units.values[~units.positive]
    squares = sum(float(((side[:, 0] - side[:, 0].mean()) ** 2).sum()) for side in sides)
    deviation = np.sqrt(squares / (positives + negatives - 2))
    whole = abs(float(sides[0][:, 1].mean() - sides[1][:, 1].mean()))
    if whole == 0:
        return None
    freedom = positives + negatives - 2
    needed = float(student.ppf(1 - level / 2, freedom)) + float(student.ppf(POWER, freedom))
    return float(needed * deviation * np.sqrt((1 / positives + 1 / negatives) * _EFFICIENCY) / whole)
