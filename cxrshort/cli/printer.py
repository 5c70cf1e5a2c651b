"""One printer for every result: tables on stdout, notes on stderr, or one JSON document."""

from collections.abc import Mapping
from typing import Any

from cxrshort.cli.plans import plan
from cxrshort.cli.tables import Columns, document, line, notes, table
from cxrshort.results import Column, Result, Table

_INTERVAL = 22
"""Characters of a number with its interval, such as -0.123 [-0.456, 0.789]."""


def print_result(result: Result, *, kind: str, json: bool, quiet: bool, verbose: bool = False) -> None:
    """Print what a verb has made.

    Args:
        result: what the verb returned.
        kind: what the JSON document's ``schema`` calls it, such as ``"evaluation"``; a dry run is a ``"plan"``.
        json: one JSON document instead of tables and notes.
        quiet: no notes.
        verbose: tables of detail too.
    """
    if json:
        return document(result.document, kind="plan" if result.plan else kind)
    if not quiet:
        notes(list(result.notes))
    if result.plan:
        return plan(result.summary)
    for each in result.tables:
        if verbose or not each.detail:
            _print_table(each)
    return None if result.folder is None else line(f"written to {result.folder}")


def _print_table(shown: Table) -> None:
    if shown.title:
        line(shown.title)
    kinds = dict(enumerate(column.kind for column in shown.columns))
    look = Columns(
        right=[place for place, kind in kinds.items() if kind == "count"],
        least={place: _INTERVAL for place, kind in kinds.items() if kind == "interval"},
        same=[place for place, column in enumerate(shown.columns) if column.folds],
    )
    table([column.heading for column in shown.columns], [_cells(row, shown) for row in shown.rows], look)


def _cells(row: Mapping[str, Any], shown: Table) -> list[Any]:
    return [interval(row, column) if column.kind == "interval" else row[column.key] for column in shown.columns]


def interval(row: Mapping[str, Any], column: Column) -> str:
    """Return a number with its limits, its spread over replicates, and what is to be known of it."""
    value, reason = row[column.key], row.get("reason") or ""
    if value is None:
        return f"none: {reason}"
    low, high = (row.get(f"{column.key}_{end}", row.get(end)) for end in ("low", "high"))
    spread = ""
    if row.get("deviation") is not None:
        spread = f", SD {row['deviation']:.3f} over {row['replicates']}"
    if low is None or high is None:
        return f"no interval: {reason or 'one person'}"  # a number without an interval is not printed
    # As short as it can be said; the table that is written has the whole sentence.
    remark = reason or (row.get("caution") or "").partition(" in the ")[0]
    return f"{value:.3f} [{low:.3f}, {high:.3f}]{spread}{f' ({remark})' if remark else ''}"
