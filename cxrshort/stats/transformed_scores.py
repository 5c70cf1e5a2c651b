"""What transformed images do to a classifier: decisions that flip, changes in log-odds, and what each region carries.

A region's own change is that of an image in which only this region is transformed; its rest is that of an image in
which all but this region is. A network is not additive, so that the two shares of a region need not add up to 1, and
those of all regions need not either: read both.

What would invalidate the numbers: images that the classifier or the generator was trained on, a direction chosen after
looking, or a spread of other images than those that were transformed. The evidence compares a region with the same
shape elsewhere in the same image, since any part of a picture that is replaced may move a score; and the change of
whole images stands beside that of a sham, images that were of the other side already, since any generator leaves traces
that move a score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cxrshort.errors import DataError
from cxrshort.stats.bootstrap import percentile_interval, resample
from cxrshort.stats.changes import DRAWS, Interval, rate_interval
from cxrshort.stats.clustered_medians import clustered_median
from cxrshort.stats.differences import difference_limits
from cxrshort.stats.midranks import Floats, number_persons
from cxrshort.stats.named_draws import named_generator
from cxrshort.stats.overlap import mean_interval
from cxrshort.stats.region_effects import RegionEffect, region_effect, too_few
from cxrshort.stats.signed_rank import fewest_differences, holm
from cxrshort.stats.verdicts import Evidence, Rule

EITHER = "either"
NOT_TOLD_APART = "the whole change is not told apart from 0"
Texts = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class TransformedScores:
    """Hold the log-odds of one label for transformed images, whole and in part.

    Args:
        regions: names of R regions.
        before: (N,) of the images as they are.
        after: (N,) of the transformed images.
        only: (N, R) of images in which the region alone is transformed; NaN where it is unknown or empty.
        rest: (N, R) of images in which all but the region is.
        elsewhere: (N, R, K) of images in which the region's shape is transformed in K other places; NaN where that was
            not scored.
        persons: (N,) whose images they are.
        directions: (N,) what a shortcut predicts of each: ``"increase"``, ``"decrease"`` or ``"either"``.
    """

    regions: tuple[str, ...]
    before: Floats
    after: Floats
    only: Floats
    rest: Floats
    elsewhere: Floats
    persons: Texts
    directions: Texts

    @property
    def change(self) -> Floats:
        """Return the change of the whole image, after minus before, (N,)."""
        return self.after - self.before


@dataclass(frozen=True, slots=True, eq=False)
class ShamScores:
    """Hold the log-odds of images that need no change, transformed by the same generator.

    Args:
        before: (N,) of the images as they are.
        after: (N,) of the transformed images.
        persons: (N,) whose images they are.
    """

    before: Floats
    after: Floats
    persons: Texts


def join_scores(parts: Sequence[TransformedScores]) -> TransformedScores:
    """Join the scores of images of the same regions, such as those of both directions.

    Raises:
        DataError: they are of other regions, or there are none.
    """
    if len({part.regions for part in parts}) != 1:
        raise DataError(f"scores of {len({part.regions for part in parts})} lists of regions cannot be joined")
    names = ("before", "after", "only", "rest", "elsewhere", "persons", "directions")
    return TransformedScores(
        parts[0].regions, *(np.concatenate([getattr(part, name) for part in parts]) for name in names)
    )


def flip_record(scores: TransformedScores, *, threshold: float) -> dict[str, Any]:
    """Return how often decisions at a threshold change, with limits over persons.

    Args:
        scores: of one direction.
        threshold: log-odds from which on an image counts as positive.

    Returns:
        ``positive_before``, ``positive_after`` and ``flips`` as shares of the images with limits; and ``reached``: of
        the images that were not predicted as the class that the direction leads to, the share that is now.
        Without a direction, or where all were before, ``reached`` is None.
    """
    before, after = scores.before >= threshold, scores.after >= threshold
    record: dict[str, Any] = {"images": len(before), "persons": len(np.unique(scores.persons))}
    record |= _limits("positive_before", rate_interval(before, scores.persons))
    record |= _limits("positive_after", rate_interval(after, scores.persons))
    record |= _limits("flips", rate_interval(before != after, scores.persons))
    target = scores.directions == "increase"
    open_to = (scores.directions != EITHER) & (before != target)
    record["could_reach"] = int(open_to.sum())
    reached = rate_interval((after == target)[open_to], scores.persons[open_to]) if open_to.any() else None
    return record | _limits("reached", reached)


def change_record(scores: TransformedScores, *, spread: float, rng: np.random.Generator) -> dict[str, Any]:
    """Return mean and median change of the log-odds, in standard deviations of the original logits, with limits.

    Args:
        scores: of one direction.
        spread: standard deviation of the logits of the original images, above 0.
        rng: draws the persons for the mean.
    """
    changes = scores.change / spread
    mean = mean_interval(changes, scores.persons, rng=rng)
    return {
        **_limits("mean_change", Interval(mean.mean, mean.low, mean.high)),
        **_limits("median_change", clustered_median(changes, scores.persons)),
    }


def sham_record(scores: TransformedScores, sham: ShamScores, *, spread: float) -> dict[str, Any]:
    """Return the median change of a sham, in standard deviations of the original logits, and the change beyond it.

    Args:
        scores: of one direction.
        sham: of images that were of the side already that this direction leads to.
        spread: standard deviation of the logits of the original images, above 0.

    Returns:
        ``sham_images``; ``sham_change``, their median change with limits over persons; and ``beyond_sham``, the median
        change of the transformed images minus it, with limits from those of both (few persons are of both sides, and
        the limits take them for different ones).
    """
    change = clustered_median(scores.change / spread, scores.persons)
    sham_change = clustered_median((sham.after - sham.before) / spread, sham.persons)
    low, high = difference_limits(
        (change.value, change.low, change.high), (sham_change.value, sham_change.low, sham_change.high)
    )
    return {
        "sham_images": len(sham.before),
        **_limits("sham_change", sham_change),
        **_limits("beyond_sham", Interval(change.value - sham_change.value, low, high)),
    }


def carried_records(scores: TransformedScores, *, spread: float, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return what each region carries of the change of the whole image.

    Changes are signed by what a shortcut predicts; where nothing is predicted, so that the whole change is positive on
    average.

    Args:
        scores: of one direction, or of both.
        spread: standard deviation of the logits of the original images, above 0.
        rng: draws the persons.

    Returns:
        For each region ``own_change``, the mean change by the region alone, in standard deviations; ``share``, this
        over the mean change of the whole of the same images; ``share_lost``, what is missing of the whole where all but
        the region is transformed; each with limits over persons, and ``carried_reason`` where shares are missing.
    """
    signs = _signs(scores)
    whole = signs * scores.change / spread
    records = []
    for number, region in enumerate(scores.regions):
        own = signs * (scores.only[:, number] - scores.before) / spread
        lost = signs * (scores.after - scores.rest[:, number]) / spread
        scored = np.isfinite(own) & np.isfinite(lost)
        about = {"region": region, "scored_images": int(scored.sum())}
        values = np.stack([whole, own, lost], axis=1)[scored]
        records.append({**about, **_shares(values, scores.persons[scored], rng=rng)})
    return records


def _shares(values: Floats, persons: Texts, *, rng: np.random.Generator) -> dict[str, Any]:
    """Return the mean change of a region, and two shares of the mean whole change, of (N, 3) changes."""
    nothing = {**_limits("own_change", None), **_limits("share", None), **_limits("share_lost", None)}
    if not len(values):
        return {**nothing, "carried_reason": "no image has the region"}
    codes = number_persons(persons, len(values))
    people = int(codes.max()) + 1
    sums = np.stack([np.bincount(codes, weights=column, minlength=people) for column in values.T], axis=1)
    counts = np.bincount(codes, minlength=people).astype(np.float64)
    whole, own, lost = sums.sum(axis=0) / len(values)
    if people < 3:
        return {**nothing, **_limits("own_change", Interval(own, np.nan, np.nan)), "carried_reason": "too few persons"}
    drawn = resample(
        lambda weights: (weights @ sums) / (weights @ counts)[:, None],
        strata=np.zeros(people, np.int64),
        draws=DRAWS,
        rng=rng,
    ).values
    record = _limits("own_change", Interval(own, *percentile_interval(drawn[:, 1])))
    low, high = percentile_interval(drawn[:, 0])
    if low <= 0 <= high:
        return {**nothing, **record, "carried_reason": NOT_TOLD_APART}
    kept = drawn[np.sign(drawn[:, 0]) == np.sign(whole)]
    for place, (name, value) in enumerate((("share", own), ("share_lost", lost)), start=1):
        record |= _limits(name, Interval(value / whole, *percentile_interval(kept[:, place] / kept[:, 0])))
    return {**record, "carried_reason": ""}


def _signs(scores: TransformedScores) -> Floats:
    """Return the sign by which each image's change counts, (N,)."""
    average = np.sign(scores.change.mean()) or 1.0
    return np.select([scores.directions == "increase", scores.directions == "decrease"], [1.0, -1.0], average)


def carried_evidence(
    scores: TransformedScores,
    *,
    reasons: Mapping[str, str],
    unchanged: Mapping[str, str],
    spread: float,
    rule: Rule,
    seed: int,
) -> list[Evidence]:
    """Return the evidence on every region; p-values are corrected over the regions that were tested (Holm).

    The effect is the median change by the region alone in the predicted direction, tested over persons against the mean
    change by the same shape elsewhere. An accusation needs a region that was changed more than its area, too.

    Args:
        scores: of all images, of both directions.
        reasons: why some regions are not judged.
        unchanged: for regions that were not changed more than their area, the numbers that say so, as a clause.
        spread: standard deviation of the logits of the original images; 0 where they are all the same.
        rule: of the verdict.
        seed: of the intervals.
    """
    stated = dict(reasons)
    judged = [region for region in scores.regions if region not in stated]
    usable = {region: _usable(scores, region) for region in judged}
    people = {region: len(np.unique(scores.persons[rows])) for region, rows in usable.items()}
    for region in judged:
        if spread <= 0:
            stated[region] = "the classifier gives all images one score"
        elif not usable[region].any():
            stated[region] = "no image has the region"
    remaining = [region for region in judged if region not in stated]
    # Regions with too few persons take no part in the correction of the others.
    while short := [r for r in remaining if people[r] < fewest_differences(rule.level / len(remaining))]:
        worst = min(short, key=lambda region: people[region])
        stated[worst] = too_few(people[worst], "persons", level=rule.level, regions=len(remaining))
        remaining.remove(worst)
    effects = {
        region: _effect(scores, region, usable[region], spread=spread, level=rule.level / len(remaining), seed=seed)
        for region in remaining
    }
    corrected = dict(zip(remaining, holm([effects[region].p for region in remaining]), strict=True))
    return [
        Evidence(region, None, reason=stated[region])
        if region not in effects
        else _evidence(region, effects[region], corrected[region], missing=unchanged.get(region, ""))
        for region in scores.regions
    ]


def _evidence(region: str, effect: RegionEffect, p: float | None, *, missing: str) -> Evidence:
    low, high = _finite(effect.effect.low), _finite(effect.effect.high)
    smallest = effect.smallest_effect
    return Evidence(region, effect.effect.value, low, high, p, smallest_effect=smallest, missing=missing)


def _usable(scores: TransformedScores, region: str) -> npt.NDArray[np.bool_]:
    number = scores.regions.index(region)
    scored = np.isfinite(scores.only[:, number]) & np.isfinite(scores.elsewhere[:, number]).all(axis=1)
    return scored


def _effect(
    scores: TransformedScores, region: str, rows: npt.NDArray[np.bool_], *, spread: float, level: float, seed: int
) -> RegionEffect:
    number = scores.regions.index(region)
    before = scores.before[rows]
    return region_effect(
        scores.only[rows, number] - before,
        scores.elsewhere[rows, number] - before[:, None],
        directions=scores.directions[rows].tolist(),
        units=scores.persons[rows],
        spread=spread,
        rng=named_generator(seed, region, "cyclegan audit"),
        level=level,
    )


def _limits(name: str, interval: Interval | None) -> dict[str, float | None]:
    values = (None, None, None) if interval is None else (interval.value, interval.low, interval.high)
    return {
        f"{name}{end}": None if value is None else _finite(value)
        for end, value in zip(("", "_low", "_high"), values, strict=True)
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
