"""Lines, tables and JSON on stdout, notes on stderr."""

import contextlib
import json as json_text
import os
import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_PIPED_WIDTH = 200
"""Columns when nobody watches: wide enough that no table is cut."""

_UNWATCHED, _NARROWEST = 100, 80
"""Columns of folded text when nobody watches, and the fewest that a terminal is taken to have."""

_READABLE, _WORD = 4, 24
"""Characters below which a folded name cannot be read, and up to which a word is kept whole."""
_GAP = 3
"""Characters between two columns of a table."""


@dataclass(frozen=True)
class Columns:
    """Describe the layout of a table's columns.

    Args:
        right: those that are aligned right.
        least: widths below which a column is never made smaller, so that no number is broken over lines.
        same: those that give way to a line above, where the table is wider than the terminal and they say the same in
            every row.
        blocks: whether columns for which the terminal has no room follow below, the columns that tell rows
            apart repeated, before any word or number is broken.
        keys: how many leading columns are repeated there; 0 for the fewest that tell rows apart.
    """

    right: Sequence[int] = ()
    least: Mapping[int, int] = field(default_factory=dict)
    same: Sequence[int] = ()
    blocks: bool = False
    keys: int = 0


def line(text: str) -> None:
    """Print one line on stdout."""
    sys.stdout.write(printable(text) + "\n")


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
    """Print notes on stderr, on a terminal folded between words."""
    for text in lines:
        sys.stderr.write(_folded(printable(shortened(f"note: {text}")), indent=6) + "\n")


def refusal(message: str, *, hint: str) -> None:
    """Print an error and its hint on stderr, on a terminal folded between words."""
    sys.stderr.write(_folded(printable(f"error: {message}"), indent=7) + "\n")
    if hint:
        sys.stderr.write(_folded(printable(f"hint: {hint}"), indent=6) + "\n")


def _folded(text: str, *, indent: int) -> str:
    """Return text for stderr: on a terminal its lines are folded, but not those that begin with a space.

    Those show an expression with a sign below the place that is wrong.
    """
    if not sys.stderr.isatty():
        return text
    return "\n".join(part if part.startswith(" ") else fold(part, indent=" " * indent) for part in text.split("\n"))


def fold(text: str, *, start: str = "", indent: str = "") -> str:
    """Return text folded between words to the width of the terminal; a word or path longer than that stays whole."""
    return textwrap.fill(
        text,
        text_width(),
        initial_indent=start,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def document(content: Mapping[str, Any]) -> None:
    """Print one JSON document on stdout."""
    line(json_text.dumps(content, indent=2))


def failure(message: str, *, hint: str, code: int) -> None:
    """Print an error as one JSON document on stdout, for whoever asked for JSON."""
    error = {"message": message, "hint": hint, "exit_code": code}
    document({"schema": "cxrshort.error/1", "error": error})


def table(
    header: Sequence[str], rows: Sequence[Sequence[Any]], columns: Columns | None = None, *, is_last: bool = False
) -> None:
    """Print a table as wide as it needs, or as the terminal is, and an empty line unless it is the last thing."""
    cells = [[f"{cell:,}" if isinstance(cell, int) else printable(str(cell)) for cell in row] for row in rows]
    look, console = columns or Columns(), _console()
    chosen = list(range(len(header)))
    if sum(_widths(header, cells).values()) + _GAP * len(chosen) - _GAP > console.width:
        same = [place for place in look.same if len({row[place] for row in cells}) == 1]
        if same:
            line(", ".join(f"{header[place]} {cells[0][place]}" for place in same))
        chosen = [place for place in chosen if place not in same]
    widths = {place: width for place, width in _widths(header, cells).items() if place in chosen}
    floors = _floors(widths, header, cells, look)
    printed_blocks = []
    keys = chosen[: look.keys] or _keys(cells, chosen)
    for block in _blocks(widths, floors, keys=keys, room=console.width) if look.blocks else [chosen]:
        room = console.width - _GAP * len(block) + _GAP
        fitting = _fit({place: widths[place] for place in block}, floors, room=room)
        with console.capture() as text:  # printed by rich itself, a closed pipe (| head) would end in exit code 1
            console.print(_rich(header, cells, fitting, look))
        # The last column is as wide as its longest cell: what only fills it up is nothing to print.
        printed_blocks.append("\n".join(printed.rstrip() for printed in text.get().split("\n")))  # with its styles
    sys.stdout.write("\n".join(printed_blocks) + ("" if is_last else "\n"))


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
    sys.stdout.write("\n".join(printed.rstrip() for printed in shown.get().rstrip("\n").split("\n")) + "\n")


def text_width() -> int:
    """Return the columns in which text is folded: the terminal's, also through a pipe (| less); else 100."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            if stream.isatty():
                return max(os.get_terminal_size(stream.fileno()).columns, _NARROWEST)
    return _UNWATCHED


def _widths(header: Sequence[str], cells: Sequence[Sequence[str]]) -> dict[int, int]:
    """Return the characters that each column needs in order to break nothing."""
    from rich.cells import cell_len

    return {place: max(cell_len(row[place]) for row in (header, *cells)) for place in range(len(header))}


def _floors(
    widths: Mapping[int, int], header: Sequence[str], cells: Sequence[Sequence[str]], columns: Columns
) -> dict[int, tuple[int, ...]]:
    """Return four widths of every column: its cells whole, folded between words, words broken, numbers broken."""
    from rich.cells import cell_len

    def of_words(texts: Sequence[str]) -> int:
        return max((cell_len(word) for text in texts for word in text.split()), default=0)

    floors = dict[int, tuple[int, ...]]()
    for place, width in widths.items():
        column = [row[place] for row in cells]
        words = of_words([header[place]])
        widest = max([words, *map(cell_len, column)])
        folded = widest if place in columns.right else max(words, min(of_words(column), _WORD))
        folded = min(widest, max(folded, columns.least.get(place, 0)))
        broken = widest if place in columns.right else min(width, columns.least.get(place, _READABLE))
        floors[place] = (widest, folded, broken, min(width, _READABLE))
    return floors


def _keys(cells: Sequence[Sequence[str]], places: Sequence[int]) -> list[int]:
    """Return the fewest leading columns that tell all rows apart; the first one alone where none do."""
    for count in range(1, len(places)):
        if len({tuple(row[place] for place in places[:count]) for row in cells}) == len(cells):
            return list(places[:count])
    return list(places[:1])


def _blocks(
    widths: Mapping[int, int], floors: Mapping[int, tuple[int, ...]], *, keys: Sequence[int], room: int
) -> list[list[int]]:
    """Return the columns of one table, or of several below one another, so that words and numbers stay whole."""
    kept = [place for place in widths if place in keys]
    widest = max((floors[place][1] for place in widths if place not in kept), default=0)
    if sum(floors[place][1] + _GAP for place in kept) + widest > room:
        kept = kept[:1]
    blocks: list[list[int]] = [list(kept)]
    for place in list(widths)[len(kept) :]:
        needed = sum(floors[column][1] + _GAP for column in [*blocks[-1], place]) - _GAP
        if needed > room and len(blocks[-1]) > len(kept):
            blocks.append(list(kept))
        blocks[-1].append(place)
    return blocks


def _fit(widths: Mapping[int, int], floors_of: Mapping[int, tuple[int, ...]], *, room: int) -> dict[int, int]:
    """Return widths of columns that fit: headings are folded first, then what is widest, then words, at last numbers.

    Rich, left to itself, folds a column below its least width and then cuts the line at the terminal's edge.
    """
    fitting = dict(widths)
    for floors in zip(*(floors_of[place] for place in widths), strict=True):
        floor = dict(zip(widths, floors, strict=True))
        while sum(fitting.values()) > room and (wide := [place for place in fitting if fitting[place] > floor[place]]):
            fitting[max(wide, key=fitting.__getitem__)] -= 1
    return fitting


def _rich(
    header: Sequence[str], cells: Sequence[Sequence[str]], widths: Mapping[int, int], columns: Columns
) -> "Table":
    from rich import box
    from rich.table import Table

    result = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for place, width in widths.items():
        justify: Any = "right" if place in columns.right else "left"
        result.add_column(header[place], justify=justify, overflow="fold", width=width)
    for row in cells:
        result.add_row(*[row[place] for place in widths])
    return result


def _console() -> "Console":
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False, markup=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)
