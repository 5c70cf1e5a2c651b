"""The matrix of a stress test as rows of tables, and as what people see of it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cxrshort.quantities import quantity
from cxrshort.results import DEFAULT, UNLESS_QUIET, VERBOSE, Block, Column, Table, Text, interval_text
from cxrshort.stats.changes import Interval
from cxrshort.stats.stress import StressCell
from cxrshort.stats.verdicts import NO_EVIDENCE, NOT_TESTABLE, SHORTCUT, SUSPICIOUS, VERDICTS, Rule

Record = dict[str, Any]
_INTERVAL = len("+54.90 [46.20, 60.00]")
ON_TARGET, UNAVAILABLE = "on target", "n/a"


def cell_record(model: str, cell: StressCell) -> Record:
    """Return a row of ``cells.csv``."""
    excess = cell.excess
    return {
        "model": model,
        "added": cell.added,
        "predicted": cell.predicted,
        "on_target": cell.on_target,
        "images": cell.images,
        "persons": cell.persons,
        "percentile_before": _number(cell.percentiles[0]),
        "percentile_after": _number(cell.percentiles[1]),
        "probability_before": _number(cell.probabilities[0]),
        "probability_after": _number(cell.probabilities[1]),
        **_interval("change", cell.change),
        "p_change": cell.p_change,
        "p_change_holm": cell.p_change_holm,
        **_interval("beyond_sham", cell.beyond),
        "p_beyond_sham": cell.p_beyond,
        "cooccurrence": cell.cooccurrence,
        "reaction": None if cell.reaction is None else _number(cell.reaction),
        "explained": None if excess is None else _number(excess.explained),
        **_interval("excess", Interval(math.nan, math.nan, math.nan) if excess is None else excess.mean),
        "p_excess": None if excess is None else excess.p,
        "verdict": ON_TARGET if cell.verdict is None else cell.verdict.verdict,
        "reason": cell.reason,
    }


def finding_record(model: str, cell: StressCell) -> Record:
    """Return a row of ``findings.csv``: the verdict on an off-target cell."""
    verdict = cell.verdict
    record = {} if verdict is None else verdict.record()
    for name in ("effect", "low", "high"):
        record[name] = None if record.get(name) is None else _number(float(str(record[name])))
    return {
        "model": model,
        "added": cell.added,
        "predicted": cell.predicted,
        **record,
        "explained": None if cell.excess is None else _number(cell.excess.explained),
    }


def sort_findings(rows: Sequence[Record]) -> list[Record]:
    """Return verdicts, the worst and largest first."""
    return sorted(rows, key=lambda row: (VERDICTS.index(row["verdict"]), -abs(row["effect"] or 0.0)))


def _interval(name: str, interval: Interval) -> Record:
    return {
        name: _number(interval.value),
        f"{name}_low": _number(interval.low),
        f"{name}_high": _number(interval.high),
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def stress_blocks(summary: Mapping[str, Any], *, rule: Rule) -> list[Block]:
    """Return what people see of a summary: verdicts, the matrix of each model, probabilities."""
    blocks = _verdicts(summary["findings"], several=len(summary["models"]) > 1, rule=rule)
    for model in summary["models"]:
        cells = [cell for cell in summary["cells"] if cell["model"] == model["model"]]
        controls = [cell for cell in summary["controls"] if cell["model"] == model["model"]]
        blocks.append(_matrix(model, cells, controls))
    return [*blocks, _probabilities(summary["cells"], several=len(summary["models"]) > 1)]


def _verdicts(findings: Sequence[Record], *, several: bool, rule: Rule) -> list[Block]:
    """Return the verdicts that accuse, all of them where the user wants to see everything, and how many there are."""
    counts = {word: sum(row["verdict"] == word for row in findings) for word in VERDICTS}
    counted = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    title = f"Cells off target: {counted}; effects are mean {rule.unit}, the margin is {rule.margin:g}"
    heads = [
        *([Column("model", "model")] if several else []),
        Column("added", "added"),
        Column("predicted", "predicted"),
        Column("verdict", "verdict", least=len(NOT_TESTABLE)),
        Column("effect", "shown_effect", least=_INTERVAL),
        Column("p (Holm)", "shown_p", "count"),
        Column("why", "why"),
    ]
    rows = [
        {
            **row,
            "shown_effect": _points(row["effect"], row["low"], row["high"]),
            "shown_p": "" if row["p"] is None else f"{row['p']:.2g}",
        }
        for row in findings
    ]
    accused = [row for row in rows if row["verdict"] in (SHORTCUT, SUSPICIOUS)]
    quiet = _no_evidence(findings)
    if not accused:
        return [Text(f"{title}\n{quiet}".strip(), shown=("quiet", "usual")), Table(heads, rows, title, VERBOSE)]
    shown: list[Block] = [Table(heads, accused, title, ("quiet", "usual")), Table(heads, rows, title, VERBOSE)]
    return [*shown, Text(f"{quiet}\n", folded=True, shown=DEFAULT)] if quiet else shown


def _no_evidence(findings: Sequence[Record]) -> str:
    """Return what the cells without evidence would have shown."""
    smallest = [
        row["smallest_effect"]
        for row in findings
        if row["verdict"] == NO_EVIDENCE and row["smallest_effect"] is not None
    ]
    if not smallest:
        return ""
    low, high = f"{min(smallest):.1f}", f"{max(smallest):.1f}"
    limits = low if low == high else f"{low} to {high}"
    return f"Where there is no evidence, 80 % of tests like these would have shown an effect of {limits} points"


def _points(value: float | None, low: float | None, high: float | None) -> str:
    """Return a number of percentile points with its limits."""
    if value is None:
        return ""
    if low is None or high is None:
        return "no interval: one person"
    return interval_text(value, low, high)


def _matrix(model: Record, cells: Sequence[Record], controls: Sequence[Record]) -> Table:
    """Return the published matrix of one model: a row for each added finding and each control."""
    predicted = list(dict.fromkeys(cell["predicted"] for cell in cells))
    heads = [Column("added", "added"), *(Column(name, f"cell {name}", "count") for name in predicted)]
    rows: list[Record] = []
    for part in (cells, controls):
        for added in dict.fromkeys(cell["added"] for cell in part):
            texts = {f"cell {cell['predicted']}": _cell_text(cell) for cell in part if cell["added"] == added}
            rows.append({"added": added, **texts})
    title = (
        f"{model['model']}: median change of the percentile, {quantity(model['images'], 'image')} of "
        f"{quantity(model['persons'], 'person')}; "
        "[on target], * p <= 0.05 (signed-rank test, Holm)"
    )
    return Table(heads, rows, title, UNLESS_QUIET, blocks=True)


def _cell_text(cell: Record) -> str:
    """Return a cell of the matrix as people read it."""
    if cell["change"] is None:
        return UNAVAILABLE
    star = "*" if cell["p_change_holm"] is not None and cell["p_change_holm"] <= 0.05 else ""
    text = f"{cell['change']:+z.1f}{star}"
    return f"[{text}]" if cell["on_target"] else text


def _probabilities(cells: Sequence[Record], *, several: bool) -> Table:
    """Return median probabilities beside co-occurrence, as the paper's Supplemental Figure 6."""
    heads = [
        *([Column("model", "model")] if several else []),
        Column("added", "added"),
        Column("predicted", "predicted"),
        Column("images", "images", "count"),
        Column("before", "shown_before", "count"),
        Column("after", "shown_after", "count"),
        Column("co-occurrence", "shown_share", "count"),
    ]
    rows = [
        {
            **cell,
            "shown_before": _share(cell["probability_before"]),
            "shown_after": _share(cell["probability_after"]),
            "shown_share": _share(cell["cooccurrence"]),
        }
        for cell in cells
    ]
    return Table(heads, rows, "Median predicted probability, and the share of edits that show the finding", VERBOSE)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
