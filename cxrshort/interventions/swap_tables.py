"""What people see of a swap-test: verdicts first, then the published test, then the controls."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cxrshort.interventions.presets import Boxes, BoxesByRow, box_areas, shared_areas
from cxrshort.interventions.swap_plan import CandidateBoxes, SwapPlan
from cxrshort.results import UNLESS_QUIET, Block, Column, Table, interval_text
from cxrshort.stats.swap_findings import PUBLISHED, SIGNED, ZERO
from cxrshort.stats.verdicts import MUCH_SHARED, NOT_TESTABLE, OFTEN_SHARED, Rule

_INTERVAL, _FLIPS = len("-0.500 [-1.000, -0.250]"), len("100 % [83, 100]")
"""Characters of an effect and of a share of flips with their limits, which no line breaks."""


def plan_notes(plan: SwapPlan, boxes: CandidateBoxes) -> list[str]:
    """Return what must be known of the trials before they are looked at."""
    # A published test of magnitudes is not made without random patches, which its row says.
    not_tested = {
        (trial.region, trial.intervention)
        for trial in plan.trials
        if trial.purpose == PUBLISHED and trial.intervention not in SIGNED
    }
    notes = [
        f"random patches of the size of {region} have no room beside it: its {intervention} is tested against 0"
        for region, intervention in sorted(plan.without_room - not_tested)
    ]
    if not boxes.own_lungs.any():
        notes.append("no control in the lungs, since no image has masks of its own; --masks or --segmenter gives them")
    return [*notes, *_overlap_note(plan)]


def _overlap_note(plan: SwapPlan) -> list[str]:
    """Return which tested regions share pixels in many images, so that one may be accused for what the other does."""
    tested = [region for region in plan.regions if region not in plan.reasons]
    shares = {
        (first, second): overlap_share(plan.boxes[first], plan.boxes[second])
        for first, second in itertools.combinations(tested, 2)
    }
    listed = [
        f"{first} and {second} in {_percent(share)}"
        for (first, second), share in shares.items()
        if share >= OFTEN_SHARED
    ]
    if not listed:
        return []
    return [f"boxes overlap ({', '.join(listed)} of the images): a verdict on one region may be due to the other"]


def overlap_share(first: BoxesByRow, second: BoxesByRow) -> float:
    """Return the share of images, of those with boxes of both regions, in which these share much of the smaller box.

    Example:
        >>> overlap_share({0: np.array([[0, 0, 4, 4]])}, {0: np.array([[2, 0, 6, 4]]), 1: np.array([[0, 0, 1, 1]])})
        1.0
    """
    rows = sorted(set(first) & set(second))
    return sum(_much_shared(first[row], second[row]) for row in rows) / max(1, len(rows))


def _much_shared(first: Boxes, second: Boxes) -> bool:
    shared = shared_areas(first, second)
    return bool((shared >= MUCH_SHARED * np.minimum(box_areas(first)[:, None], box_areas(second))).any())


def finding_tables(summary: Mapping[str, Any], *, rule: Rule) -> list[Block]:
    """Return the tables of a summary.

    Args:
        summary: as summary.json has it.
        rule: of the verdict.
    """
    blocks: list[Block] = [_verdicts(summary, rule)]
    if summary["population"]:
        blocks.append(_population(summary["population"]))
    if summary["controls"]:
        blocks.append(_controls(summary["controls"]))
    return blocks


def _verdicts(summary: Mapping[str, Any], rule: Rule) -> Table:
    heads = [
        Column("region", "region"),
        Column("verdict", "verdict", least=len(NOT_TESTABLE)),
        Column("effect", "shown_effect", least=_INTERVAL),
        Column("p (Holm)", "shown_p", "count"),
        Column("why", "why"),
    ]
    rows = [
        {
            **finding,
            "shown_effect": _interval(finding["effect"], finding["low"], finding["high"]),
            "shown_p": short_p(finding["p"]),
        }
        for finding in summary["findings"]
    ]
    title = (
        f"{summary['label']}: effects are median changes as predicted, in {rule.unit}; the margin is {rule.margin:g}"
    )
    return Table(heads, rows, title)


def _population(rows: Sequence[Mapping[str, Any]]) -> Table:
    heads = [
        Column("region", "region"),
        Column("by", "by"),
        Column("images", "images", "count"),
        Column("median change", "shown_median", least=_INTERVAL),
        Column("flips", "shown_flips", least=_FLIPS),
        Column("T", "shown_t", "count"),
        Column("P normal", "shown_normal", "count"),
        Column("P exact", "shown_exact", "count"),
        *([Column("why no test", "reason")] if any(row["reason"] for row in rows) else []),
    ]
    shown = [
        {
            **row,
            "by": row["intervention"] + (", against 0" if row["against"] == ZERO else ""),
            "shown_median": _interval(row["median"], row["median_low"], row["median_high"]),
            "shown_flips": _flips(row),
            "shown_t": "" if row["statistic"] is None else f"{row['statistic']:g}",
            "shown_normal": short_p(row["p_normal"]),
            "shown_exact": short_p(row["p_exact"]),
        }
        for row in rows
    ]
    title = "The published test: Wilcoxon signed-rank of changes in log-odds against mean random changes"
    return Table(heads, shown, title, UNLESS_QUIET, blocks=True)


def _controls(rows: Sequence[Mapping[str, Any]]) -> Table:
    heads = [
        Column("control", "control"),
        Column("region", "region"),
        Column("images", "images", "count"),
        Column("median change", "shown_median", least=_INTERVAL),
        Column("p", "shown_p", "count"),
        Column("outcome", "shown_outcome"),
    ]
    shown = [
        {
            **row,
            "shown_median": _interval(row["median"], row["median_low"], row["median_high"]),
            "shown_p": short_p(row["p"]),
            "shown_outcome": row["outcome"] + ("" if row["outcome"] == row["expected"] else " (!)"),
        }
        for row in rows
    ]
    title = "Controls, in SD of the logits; (!) is not what is expected"
    return Table(heads, _joined(shown), title, UNLESS_QUIET, blocks=True)


def _joined(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return rows in which shams that are all exactly 0 share a row."""
    zero = [row for row in rows if row["control"] == "sham" and row["outcome"] == row["expected"]]
    if len(zero) < 2:
        return list(rows)
    joined = {**zero[0], "region": "all", "images": sum(row["images"] for row in zero)}
    return [joined if row is zero[0] else row for row in rows if row is zero[0] or row not in zero]


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return ""
    if low is None or high is None:
        return "no interval: one person"
    return interval_text(value, low, high)


def _flips(row: Mapping[str, Any]) -> str:
    """Return how many images change their predicted class, in percent, with limits."""
    return f"{_percent(row['flips'])} [{100 * row['flips_low']:.0f}, {100 * row['flips_high']:.0f}]"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def short_p(p: float | None) -> str:
    """Return a p-value as people read it.

    Example:
        >>> short_p(0.0312), short_p(1.9e-6), short_p(1.0), short_p(None)
        ('0.031', '1.9e-06', '1', '')
    """
    return "" if p is None else f"{p:.2g}"
