"""What a verb returns: numbers for programs, tables for people, and where everything was written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Column:
    """Say which value of a row stands in a column, and how it is printed.

    Args:
        heading: above the column.
        key: name of the value in each row.
        kind: ``"text"``; ``"count"``, a whole number; or ``"interval"``, a number with its limits ``KEY_low`` and
            ``KEY_high``, or else ``low`` and ``high``, and with ``reason`` where one of them is missing.
        folds: whether it may give way to a line above the table, where the terminal is narrow and all rows agree.
    """

    heading: str
    key: str
    kind: Literal["text", "count", "interval"] = "text"
    folds: bool = False


@dataclass(frozen=True)
class Table:
    """Hold a table for people.

    Args:
        columns: in order.
        rows: values by key.
        title: a line above.
        detail: whether it is shown with ``--verbose`` alone.
    """

    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    title: str = ""
    detail: bool = False


@dataclass(frozen=True)
class Result:
    """Hold what a verb has made.

    Args:
        summary: the JSON document, as summary.json has it.
        tables: what people see.
        figures: PNG files that were drawn.
        notes: what must be known besides, one sentence each.
        folder: where everything was written; None where nothing was.
        plan: whether this is what a dry run foresees.
    """

    summary: Mapping[str, Any] = field(default_factory=dict)
    tables: Sequence[Table] = ()
    figures: Sequence[Path] = ()
    notes: Sequence[str] = ()
    folder: Path | None = None
    plan: bool = False

    @property
    def document(self) -> dict[str, Any]:
        """Return the summary with the folder, for ``--json``."""
        return {**self.summary, **({} if self.folder is None else {"folder": str(self.folder)})}
