"""Groups of images: the values of columns, numbers cut into bands, and the pairs of two columns.

What would invalidate a comparison of groups: groups made after looking at the results. Bands are named beforehand.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.midranks import Bools, Integers
from cxrshort.verbs.stats.scores import MOST_GROUPS
from cxrshort.verbs.stats.source import Source

DEFAULTS = ("sex", "age_years:20,40,60,80", "view", "repository", "manufacturer")
"""Columns of predictions that make groups, where the table has them; the bands are Seyyed-Kalantari et al.'s (2021)."""
_AND = ", "


@dataclass(frozen=True, slots=True)
class GroupColumn:
    """Name a column that makes groups.

    Args:
        name: of the column.
        edges: where numbers are cut, ascending; a number at an edge belongs to the band above. Empty for values.
    """

    name: str
    edges: tuple[float, ...] = ()

    def values(self, cells: "pd.Series[str]") -> "pd.Series[str]":
        """Return the group of each cell; "" where it is empty.

        Raises:
            DataError: a cell is no number, and numbers are cut.
        """
        if not self.edges:
            return cells
        numbers = pd.to_numeric(cells, errors="coerce")
        wrong = cells[numbers.isna() & (cells != "")]
        if len(wrong):
            raise DataError(
                f"column '{self.name}' holds '{wrong.iloc[0]}', not a number", "cut into bands only columns of numbers"
            )
        names = _band_names(self.edges)
        places = np.searchsorted(np.array(self.edges), numbers.to_numpy(np.float64), side="right")
        bands = pd.Series([names[place] for place in places], index=cells.index, dtype=object)
        return bands.where(numbers.notna(), "")


def _band_names(edges: Sequence[float]) -> list[str]:
    """Return names of bands.

    Example:
        >>> _band_names([20, 40.5])
        ['below 20', '20 to 40.5', '40.5 and above']
    """
    between = [f"{low:g} to {high:g}" for low, high in itertools.pairwise(edges)]
    return [f"below {edges[0]:g}", *between, f"{edges[-1]:g} and above"]


def group_columns(source: Source, chosen: Sequence[str]) -> list[GroupColumn]:
    """Return the columns that make groups: those that are named, or those of `DEFAULTS` that the table has.

    Args:
        source: the table.
        chosen: names, or ``NAME:20,40`` for numbers cut at 20 and 40; several in one, separated by commas.

    Raises:
        DataError: there is no such column, or none at all.
        UsageError: edges that are no ascending numbers, or a column named twice.
    """
    if not chosen:
        defaults = [parse_column(text, source.columns) for text in DEFAULTS]
        present = [column for column in defaults if column.name in source.columns]
        if not present:
            names = ", ".join(column.name for column in defaults)
            raise DataError(
                f"{source.name} has none of the columns {names}",
                f"name columns of groups by --columns: {source.list_columns()}",
            )
        return present
    columns = [parse_column(text, source.columns) for text in _split(chosen, source.columns)]
    source.check(*(column.name for column in columns))
    repeated = [column.name for place, column in enumerate(columns) if column.name in [c.name for c in columns[:place]]]
    if repeated:
        raise UsageError(f"--columns names '{repeated[0]}' twice", "name each column once")
    return columns


def _split(chosen: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Return the columns that options name: a comma parts them, except in the name of a column or between edges."""
    parts = []
    for text in chosen:
        if text in columns or ":" in text:
            parts.append(text)
        else:
            parts += [part.strip() for part in text.split(",") if part.strip()]
    return parts


def parse_column(text: str, columns: Sequence[str]) -> GroupColumn:
    """Return the column that a text names.

    Raises:
        UsageError: edges that are no ascending numbers.

    Example:
        >>> parse_column("age:40,60", ["age"])
        GroupColumn(name='age', edges=(40.0, 60.0))
    """
    name, colon, edges = text.rpartition(":")
    if not colon or text in columns:
        return GroupColumn(text)
    try:
        numbers = tuple(float(edge) for edge in edges.split(","))
    except ValueError:
        numbers = ()
    if not numbers or list(numbers) != sorted(set(numbers)):
        raise UsageError(f'bands "{text}" are not cut at ascending numbers', "such as age_years:20,40,60,80")
    return GroupColumn(name, numbers)


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """Hold the groups of one column, or of the pairs of two.

    Args:
        columns: one name or two.
        names: of the groups.
        numbers: (N,) the group of each row; -1 for a row of no group.
        filled: (N,) whether a row has a value in every column; the others are nobody's rest.
    """

    columns: tuple[str, ...]
    names: tuple[str, ...]
    numbers: Integers
    filled: Bools

    @property
    def title(self) -> str:
        """Return what the columns are called together."""
        return " x ".join(self.columns)


def partitions(cells: pd.DataFrame, columns: Sequence[GroupColumn], *, pairs: bool, table: str) -> Iterator[Partition]:
    """Yield the groups of each column, then those of each pair of columns.

    A pair that holds the rows of one of its two groups, no more and no fewer, is that group, and no group of its own.

    Args:
        cells: text, a row for each image.
        columns: that make groups.
        pairs: whether pairs of columns make groups too.
        table: its name in messages.

    Raises:
        DataError: a column of too many values, or one that is cut and holds no numbers.
    """
    singles = []
    for column in columns:
        values = column.values(cells[column.name])
        present = set(values) - {""}
        names = [name for name in _band_names(column.edges) if name in present] if column.edges else sorted(present)
        _check_count(len(names), column.name, table)
        codes = pd.Index(names, dtype=object).get_indexer(pd.Index(values, dtype=object)).astype(np.int64)
        singles.append(Partition((column.name,), tuple(f"{column.name} {name}" for name in names), codes, codes >= 0))
        yield singles[-1]
    for first, second in itertools.combinations(singles, 2) if pairs else ():
        yield _cross(first, second)


def _cross(first: Partition, second: Partition) -> Partition:
    filled = first.filled & second.filled
    joint = np.where(filled, first.numbers * len(second.names) + second.numbers, -1)
    sizes = np.bincount(joint[filled], minlength=len(first.names) * len(second.names))
    alone = [np.bincount(part.numbers[part.numbers >= 0], minlength=len(part.names)) for part in (first, second)]
    kept = [
        number
        for number, size in enumerate(sizes)
        if size and size not in (alone[0][number // len(second.names)], alone[1][number % len(second.names)])
    ]
    renumbered = np.full(len(sizes) + 1, -1)
    renumbered[kept] = np.arange(len(kept))
    names = [
        first.names[number // len(second.names)] + _AND + second.names[number % len(second.names)] for number in kept
    ]
    return Partition((*first.columns, *second.columns), tuple(names), renumbered[joint], filled)


def _check_count(count: int, column: str, table: str) -> None:
    if count > MOST_GROUPS:
        raise DataError(
            f"{table}: column '{column}' has {count:,} values, and --columns takes at most {MOST_GROUPS}",
            f"name other columns, or cut numbers into bands: --columns {column}:20,40",
        )
