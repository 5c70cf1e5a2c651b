"""Lines, tables and JSON on stdout, notes on stderr."""

import contextlib
import json as json_text
import os
import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_PIPED_WIDTH = 200
"""Columns when nobody watches: wide enough that no table is cut."""

_UNWATCHED, _NARROWEST = 100, 80
"""Columns of folded text when nobody watches, and the fewest that a terminal is taken to have."""

_READABLE = 4
"""Columns below which a folded name cannot be read."""


@dataclass(frozen=True)
class Columns:
    """Say how the columns of a table look.

    Args:
        right: those that are aligned right.
        least: widths below which a column is never made smaller, so that no number is broken over lines.
        same: those that give way to a line above, where the table is wider than the terminal and they say the same in
            every row.
    """

    right: Sequence[int] = ()
    least: Mapping[int, int] = field(default_factory=dict)
    same: Sequence[int] = ()


def line(text: str) -> None:
    """Print one line on stdout."""
    sys.stdout.write(printable(text) + "\n")


def paragraph(text: str) -> None:
    """Print text folded between words to the width of the terminal."""
    line(textwrap.fill(text, text_width(), break_on_hyphens=False))


def printable(text: str) -> str:
    """Return text as a terminal may show it: control characters, which could move its cursor or colour it, escaped.

    Names of datasets, labels and files come from others; what is pasted into a shell must say what it does.
    """
    return "".join(
        character if character.isprintable() or character in "\n\u00a0" else character.encode("unicode_escape").decode()
        for character in text
    )


def shortened(text: str, *, longest: int = 300) -> str:
    """Return text whose words have no more than so many characters: an endless name keeps its start and its end.

    Example:
        >>> shortened("'aaaabbbbcccc' does not exist", longest=11)
        "'aaaa...cc' does not exist"
    """
    tail = longest // 3
    return re.sub(rf"\S{{{longest + 1},}}", lambda word: f"{word[0][: longest - tail - 3]}...{word[0][-tail:]}", text)


def notes(lines: Sequence[str]) -> None:
    """Print notes on stderr."""
    for each in lines:
        sys.stderr.write(printable(shortened(f"note: {each}")) + "\n")


def document(result: Mapping[str, Any], *, kind: str) -> None:
    """Print one JSON document on stdout, whose ``schema`` says what it holds: ``cxrshort.KIND/1``."""
    line(json_text.dumps({"schema": f"cxrshort.{kind}/1", **result}, indent=2))


def failure(message: str, *, hint: str, code: int) -> None:
    """Print an error as one JSON document on stdout, for whoever asked for JSON."""
    document({"error": {"message": message, "hint": hint, "exit_code": code}}, kind="error")


def table(header: Sequence[str], rows: Sequence[Sequence[Any]], columns: Columns | None = None) -> None:
    """Print a table as wide as it needs, or as the terminal is."""
    cells = [[f"{cell:,}" if isinstance(cell, int) else printable(str(cell)) for cell in row] for row in rows]
    look, console = columns or Columns(), _console()
    chosen = list(range(len(header)))
    shown = _rich(header, cells, chosen, look)
    if _width(shown) > console.width:
        same = [each for each in look.same if len({row[each] for row in cells}) == 1]
        if same:
            line(", ".join(f"{header[each]} {cells[0][each]}" for each in same))
        chosen = [each for each in chosen if each not in same]
        shown = _rich(header, cells, chosen, look)
    if _width(shown, least=True) > console.width:  # then rich would cut what it may not break
        shown = _rich(header, cells, chosen, replace(look, least={}))
    with console.capture() as text:  # printed by rich itself, a closed pipe (| head) would end in exit code 1
        console.print(shown)
    # The last column is as wide as its longest cell: what only fills it up is nothing to print.
    sys.stdout.write("\n".join(each.rstrip() for each in text.get().split("\n")) + "\n")  # with its styles


def pairs(rows: Sequence[tuple[str, str]]) -> None:
    """Print names and what is to be said of them, the second column broken to fit the terminal."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 3))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in rows:
        grid.add_row(printable(name), printable(text))
    console = _console()
    with console.capture() as shown:
        console.print(grid)
    sys.stdout.write("\n".join(each.rstrip() for each in shown.get().rstrip("\n").split("\n")) + "\n")


def text_width() -> int:
    """Return the columns in which text is folded: the terminal's, also through a pipe (| less); else 100."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            if stream.isatty():
                return max(os.get_terminal_size(stream.fileno()).columns, _NARROWEST)
    return _UNWATCHED


def counts(of: Mapping[str, int]) -> str:
    """Return counts as words: ``train 24, val 12``."""
    return ", ".join(f"{name} {count:,}" for name, count in of.items())


def _width(shown: "Table", *, least: bool = False) -> int:
    """Return the columns of a terminal in which a table needs no break, or at least fits."""
    from rich.console import Console

    # A folded word may be broken anywhere: names of some length still read well.
    if least:
        gaps = 3 * len(shown.columns)
        return gaps + sum(max(column.min_width or 0, _READABLE) for column in shown.columns)
    return int(Console(width=10_000).measure(shown).maximum)


def _rich(header: Sequence[str], cells: Sequence[Sequence[str]], chosen: Sequence[int], columns: Columns) -> "Table":
    from rich import box
    from rich.table import Table

    result = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for each in chosen:
        justify: Any = "right" if each in columns.right else "left"
        result.add_column(header[each], justify=justify, overflow="fold", min_width=columns.least.get(each))
    for row in cells:
        result.add_row(*[row[each] for each in chosen])
    return result


def _console() -> "Console":
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False, markup=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)
