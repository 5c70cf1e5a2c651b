"""What people see of an explanation: its facts, the shares of regions, the verdicts; made of the summary alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort.attribution.explained_images import EVERY, NEGATIVE, POSITIVE, UNLABELLED
from cxrshort.attribution.explained_regions import PARTS
from cxrshort.attribution.explanation_checks import CAUTION, titled
from cxrshort.attribution.finding_boxes import localisation_block
from cxrshort.regions import CORNERS, EDGES
from cxrshort.results import ALWAYS, UNLESS_QUIET, VERBOSE, Block, Column, Facts, Loudness, Result, Table, Text
from cxrshort.stats.verdicts import NOT_TESTABLE

KIND = "findings"
_DETAILS = (*EDGES, *CORNERS, *PARTS)
"""Regions that only ``--verbose`` prints the shares of."""
_HEADINGS = {POSITIVE: "positives", NEGATIVE: "negatives", UNLABELLED: "unlabelled", EVERY: "all images"}


def explanation_result(
    summary: Mapping[str, Any],
    *,
    folder: Path | None,
    show_visible: Callable[[pd.DataFrame, str], Table],
    figures: Sequence[Path] = (),
    notes: Sequence[str] = (),
) -> Result:
    """Return the result of an explanation from its summary, as it is written and as ``--resume`` finds it.

    Args:
        summary: as summary.json has it.
        folder: where it was written.
        show_visible: returns the table of a label's rows of ``visible.csv``.
        figures: that were drawn.
        notes: sentences that stand below the tables.
    """
    tables: list[Block] = [Facts(_facts(summary), shown=UNLESS_QUIET), Text("", shown=UNLESS_QUIET)]
    for label in summary["labels"]:
        rows, located, visible, findings = (
            [row for row in summary[name] if row["label"] == label]
            for name in ("shares", "localisation", "visible", "findings")
        )
        checks = summary["sanity"].get(label, {})
        caution = checks.get("caution", "")
        if checks:
            tables.append(_check_table(label, checks))
        for detailed, shown in ((False, ("usual",)), (True, VERBOSE)):
            tables.append(_share_table(label, rows, caution=caution, detailed=detailed, shown=shown))
        if located:
            block = localisation_block(pd.DataFrame(located).drop(columns=CAUTION, errors="ignore"))  # in the title
            title = titled(f"{label}: {block.title}", caution)
            tables.append(replace(block, columns=block.columns[1:], title=title, shown=UNLESS_QUIET, blocks=True))
        if visible:
            tables.append(replace(show_visible(pd.DataFrame(visible), label), shown=UNLESS_QUIET, blocks=True))
        tables.append(_verdict_table(label, findings, caution=caution))
    verdicts = [str(row["verdict"]) for row in summary["findings"]]
    return Result(summary, tables, figures, notes, folder, kind=KIND, verdicts=verdicts)


def _facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    settings = ", ".join(f"{name} {value}" for name, value in summary["settings"].items())
    facts = [
        ("model", f"{summary['model']}{', ' + summary['role'] if summary['role'] else ''}"),
        ("explained", f"{summary['images']:,} images of {summary['dataset']} ({summary['split']})"),
        ("method", summary["method"] + (f" ({settings})" if settings else "")),
    ]
    for name, text in zip(("references", *[""] * len(summary["references"])), summary["references"], strict=False):
        facts.append((name, text.removeprefix("references: ")))
    facts += [
        (name, titled(text, numbers.get(CAUTION, "")))
        for name, text, numbers in (
            ("maps add up", _adding_text(summary["adding_up"]), summary["adding_up"]),
            ("error of shares", _error_text(summary["share_errors"]), summary["share_errors"]),
            *((f"maps of {label}", _whole_text(whole), whole) for label, whole in summary["separation"].items()),
        )
        if numbers
    ]
    return facts


def _adding_text(adding: Mapping[str, Any]) -> str:
    if not adding:
        return ""
    within = f"to the difference of logits ({adding['difference']:.2f}) within {adding['error']:.2g}, in the median"
    failed = f"{adding['failed']:,}" if adding["failed"] else "none"
    return f"{within}; {failed} of {adding['maps']:,} maps miss it by more than {100 * adding['tolerance']:g} %"


def _error_text(errors: Mapping[str, Any]) -> str:
    words = ", ".join(f"{name} {100 * value:.1f} %" for name, value in errors.items() if name != CAUTION)
    return f"{words} of the map in each image, over other draws (median)"


def _whole_text(whole: Mapping[str, Any]) -> str:
    if whole["separation"] is None:
        return f"classes cannot be compared: {whole['reason']}"
    people = f"{whole['positives']} persons against {whole['negatives']}"
    p = "" if whole["p"] is None else f", p = {whole['p']:.2g}"
    return f"positives add up to {whole['separation']:.2f} logits more than negatives ({people}{p})"


def _check_table(label: str, checks: Mapping[str, Any]) -> Table:
    columns = [Column("check", "check"), Column("result", "result"), Column("why", "reason")]
    words = {True: "passed", False: "failed", None: "not judged"}
    rows = [{**check, "result": words[check["passes"]]} for check in checks["checks"]]
    left_out = f", {checks['left_out']} left out: their maps are zero or broken" if checks["left_out"] else ""
    title = f"{label}: checks of the maps, on {checks['images']} images{left_out}"
    return Table(columns, rows, title, UNLESS_QUIET)


def _share_table(
    label: str, rows: Sequence[Mapping[str, Any]], *, caution: str, detailed: bool, shown: Sequence[Loudness]
) -> Table:
    """Return share, area and their ratio by region and class; sides and corners one by one only in detail."""
    kinds = [kind for kind in _HEADINGS if any(row["class"] == kind for row in rows)]
    if not detailed:
        kinds = [kind for kind in kinds if kind != UNLABELLED or len(kinds) == 1]
    columns = [Column("region", "region")]
    for kind in kinds:
        columns.append(Column(f"{_HEADINGS[kind]}: share", f"{kind}.share", "count"))
        columns += [Column("area", f"{kind}.area", "count"), Column("share / area", f"{kind}.ratio")]
    lines: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["class"] in kinds and (detailed or row["region"] not in _DETAILS) and row["share"] is not None:
            blank = {f"{kind}.{name}": "-" for kind in kinds for name in ("share", "area", "ratio")}
            line = lines.setdefault(row["region"], {"region": row["region"].replace("_", " "), **blank})
            line[f"{row['class']}.share"] = _percent(row["share"])
            line[f"{row['class']}.area"] = _percent(row["area"])
            line[f"{row['class']}.ratio"] = _ratio(row)
    title = f"{label}: share of absolute attribution in each region; 1 is what its area has by chance"
    return Table(columns, list(lines.values()), titled(title, caution), shown)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _ratio(row: Mapping[str, Any]) -> str:
    if row["ratio"] is None:
        return "-"
    if row["ratio_low"] is None or row["ratio_high"] is None:
        return f"no interval: {row['reason']}"
    return f"{row['ratio']:.2f} [{row['ratio_low']:.2f}, {row['ratio_high']:.2f}]"


def _verdict_table(label: str, rows: Sequence[Mapping[str, Any]], *, caution: str) -> Table:
    columns = [
        Column("region", "region"),
        Column("verdict", "verdict"),
        Column("of the separation", "effect"),
        Column("why", "why"),
    ]
    lines = [
        {**row, "region": str(row["region"]).replace("_", " "), "effect": _effect_text(row)} for row in _merged(rows)
    ]
    return Table(columns, lines, titled(f"{label}: verdict on each region", caution), ALWAYS)


def _effect_text(row: Mapping[str, Any]) -> str:
    """Return the share of the separation that a region carries, in percent, with its interval."""
    if row["effect"] is None or row["low"] is None or row["high"] is None:
        return "-"
    effect, low, high = (round(100 * row[name]) for name in ("effect", "low", "high"))  # whole numbers have no -0
    return f"{effect} % [{low}, {high}]"


def _merged(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the rows with regions that cannot be tested for the same reason in one of them."""
    kept: dict[str, dict[str, Any]] = {}
    for row in rows:
        alike = row["verdict"] == NOT_TESTABLE and row["effect"] is None
        key = row["why"] if alike else f"{row['region']}: {row['why']}"
        if key in kept:
            kept[key]["region"] += f", {row['region']}"
        else:
            kept[key] = dict(row)
    return list(kept.values())
