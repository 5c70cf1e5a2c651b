"""The optional folder of a statistic: its tables as CSV, its figures, summary.json and run.json."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort import runs
from cxrshort.errors import DataError, UsageError
from cxrshort.json_files import write_json
from cxrshort.manifest import write_table
from cxrshort.results import Result
from cxrshort.verbs.stats.source import Source

SUMMARY = "summary.json"

Draw = Callable[[Callable[[str], Path]], Sequence[Path]]
"""Draws figures: takes what gives a file name its place, and returns the files."""


def check_figures(out: Path | None, *, figures: bool) -> None:
    """Refuse figures that have no folder to lie in.

    Raises:
        UsageError: ``figures`` without ``out``.
    """
    if figures and out is None:
        raise UsageError("--figures needs a folder", "--out DIR names it")


def check_intervals(rows: Sequence[Mapping[str, Any]], low: str, *, measure: str, table: str) -> None:
    """Refuse a result in which no number has an interval.

    Args:
        rows: of the result, with the ``reason`` why an interval is missing.
        low: the column of lower limits.
        measure: what the numbers are, such as ``"AUC"``.
        table: its name in messages.

    Raises:
        DataError: every lower limit is missing.
    """
    if all(row[low] is None for row in rows):
        reasons = "; ".join(dict.fromkeys(row["reason"] for row in rows))
        raise DataError(f"{table}: no {measure} can be given an interval ({reasons})", "two persons of each class")


def write_result(
    result: Result,
    verb: str,
    *,
    source: Source | Sequence[Source] | None,
    arguments: Mapping[str, Any],
    out: Path | None,
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    draw: Draw | None = None,
    force: bool = False,
) -> Result:
    """Write a result into a folder, if there is to be one.

    Args:
        result: what was computed.
        verb: the command, such as ``"stats auc"``.
        source: the table that was read, or several.
        arguments: what the user asked for.
        out: the folder; None writes nothing.
        tables: rows by file name.
        draw: draws the figures; None for none.
        force: overwrite an earlier result.

    Returns:
        The result, with its folder and figures.

    Raises:
        OutputError: the folder holds something else, or cannot be written.
    """
    if out is None:
        return result
    with runs.open_run(out, verb, arguments=arguments, inputs=_inputs(source), force=force, resume=None) as run:
        for name, rows in tables.items():
            write_table(pd.DataFrame(rows), run.path(name))
        drawn = [out / path.name for path in draw(run.path)] if draw is not None else []
        write_json(run.path(SUMMARY), result.summary)
        run.finish({"summary": result.summary})
    return replace(result, folder=out, figures=drawn)


def _inputs(source: Source | Sequence[Source] | None) -> dict[str, Path]:
    """Return the files that were read by their names; files of one name are called by their places."""
    sources = [source] if isinstance(source, Source) else source or []
    names = [table.name for table in sources]
    return {
        table.name if names.count(table.name) == 1 else str(table.path): table.path
        for table in sources
        if table.path is not None
    }


def clean_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as JSON takes it: no number of NumPy, and None where a number is not finite.

    Example:
        >>> import numpy as np
        >>> clean_record({"p": np.float64(0.5), "low": float("nan"), "n": np.int64(3), "label": "Edema"})
        {'p': 0.5, 'low': None, 'n': 3, 'label': 'Edema'}
    """
    cleaned: dict[str, Any] = {}
    for name, value in record.items():
        plain = value.item() if hasattr(value, "item") else value
        cleaned[name] = None if isinstance(plain, float) and not abs(plain) < float("inf") else plain
    return cleaned
