"""How good are the scores elsewhere: AUC inside minus outside, as it is and at the same case mix."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxrshort.errors import DataError
from cxrshort.results import Column, Result, Table, interval_text
from cxrshort.stats.case_mix import MatchedGap, Stratified, matched_gap
from cxrshort.stats.gap import Gap, generalization_gap
from cxrshort.stats.predictions import EXTERNAL, INTERNAL
from cxrshort.verbs.stats.output import Draw, check_figures, check_intervals, clean_record, write_result
from cxrshort.verbs.stats.scores import Scores, ScoreTable, check_groups, read_scores

KIND = "stats-gap"
VIEW, ROLE = "view", "role"
CRUDE, AND_CLASS = "nothing", "{}+class"


@dataclass(frozen=True, slots=True)
class Sides:
    """Hold the two sides of one model and label.

    Args:
        facts: label, and of predictions the training.
        names: what the inside and the outside are called.
        inside: a part for each replicate.
        outside: the same replicates.
    """

    facts: Mapping[str, Any]
    names: tuple[str, str]
    inside: Sequence[Scores]
    outside: Sequence[Scores]


def gap(
    table: str | Path,
    *,
    target: str | None = None,
    score: str | None = None,
    person: str | None = None,
    label: str | None = None,
    role: str = ROLE,
    match: str | None = None,
    level: float = 0.95,
    out: Path | None = None,
    figures: bool = False,
    force: bool = False,
) -> Result:
    """Compute the generalization gap of every label and training, crude and at the case mix of the outside.

    Args:
        table: predictions of evaluate (file or folder), any CSV or Parquet table, or ``-`` for standard input.
        target: the column of targets, 0 or 1; None for the labels of predictions.
        score: the column of scores, higher for 1.
        person: the column that says whose image a row is; None for ``person_id``, if there is one.
        label: one label of predictions; None for all.
        role: the column that says whether a row is ``internal`` or ``external``.
        match: the column of strata to be matched; None for ``view``, if there is one.
        level: coverage of the intervals.
        out: a folder for gaps.csv, summary.json and run.json; None writes nothing.
        figures: draw gap.png too.
        force: overwrite an earlier result.

    Raises:
        DataError: the table breaks a rule, has one side alone, or no gap can be given an interval.
        UsageError: options that exclude each other, or a level out of range.
    """
    check_figures(out, figures=figures)
    columns = [*([] if match is None else [match]), role]
    optional = [VIEW] if match is None else []
    scores = read_scores(
        table, target=target, score=score, person=person, label=label, columns=columns, optional=optional
    )
    match = match or (VIEW if VIEW in scores.source.columns else None)
    check_groups(scores, match)
    pairs = list(_pairs(scores, role))
    if not pairs:
        raise _missing_side(scores, role)
    rows = [row for pair in pairs for row in _measure(pair, match=match, level=level)]
    check_intervals(rows, "low", measure="gap", table=scores.source.name)
    arguments: dict[str, Any] = {
        "table": str(table),
        "target": target,
        "score": score,
        "person": person,
        "label": label,
    }
    arguments |= {"role": role, "match": match, "level": level}
    notes = [*scores.notes, *_notes(rows, match)]
    result = Result({**arguments, "gaps": rows}, [_shown(rows, level)], notes=notes, kind=KIND)
    return write_result(
        result,
        "stats gap",
        source=scores.source,
        arguments=arguments,
        out=out,
        tables={"gaps.csv": rows},
        draw=_drawing(rows) if figures else None,
        force=force,
    )


def _pairs(scores: ScoreTable, role: str) -> Iterator[Sides]:
    """Yield the inside and each outside of every label and training, the replicates that both have."""
    if not scores.predictions or role != ROLE:
        for part in scores.parts:
            sides = dict(part.by(role))
            if INTERNAL in sides and EXTERNAL in sides:
                yield Sides(part.facts, (INTERNAL, EXTERNAL), [sides[INTERNAL]], [sides[EXTERNAL]])
        return
    cells: dict[tuple[Any, ...], dict[int, Scores]] = {}
    for part in scores.parts:
        key = tuple(part.facts[name] for name in ("label", "training", "training_id", "role", "dataset", "dataset_id"))
        cells.setdefault(key, {})[part.facts["replicate"]] = part
    for inside in (key for key in cells if key[3] == INTERNAL):
        for outside in (key for key in cells if key[3] == EXTERNAL and key[:3] == inside[:3]):
            shared = [replicate for replicate in cells[inside] if replicate in cells[outside]]
            if shared:
                facts = {"label": inside[0], "training": inside[1], "training_id": inside[2]}
                parts = [[cells[key][replicate] for replicate in shared] for key in (inside, outside)]
                yield Sides(facts, (inside[4], outside[4]), *parts)


def _missing_side(scores: ScoreTable, role: str) -> DataError:
    """Return the error of a table without a pair of sides."""
    values = sorted({value for part in scores.parts for value in set(part.columns[role])})
    listed = ", ".join(f"'{value}'" for value in values[:6])
    return DataError(
        f"{scores.source.name}: no model has both '{INTERNAL}' and '{EXTERNAL}' in column '{role}' (it holds {listed})",
        "evaluate on a dataset of another hospital too, or name another column by --role",
    )


def _measure(pair: Sides, *, match: str | None, level: float) -> Iterator[dict[str, Any]]:
    """Yield the row of the crude gap, and of the two matched ones."""
    samples = [[part.sample for part in side] for side in (pair.inside, pair.outside)]
    counts = [sum(len(part.targets) for part in side) // len(side) for side in (pair.inside, pair.outside)]
    crude = generalization_gap(*samples, level=level)
    yield _row(pair, CRUDE, crude, {"effective": float(counts[0]), "left_out_internal": 0, "left_out_external": 0})
    if match is None:
        return
    strata = [[Stratified(part.sample, part.columns[match]) for part in side] for side in (pair.inside, pair.outside)]
    for name, by_class in ((match, False), (AND_CLASS.format(match), True)):
        weighted = matched_gap(*strata, by_class=by_class, level=level)
        yield _row(pair, name, weighted.gap, _facts(weighted))


def _facts(weighted: MatchedGap) -> dict[str, Any]:
    return {name: getattr(weighted, name) for name in ("effective", "left_out_internal", "left_out_external")}


def _row(pair: Sides, matched: str, estimate: Gap, facts: Mapping[str, Any]) -> dict[str, Any]:
    sides = {"internal": estimate.internal, "external": estimate.external}
    images = {
        f"{name}_images": len(side[0].targets) for name, side in (("internal", pair.inside), ("external", pair.outside))
    }
    areas = {
        name: value
        for side, mean in sides.items()
        for name, value in ((f"{side}_auc", mean.mean), (f"{side}_auc_low", mean.low), (f"{side}_auc_high", mean.high))
    }
    numbers = {"gap": estimate.difference, "low": estimate.low, "high": estimate.high, "finding": _finding(estimate)}
    names = {"internal": pair.names[0], "external": pair.names[1], "replicates": estimate.replicates}
    return clean_record(
        {**pair.facts, **names, "matched": matched, **images, **facts, **areas, **numbers, "reason": estimate.reason}
    )


def _finding(estimate: Gap) -> str:
    """Return whether a gap is shown; an interval that holds 0 shows neither a gap nor that there is none."""
    if estimate.low is None or estimate.high is None:
        return "not testable"
    if estimate.low > 0:
        return "shown"
    return "better outside" if estimate.high < 0 else "not shown"


def _notes(rows: Sequence[Mapping[str, Any]], match: str | None) -> list[str]:
    """Return the caveats of the matching."""
    if match is None:
        return [f"there is no column '{VIEW}': the gap at the same case mix is not computed; --match COLUMN names one"]
    notes = []
    left_out = [max(row[f"left_out_{side}"] for row in rows) for side in (INTERNAL, EXTERNAL)]
    if any(left_out):
        notes.append(
            f"strata of '{match}' that one side lacks cannot be matched: up to {left_out[0]:,} images inside and "
            f"{left_out[1]:,} outside are left out of matched gaps"
        )
    thin = [row for row in rows if row["matched"] != CRUDE and 0 < row["effective"] < row["internal_images"] / 4]
    if thin:
        least = min(row["effective"] for row in thin)
        notes.append(f"the case mixes differ much: matched, the images inside are worth no more than {least:,.0f}")
    return notes


def _shown(rows: Sequence[Mapping[str, Any]], level: float) -> Table:
    heads = [
        Column("label", "label", folds=True),
        *([Column("training", "training", folds=True)] if "training" in rows[0] else []),
        Column("internal - external", "sides", folds=True),
        Column("matched", "matched", least=9),
        Column("AUC inside", "internal_text", least=22),
        Column("AUC outside", "external_text", least=22),
        Column("gap", "gap", "interval", least=24),
        Column("finding", "finding"),
    ]
    shown = [
        {
            **row,
            "sides": f"{row['internal']} - {row['external']}",
            "internal_text": _text(row, "internal_auc"),
            "external_text": _text(row, "external_auc"),
        }
        for row in rows
    ]
    title = f"{100 * level:g} % intervals; matched: images inside weighted to the case mix outside"
    return Table(heads, shown, title, blocks=True)


def _text(row: Mapping[str, Any], name: str) -> str:
    value, low, high = (row[key] for key in (name, f"{name}_low", f"{name}_high"))
    return "none" if value is None or low is None else interval_text(value, low, high)


def _drawing(rows: Sequence[Mapping[str, Any]]) -> Draw:
    """Return what draws the gaps."""

    def draw(path: Callable[[str], Path]) -> list[Path]:
        from cxrshort.figures.intervals import Estimate, draw_intervals

        estimates = [
            Estimate(f"matched: {row['matched']}", _heading(row), row["gap"], row["low"], row["high"])
            for row in rows
            if row["gap"] is not None
        ]
        measure = "AUC inside minus AUC outside"
        return [draw_intervals(estimates, path("gap.png"), measure=measure, reference=0.0)]

    return draw


def _heading(row: Mapping[str, Any]) -> str:
    sides = f"{row['internal']} - {row['external']}"
    return ", ".join(filter(None, [str(row["label"]), sides, str(row.get("training", ""))]))
