"""What readers wrote into their sheets, joined with the key that says what each image is.

What would invalidate the answers is refused by name: a sheet that is not of this key, one reader twice, a reading
twice, a cell that is no answer. What is missing is counted: readings that a file lacks, and empty cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cxrshort import places
from cxrshort.errors import DataError, MissingInputError
from cxrshort.registry import check_name
from cxrshort.stats.finding_names import canonical
from cxrshort.tables import read_header, read_table, sniff_separator
from cxrshort.verbs.roentmod.scores import list_names
from cxrshort.verbs.roentmod.sheet_files import ARTIFICIAL, IMAGE, NOTES, OTHER
from cxrshort.verbs.roentmod.sheet_plan import KEY, READER, READING, REPETITION

BLANKS = ("missing", "absent")
"""What an empty cell stands for: a question that was not answered; or absent, as RoentMod 2025 told its readers."""
_CODES = {"0": 0.0, "1": 1.0, "2": 2.0, "0.0": 0.0, "1.0": 1.0, "2.0": 2.0}
_OTHER_COLUMNS = (READING, IMAGE, NOTES)
_SHEET = "cxrshort roentmod reader-sheets writes sheets and their key"


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Hold what readers answered.

    Args:
        rows: a row for each reading that was returned: the key's columns, and a column for each question with 0, 1, 2
            or NaN.
        findings: columns of findings, as the sheets name them.
        realism: those of :data:`ARTIFICIAL` and :data:`OTHER` that the sheets have.
        notes: what is missing.
    """

    rows: pd.DataFrame
    findings: Sequence[str]
    realism: Sequence[str]
    notes: Sequence[str]


def read_key(path: Path) -> pd.DataFrame:
    """Read a key file.

    Raises:
        MissingInputError: there is no such file.
        DataError: it is no key, or a reading stands in it twice.
    """
    if not places.exists(path):
        raise MissingInputError(f"'{path}' does not exist", _SHEET)
    separator = sniff_separator(path)
    if READING not in read_header(path, separator=separator):
        raise DataError(f"{path.name} is no key: it has no column '{READING}'", _SHEET)
    key, _ = read_table(path, KEY, separator=separator)
    if repeated := key[READING][key[READING].duplicated()].tolist():
        raise DataError(f"{path.name}: reading {list_names(repeated)} stands twice", "take the key as it was written")
    twice = key[key.duplicated([READER, REPETITION, "image_id"])]
    if len(twice) or not key[REPETITION].isin(["1", "2"]).all():
        raise DataError(f"{path.name}: a reader reads an image at most twice", "take the key as it was written")
    return key


def read_answers(paths: Sequence[Path], key: pd.DataFrame, *, blank: str = "missing") -> Answers:
    """Read the sheets that readers filled in.

    Args:
        paths: a file of each reader.
        key: of :func:`read_key`.
        blank: one of :data:`BLANKS`.

    Raises:
        MissingInputError: a file is not there.
        DataError: a file that is not of this key, a reader or a reading twice, columns that differ, no answer at all,
            or a cell that is no answer.
        UsageError: another word for blanks.
    """
    check_name(BLANKS, blank, kind="meaning of an empty cell")
    files: dict[str, str] = {}
    parts: list[pd.DataFrame] = []
    notes: list[str] = []
    for path in paths:
        part = _read_sheet(path, key)
        reader = str(part[READER].iloc[0])
        if reader in files:
            raise DataError(
                f"{files[reader]} and {path.name} are both of reader {reader}",
                "give each reader's file once; each reader needs a sheet of their own",
            )
        files[reader] = path.name
        if parts and (odd := set(map(canonical, _questions(part))) ^ set(map(canonical, _questions(parts[0])))):
            raise DataError(
                f"{path.name} and {files[str(parts[0][READER].iloc[0])]} do not have the same columns: "
                f"{list_names(sorted(odd))}",
                "keep the header of sheet.csv",
            )
        part = part if not parts else _renamed_as(parts[0], part)
        expected = int((key[READER] == reader).sum())
        if missing := expected - len(part):
            notes.append(f"{path.name}: {missing:,} of {expected:,} readings of reader {reader} are not in the file")
        notes += _count_blanks(part, path.name, blank)
        parts.append(part if blank == "missing" else part.fillna(dict.fromkeys(_questions(part), 0.0)))
    if unread := [name for name in key[READER].unique() if name not in files]:
        notes.append(f"no answers of reader {list_names(unread)}")
    rows = pd.concat(parts, ignore_index=True)
    questions = _questions(rows)
    if rows[questions].isna().to_numpy().all():
        raise DataError("no cell of any sheet is filled in", "--blank absent reads empty cells as 0")
    realism = [name for name in (ARTIFICIAL, OTHER) if name in questions and rows[name].notna().any()]
    return Answers(rows, [name for name in questions if name not in (ARTIFICIAL, OTHER)], realism, notes)


def _questions(rows: pd.DataFrame) -> list[str]:
    """Return the columns that hold answers."""
    return [str(name) for name in rows if name not in KEY]


def _renamed_as(first: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    """Return a sheet with its questions named as in the first sheet."""
    names = {canonical(name): name for name in _questions(first)}
    return part.rename(columns={name: names[canonical(name)] for name in _questions(part)})


def _read_sheet(path: Path, key: pd.DataFrame) -> pd.DataFrame:
    """Return one reader's answers as numbers beside the columns of the key."""
    if not places.exists(path):
        raise MissingInputError(f"'{path}' does not exist", "name the file that the reader filled in")
    separator = sniff_separator(path)
    header = read_header(path, separator=separator)
    lowered = [name.casefold() for name in header]
    if READING not in lowered:
        raise DataError(f"{path.name}: column '{READING}' is missing", "keep the header of sheet.csv")
    questions = [name for name in header if name and name.casefold() not in _OTHER_COLUMNS]
    if not questions:
        raise DataError(f"{path.name} has no column of a finding", "keep the header of sheet.csv")
    table, _ = read_table(path, [READING, *questions], separator=separator)
    table = table[(table != "").any(axis=1)]
    _check_readings(table[READING], path.name, key)
    answers = {_plain_name(name): _numbers(table, name, path.name) for name in questions}
    filled = pd.DataFrame({READING: table[READING], **answers})
    part = key.merge(filled, on=READING, how="inner")
    readers = part[READER].unique().tolist()
    if len(readers) > 1:
        raise DataError(f"{path.name} holds readings of {len(readers)} readers: {', '.join(readers)}", "one file each")
    return part.assign(**{REPETITION: part[REPETITION].astype(int)})


def _plain_name(name: str) -> str:
    """Return a column as it is called here: the two on realism in lower case, findings as they stand."""
    return name.casefold() if name.casefold() in (ARTIFICIAL, OTHER) else name


def _check_readings(readings: "pd.Series[str]", file: str, key: pd.DataFrame) -> None:
    if repeated := readings[readings.duplicated()].unique().tolist():
        raise DataError(f"{file}: reading {list_names(repeated)} stands twice", "keep one row of each")
    strange = readings[~readings.isin(key[READING])].tolist()
    if strange:
        raise DataError(
            f"{file}: {len(strange):,} of {len(readings):,} readings are not in the key: {list_names(strange)}",
            "--key takes the key.csv that was written with this sheet",
        )


def _numbers(table: pd.DataFrame, name: str, file: str) -> "pd.Series[float]":
    """Return the answers to one question, NaN where the cell is empty."""
    texts = table[name]
    numbers = texts.map(_CODES).astype("float64")
    wrong = table[numbers.isna() & (texts != "")]
    if len(wrong):
        further = f", and {len(wrong) - 1:,} more like it" if len(wrong) > 1 else ""
        raise DataError(
            f"{file}: '{name}' of reading {wrong[READING].iloc[0]} is '{wrong[name].iloc[0]}', not 0, 1 or 2{further}",
            f"0 absent, 1 present, 2 unsure; remarks belong in the column {NOTES}",
        )
    return numbers


def _count_blanks(part: pd.DataFrame, file: str, blank: str) -> list[str]:
    """Return notes on empty cells."""
    findings = [name for name in _questions(part) if name not in (ARTIFICIAL, OTHER)]
    empty = part[findings].isna().to_numpy()
    rows = int(empty.all(axis=1).sum())
    cells = int(empty.sum()) - rows * len(findings)
    if blank == "absent":
        count = int(empty.sum())
        return [f"{file}: {count:,} empty cells are read as absent"] if count else []
    notes = [f"{file}: {rows:,} of {len(part):,} readings were not answered, and are left out"] if rows else []
    if cells:
        answered = (len(part) - rows) * len(findings)
        notes.append(
            f"{file}: {cells:,} of {answered:,} cells of answered readings are empty, and left out; --blank absent "
            "reads 0"
        )
    return notes


def answer_matrix(rows: pd.DataFrame, question: str) -> pd.DataFrame:
    """Return the first answers to one question: a row for each image, a column for each reader, NaN for none."""
    first = rows[rows[REPETITION] == 1]
    return first.set_index(["image_id", READER])[question].unstack(READER)
