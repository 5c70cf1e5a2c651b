"""Manifests: one row per radiograph, checked on reading, split by person.

What would invalidate numbers made from a manifest: a person in two splits, one image under two names, a label that a
source could not express read as 0. The first two are refused here; the third is an empty cell and stays empty.
"""

import csv
import hashlib
import io
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from cxrshort import columns, files
from cxrshort.errors import DataError, MissingInputError, UsageError

_SHOWN = 5
_LONGEST = 80
_EXACT = 2**53
"""Below this every whole number has its own float64."""

_AGAIN = "mend the row, or run build-dataset again"
_MAKE = "build-dataset makes a manifest"
_SPLIT = re.compile(columns.SPLIT_PREFIX + r"(0|[1-9][0-9]{0,3})")
_NO_LABEL = re.compile(f"{_SPLIT.pattern}|{columns.EDIT_PREFIX}.*", re.DOTALL)
_LEAVES = re.compile(r"^\s*[/\\]|^\s*[A-Za-z]:|(?:^|[/\\])\s*\.\.\s*(?:[/\\]|$)|[\x00-\x1f]")


def read_manifest(source: Path | str | TextIO) -> pd.DataFrame:
    """Read and check a manifest.

    Args:
        source: a ``.csv`` or ``.parquet`` file, or an open stream of CSV.

    Returns:
        Text columns as ``str`` (missing is the empty string), integers as ``Int64``, other numbers as ``float64``,
        labels as ``float32`` with NaN where empty. Outside the column table a column whose values all lie in [0, 1] is
        a label, unless its name begins with ``edit_``; others stay text, so that writing them again changes nothing.

    Raises:
        DataError: the file breaks a rule of the format; the message names the value.
        MissingInputError: there is no such file, or it cannot be read.
    """
    source = Path(source) if isinstance(source, str) else source
    name = source.name if isinstance(source, Path) else "standard input"
    if isinstance(source, Path) and source.suffix == ".parquet":
        table = _read_parquet(source)
    else:
        table = _parse(_text_of(source, name), name)
    return check_manifest(_typed(table, name), name)


def _text_of(source: Path | TextIO, name: str) -> str:
    try:
        text = source.read_text(encoding="utf-8-sig") if isinstance(source, Path) else source.read()
        text.encode()  # a stream may carry undecodable bytes as lone surrogates
    except FileNotFoundError as error:
        raise MissingInputError(f"'{source}' does not exist", _MAKE) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise MissingInputError(f"'{source}' cannot be read: {reason}", _MAKE) from error
    except UnicodeError as error:
        raise DataError(f"{name}: not text in UTF-8", _MAKE) from error
    return text.removeprefix("\ufeff")


def _parse(text: str, name: str) -> pd.DataFrame:
    if "\0" in text:
        raise DataError(f"{name}: not a table of comma-separated values (it holds NUL bytes)", _MAKE)
    try:
        # The header is read as a row: pandas would rename repeated names, and read long rows askew.
        table = pd.read_csv(io.StringIO(text), header=None, dtype=str, na_filter=False)
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{name}: the file is empty", _MAKE) from error
    except (ValueError, OverflowError, RecursionError) as error:
        reason = str(error).strip().rpartition("C error: ")[2].partition("\n")[0].lower()
        raise DataError(f"{name}: not a table of comma-separated values ({reason})", _MAKE) from error
    if (table.iloc[:, -1] == "").any():
        _refuse_short_rows(text, width=table.shape[1], name=name)
    header = table.iloc[0]
    repeated = header[header.duplicated()]
    if len(repeated):
        raise DataError(f"{name}: column {_quote(repeated.iloc[0])} stands in the header twice", "remove one of them")
    return table.iloc[1:].set_axis(header.tolist(), axis=1).reset_index(drop=True)


def _refuse_short_rows(text: str, *, width: int, name: str) -> None:
    """Refuse a row that was cut off; pandas would fill it up with empty cells."""
    rows = csv.reader(io.StringIO(text))
    try:
        short = next(((rows.line_num, len(cells)) for cells in rows if 0 < len(cells) < width), None)
    except csv.Error as error:
        raise DataError(f"{name}: not a table of comma-separated values ({error})", _MAKE) from error
    if short:
        raise DataError(f"{name}: line {short[0]} has {short[1]} of {width} cells", _AGAIN)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except ImportError as error:
        raise _no_parquet(path) from error
    except FileNotFoundError as error:
        raise MissingInputError(f"'{path}' does not exist", _MAKE) from error
    except (OSError, ValueError) as error:
        raise DataError(f"'{path}' is not a Parquet table", _MAKE) from error
    return pd.DataFrame({str(column): table[column].astype(str).where(table[column].notna(), "") for column in table})


def _no_parquet(path: Path) -> UsageError:
    return UsageError(f"'{path}' needs the optional package pyarrow", "pip install 'cxrshort[parquet]', or use .csv")


def _typed(table: pd.DataFrame, name: str) -> pd.DataFrame:
    return pd.DataFrame({column: _typed_column(table[column], name) for column in table.columns})


def _typed_column(text: pd.Series, name: str) -> pd.Series:
    column = str(text.name)
    described = columns.BY_NAME.get(column)
    if column in columns.LABELS:
        return _numbers(text, name).astype("float32")
    if described is None:
        return text if _NO_LABEL.fullmatch(column) or not column.strip() else _label_or_text(text)
    if described.kind == "text":
        return text
    numbers = _numbers(text, name)
    if described.kind == "integer":
        _refuse(text[~_is_whole(numbers) & (text != "")], name, f"column '{column}' holds ", ", not a whole number")
        return numbers.astype("Int64")
    return numbers


def _label_or_text(text: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(text, errors="coerce")
    is_label = bool((numbers.between(0.0, 1.0) | (text == "")).all())
    return numbers.astype("float32") if is_label else text


def _numbers(text: pd.Series, name: str) -> pd.Series:
    numbers = pd.to_numeric(text, errors="coerce").astype("float64")
    _refuse(text[~np.isfinite(numbers) & (text != "")], name, f"column '{text.name}' holds ", ", not a number")
    return numbers


def _is_whole(numbers: pd.Series) -> pd.Series:
    return (numbers >= 0) & (numbers < _EXACT) & (numbers % 1 == 0)


def check_manifest(manifest: pd.DataFrame, name: str = "manifest.csv") -> pd.DataFrame:
    """Return the manifest if it keeps every rule.

    Raises:
        DataError: a required column is missing, an ``image_id`` stands twice, a value is not allowed, a path leaves the
            root, or a person is in two splits of one replicate.
    """
    _check_header([str(column) for column in manifest.columns], name)
    if manifest.empty:
        raise DataError(f"{name}: no rows", "build-dataset lists in excluded.csv why images were left out")
    ids = manifest["image_id"]
    _refuse(ids[ids.duplicated()], name, "image_id ", " in more than one row")
    _check_values(manifest, name)
    if "path" in manifest:
        path = manifest["path"].dropna()
        _refuse(path[[leaves_root(text) for text in path.tolist()]], name, "path ", " leaves the root")
    for column in split_columns(manifest):
        _check_split(manifest, column, name)
    return manifest


def _check_header(header: Sequence[str], name: str) -> None:
    spellings = {column.casefold(): column for column in columns.BY_NAME}
    for column in header:
        expected = spellings.get(column.strip().casefold(), column)
        if column != expected:
            raise DataError(f"{name}: column {_quote(column)} must be spelled '{expected}'", "rename it in the header")
    for described in columns.COLUMNS:
        if described.required and described.name not in header:
            raise DataError(f"{name}: column '{described.name}' is missing", _AGAIN)


def _check_values(manifest: pd.DataFrame, name: str) -> None:
    for column in (entry for entry in columns.COLUMNS if entry.name in manifest):
        present = manifest[column.name]
        if column.required:
            empty = present.isna() | (present.astype(str).str.strip() == "")
            _refuse(manifest["image_id"][empty], name, f"column '{column.name}' is empty for image ")
        if column.values:
            allowed = ", ".join(column.values)
            wrong = present[~present.isin(["", *column.values])].drop_duplicates()
            _refuse(wrong, name, f"column '{column.name}' holds ", f", allowed: {allowed}")
        if column.limits:
            low, high = column.limits
            filled = present.dropna()
            beyond = filled[~filled.between(low, high)].drop_duplicates().map("{:g}".format)
            _refuse(beyond, name, f"column '{column.name}' holds ", f", allowed: {low:g} to {high:g} {column.unit}")
    for label in (name for name in columns.LABELS if name in manifest):
        filled = manifest[label].dropna()
        wrong = filled[~filled.between(0.0, 1.0)].drop_duplicates().map("{:g}".format)
        _refuse(wrong, name, f"column '{label}' holds ", ", allowed: 0 to 1, or empty")


def leaves_root(path: str) -> bool:
    """Return whether a relative path would point outside the folder that it is relative to, on any system."""
    return bool(_LEAVES.search(path))


def _check_split(manifest: pd.DataFrame, column: str, name: str) -> None:
    folds = manifest[column]
    wrong = folds[~folds.isin(["", *columns.SPLITS])].drop_duplicates()
    _refuse(wrong, name, f"column '{column}' holds ", f", allowed: {', '.join(columns.SPLITS)}")
    pairs = pd.DataFrame({"person": manifest["person_id"], "fold": folds})[folds != ""].drop_duplicates()
    mixed = pairs[pairs["person"].duplicated(keep=False)]
    people = mixed["person"].unique().tolist()
    if people:
        shared_folds = [fold for fold in columns.SPLITS if fold in set(mixed["fold"])]
        where = f"both {shared_folds[0]} and {shared_folds[1]}" if len(shared_folds) == 2 else "more than one fold"
        noun = "patient is" if len(people) == 1 else "patients are"
        listed = ", ".join(_shown(person) for person in people[:_SHOWN]) + (", ..." if len(people) > _SHOWN else "")
        raise DataError(f"{name}: {len(people)} {noun} in {where} of '{column}' ({listed})", "run build-dataset again")


def _refuse(wrong: "pd.Series[str]", name: str, before: str, after: str = "") -> None:
    if len(wrong):
        further = f", and {len(wrong) - 1} more like it" if len(wrong) > 1 else ""
        raise DataError(f"{name}: {before}{_quote(wrong.iloc[0])}{after}{further}", _AGAIN)


def _quote(value: object) -> str:
    return f"'{_shown(value)}'"


def _shown(value: object) -> str:
    """Return a cell as a terminal may print it: not endless, no control characters."""
    text = str(value)
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def write_table(manifest: pd.DataFrame, target: Path | TextIO) -> None:
    """Write a manifest as CSV, or as Parquet where the suffix says so; files are written atomically.

    Raises:
        OutputError: the file cannot be written.
        UsageError: Parquet without pyarrow.
    """
    if not isinstance(target, Path):
        _compact(manifest).to_csv(target, index=False, lineterminator="\n")
        return
    with files.atomic(target) as temporary:
        if target.suffix == ".parquet":
            try:
                manifest.to_parquet(temporary, index=False)
            except ImportError as error:
                raise _no_parquet(target) from error
        else:
            _compact(manifest).to_csv(temporary, index=False, lineterminator="\n")


def _compact(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the manifest with whole-number labels as integers, so that 0 is written ``0``, not ``0.0``."""
    compact = {}
    for name in manifest.columns:
        values = manifest[name]
        if pd.api.types.is_float_dtype(values) and bool(_is_whole(values.dropna().abs()).all()):
            values = values.astype("Int64")
        compact[name] = values
    return pd.DataFrame(compact)


def label_columns(manifest: pd.DataFrame) -> list[str]:
    """Return the label columns: those outside the column table whose values all lie in [0, 1]."""
    return [name for name in extra_columns(manifest) if not _NO_LABEL.fullmatch(name) and _is_label(manifest[name])]


def has_label(manifest: pd.DataFrame, name: str) -> bool:
    """Return whether the manifest has this label, without looking at any other column."""
    if name not in manifest or name in columns.BY_NAME or _NO_LABEL.fullmatch(name):
        return False
    return _is_label(manifest[name])


def _is_label(values: pd.Series) -> bool:
    return pd.api.types.is_float_dtype(values) and bool(values.dropna().between(0.0, 1.0).all())


def extra_columns(manifest: pd.DataFrame) -> list[str]:
    """Return the columns that are neither described in the column table nor splits."""
    return [name for name in map(str, manifest.columns) if name not in columns.BY_NAME and not is_split(name)]


def is_split(column: str) -> bool:
    """Return whether a column holds the folds of a replicate: ``split_0``, ``split_1``, ..."""
    return _SPLIT.fullmatch(column) is not None


def split_columns(manifest: pd.DataFrame) -> list[str]:
    """Return the names of the split columns, one per replicate, in order."""
    named = [str(name) for name in manifest.columns if is_split(str(name))]
    return sorted(named, key=lambda name: (len(name), name))


def select_fold(manifest: pd.DataFrame, split: str, *, replicate: int, name: str = "manifest.csv") -> pd.DataFrame:
    """Return the rows of one fold of one replicate; ``split`` ``"all"`` returns every row.

    Raises:
        UsageError: the manifest has no such replicate, or the fold is empty.
    """
    if split == "all":
        return manifest
    if split not in columns.SPLITS:
        raise UsageError(f"'{split}' is not a known split", f"one of: {', '.join([*columns.SPLITS, 'all'])}")
    column = f"{columns.SPLIT_PREFIX}{replicate}"
    if column not in manifest:
        count = len(split_columns(manifest))
        raise UsageError(
            f"{name}: no column '{column}' for replicate {replicate}",
            f"it has {count} replicates; evaluate with --split all takes every row",
        )
    chosen = manifest[manifest[column] == split]
    if chosen.empty:
        raise DataError(
            f"{name}: no row is in '{split}' of '{column}'",
            "build-dataset with more images, or evaluate with --split all",
        )
    return chosen


def split_by_person(
    people: Sequence[str],
    sources: Sequence[str],
    *,
    fractions: Mapping[str, tuple[float, float]],
    fixed_test: frozenset[str] = frozenset(),
    seed: int,
    replicate: int,
) -> np.ndarray:
    """Assign every row to train, val or test, whole persons at a time.

    The order of the persons comes from a hash of (seed, replicate, person), so the split depends neither on the order
    of the rows nor on a library's random generator. A person found in several sources follows the first one in
    ``fractions``.

    Args:
        people: person of each row.
        sources: repository of each row.
        fractions: for each source the share of its persons in test, and the share of the remaining ones in val
            (DeGrave et al. 2021 draw in this order).
        fixed_test: persons whom an official list puts into test.
        seed: chooses the draw.
        replicate: the number of the draw.

    Returns:
        ``"train"``, ``"val"`` or ``"test"`` for each row.
    """
    rank = {source: number for number, source in enumerate(fractions)}
    home: dict[str, str] = {}
    for person, source in set(zip(people, sources, strict=True)):
        if person not in home or rank[source] < rank[home[person]]:
            home[person] = source
    fold = dict.fromkeys(fixed_test, "test")
    for source, shares in fractions.items():
        free = [person for person, own in home.items() if own == source and person not in fixed_test]
        fold |= _draw(free, shares, seed=seed, replicate=replicate)
    return np.array([fold[person] for person in people])


def _draw(people: list[str], shares: tuple[float, float], *, seed: int, replicate: int) -> dict[str, str]:
    ordered = sorted(people, key=lambda person: hashlib.sha256(f"{seed}/{replicate}/{person}".encode()).digest())
    in_test = round(shares[0] * len(ordered))
    in_val = round(shares[1] * (len(ordered) - in_test))
    folds = ["test"] * in_test + ["val"] * in_val
    return dict(zip(ordered, folds + ["train"] * (len(ordered) - len(folds)), strict=True))


def overlap(first: pd.DataFrame, second: pd.DataFrame) -> set[str]:
    """Return the persons who are in both manifests."""
    return set(first["person_id"]) & set(second["person_id"])


def standard_input() -> TextIO:
    """Return standard input, refusing a terminal that nobody will type a manifest into.

    Raises:
        MissingInputError: standard input is a terminal.
    """
    if sys.stdin is None or sys.stdin.closed:
        raise MissingInputError("'-' reads a manifest from standard input, which is closed", "pipe a manifest into it")
    if sys.stdin.isatty():
        raise MissingInputError(
            "'-' reads a manifest from standard input, which is a terminal", "pipe a manifest into it"
        )
    return sys.stdin
