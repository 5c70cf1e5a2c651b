"""What people see of slices: those that were tested, and how many were not."""

from collections.abc import Mapping, Sequence
from typing import Any

from cxrshort.results import ALWAYS, BRIEF, VERBOSE, Block, Column, Loudness, Table, Text, interval_text
from cxrshort.verbs.stats.subgroup_tables import name_rows, p_text, shared_columns

NOT_TESTED = "not tested"
_WIDTH = 22


def blocks(rows: Sequence[Mapping[str, Any]], *, level: float) -> list[Block]:
    """Return what people see: slices that were tested, and with --verbose the others too."""
    tested = [row for row in rows if row["finding"] != NOT_TESTED]
    title = (
        "Slices found on half of the persons, tested on the other half against images with about the same score; "
        f"{100 * level:g} % intervals; P one-sided, by Holm"
    )
    shown: list[Block] = []
    if tested:
        shown.append(_table(tested, title, shown=ALWAYS if len(tested) == len(rows) else BRIEF))
    else:
        shown.append(Text("No slice has more errors than expected where it was found: none was tested."))
    if len(tested) < len(rows):
        shown.append(_table(rows, title, shown=VERBOSE))
        reasons: dict[str, int] = {}
        for row in rows:
            if row["finding"] == NOT_TESTED:
                reason = "too few images" if "persons in the testing half" in row["reason"] else row["reason"]
                reasons[reason] = reasons.get(reason, 0) + 1
        listed = ", ".join(f"{reason} ({count})" for reason, count in reasons.items())
        shown.append(Text(f"Not tested, {len(rows) - len(tested)} of {len(rows)} slices: {listed}", shown=BRIEF))
    return shown


def _table(rows: Sequence[Mapping[str, Any]], title: str, *, shown: Sequence[Loudness]) -> Table:
    heads = [
        Column("slice", "slice_name", least=5),
        *shared_columns(rows),
        Column("images", "images", "count"),
        Column("persons", "persons", "count"),
        Column("errors", "errors_text", least=_WIDTH),
        Column("expected", "expected_text", least=8),
        Column("excess", "excess_text", least=_WIDTH),
        Column("P, Holm", "p_text", least=7),
        Column("finding", "finding", least=10),
        Column("positives", "positives_text", least=9),
        Column("more than others", "mostly", least=24),
    ]
    cells = [
        {
            **row,
            "slice_name": name,
            "errors_text": _interval(row, "errors"),
            "expected_text": "" if row["expected"] is None else f"{row['expected']:.3f}",
            "excess_text": _interval(row, "excess"),
            "p_text": "" if row["p_holm"] is None else p_text(row["p_holm"]),
            "positives_text": "" if row["positives"] is None else f"{100 * row['positives']:.0f} %",
            "finding": row["finding"] + (f": {row['reason']}" if row["reason"] else ""),
        }
        for row, name in name_rows(rows, "slice")
    ]
    return Table(heads, cells, title, shown=shown, blocks=True)


def _interval(row: Mapping[str, Any], name: str) -> str:
    if row[name] is None or row[f"{name}_low"] is None:
        return "none"
    return interval_text(row[name], row[f"{name}_low"], row[f"{name}_high"])
