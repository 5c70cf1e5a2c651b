"""How good are the scores: AUC, average precision and partial AUC, with intervals by person."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cxrshort.results import Block, Column, Result, Table, interval_text
from cxrshort.stats.auc import auc_interval
from cxrshort.stats.curve_areas import CurveArea, curve_areas
from cxrshort.stats.gap import mean_auc
from cxrshort.stats.midranks import is_exact
from cxrshort.verbs.stats.output import Draw, check_figures, check_intervals, clean_record, write_result
from cxrshort.verbs.stats.scores import Scores, check_groups, read_scores

KIND = "stats-auc"
_NAMES = ("label", "training", "dataset", "role", "replicate", "group")
_WIDTH = 22
"""Characters of a number with its interval."""


def auc(
    table: str | Path,
    *,
    target: str | None = None,
    score: str | None = None,
    person: str | None = None,
    label: str | None = None,
    by: str | None = None,
    max_fpr: float = 0.1,
    level: float = 0.95,
    out: Path | None = None,
    figures: bool = False,
    force: bool = False,
) -> Result:
    """Compute AUC, average precision and partial AUC of every label, model and test set of a table.

    Args:
        table: predictions of evaluate (file or folder), any CSV or Parquet table, or ``-`` for standard input.
        target: the column of targets, 0 or 1; None for the labels of predictions.
        score: the column of scores, higher for 1.
        person: the column that says whose image a row is; None for ``person_id``, if there is one.
        label: one label of predictions; None for all.
        by: a column whose values are measured apart.
        max_fpr: false positive rate up to which the partial AUC counts.
        level: coverage of the intervals.
        out: a folder for aucs.csv, means.csv, summary.json and run.json; None writes nothing.
        figures: draw auc.png and roc.png too.
        force: overwrite an earlier result.

    Raises:
        DataError: the table breaks a rule, or no AUC can be given an interval.
        UsageError: options that exclude each other, or a level or rate out of range.
    """
    check_figures(out, figures=figures)
    columns = [by] if by is not None else []
    scores = read_scores(table, target=target, score=score, person=person, label=label, columns=columns)
    check_groups(scores, by)
    measured = [(group, part) for whole in scores.parts for group, part in whole.by(by)]
    rows = [_measure(group, part, max_fpr=max_fpr, level=level) for group, part in measured]
    check_intervals(rows, "auc_low", measure="AUC", table=scores.source.name)
    means = _means(measured, level)
    arguments: dict[str, Any] = {
        "table": str(table),
        "target": target,
        "score": score,
        "person": person,
        "label": label,
        "by": by,
    }
    arguments |= {"max_fpr": max_fpr, "level": level}
    notes = [*scores.notes, *_soft_targets(scores.parts)]
    summary = {**arguments, "aucs": rows, "means": means}
    result = Result(summary, _blocks(rows, means, by=by, max_fpr=max_fpr, level=level), notes=notes, kind=KIND)
    tables = {"aucs.csv": rows, **({"means.csv": means} if means else {})}
    draw = _drawing(measured, rows) if figures else None
    return write_result(
        result, "stats auc", source=scores.source, arguments=arguments, out=out, tables=tables, draw=draw, force=force
    )


def _measure(group: str, part: Scores, *, max_fpr: float, level: float) -> dict[str, Any]:
    """Return the row of one label, model, test set and group."""
    sample = part.targets, part.scores, part.persons
    area = auc_interval(*sample, level=level)
    precision, partial = curve_areas(*sample, most=max_fpr, level=level)
    counts = {"positives": area.positives, "negatives": area.negatives, "persons": area.clusters}
    return clean_record(
        {
            **part.facts,
            **({"group": group} if group else {}),
            **counts,
            "prevalence": precision.floor,
            "auc": area.auc,
            "auc_low": area.low,
            "auc_high": area.high,
            "method": area.method,
            **_named("average_precision", precision),
            **_named("partial_auc", partial),
            "reason": area.reason,
            "caution": area.caution,
        }
    )


def _named(name: str, area: CurveArea) -> dict[str, Any]:
    return {
        name: area.value,
        f"{name}_low": area.low,
        f"{name}_high": area.high,
        f"{name}_reason": area.reason,
        f"{name}_caution": area.caution,
    }


def _means(measured: Sequence[tuple[str, Scores]], level: float) -> list[dict[str, Any]]:
    """Return the mean AUC of each training that has replicates, with the interval of the mean."""
    cells: dict[tuple[Any, ...], list[Scores]] = {}
    for group, part in measured:
        facts = {name: value for name, value in part.facts.items() if name != "replicate"}
        cells.setdefault((*facts.items(), *([("group", group)] if group else [])), []).append(part)
    rows = []
    for key, parts in cells.items():
        if len(parts) > 1:
            mean = mean_auc([part.sample for part in parts], level=level)
            spread = {"mean": mean.mean, "deviation": mean.deviation, "low": mean.low, "high": mean.high}
            numbers = {"replicates": len(parts), **spread, "reason": mean.reason, "caution": mean.caution}
            rows.append(clean_record({**dict(key), **numbers}))
    return rows


def _soft_targets(parts: Sequence[Scores]) -> list[str]:
    counts: dict[str, int] = {}
    for part in parts:
        counts[part.facts["label"]] = counts.get(part.facts["label"], 0) + int((~is_exact(part.targets)).sum())
    listed = ", ".join(f"{label} {count:,}" for label, count in counts.items() if count)
    return [f"soft targets, between 0 and 1, are left out: {listed}"] if listed else []


def _blocks(
    rows: Sequence[Mapping[str, Any]],
    means: Sequence[Mapping[str, Any]],
    *,
    by: str | None,
    max_fpr: float,
    level: float,
) -> list[Block]:
    """Return what people see."""
    headings = {"dataset": "tested on", "group": by or "", "replicate": "repl."}
    names = [name for name in _NAMES if any(name in row for row in rows)]
    heads = [
        Column(headings.get(name, name), name, "count" if name == "replicate" else "text", folds=name != "group")
        for name in names
    ]
    areas = [
        Column("pos.", "positives", "count"),
        Column("neg.", "negatives", "count"),
        *([Column("persons", "persons", "count")] if rows[0]["persons"] is not None else []),
        Column("AUC", "auc", "interval"),
        Column("average precision", "average_precision", least=_WIDTH),
        Column("by chance", "prevalence", least=5),
        Column(f"partial AUC, FPR <= {max_fpr:g}", "partial_auc", least=_WIDTH),
    ]
    shown = [_printed(row) for row in rows]
    methods = ", ".join(dict.fromkeys(row["method"] for row in rows if row["method"] != "none"))
    title = f"{100 * level:g} % intervals; AUC by {methods}"
    blocks: list[Block] = [Table([*heads, *areas], shown, title, blocks=True)]
    if means:
        heads = [head for head in heads if head.key != "replicate"]
        mean = Column("AUC", "mean", "interval")
        blocks.append(Table([*heads, mean], [_unknown_role(row) for row in means], "mean over replicates"))
    return blocks


def _printed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row in which the areas beside the AUC are text, since each of them has reasons of its own."""
    texts = {name: _text(row, name) for name in ("average_precision", "partial_auc")}
    chance = "" if row["prevalence"] is None else f"{row['prevalence']:.3f}"
    return {**_unknown_role(row), **texts, "prevalence": chance}


def _unknown_role(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "role": row["role"] or "unknown"} if "role" in row else dict(row)


def _text(row: Mapping[str, Any], name: str) -> str:
    value, low, high = (row[key] for key in (name, f"{name}_low", f"{name}_high"))
    if value is None or low is None:
        return f"none: {row[f'{name}_reason']}"
    caution = row[f"{name}_caution"].partition(" in the ")[0]
    return interval_text(value, low, high) + (f" ({caution})" if caution else "")


def _drawing(measured: Sequence[tuple[str, Scores]], rows: Sequence[Mapping[str, Any]]) -> Draw:
    """Return what draws AUCs with intervals, and ROC curves of what is not cut into groups."""

    def draw(path: Callable[[str], Path]) -> list[Path]:
        from cxrshort.figures.intervals import Estimate, draw_intervals
        from cxrshort.figures.plots import RocCurve, roc_panels
        from cxrshort.stats.auc import roc_curve

        estimates, curves = [], []
        for (group, part), row in zip(measured, rows, strict=True):
            if row["auc"] is None:
                continue
            limits = row["auc"], row["auc_low"], row["auc_high"]
            estimates.append(Estimate(_name(row), _heading(row), *limits))
            rates = roc_curve(part.targets, part.scores)
            tested = ", ".join(filter(None, [str(row.get("dataset", "")), group])) or "all rows"
            size = f"n = {row['positives'] + row['negatives']:,}"
            curves.append(
                RocCurve(_heading(row), tested, str(row.get("role", size)), row.get("replicate", 0), *rates, *limits)
            )
        return [
            draw_intervals(estimates, path("auc.png"), measure="AUC", reference=0.5),
            roc_panels(curves, path("roc.png")),
        ]

    return draw


def _heading(row: Mapping[str, Any]) -> str:
    return ": ".join(filter(None, [str(row["label"]), str(row.get("training", ""))]))


def _name(row: Mapping[str, Any]) -> str:
    """Return what a figure calls a row below its heading."""
    replicate = f"replicate {row['replicate']}" if "replicate" in row else ""
    names = [str(row.get("dataset", "")), str(row.get("group", "")), replicate]
    return ", ".join(filter(None, names)) or "all rows"
