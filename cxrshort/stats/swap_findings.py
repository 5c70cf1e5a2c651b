"""What follows from the table of changes of a swap-test: evidence for verdicts, the published test, the controls.

Everything is a function of ``changes.csv`` and ``null.npy``. What would invalidate it: see
:mod:`cxrshort.stats.region_effects`. The published test and the verdict's answer different questions: DeGrave et al.
2021 ask whether a region changes the score more than random patches do, whatever the direction; the verdict asks
whether it changes the score as the class of the image predicts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort.stats.changes import Interval, mean_by_person, median_interval, population_change
from cxrshort.stats.midranks import Floats, number_persons
from cxrshort.stats.named_draws import named_generator
from cxrshort.stats.region_effects import predicted_changes, region_effect
from cxrshort.stats.signed_rank import holm, signed_rank
from cxrshort.stats.verdicts import Evidence, Rule

TEST, PUBLISHED, LUNGS, SHAM, SAME_CLASS = "test", "published", "lungs", "sham", "same class"
"""Purposes of a change; the published test has changes of its own only where its intervention is another one."""
RANDOM, ZERO = "random patches", "zero"
"""What changes are compared with."""
SIGNED = ("move",)
"""Interventions of which the published test compares signed changes, and of all others magnitudes."""
NO_ROOM = "no room for random patches of its size, and magnitudes cannot be tested against 0"


class SwapChanges(NamedTuple):
    """Hold the changes of all trials and their null.

    Args:
        table: a row per trial: ``image_id``, ``person_id``, ``pair``, ``partner`` (empty where there is none),
            ``region``, ``intervention``, ``purpose``, ``direction``, ``before``, ``after``, ``change``,
            ``changed_pixels`` and ``null_row``, -1 where there is no null.
        null: (T, n) logits after the same intervention in random patches.
        spread: standard deviation of the logits of the fold.
    """

    table: pd.DataFrame
    null: npt.NDArray[np.float32]
    spread: float

    def of(self, region: str, purpose: str) -> pd.DataFrame:
        """Return the trials of one region and one purpose."""
        return self.table[(self.table["region"] == region) & (self.table["purpose"] == purpose)]

    def random_logits(self, trials: pd.DataFrame) -> npt.NDArray[np.float32] | None:
        """Return the null of some trials, (N, n); None where random patches had no room."""
        rows = trials["null_row"].to_numpy(dtype=np.int64)
        return None if (rows < 0).any() else self.null[rows]

    def random_changes(self, trials: pd.DataFrame) -> Floats | None:
        """Return changes by random patches, (N, n); None where these had no room."""
        logits = self.random_logits(trials)
        return None if logits is None else logits.astype(np.float64) - trials["before"].to_numpy()[:, None]


def units_of(trials: pd.DataFrame) -> list[str]:
    """Return what is independent of one another: pairs where images exchange something, else persons.

    Of a pair, both images change by the same difference between the two, so that they say one thing and not two. With
    persons as units a clean model was accused of the border, whose brightness it looked at: p = 0.018, n = 40.
    """
    exchanged = (trials["partner"] != "").tolist()
    pairs, persons = trials["pair"].astype(str).tolist(), trials["person_id"].astype(str).tolist()
    return [f"pair {pair}" if both else person for both, pair, person in zip(exchanged, pairs, persons, strict=True)]


def evidence_of(
    changes: SwapChanges, regions: Sequence[str], reasons: Mapping[str, str], *, rule: Rule, seed: int
) -> list[Evidence]:
    """Return the evidence on every region; p-values are corrected over the regions that were tested (Holm).

    Args:
        changes: of the trials.
        regions: all regions, in order.
        reasons: why some of them cannot be tested.
        rule: of the verdict.
        seed: of the intervals.
    """
    tested = [region for region in regions if region not in reasons]
    effects = {}
    for region in tested:
        trials = changes.of(region, TEST)
        effects[region] = region_effect(
            trials["change"],
            changes.random_changes(trials),
            directions=trials["direction"].tolist(),
            units=units_of(trials),
            spread=changes.spread,
            rng=named_generator(seed, region, TEST),
            level=rule.level / len(tested),
        )
    corrected = dict(zip(tested, holm([effects[region].p for region in tested]), strict=True))
    return [
        Evidence(
            region,
            effects[region].effect.value,
            *_limits(effects[region].effect),
            corrected[region],
            effects[region].smallest_effect,
        )
        if region in effects
        else Evidence(region, None, reason=reasons[region])
        for region in regions
    ]


POPULATION_COLUMNS = (
    "region", "intervention", "compares", "against", "images", "persons", "median", "median_low", "median_high",
    "flips", "flips_low", "flips_high", "statistic", "p_normal", "p_exact", "smallest_p", "smallest_effect", "reason",
    "p_holm",
)  # fmt: skip
"""Of :func:`population_rows`, also where there is no row."""


def population_rows(changes: SwapChanges, tested: Sequence[str], *, level: float, seed: int) -> list[dict[str, Any]]:
    """Return the published test of each region, a row of ``population.csv`` each.

    Markers swapped both ways are compared by the magnitude of their changes, shoulders that are moved by signed ones.
    Magnitudes are never below 0: where random patches have no room, such a row has no test, and says why.

    Args:
        changes: of the trials.
        tested: the regions that could be tested.
        level: error of the first kind over all of them.
        seed: of the intervals.
    """
    published = {region: _published_trials(changes, region) for region in tested}
    comparable = sum(not _why_no_test(changes, trials) for trials in published.values())
    rows = [
        _population_row(changes, trials, level=level / max(1, comparable), rng=named_generator(seed, region, PUBLISHED))
        for region, trials in published.items()
    ]
    adjusted = holm([row["p_normal"] if row["p_exact"] is None else row["p_exact"] for row in rows])
    return [{**row, "p_holm": p} for row, p in zip(rows, adjusted, strict=True)]


def _published_trials(changes: SwapChanges, region: str) -> pd.DataFrame:
    trials = changes.of(region, PUBLISHED)
    return trials if len(trials) else changes.of(region, TEST)


def _why_no_test(changes: SwapChanges, trials: pd.DataFrame) -> str:
    """Return why the published test cannot be made of these trials; empty where it can."""
    signed = trials["intervention"].iloc[0] in SIGNED
    return NO_ROOM if changes.random_logits(trials) is None and not signed else ""


def _population_row(
    changes: SwapChanges, trials: pd.DataFrame, *, level: float, rng: np.random.Generator
) -> dict[str, Any]:
    """Return the published test of one region's trials."""
    intervention, null = trials["intervention"].iloc[0], changes.random_logits(trials)
    signed, reason = intervention in SIGNED, _why_no_test(changes, trials)
    change = population_change(
        trials["before"],
        trials["after"],
        random_logits=trials["before"].to_numpy()[:, None] if null is None else null,
        persons=trials["person_id"],
        rng=rng,
        magnitudes=not signed,
        level=level,
    )
    numbers = asdict(change)
    spread_out = {
        f"{name}{end}": _finite(numbers[name][part])
        for name in ("median", "flips")
        for part, end in (("value", ""), ("low", "_low"), ("high", "_high"))
    }
    test = {name: numbers[name] for name in ("statistic", "p_normal", "p_exact", "smallest_p", "smallest_effect")}
    return {
        "region": trials["region"].iloc[0],
        "intervention": intervention,
        "compares": "signed changes" if signed else "magnitudes",
        "against": "" if reason else ZERO if null is None else RANDOM,
        "images": change.images,
        "persons": change.persons,
        **spread_out,
        **(dict.fromkeys(test) if reason else test),
        "reason": reason,
    }


def control_rows(changes: SwapChanges, tested: Sequence[str], *, rule: Rule, seed: int) -> list[dict[str, Any]]:
    """Return what the controls show: lungs, and for each region the sham and pairs of one class.

    Args:
        changes: of the trials.
        tested: the regions that could be tested.
        rule: of the verdict; exchanges within one class are held to its level, over all regions, and to its margin.
        seed: of the intervals.
    """
    rows = []
    lungs = changes.table[changes.table["purpose"] == LUNGS]
    if len(lungs):
        row = _control_row("lungs replaced", lungs, changes.spread, rng=named_generator(seed, LUNGS))
        reacts = row["p"] <= rule.level and row["median"] > 0
        rows.append({**row, "expected": "a change", "outcome": "a change" if reacts else "no change"})
    shams = {region: changes.of(region, SHAM) for region in tested}
    for region, trials in shams.items():
        if len(trials):
            row = _control_row("sham", trials, changes.spread, rng=named_generator(seed, region, SHAM))
            nothing = not trials["changed_pixels"].any() and not trials["change"].any()
            rows.append({**row, "expected": "exactly 0", "outcome": "exactly 0" if nothing else "a change"})
    same = {region: trials for region in tested if len(trials := changes.of(region, SAME_CLASS))}
    within = [
        _control_row("one class", trials, changes.spread, rng=named_generator(seed, region, SAME_CLASS))
        for region, trials in same.items()
    ]
    for row, p in zip(within, holm([row["p"] for row in within]), strict=True):
        changed = p is not None and p <= rule.level and abs(row["median"]) >= rule.margin
        rows.append({**row, "p": p, "expected": "no change", "outcome": "a change" if changed else "no change"})
    return rows


def _control_row(control: str, trials: pd.DataFrame, spread: float, *, rng: np.random.Generator) -> dict[str, Any]:
    """Return the median change of a control in standard deviations of the logits; lungs in the predicted direction."""
    values = trials["change"].to_numpy(dtype=np.float64) / spread
    if control.startswith("lungs"):
        values = predicted_changes(values, trials["direction"].tolist())
    codes = number_persons(units_of(trials), len(values))
    median = median_interval(values, codes, rng=rng)
    low, high = _limits(median)
    return {
        "control": control,
        "region": trials["region"].iloc[0],
        "images": len(trials),
        "median": median.value,
        "median_low": low,
        "median_high": high,
        "p": signed_rank(mean_by_person(values, codes)).p,
        "largest": float(np.abs(values).max()),
        "changed_pixels": int(trials["changed_pixels"].sum()),
    }


def _limits(interval: Interval) -> tuple[float | None, float | None]:
    return _finite(interval.low), _finite(interval.high)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
