"""Rows of estimates: an interval as columns, as a cell for people, and a name that tells each row from the others."""

from collections.abc import Mapping, Sequence
from typing import Any

from cxrshort.results import interval_text
from cxrshort.stats.changes import Interval

ROW_FACTS = ("label", "training", "dataset", "role", "replicate", "group")
"""What rows may differ in, in the order in which people read it."""
NAME_WIDTH = 26
"""Characters below which a name of a row is not folded."""


def interval_columns(name: str, interval: Interval | None) -> dict[str, float | None]:
    """Return an interval as three columns of a row.

    Example:
        >>> interval_columns("slope", Interval(1.1, 0.9, 1.3))
        {'slope': 1.1, 'slope_low': 0.9, 'slope_high': 1.3}
    """
    if interval is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def interval_cell(row: Mapping[str, Any], name: str) -> str:
    """Return a number of a row with its limits, as people see it; the reason stands in a column of its own.

    Example:
        >>> interval_cell({"slope": 1.1, "slope_low": 0.9, "slope_high": 1.3}, "slope")
        '1.100 [0.900, 1.300]'
    """
    value, low, high = (row.get(key) for key in (name, f"{name}_low", f"{name}_high"))
    if value is None:
        return "none"
    if low is None or high is None:
        return "no interval"
    return interval_text(value, low, high)


def name_rows(rows: Sequence[Mapping[str, Any]], *further: str) -> tuple[list[str], str]:
    """Return a name for each row, of its label and whatever the rows differ in, and what all rows agree in.

    Args:
        rows: with some of the columns of `ROW_FACTS`.
        further: more columns that tell rows apart.

    Example:
        >>> rows = [
        ...     {"label": "Edema", "dataset": "I", "replicate": 0, "group": "AP"},
        ...     {"label": "Edema", "dataset": "I", "replicate": 0, "group": "PA"},
        ... ]
        >>> name_rows(rows)
        (['Edema, AP', 'Edema, PA'], 'tested on I')
    """
    present = [name for name in (*ROW_FACTS, *further) if any(name in row for row in rows)]
    differing = [name for name in present if len({row.get(name) for row in rows}) > 1]
    named = ["label", *(name for name in differing if name != "label")]
    names = [", ".join(filter(None, (_fact(name, row.get(name)) for name in named))) for row in rows]
    shared = {name: rows[0].get(name) for name in ("training", "dataset") if name in present and name not in differing}
    heads = {"training": "", "dataset": "tested on "}
    return names, ", ".join(heads[name] + str(value) for name, value in shared.items() if value not in (None, ""))


def _fact(name: str, value: Any) -> str:
    if value is None or value == "":
        return ""
    return f"replicate {value}" if name == "replicate" else str(value)
