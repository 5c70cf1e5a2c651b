"""Values that nobody should write into a file and somebody will."""

import copy
import math
from collections.abc import Iterator
from typing import Any

MISSING = object()
"""Stands for a key that is taken away."""

ESCAPE = "\x1b[31m\x07\x1b]0;title\x07"
"""What a terminal would obey: colour, a bell, another title."""


def nested(depth: int) -> list[Any]:
    """Return a list in a list in a list ..."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


JSON_VALUES: dict[str, Any] = {
    "missing": MISSING,
    "null": None,
    "true": True,
    "zero": 0,
    "negative": -1,
    "fraction": 0.5,
    "NaN": math.nan,
    "infinite": math.inf,
    "huge": 1e308,
    "beyond 64 bits": 2**70,
    "empty": "",
    "text": "nonsense",
    "long": "x" * 5000,
    "escapes": ESCAPE,
    "right to left": "\u202egnp.exe",
    "traversal": "../../etc/passwd",
    "list": [],
    "list of null": [None],
    "list of lists": [[1, 2], []],
    "object": {},
    "object of null": {"": None},
    "nested": nested(50),
}
"""What stands in place of a value in JSON."""

TEXTS: dict[str, str] = {
    "empty": "",
    "blank": "   ",
    "escapes": ESCAPE,
    "right to left": "\u202egnp.exe",
    "zero width": "a\u200bb\ufeff",
    "long": "x" * 5000,
    "long name": "é" * 200,
    "newline": "a\nb\r\nc",
    "tab": "a\tb",
    "quotes": "'\"`",
    "formula": '=cmd|"/c calc"!A1',
    "traversal": "../../etc/passwd",
    "absolute": "/etc/passwd",
    "backslashes": "..\\..\\x",
    "dash": "--force",
    "percent": "%s%n{0}{x}",
    "markup": "[bold red]x[/]",
    "NaN": "nan",
    "infinite": "-inf",
    "beyond floats": "1e400",
    "digits": "9" * 400,
    "negative": "-1",
    "fraction": "0.5",
    "thousands": "1,000",
    "Arabic digits": "\u0661\u0662",
    "hexadecimal": "0x10",
    "underscores": "1_0",
}
"""What stands in place of a cell, a name or a word."""


def altered(record: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield copies of a record whose value at a path is replaced by each hostile one."""
    for name, value in JSON_VALUES.items():
        changed = copy.deepcopy(record)
        inner = changed
        for key in path[:-1]:
            inner = inner[key]
        if value is MISSING:
            inner.pop(path[-1], None)
        else:
            inner[path[-1]] = value
        yield f"{'.'.join(path)} {name}", changed
