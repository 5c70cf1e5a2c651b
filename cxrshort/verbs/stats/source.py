"""The table that a statistic is computed from: predictions of evaluate, or any CSV or Parquet table, or standard input.

Only the columns that are asked for are read, and numbers as numbers, so that 100,000 rows take a second. What would
invalidate a statistic is refused here: text where a number should be, a column that stands twice.
"""

import codecs
import csv
import importlib
import io
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cxrshort import files, places, registry
from cxrshort.errors import DataError, MissingInputError, UsageError

PREDICTIONS = "predictions.csv"
STDIN = "-"
PARQUET = ".parquet"
_HINT = "cxrshort evaluate writes one; any table with a target and a score will do"
_LISTED = 12
"""Columns that a hint names."""
_EMPTY = ["", "NaN", "nan", "NA", "N/A", "null", "NULL", "None", "<NA>"]
"""What stands for no number."""
_BEYOND = "beyond"
_MEND = "mend the file"


@dataclass(frozen=True)
class Source:
    """Hold a table whose header has been read.

    Args:
        name: as messages call it.
        path: its file; None for standard input.
        columns: the names of its columns.
        separator: what parts the cells of a text table.
        body: the rows of a text table, in UTF-8.
    """

    name: str
    path: Path | None
    columns: tuple[str, ...]
    separator: str = ","
    body: bytes = b""

    def check(self, *names: str) -> None:
        """Refuse a column that the table does not have.

        Raises:
            DataError: with the column that was probably meant.
        """
        for name in names:
            if name not in self.columns:
                hint = registry.propose_name(self.columns, name, otherwise=f"columns: {self.list_columns()}")
                raise DataError(f"{self.name}: there is no column '{name}'", hint)

    def list_columns(self) -> str:
        """Return the names of the columns for a hint, the first ones of many."""
        more = len(self.columns) - _LISTED
        return ", ".join(self.columns[:_LISTED]) + (f", and {more} more" if more > 0 else "")

    def read(self, *, numbers: Sequence[str] = (), texts: Sequence[str] = ()) -> pd.DataFrame:
        """Return columns of the table; a number that is not there is NaN, such a text "".

        Args:
            numbers: columns of numbers; truth values are 0 and 1.
            texts: columns of text.

        Raises:
            DataError: there is no such column or no row, or a number is none.
        """
        self.check(*numbers, *texts)
        wanted = list(dict.fromkeys([*numbers, *texts]))
        is_text = self.path is None or self.path.suffix != PARQUET
        table = self._csv(wanted, numbers) if is_text else self._parquet(Path(str(self.path)), wanted)
        if table.empty:
            raise DataError(f"{self.name}: the table is empty", "it needs a row for each image")
        columns = {name: self._numbers(table[name]) if name in numbers else _texts(table[name]) for name in wanted}
        return pd.DataFrame(columns)

    def _csv(self, wanted: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
        names = [*map(str, range(len(self.columns))), _BEYOND]
        places_of = {name: str(self.columns.index(name)) for name in wanted}
        with _blaming(self.name), warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)
            table = pd.read_csv(
                # A header of one more column: pandas would say nothing of cells behind the last one.
                io.BytesIO(self.separator.join(names).encode() + b"\n" + self.body),
                sep=self.separator,
                usecols=[*places_of.values(), _BEYOND],
                dtype={_BEYOND: str, **{places_of[name]: str for name in wanted if name not in numbers}},
                keep_default_na=False,
                na_values={places_of[name]: _EMPTY for name in numbers},
            )
        table = table.rename(columns={place: name for name, place in places_of.items()})
        longer = int((_texts(table.pop(_BEYOND)) != "").sum())
        if longer:
            raise DataError(f"{self.name}: {longer} of {len(table)} rows have more cells than the header", _MEND)
        return table

    def _parquet(self, path: Path, wanted: Sequence[str]) -> pd.DataFrame:
        with _blaming(self.name):
            return pd.read_parquet(path, columns=list(wanted))

    def _numbers(self, column: "pd.Series[float]") -> "pd.Series[float]":
        numbers = pd.to_numeric(column, errors="coerce").astype("float64")
        wrong = column[numbers.isna() & column.notna()]
        if len(wrong):
            further = f", and {len(wrong) - 1} more like it" if len(wrong) > 1 else ""
            raise DataError(
                f"{self.name}: column '{column.name}' holds '{wrong.iloc[0]}', not a number{further}",
                "name a column of numbers",
            )
        return numbers


def _texts(column: "pd.Series[str]") -> "pd.Series[str]":
    filled: pd.Series[str] = column.astype(object).where(column.notna(), "").astype(str)
    return filled


def open_source(table: str | Path) -> Source:
    """Read the header of a table.

    Args:
        table: a CSV or Parquet file, a folder of evaluate, or ``-`` for standard input.

    Raises:
        DataError: it is no table, it is empty, or a column stands twice.
        MissingInputError: there is no such file.
        UsageError: Parquet without pyarrow.
    """
    if str(table) == STDIN:
        with _blaming("standard input"):
            return _with_header("standard input", None, sys.stdin.buffer.read())
    path = Path(table)
    if not places.exists(path):
        raise MissingInputError(f"'{table}' does not exist", _HINT)
    if path.is_dir():
        if not (path / PREDICTIONS).exists():
            raise MissingInputError(f"'{table}' holds no {PREDICTIONS}", _HINT)
        path = path / PREDICTIONS
    files.require_regular(path, hint="- reads standard input")
    if path.suffix == PARQUET:
        return Source(path.name, path, _parquet_columns(path))
    with _blaming(path.name):
        return _with_header(path.name, path, path.read_bytes())


def open_sources(*tables: str | Path | None) -> list[Source]:
    """Read the headers of several tables.

    Args:
        tables: as :func:`open_source` takes them; None is left out.

    Raises:
        DataError: one of them is no table, or is empty.
        MissingInputError: there is no such file.
        UsageError: two of them are standard input, which can be read once.
    """
    named = [table for table in tables if table is not None]
    if sum(str(table) == STDIN for table in named) > 1:
        raise UsageError("standard input cannot be both tables: it can be read once", "name a file for one of them")
    return [open_source(table) for table in named]


def _with_header(name: str, path: Path | None, content: bytes) -> Source:
    """Return a text table whose header has been read."""
    header, _, body = content.removeprefix(codecs.BOM_UTF8).partition(b"\n")
    line = header.decode().strip("\r")
    separator = max(",;\t", key=line.count)
    columns = next(csv.reader([line], delimiter=separator, strict=True), [])
    if not any(column.strip() for column in columns):
        raise DataError(f"{name}: the table is empty", "it needs a header and a row for each image")
    repeated = [column for place, column in enumerate(columns) if column in columns[:place]]
    if repeated:
        raise DataError(f"{name}: column '{repeated[0]}' stands in the header twice", "remove one of them")
    return Source(name, path, tuple(columns), separator, body)


def _parquet_columns(path: Path) -> tuple[str, ...]:
    with _blaming(path.name):
        parquet = importlib.import_module("pyarrow.parquet")
        return tuple(map(str, parquet.read_schema(path).names))


@contextmanager
def _blaming(name: str) -> Iterator[None]:
    """Turn what a broken table raises into one sentence about it."""
    try:
        yield
    except ImportError as error:
        raise UsageError(
            f"'{name}' needs the optional package pyarrow", "pip install 'cxrshort[parquet]', or use .csv"
        ) from error
    except UnicodeError as error:
        raise DataError(f"{name}: not text in UTF-8", "save it as UTF-8") from error
    except OSError as error:
        if isinstance(error, FileNotFoundError) or error.strerror:
            raise MissingInputError(f"'{name}' cannot be read: {str(error.strerror).lower()}", _HINT) from error
        raise DataError(f"'{name}' is not a Parquet table", "use .csv") from error
    except (ValueError, csv.Error) as error:
        reason = str(error).strip().rpartition("C error: ")[2].partition("\n")[0].lower()
        raise DataError(f"{name}: not a table of comma-separated values ({reason})", _MEND) from error
