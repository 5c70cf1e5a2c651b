"""Read the text tables that come with radiographs, as people and programs have left them; hand tables on as JSON."""

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast

import pandas as pd

from cxrshort import files
from cxrshort.errors import DataError
from cxrshort.quantities import quantity

_REPAIR = "mend the file or download it again"


def read_table(
    path: Path, required: Sequence[str], *, optional: Sequence[str] = (), separator: str = ","
) -> tuple[pd.DataFrame, list[str]]:
    """Read columns of a text table, every cell as stripped text, ``""`` where there is none.

    Byte-order marks, CRLF, gzip, a comma at the end of lines and columns in another case are accepted; text that is
    neither UTF-8 nor UTF-16 with a byte-order mark is read as Latin-1 and noted.

    Args:
        path: the table; ``.gz`` is decompressed.
        required: columns that must be there.
        optional: columns that are all ``""`` when absent.
        separator: what parts the cells.

    Returns:
        A table with the columns ``required`` and ``optional`` in this order, and notes.

    Raises:
        DataError: the table is empty, lacks a column, has one twice, or has a line with too many cells.
    """
    with _blaming(path):
        try:
            encoding = _sniff_encoding(path, otherwise="utf-8-sig")
            return _read_as(path, encoding, required, optional, separator), []
        except UnicodeDecodeError:
            table = _read_as(path, "latin-1", required, optional, separator)
            return table, [f"{path.name}: not UTF-8, read as Latin-1"]


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as JSON values by column, None where a cell is empty.

    Example:
        >>> records(pd.DataFrame({"region": ["lungs", "marker"], "share": [0.5, float("nan")]}))
        [{'region': 'lungs', 'share': 0.5}, {'region': 'marker', 'share': None}]
    """
    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in table.astype(object).to_dict(orient="records")
    ]


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """Turn what a broken file raises into one sentence about it."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name}: not a text file", "download it again") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path.name}: {error}", _REPAIR) from error
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}", "check the file's permissions") from error


def sniff_separator(path: Path) -> str:
    """Return the more frequent of comma, semicolon and tab in the first line of a table."""
    with _blaming(path), _open_text(path, _sniff_encoding(path, otherwise="latin-1")) as handle:
        line = handle.readline(100_000)
    return max(",;\t", key=line.count)


def read_header(path: Path, *, separator: str = ",") -> list[str]:
    """Return the names of a table's columns, stripped; empty for an empty file.

    Raises:
        DataError: the file cannot be read as text.
    """
    with _blaming(path), _open_text(path, _sniff_encoding(path, otherwise="utf-8-sig"), errors="replace") as handle:
        text = handle.readline(100_000)
    return [name.strip() for name in next(csv.reader([text], delimiter=separator), [])]


def read_list(path: Path) -> list[str]:
    """Return the lines of a text file, stripped, without empty ones.

    Raises:
        DataError: the file cannot be read as text.
    """
    with _blaming(path), _open_text(path, "utf-8-sig") as handle:
        return [line.strip() for line in handle if line.strip()]


def _read_as(
    path: Path, encoding: str, required: Sequence[str], optional: Sequence[str], separator: str
) -> pd.DataFrame:
    with _open_text(path, encoding) as handle:
        lines = _cells(handle, separator, path.name)
        header = [name.strip() for name in next(lines, (0, [""]))[1]]
        if not any(header):
            raise DataError(f"{path.name}: the table is empty", _REPAIR)
        places = _place_columns(header, required, optional, path.name)
        # A tuple of the wanted cells per line: tables carry whole reports in columns that nobody asks for.
        selected = [tuple([cells[place] for place in places.values()]) for cells in _full(lines, header, path.name)]
    if not selected:
        raise DataError(f"{path.name}: the table is empty", _REPAIR)
    texts = dict(zip(places, zip(*selected, strict=True), strict=True))
    columns = {name: [cell.strip() for cell in texts[name]] if name in texts else "" for name in (*required, *optional)}
    return pd.DataFrame(columns, index=range(len(selected)), dtype=str)


def _cells(handle: TextIO, separator: str, file: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of every line that is not blank."""
    lines = csv.reader(handle, delimiter=separator, strict=True)
    try:
        for cells in lines:
            if cells:
                yield lines.line_num, cells
    except csv.Error as error:
        raise DataError(f"{file}: line {lines.line_num}: {error}", _REPAIR) from error


def _full(lines: Iterator[tuple[int, list[str]]], header: list[str], file: str) -> Iterator[list[str]]:
    """Yield the cells of each line, refusing one with too few or too many."""
    width = len(header)
    # A header may end in a comma where the lines do not.
    least = max(place for place, name in enumerate(header, start=1) if name)
    for number, cells in lines:
        if len(cells) < least or (len(cells) > width and any(cells[width:])):
            raise DataError(
                f"{file}: line {number} has {quantity(len(cells), 'cell')}, the header has {width}", _REPAIR
            )
        yield cells


def _open_text(path: Path, encoding: str, *, errors: str = "strict") -> TextIO:
    files.require_regular(path, hint="write it into a file first")
    if path.suffix.lower() == ".gz":
        return cast(TextIO, gzip.open(path, "rt", encoding=encoding, errors=errors, newline=""))
    return path.open(encoding=encoding, errors=errors, newline="")


def _sniff_encoding(path: Path, *, otherwise: str) -> str:
    """Return UTF-16 where a byte-order mark says so.

    Raises:
        DataError: the first bytes are those of UTF-16 without its mark, or of no text.
    """
    with _open_text(path, "latin-1") as handle:
        begin = handle.read(1000)
    if begin.startswith(("\xff\xfe", "\xfe\xff")):
        return "utf-16"
    if "\0" in begin:
        raise DataError(f"{path.name}: not a text file, or UTF-16 without a byte-order mark", "save it as UTF-8")
    return otherwise


def _place_columns(header: list[str], required: Sequence[str], optional: Sequence[str], file: str) -> dict[str, int]:
    """Return the position of each wanted column, by exact name or else ignoring the case."""
    folded = [name.casefold() for name in header]
    places = {}
    for name in (*required, *optional):
        exact = [place for place, heading in enumerate(header) if heading == name]
        matches = exact or [place for place, heading in enumerate(folded) if heading == name.casefold()]
        if len(matches) > 1:
            raise DataError(f"{file}: column '{name}' stands in the header {len(matches)} times", "remove one of them")
        if matches:
            places[name] = matches[0]
        elif name in required:
            raise DataError(f"{file}: column '{name}' is missing", f"columns found: {_shorten_list(header)}")
    return places


def _shorten_list(names: Sequence[str], longest: int = 12) -> str:
    shown = ", ".join(name[:40] for name in names[:longest] if name)
    return shown if len(names) <= longest else f"{shown}, and {len(names) - longest} more"
