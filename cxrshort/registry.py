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


def load_entry(table: Mapping[str, Entry], name: str, *, kind: str) -> Any:
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


CLOSE = 0.65
"""Similarity from which a name is proposed: two of three letters; below it a proposal is a wild guess."""


def check_name(names: Iterable[str], name: str, *, kind: str, list_all: str = "") -> None:
    """Refuse a name that is not among ``names``, proposing the nearest one where it is close.

    Args:
        names: the names that there are.
        name: the name that the user gave.
        kind: the word for such a thing in messages.
        list_all: the option that lists the names, for a table that is too long to be repeated in the hint.

    Raises:
        UsageError: ``name`` is not one of ``names``.
    """
    allowed = list(names)
    if name in allowed:
        return
    listing = f"{list_all} lists them" if list_all else f"one of: {', '.join(allowed)}"
    raise UsageError(f"'{name}' is not a known {kind}", propose_name(allowed, name, otherwise=listing))


def propose_name(names: Iterable[str], name: str, *, otherwise: str) -> str:
    """Return the hint of a message that refuses a name: the one that was probably meant, else another hint.

    Example:
        >>> propose_name(["Pneumonia", "Edema"], "edemma", otherwise="one of: Pneumonia, Edema")
        "did you mean 'Edema'?"
    """
    proposal = nearest(names, name)
    return f"did you mean '{proposal}'?" if proposal else otherwise


def nearest(names: Iterable[str], name: str, *, cutoff: float = CLOSE) -> str | None:
    """Return the one of ``names`` that was probably meant; None where none is close.

    Example:
        >>> nearest(["Pneumonia", "Edema"], "edemma"), nearest(["Pneumonia", "Edema"], "Hernia")
        ('Edema', None)
    """
    candidates = list(names)
    close = difflib.get_close_matches(name.lower(), [candidate.lower() for candidate in candidates], n=1, cutoff=cutoff)
    return next((candidate for candidate in candidates if close and candidate.lower() == close[0]), None)
