"""Is it fair: every metric in every group against everybody else, and the largest gaps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cxrshort.errors import DataError, UsageError
from cxrshort.results import Result
from cxrshort.stats.auc import check_level
from cxrshort.stats.group_gaps import DRAWS, largest_gaps
from cxrshort.stats.group_statistics import group_statistics
from cxrshort.stats.midranks import Bools, Integers, count_distinct
from cxrshort.stats.signed_rank import holm
from cxrshort.stats.subgroups import CALIBRATION, GroupMetric, ScoredRows, compare_group
from cxrshort.stats.verdicts import NO_EVIDENCE, NOT_TESTABLE, SUSPICIOUS
from cxrshort.verbs.stats.group_decisions import DecisionOptions, Decisions, read_decisions
from cxrshort.verbs.stats.groupings import GroupColumn, Partition, group_columns, partitions
from cxrshort.verbs.stats.output import check_figures, clean_record, write_result
from cxrshort.verbs.stats.scores import ScoreTable
from cxrshort.verbs.stats.source import open_source
from cxrshort.verbs.stats.subgroup_tables import (
    HIGHER,
    LOWER,
    NOT_SHOWN,
    OVERESTIMATED,
    UNDERESTIMATED,
    WORSE,
    blocks,
    drawing,
)
from cxrshort.verbs.stats.underdiagnosis import underdiagnosis

KIND = "stats-subgroups"
MINIMUM = 10
"""Persons with and persons without the finding below which a group is not judged."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Hold how groups are judged.

    Args:
        minimum: persons of each class.
        draws: permutations at most.
        seed: of the permutations.
        level: coverage of each interval.
    """

    minimum: int
    draws: int
    seed: int
    level: float


def subgroups(
    table: str | Path,
    *,
    target: str | None = None,
    score: str | None = None,
    person: str | None = None,
    label: str | None = None,
    columns: Sequence[str] = (),
    pairs: bool = True,
    logits: bool = False,
    threshold: float | None = None,
    validation: str | None = None,
    minimum: int = MINIMUM,
    draws: int = DRAWS,
    seed: int = 0,
    level: float = 0.95,
    out: Path | None = None,
    figures: bool = False,
    force: bool = False,
) -> Result:
    """Compare groups with everybody else, by every metric, with Holm's correction over all comparisons of a label.

    Args:
        table: predictions of evaluate (file or folder), any CSV or Parquet table, or ``-`` for standard input.
        target: the column of targets, 0 or 1; None for the labels of predictions.
        score: the column of scores; None for the logits of predictions.
        person: the column that says whose image a row is; None for ``person_id``, if there is one.
        label: one label of predictions; None for all.
        columns: that make groups, see :func:`~cxrshort.verbs.stats.groupings.group_columns`.
        pairs: whether pairs of columns make groups too.
        logits: whether ``score`` holds logits; probabilities otherwise.
        threshold: the probability from which on an image is called positive, one for all groups; None for 0.5.
        validation: a table of validation images on which it is chosen instead, by Youden's index, for each label.
        minimum: persons with and persons without the finding below which a group is not judged.
        draws: permutations at most, for the largest gap between the groups of a column.
        seed: of the permutations.
        level: coverage of the intervals; 1 minus it is the error of the tests.
        out: a folder for groups.csv, comparisons.csv, gaps.csv, underdiagnosis.csv, summary.json and run.json.
        figures: draw auc-by-group.png too, and those of sensitivity and specificity.
        force: overwrite an earlier result.

    Raises:
        DataError: the table breaks a rule, or no group is large enough to be judged.
        UsageError: options that exclude each other or are out of range.
    """
    check_figures(out, figures=figures)
    _check_options(minimum=minimum, draws=draws, level=level)
    source = open_source(table)
    grouped = group_columns(source, columns)
    options = DecisionOptions(target, score, person, label, logits, threshold, validation)
    decisions = read_decisions(source, options, columns=[column.name for column in grouped])
    plan = Plan(minimum, draws, seed, level)
    groups, comparisons, gaps = _compare_all(decisions.parts, grouped, plan, pairs=pairs, table=source.name)
    if not any(row["judged"] for row in groups):
        raise DataError(
            f"{source.name}: of {len(groups)} groups none has, like everybody else, {minimum} persons with the finding "
            f"and {minimum} without",
            "name columns of larger groups by --columns, or lower --minimum",
        )
    healthy = underdiagnosis(decisions.parts, grouped, pairs=pairs, minimum=minimum, level=level, table=source.name)
    arguments: dict[str, Any] = {"table": str(table), **options.record(), "columns": list(columns), "pairs": pairs}
    arguments |= {"minimum": minimum, "draws": draws, "seed": seed, "level": level}
    results = {"groups": groups, "comparisons": comparisons, "gaps": gaps, "underdiagnosis": healthy}
    notes = [*decisions.notes, *_empty_cells(decisions.scores, grouped)]
    result = Result(
        {**arguments, **results},
        blocks(results, level=level),
        notes=notes,
        kind=KIND,
        verdicts=[row["verdict"] for row in groups],
    )
    return write_result(
        result,
        "stats subgroups",
        source=source,
        arguments=arguments,
        out=out,
        tables={f"{name}.csv": rows for name, rows in results.items() if rows},
        draw=drawing(comparisons) if figures else None,
        force=force,
    )


def _check_options(*, minimum: int, draws: int, level: float) -> None:
    check_level(level)
    if minimum < 2:
        raise UsageError(f'minimum "{minimum}" is below 2: one person has no variance', "try 10")
    if draws < 1:
        raise UsageError(f'draws "{draws}" must be at least 1', "try 1000")


def _compare_all(
    parts: Sequence[Decisions], columns: Sequence[GroupColumn], plan: Plan, *, pairs: bool, table: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a row for each group, for each comparison of one, and for each largest gap."""
    groups, comparisons, gaps = [], [], []
    for place, part in enumerate(parts):
        everybody = part.rows.sort()
        own_groups: list[dict[str, Any]] = []
        own_comparisons: list[dict[str, Any]] = []
        own_gaps: list[dict[str, Any]] = []
        for number, partition in enumerate(partitions(part.part.columns, columns, pairs=pairs, table=table)):
            sizes = list(_sizes(part, partition, plan))
            filled = everybody if partition.filled.all() else everybody.take(partition.filled)
            rows = [row for size in sizes for row in _comparisons(part, partition, filled, size, plan)]
            own_groups += sizes
            own_comparisons += rows
            if len(partition.columns) == 1:
                rng = np.random.default_rng([plan.seed, place, number])
                own_gaps += _gaps(part, partition, sizes, rows, rng=rng, draws=plan.draws)
        own_comparisons = _with_findings(own_comparisons, plan.level)
        groups += _with_verdicts(own_groups, own_comparisons)
        comparisons += own_comparisons
        gaps += _with_gap_findings(own_gaps, plan.level)
    return groups, comparisons, gaps


def _with_verdicts(
    groups: Sequence[Mapping[str, Any]], comparisons: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the groups with a verdict each: suspicious where a metric is shown to be worse than everybody else's."""
    worse = {row["group"] for row in comparisons if row["finding"] in WORSE}
    rows = []
    for group in groups:
        verdict = (SUSPICIOUS if group["group"] in worse else NO_EVIDENCE) if group["judged"] else NOT_TESTABLE
        rows.append(clean_record({**{name: group[name] for name in group if name != "number"}, "verdict": verdict}))
    return rows


def _facts(part: Decisions, partition: Partition, group: str) -> dict[str, Any]:
    return {**part.facts, "column": partition.title, "group": group}


def _sizes(part: Decisions, partition: Partition, plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield the size of each group, and why it is not judged."""
    codes, positive = part.rows.codes, part.rows.positive
    classes = [np.flatnonzero(inside & partition.filled) for inside in (positive, ~positive)]
    people = int(codes.max(initial=-1)) + 1
    images = [np.bincount(codes[places], minlength=people) for places in classes]
    for number, name in enumerate(partition.names):
        places = np.flatnonzero(partition.numbers == number)
        positives = int(positive[places].sum())
        own = [np.bincount(codes[inside], minlength=people) for inside in _split(places, positive)]
        persons, rest = (
            [int(np.count_nonzero(count)) for count in counts]
            for counts in (own, [whole - count for whole, count in zip(images, own, strict=True)])
        )
        reason = ""
        if min(persons) < plan.minimum:
            reason = f"{persons[0]} persons with the finding and {persons[1]} without, of {plan.minimum} needed"
        elif not any(rest):
            reason = "everybody is of this group"
        elif min(rest) < plan.minimum:
            reason = f"everybody else: {rest[0]} persons with the finding and {rest[1]} without"
        yield {
            **_facts(part, partition, name),
            "images": len(places),
            "positives": positives,
            "negatives": len(places) - positives,
            "persons": count_distinct(codes[places]),
            "persons_with": persons[0],
            "persons_without": persons[1],
            "prevalence": positives / len(places) if len(places) else None,
            "threshold": part.probability,
            "judged": not reason,
            "reason": reason,
            "number": number,
        }


def _split(places: Integers, positive: Bools) -> tuple[Integers, Integers]:
    """Return the places of positive images and those of negative ones."""
    return places[positive[places]], places[~positive[places]]


def _comparisons(
    part: Decisions, partition: Partition, filled: ScoredRows, size: Mapping[str, Any], plan: Plan
) -> Iterator[dict[str, Any]]:
    """Yield the metrics of a group beside those of everybody else with a value in its columns."""
    if not size["judged"]:
        return
    member = partition.numbers[partition.filled] == size["number"]
    for metric in compare_group(filled, member, level=plan.level):
        yield {**_facts(part, partition, size["group"]), **_numbers(metric)}


def _numbers(metric: GroupMetric) -> dict[str, Any]:
    apart = metric.difference
    return {
        "metric": metric.metric,
        "value": metric.value,
        "low": metric.low,
        "high": metric.high,
        "rest": metric.rest,
        "difference": None if apart is None else apart.value,
        "difference_low": None if apart is None else apart.low,
        "difference_high": None if apart is None else apart.high,
        "p": None if apart is None else apart.p,
        "reason": metric.reason,
    }


def _with_findings(rows: Sequence[Mapping[str, Any]], level: float) -> list[dict[str, Any]]:
    """Return comparisons with adjusted p-values and what they show."""
    adjusted = holm([row["p"] for row in rows])
    return [
        clean_record({**row, "p_holm": p, "finding": _finding(row, p, level)})
        for row, p in zip(rows, adjusted, strict=True)
    ]


def _finding(row: Mapping[str, Any], p: float | None, level: float) -> str:
    if p is None:
        return "not compared"
    if p > 1 - level:
        return NOT_SHOWN
    below = row["difference"] < 0
    if row["metric"] == CALIBRATION:
        return OVERESTIMATED if below else UNDERESTIMATED
    return LOWER if below else HIGHER


def _gaps(
    part: Decisions,
    partition: Partition,
    sizes: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
    *,
    rng: np.random.Generator,
    draws: int,
) -> Iterator[dict[str, Any]]:
    """Yield the largest gap of each metric between the groups of a column that are judged."""
    names = [size["group"] for size in sizes if size["judged"]]
    if len(names) < 2:
        return
    numbers = np.full(len(partition.names) + 1, -1)
    numbers[[size["number"] for size in sizes if size["judged"]]] = np.arange(len(names))
    of_rows = numbers[partition.numbers]
    inside: Bools = of_rows >= 0
    kept = part.rows.take(inside)
    tested = largest_gaps(
        group_statistics(kept, groups=len(names)),
        of_rows[inside],
        positive=kept.positive,
        codes=kept.codes,
        rng=rng,
        draws=draws,
    )
    for metric, gap in tested.items():
        values = {row["group"]: row["value"] for row in rows if row["metric"] == metric and row["value"] is not None}
        lowest, highest = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
        yield {
            **{name: value for name, value in _facts(part, partition, "").items() if name != "group"},
            "metric": metric,
            "groups": len(names),
            "persons": int(kept.codes.max()) + 1,
            "lowest": lowest,
            "lowest_value": values[lowest],
            "highest": highest,
            "highest_value": values[highest],
            "gap": values[highest] - values[lowest],
            "p": gap.p,
            "draws": gap.draws,
        }


def _with_gap_findings(rows: Sequence[Mapping[str, Any]], level: float) -> list[dict[str, Any]]:
    """Return largest gaps with p-values adjusted over the columns, metric by metric."""
    adjusted: dict[int, float | None] = {}
    for metric in dict.fromkeys(row["metric"] for row in rows):
        places = [place for place, row in enumerate(rows) if row["metric"] == metric]
        adjusted |= dict(zip(places, holm([rows[place]["p"] for place in places]), strict=True))
    return [
        clean_record({**row, "p_holm": adjusted[place], "finding": _gap_finding(adjusted[place], level)})
        for place, row in enumerate(rows)
    ]


def _gap_finding(p: float | None, level: float) -> str:
    return "shown" if p is not None and p <= 1 - level else NOT_SHOWN


def _empty_cells(scores: ScoreTable, columns: Sequence[GroupColumn]) -> list[str]:
    cells = scores.parts[0].columns
    empty = {column.name: int((cells[column.name] == "").sum()) for column in columns}
    listed = ", ".join(f"{name} {count:,}" for name, count in empty.items() if count)
    return [f"images without a value are of no group, of {len(cells):,}: {listed}"] if listed else []
