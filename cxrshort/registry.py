"""Tables of named things that are imported on first use.

A table is a plain ``dict[str, Entry]``. Adding a thing is one file and one line, and looking through a table (for
``--help``, for completion, for "did you mean") imports nothing.
"""

import difflib
import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cxrshort.errors import UsageError


@dataclass(frozen=True)
class Entry:
    """Name where a thing is defined and what it is.

    Args:
        target: ``"package.module:name"``.
        summary: one line for help pages.
    """

    target: str
    summary: str


def load(table: Mapping[str, Entry], name: str, *, kind: str) -> Any:
    """Import the thing that a table calls ``name``.

    Args:
        table: names and where they are defined.
        name: the name that the user gave.
        kind: the word for such a thing in messages, such as ``"architecture"``.

    Raises:
        UsageError: the table has no such name; the message proposes the nearest one.
    """
    check_name(table, name, kind=kind)
    module, _, attribute = table[name].target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def check_name(names: Iterable[str], name: str, *, kind: str) -> None:
    """Refuse a name that is not among ``names``, proposing the nearest one.

    Raises:
        UsageError: ``name`` is not one of ``names``.
    """
    known = list(names)
    if name in known:
        return
    close = difflib.get_close_matches(name.lower(), {each.lower(): each for each in known}, n=1, cutoff=0.5)
    proposal = next((each for each in known if close and each.lower() == close[0]), None)
    hint = f"did you mean '{proposal}'?" if proposal else f"one of: {', '.join(known)}"
    raise UsageError(f"'{name}' is not a known {kind}", hint)
