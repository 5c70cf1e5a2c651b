"""What people see of readers' answers: adherence, co-occurrence, agreement, realism."""

from collections.abc import Mapping, Sequence
from typing import Any

from cxrshort.results import UNLESS_QUIET, VERBOSE, Block, Column, Table
from cxrshort.verbs.roentmod.reader_agreements import overall_rows

Record = dict[str, Any]
_INTERVAL = len("0.920 [0.851, 0.961]")


def reader_blocks(summary: Mapping[str, Any]) -> list[Block]:
    """Return what people see of a summary, adherence first."""
    blocks: list[Block] = [_adherence(summary), _cooccurrence(summary)]
    if summary["agreement"]:
        together = overall_rows(summary["agreement"])
        blocks.append(_agreement(together, UNLESS_QUIET))
        if together != summary["agreement"]:
            blocks.append(_agreement(summary["agreement"], VERBOSE))
    if summary["realism"]:
        blocks.append(_realism(summary["realism"]))
    return blocks


def _adherence(summary: Mapping[str, Any]) -> Table:
    """Return how often readers see what was asked for, beside the sham edits and by reader."""
    rows = summary["adherence"]
    readers = [row["reader"] for row in summary["readers"]]
    with_sham = any("sham" in row for row in rows)
    heads = [
        Column("edit", "edit"),
        Column("adds", "added"),
        Column("images", "images", "count"),
        Column("persons", "persons", "count"),
        Column("adherence", "share", "interval", least=_INTERVAL),
        *(
            [
                Column("seen in sham edits", "sham", "interval", least=_INTERVAL),
                Column("difference", "beyond_sham", "interval", least=_INTERVAL + 2),
            ]
            if with_sham
            else []
        ),
        Column("unsure", "unsure", "count"),
        *(Column(reader, f"of {reader}", "count") for reader in readers if len(readers) > 1),
    ]
    shown = []
    for row in rows:
        own = {f"of {name}": _share(share["share"]) for name, share in row.get("by_reader", {}).items()}
        shown.append({"images": "", "persons": "", "unsure": "", "share": None, **row, **own})
    title = "Adherence: share of edits in which readers see the finding that was asked for"
    return Table(heads, shown, title, blocks=True)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _cooccurrence(summary: Mapping[str, Any]) -> Table:
    """Return the matrix: a row for each added finding and each control."""
    findings = summary["findings"]
    rows: dict[str, Record] = {}
    for cell in summary["cells"]:
        text = "n/a" if cell["share"] is None else f"{cell['share']:.2f}"
        row = rows.setdefault(cell["added"], {"added": cell["added"], "images": cell["images"]})
        row[f"cell {cell['seen']}"] = f"[{text}]" if cell["on_target"] else text
    heads = [
        Column("added", "added"),
        Column("images", "images", "count"),
        *(Column(name, f"cell {name}", "count") for name in findings),
    ]
    title = "Co-occurrence: share of edits in which readers see each finding; [asked for]"
    return Table(heads, list(rows.values()), title, UNLESS_QUIET, blocks=True)


def _agreement(rows: Sequence[Record], shown: Any) -> Table:
    heads = [
        Column("finding", "finding", folds=True),
        Column("readers", "readers"),
        Column("coefficient", "coefficient"),
        Column("value", "value", "interval", least=_INTERVAL),
        Column("equal answers", "shown_equal", "count"),
        Column("images", "images", "count"),
        Column("answers", "answers", "count"),
    ]
    records = [{**row, "shown_equal": "" if row["equal"] is None else f"{100 * row['equal']:.1f} %"} for row in rows]
    return Table(heads, records, "Agreement of readers, in answers 0, 1 and 2; intervals are over persons", shown)


def _realism(rows: Sequence[Record]) -> Table:
    heads = [
        Column("images of", "images_of"),
        Column("question", "question"),
        Column("yes", "share", "interval", least=_INTERVAL),
        Column("images", "images", "count"),
    ]
    return Table(heads, rows, "Images that look artificial, or show a finding without a column", UNLESS_QUIET)
