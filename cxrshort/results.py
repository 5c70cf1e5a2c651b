"""Results of a verb: a summary for programs, blocks to print, and the output folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Loudness = Literal["quiet", "usual", "verbose"]
ALWAYS: tuple[Loudness, ...] = ("quiet", "usual", "verbose")
BRIEF: tuple[Loudness, ...] = ("quiet", "usual")
DEFAULT: tuple[Loudness, ...] = ("usual",)
VERBOSE: tuple[Loudness, ...] = ("verbose",)
UNLESS_QUIET: tuple[Loudness, ...] = ("usual", "verbose")


@dataclass(frozen=True)
class Column:
    """Describe a column of a table: its heading, the value that it shows, and how that is printed.

    Args:
        heading: above the column.
        key: name of the value in each row.
        kind: ``"text"``; ``"count"``, aligned right; or ``"interval"``, a number with its limits ``KEY_low`` and
            ``KEY_high``, or else ``low`` and ``high``, and with ``reason`` where one of them is missing.
        folds: whether it may give way to a line above the table, where the terminal is narrow and all rows agree.
        least: characters below which it is never made narrower, so that no number is broken over two lines.
    """

    heading: str
    key: str
    kind: Literal["text", "count", "interval"] = "text"
    folds: bool = False
    least: int | None = None


@dataclass(frozen=True)
class Table:
    """Hold a table for people.

    Args:
        columns: in order.
        rows: values by key.
        title: a line above.
        shown: with which of ``--quiet``, neither and ``--verbose`` it is printed.
        blocks: whether columns for which the terminal has no room follow below, after those that tell rows apart.
        keys: how many leading columns stand before them there; 0 for the fewest that tell rows apart.
    """

    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    title: str = ""
    shown: Sequence[Loudness] = ALWAYS
    blocks: bool = False
    keys: int = 0


@dataclass(frozen=True)
class Facts:
    """Hold names and what is to be said of them, in two columns.

    Args:
        pairs: a name, and what is to be said of it.
        shown: as for a table.
    """

    pairs: Sequence[tuple[str, str]]
    shown: Sequence[Loudness] = ALWAYS


@dataclass(frozen=True)
class Text:
    """Hold lines for people.

    Args:
        text: one line or several.
        folded: between words, also where nobody watches; otherwise only on a terminal, so that ``grep`` finds each
            line whole.
        start: before the first line.
        indent: before the lines that follow it.
        shown: as for a table.
    """

    text: str
    folded: bool = False
    start: str = ""
    indent: str = ""
    shown: Sequence[Loudness] = ALWAYS


@dataclass(frozen=True)
class Listing:
    """Hold names with their meanings, in sections.

    Args:
        sections: lines of cells by title; all cells but the last are aligned over all sections, and the last one is
            folded.
        shown: as for a table.
    """

    sections: Mapping[str, Sequence[Sequence[str]]]
    shown: Sequence[Loudness] = ALWAYS


Block = Table | Facts | Text | Listing


@dataclass(frozen=True)
class Result:
    """Hold what a verb has made.

    Args:
        summary: the JSON document, as summary.json or run.json has it.
        tables: what people see, in order: tables, facts, text and listings.
        figures: PNG files that were drawn, in the folder.
        notes: what must be known besides, one sentence each.
        folder: where everything was written; None where nothing was.
        file: the file in it that the next verb takes, where there is one.
        plan: whether this is what a dry run foresees.
        kind: what the JSON document's ``schema`` calls it, such as ``"evaluation"``.
        verdicts: of an audit, one of :data:`cxrshort.stats.verdicts.VERDICTS` for each region or question; of a list of
            checks, the status of each.
    """

    summary: Mapping[str, Any] = field(default_factory=dict)
    tables: Sequence[Block] = ()
    figures: Sequence[Path] = ()
    notes: Sequence[str] = ()
    folder: Path | None = None
    file: Path | None = None
    plan: bool = False
    kind: str = ""
    verdicts: Sequence[str] = ()

    @property
    def document(self) -> dict[str, Any]:
        """Return the summary with its schema, the notes, the figures within the folder and the folder."""
        schema = f"cxrshort.{'plan' if self.plan else self.kind}/1"
        notes = {"notes": list(self.notes)} if self.notes else {}
        if self.folder is None:
            return {"schema": schema, **self.summary, **notes}
        figures = [path.relative_to(self.folder).as_posix() for path in self.figures]
        drawn = {"figures": figures} if figures else {}
        return {"schema": schema, **self.summary, **notes, **drawn, "folder": str(self.folder)}


def text_table(
    header: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    counts: Sequence[int] = (),
    least: Mapping[int, int] | None = None,
    shown: Sequence[Loudness] = ALWAYS,
    blocks: bool = False,
) -> Table:
    """Return a table of cells that are text or whole numbers already.

    Args:
        header: above the columns.
        rows: a cell for each column.
        counts: places of the columns that are aligned right.
        least: widths by place below which a column is never made narrower.
        shown: as for :class:`Table`.
        blocks: as for :class:`Table`.
    """
    columns = [
        Column(heading, str(place), "count" if place in counts else "text", least=(least or {}).get(place))
        for place, heading in enumerate(header)
    ]
    cells = [{str(place): cell for place, cell in enumerate(row)} for row in rows]
    return Table(columns, cells, shown=shown, blocks=blocks)


def interval_text(value: float, low: float, high: float) -> str:
    """Return a number with its limits as people see it; what rounds to zero has no sign.

    Example:
        >>> interval_text(1.1, 0.9, 1.3), interval_text(-0.0001, -0.0004, 0.012)
        ('1.100 [0.900, 1.300]', '0.000 [0.000, 0.012]')
    """
    return f"{value:z.3f} [{low:z.3f}, {high:z.3f}]"


def count_text(counts: Mapping[str, int]) -> str:
    """Return counts as words.

    Example:
        >>> count_text({"train": 2400, "val": 12})
        'train 2,400, val 12'
    """
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
