"""One printer for every result: tables and text on stdout, notes on stderr, or one JSON document."""

import sys
from collections.abc import Mapping
from typing import Any

from cxrshort.cli.tables import Columns, document, fold, line, notes, pairs, table
from cxrshort.results import Block, Column, Facts, Listing, Loudness, Result, Table, Text, interval_text

_INTERVAL = 22
"""Characters of a number with its interval, such as -0.123 [-0.456, 0.789]."""


def print_result(result: Result, *, json: bool, quiet: bool = False, verbose: bool = False) -> None:
    """Print what a verb has made: the description that --quiet leaves out, then the notes, then the result itself.

    Args:
        result: what the verb returned.
        json: one JSON document instead of tables and notes.
        quiet: no description and no notes.
        verbose: tables of detail too.
    """
    if json:
        return document(result.document)
    loudness: Loudness = "quiet" if quiet else "verbose" if verbose else "usual"
    pending = [] if quiet else list(result.notes)
    place = result.file or result.folder
    for block in result.tables:
        if "quiet" in block.shown:
            notes(pending)
            pending = []
        if loudness in block.shown:
            _print_block(block, is_last=place is None and block is result.tables[-1])
    notes(pending)
    return None if place is None else line(f"written to {place}")


def _print_block(block: Block, *, is_last: bool) -> None:
    if isinstance(block, Table):
        _print_table(block, is_last=is_last)
    elif isinstance(block, Facts):
        pairs(block.pairs)
    elif isinstance(block, Listing):
        _print_listing(block)
    else:
        line(_text(block))


def _print_table(shown: Table, *, is_last: bool) -> None:
    if shown.title:
        line(_fold_on_terminal(shown.title))
    columns = dict(enumerate(shown.columns))
    least = {
        place: column.least or (_INTERVAL if column.kind == "interval" else 0) for place, column in columns.items()
    }
    look = Columns(
        right=[place for place, column in columns.items() if column.kind == "count"],
        least={place: width for place, width in least.items() if width},
        same=[place for place, column in columns.items() if column.folds],
        blocks=shown.blocks,
        keys=shown.keys,
    )
    headings, rows = [column.heading for column in shown.columns], [_cells(row, shown) for row in shown.rows]
    table(headings, rows, look, is_last=is_last)


def _cells(row: Mapping[str, Any], shown: Table) -> list[Any]:
    return [interval(row, column) if column.kind == "interval" else row[column.key] for column in shown.columns]


def _print_listing(shown: Listing) -> None:
    lines = [cells for section in shown.sections.values() for cells in section]
    widths = [max(map(len, column)) for column in zip(*(cells[:-1] for cells in lines), strict=True)]
    blocks = []
    for title, section in shown.sections.items():
        texts = []
        for *cells, meaning in section:
            start = "".join(f"  {cell:<{width}}" for cell, width in zip(cells, widths, strict=True)) + "  "
            texts.append(fold(meaning, start=start, indent=" " * len(start)))
        blocks.append("\n".join([title, *texts]))
    line("\n\n".join(blocks))


def _text(block: Text) -> str:
    if block.folded:
        return fold(block.text, start=block.start, indent=block.indent)
    return _fold_on_terminal(block.start + block.text, indent=block.indent)


def _fold_on_terminal(text: str, *, indent: str = "") -> str:
    """Return lines folded between words on a terminal, and whole elsewhere, for ``grep``."""
    if not sys.stdout.isatty():
        return text
    return "\n".join(fold(part, indent=indent) for part in text.split("\n"))


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
    return f"{interval_text(value, low, high)}{spread}{f' ({remark})' if remark else ''}"
