"""Two groups of replicates: rows of the Mann-Whitney test and of the claim, and how they are printed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cxrshort import registry
from cxrshort.errors import DataError, UsageError
from cxrshort.results import Column, Table
from cxrshort.stats.auc import auc
from cxrshort.stats.claims import FalseClaim, false_claim_of_aucs, false_claim_of_groups
from cxrshort.stats.comparisons import compare_groups
from cxrshort.verbs.stats.compared_models import describe_claim, name_columns, p_text, probability_text
from cxrshort.verbs.stats.corrections import correct_rows, finding, p_heading
from cxrshort.verbs.stats.output import Draw, clean_record
from cxrshort.verbs.stats.pairs import IMAGE, Contest, Run, same_images
from cxrshort.verbs.stats.scores import Scores, check_group_count
from cxrshort.verbs.stats.source import Source

Row = dict[str, Any]


def read_groups(
    source: Source, *, value: str, group: str, before: str | None, after: str | None, by: str | None
) -> tuple[tuple[str, str], list[tuple[str, list[float], list[float]]], list[str]]:
    """Read the numbers of two groups of replicates.

    Args:
        source: a table with a row per replicate.
        value: the column of numbers, larger is better.
        group: the column that says which group a row is of.
        before: the first group; None where the column has two values.
        after: the second group.
        by: a column whose values are tested apart.

    Returns:
        The names of the groups; for each value of ``by`` its name and both groups' numbers; notes.

    Raises:
        DataError: no such column or group, or a group without a number.
        UsageError: more than two groups and no choice.
    """
    rows = source.read(numbers=[value], texts=[name for name in (group, by) if name is not None])
    empty = rows[value].isna()
    notes = [f"{int(empty.sum()):,} of {len(rows):,} rows lack a number and are left out"] if empty.any() else []
    rows = rows[~empty]
    names = choose_groups(list(dict.fromkeys(rows[group])), before, after, source=source, column=group)
    parts = [("", rows)] if by is None else [(str(key) or "(empty)", part) for key, part in rows.groupby(by, sort=True)]
    check_group_count(len(parts), by or "", source.name)
    families = []
    for key, part in parts:
        first, last = (part.loc[part[group] == name, value].tolist() for name in names)
        families.append((key, first, last))
    for key, *sides in families:
        for name, numbers in zip(names, sides, strict=True):
            if not numbers:
                where = f"{by} '{key}': " if by else ""
                raise DataError(f"{source.name}: {where}'{name}' has no number", "a test of groups needs both")
    return names, families, notes


def choose_groups(
    groups: Sequence[str], before: str | None, after: str | None, *, source: Source, column: str
) -> tuple[str, str]:
    """Return the two groups that are to be compared.

    Args:
        groups: all values of the column, in order.
        before: the first group; None where there are two.
        after: the second group.
        source: the table.
        column: its name in messages.

    Raises:
        DataError: there is no such group, or one alone.
        UsageError: more than two groups and no choice, or twice the same.
    """
    for name in (before, after):
        if name is not None and name not in groups:
            listed = ", ".join(f"'{group}'" for group in groups[:6])
            hint = registry.propose_name(groups, name, otherwise=f"one of: {listed}")
            raise DataError(f"{source.name}: column '{column}' does not hold '{name}'", hint)
    if len(groups) == 2:
        before = before or next(group for group in groups if group != after)
        after = after or next(group for group in groups if group != before)
    if len(groups) < 2:
        raise DataError(f"{source.name}: column '{column}' holds one group, and a comparison needs two", "add rows")
    if before is None or after is None:
        listed = ", ".join(f"'{group}'" for group in groups[:6])
        raise UsageError(
            f"{source.name}: column '{column}' holds {len(groups)} groups", f"--before and --after choose: {listed}"
        )
    if before == after:
        raise UsageError(f"'{before}' cannot be compared with itself", "choose two groups")
    return before, after


def group_row(facts: Mapping[str, Any], before: Sequence[float], after: Sequence[float], *, level: float) -> Row:
    """Return the row of two groups of replicates.

    Args:
        facts: what they are of.
        before: numbers of the first group.
        after: numbers of the second one.
        level: coverage of the interval of the shift.
    """
    test = compare_groups(after, before, level=level)
    claim = false_claim_of_groups(after, before) if min(len(before), len(after)) > 1 else None
    return {
        **facts,
        **_describe("before", before),
        **_describe("after", after),
        "shift": test.shift,
        "low": test.low,
        "high": test.high,
        "u": test.u,
        "pairs": test.first * test.second,
        "chance_larger": test.chance_larger,
        "p": test.p_value,
        "method": test.method,
        "smallest_p": test.smallest_p,
        **describe_claim(claim),
        "reason": "" if test.low is not None else f"{len(before)} and {len(after)} replicates are too few for limits",
    }


def _describe(name: str, values: Sequence[float]) -> Row:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {f"{name}_n": len(values), f"{name}_mean": float(np.mean(values)), f"{name}_deviation": deviation}


def contest_rows(contests: Sequence[Contest], *, level: float) -> list[Row]:
    """Return the row of each test set on which both methods have at least two replicates.

    Where all replicates were scored on the same images, the claim counts the sampling of images too.
    """
    rows = []
    for contest in contests:
        sides = [[area for part in side.values() if (area := _area(part)) is not None] for side in _sides(contest)]
        if min(map(len, sides)) < 2:
            continue
        row = group_row(contest.facts, *sides, level=level)
        claim = _claim_on_same_images(contest)
        rows.append({**row, **(describe_claim(claim) if claim is not None else {})})
    return rows


def _sides(contest: Contest) -> tuple[Mapping[Run, Scores], Mapping[Run, Scores]]:
    return contest.before, contest.after


def _area(part: Scores) -> float | None:
    return auc(part.targets, part.scores)


def _claim_on_same_images(contest: Contest) -> FalseClaim | None:
    if len(contest.pairs) < 2 or not len(contest.pairs) == len(contest.before) == len(contest.after):
        return None
    pairs = same_images(contest.pairs, IMAGE) if IMAGE in contest.pairs[0].columns else None
    if pairs is None:
        return None
    tables = [np.stack([getattr(pair, side) for pair in pairs], axis=1) for side in ("after", "before")]
    try:
        return false_claim_of_aucs(pairs[0].targets, first=tables[0], second=tables[1], clusters=pairs[0].persons)
    except DataError:
        return None


def finish_groups(rows: Sequence[Row], *, level: float, correction: str) -> list[Row]:
    """Return the rows with corrected p-values and findings."""
    return [
        clean_record({**row, "finding": finding(row["shift"], row["p_adjusted"], level)})
        for row in correct_rows(rows, correction)
    ]


def note_small_groups(rows: Sequence[Row], level: float) -> list[str]:
    """Return a note where groups are too small to show anything."""
    notes = []
    for row in rows:
        if row["smallest_p"] * row["tests"] > 1 - level:
            size = f"{row['before_n']} and {row['after_n']} replicates"
            tests = f" in {row['tests']} tests" if row["tests"] > 1 else ""
            notes.append(
                f"{size} cannot show a difference{tests}: without ties the smallest p-value is {row['smallest_p']:.3g}"
            )
    return list(dict.fromkeys(notes))


def show_groups(rows: Sequence[Row], *, by: str | None, title: str, correction: str) -> Table:
    """Return the table of groups for people."""
    adjusted = p_heading(rows, correction)
    columns = [
        *name_columns(rows, by),
        Column("before: mean (SD, n)", "before", least=21),
        Column("after: mean (SD, n)", "after", least=21),
        Column("shift", "shift", "interval", least=24),
        Column("U", "u_text", least=8),
        Column("P", "p_text", least=8),
        *([Column(adjusted, "adjusted", least=8)] if adjusted else []),
        Column("finding", "finding", least=9),
        Column("claim false", "claim", least=5),
        Column("P, smallest", "smallest", least=8),
    ]
    shown = [
        {
            **row,
            **({"role": row["role"] or "unknown"} if "role" in row else {}),
            "before": _group_text(row, "before"),
            "after": _group_text(row, "after"),
            "u_text": f"{row['u']:g} of {row['pairs']}",
            "p_text": p_text(row["p"]),
            "adjusted": p_text(row["p_adjusted"]),
            "claim": probability_text(row["claim_false"]),
            "smallest": p_text(row["smallest_p"]),
        }
        for row in rows
    ]
    return Table(columns, shown, title, blocks=True)


def _group_text(row: Row, name: str) -> str:
    deviation = row[f"{name}_deviation"]
    spread = "no SD" if deviation is None else f"{deviation:.3f}"
    return f"{row[f'{name}_mean']:.3f} ({spread}, {row[f'{name}_n']})"


def draw_shifts(rows: Sequence[Row], *, measure: str) -> Draw:
    """Return what draws the shifts with their intervals."""

    def draw(path: Callable[[str], Path]) -> list[Path]:
        from cxrshort.figures.intervals import Estimate, draw_intervals

        estimates = [
            Estimate(
                f"{row.get('group') or row.get('dataset') or 'all'} (n = {row['before_n']} and {row['after_n']})",
                str(row.get("label", "")),
                row["shift"],
                row["low"],
                row["high"],
            )
            for row in rows
        ]
        return [draw_intervals(estimates, path("compare.png"), measure=measure, reference=0.0)]

    return draw
