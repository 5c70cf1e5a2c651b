"""Datasets and tables as a search for leaks reads them: identifiers, folds, dates, labels, metadata and cached pixels.

A manifest is not checked here as other verbs check it. They refuse a person in two folds; a search for leaks has to
count such persons.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from cxrshort import columns as described
from cxrshort import manifest as manifests
from cxrshort import places
from cxrshort.dataset import MANIFEST, Pixels, beside_own_images
from cxrshort.errors import DataError, MissingInputError
from cxrshort.stats.leakage import Cohort, read_days
from cxrshort.stats.midranks import Floats
from cxrshort.stats.predictions import LOGIT, TARGET
from cxrshort.verbs.stats.source import PREDICTIONS, STDIN, Source, open_source

KINDS = ("person", "study", "image")
METADATA = (
    "repository",
    "study_date",
    "view",
    "sex",
    "age_years",
    "manufacturer",
    "modality",
    "group",
    "cache_fit",
    "source_height",
    "source_width",
    "pixel_height_mm",
    "pixel_width_mm",
    "edit",
)
"""Described columns that could give a label away; the others are names, places and checksums."""
_SPLIT = "split"


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """Hold which columns mean what; None and () stand for the names of manifests.

    Args:
        person: persons.
        study: studies.
        image: images.
        date: dates of studies, or numbers that grow with time.
        splits: folds.
        labels: labels.
        metadata: columns that are tested for giving a label away.
    """

    person: str | None = None
    study: str | None = None
    image: str | None = None
    date: str | None = None
    splits: Sequence[str] = ()
    labels: Sequence[str] = ()
    metadata: Sequence[str] = ()


@dataclass(frozen=True, slots=True, eq=False)
class CohortTable:
    """Hold one dataset or table.

    Args:
        cohort: its identifiers, folds and dates.
        source: where it was read.
        targets: (N,) for each label, NaN where empty.
        metadata: (N,) text by column.
        pixels: the cached images of its rows; None where there are none.
        reasons: why something cannot be compared, by what it is: ``person``, ``study``, ``image``, ``date``,
            ``folds``, ``labels``, ``pixels``.
        notes: what could not be read.
    """

    cohort: Cohort
    source: Source
    targets: Mapping[str, Floats]
    metadata: Mapping[str, "pd.Series[str]"]
    pixels: Pixels | None
    reasons: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def read_cohort(name: str, columns: ColumnNames) -> CohortTable:
    """Read one dataset or table.

    Args:
        name: a dataset folder, a manifest, the name of a dataset, a folder of evaluate, any CSV or Parquet table, or
            ``-`` for standard input.
        columns: which of its columns mean what.

    Raises:
        DataError: there is no such column, the table is empty, or it has nothing that could be compared.
        MissingInputError: there is no such dataset or table.
    """
    source = _open(name)
    roles = _assign_columns(source, columns)
    splits = _split_columns(source, columns)
    dates = [columns.date] if columns.date else [name for name in ("study_date",) if name in source.columns]
    source.check(*columns.labels, *columns.metadata, *splits, *dates)
    if not roles:
        raise DataError(
            f"{source.name}: no column of persons, studies or images",
            f"name one by --person, --study or --image: {source.list_columns()}",
        )
    rows = source.read(texts=source.columns)
    rows = _without_repeats(rows, roles.get("image"), source)
    identifiers = pd.DataFrame({kind: rows[column] for kind, column in roles.items()})
    days, notes = _days(rows[dates[0]], _title(name, source)) if dates else (None, [])
    folds = {column: rows[column].to_numpy(dtype=str) for column in splits if (rows[column] != "").any()}
    cohort = Cohort(_title(name, source), identifiers, folds, days)
    labels = _targets(rows, source, columns)
    metadata = _metadata(rows, source, columns, taken={*roles.values(), *splits, *labels})
    pixels, why = _pixels(rows, source)
    reasons = _reasons(cohort, labels, metadata) | ({"pixels": why} if why else {})
    return CohortTable(cohort, source, labels, metadata, pixels, reasons, notes)


def _open(name: str) -> Source:
    if name == STDIN:
        return open_source(STDIN)
    path = Path(name)
    if places.is_file(path / PREDICTIONS) and not places.is_file(path / MANIFEST):
        return open_source(path)
    return open_source(places.locate_dataset(name))


def _title(name: str, source: Source) -> str:
    """Return what tables call it: the name of its folder, or of its own file."""
    if source.path is None:
        return source.name
    if source.path.name in (MANIFEST, PREDICTIONS):
        return source.path.resolve().parent.name
    return source.path.stem


def _assign_columns(source: Source, columns: ColumnNames) -> dict[str, str]:
    """Return the column of each kind of identifier, as far as there is one."""
    usual = {"person": ("person_id", "patient_id"), "study": ("study_id",), "image": ("image_id",)}
    roles = {}
    for kind in KINDS:
        named = getattr(columns, kind)
        source.check(*([named] if named else []))
        if column := named or next((name for name in usual[kind] if name in source.columns), None):
            roles[kind] = column
    return roles


def _split_columns(source: Source, columns: ColumnNames) -> list[str]:
    if columns.splits:
        return list(columns.splits)
    ours = sorted(filter(manifests.is_split, source.columns), key=lambda name: (len(name), name))
    return ours or [name for name in (_SPLIT,) if name in source.columns]


def _without_repeats(rows: pd.DataFrame, image: str | None, source: Source) -> pd.DataFrame:
    """Return predictions with each image once: they hold a row for each image and model."""
    if image is None or not any(name.startswith(LOGIT) for name in source.columns):
        return rows
    kept = rows[~rows.duplicated([image, *(name for name in ("dataset_id",) if name in source.columns)])]
    return kept.reset_index(drop=True)


def _days(cells: "pd.Series[str]", title: str) -> tuple[Floats | None, list[str]]:
    """Return the days of the studies, None where all are empty, and a note on those that cannot be read."""
    filled = (cells != "").to_numpy()
    if not filled.any():
        return None, []
    days = read_days(cells, name=str(cells.name))
    unread = cells[filled & np.isnan(days[:, 0])]
    note = f"{title}: {len(unread):,} of {int(filled.sum()):,} cells of '{cells.name}' are no date and are left out"
    return days, [f"{note}, such as '{unread.iloc[0]}'"] if len(unread) else []


def _targets(rows: pd.DataFrame, source: Source, columns: ColumnNames) -> dict[str, Floats]:
    """Return the targets of the labels: those that were named, or those of a manifest or of predictions."""
    if columns.labels:
        return {label: _checked(_numbers(rows[label]), rows[label], source.name) for label in columns.labels}
    predicted = [name for name in source.columns if name.startswith(TARGET)]
    if predicted:
        return {name.removeprefix(TARGET): _numbers(rows[name]) for name in predicted}
    if not _is_manifest(source):
        return {}
    numbers = {name: _numbers(rows[name]) for name in source.columns if _may_be_label(name)}
    return {
        name: column for name, column in numbers.items() if name in described.LABELS or _is_target(column, rows[name])
    }


def _checked(numbers: Floats, cells: "pd.Series[str]", table: str) -> Floats:
    filled = (cells != "").to_numpy()
    wrong = filled & ~((numbers >= 0) & (numbers <= 1))
    if wrong.any():
        example = cells.to_numpy()[wrong][0]
        raise DataError(
            f"{table}: column '{cells.name}' holds {int(wrong.sum())} targets that are neither 0 nor 1, "
            f"such as '{example}'",
            "code the targets as 0 and 1",
        )
    return numbers


def _is_manifest(source: Source) -> bool:
    return all(column.name in source.columns for column in described.COLUMNS if column.required)


def _may_be_label(name: str) -> bool:
    return name not in described.BY_NAME and not manifests.is_split(name)


def _numbers(cells: "pd.Series[str]") -> Floats:
    return pd.to_numeric(cells.mask(cells == ""), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def _is_target(numbers: Floats, cells: "pd.Series[str]") -> bool:
    filled = (cells != "").to_numpy()
    return bool(filled.any() and ((numbers[filled] >= 0) & (numbers[filled] <= 1)).all())


def _metadata(
    rows: pd.DataFrame, source: Source, columns: ColumnNames, *, taken: set[str]
) -> dict[str, "pd.Series[str]"]:
    """Return the columns that could give a label away."""
    if columns.metadata:
        return {name: rows[name] for name in columns.metadata}
    ours = [name for name in METADATA if name in source.columns and name not in columns.labels]
    if any(name.startswith(LOGIT) for name in source.columns):
        return {name: rows[name] for name in ours}
    other = [name for name in source.columns if name not in taken and name not in described.BY_NAME]
    return {name: rows[name] for name in [*ours, *other] if name not in taken}


def _pixels(rows: pd.DataFrame, source: Source) -> tuple[Pixels | None, str]:
    """Return the cached images of the rows, or why there are none."""
    if not {"image_id", "cache", "cache_row"} <= set(source.columns):
        return None, "no cached images: only datasets of build-dataset have them"
    table = pd.DataFrame({"image_id": rows["image_id"], "cache": rows["cache"]})
    for name in ("cache_row", "pixels_crc32"):
        if name in source.columns:
            table[name] = pd.Series(_numbers(rows[name])).astype("Int64")
    if source.path is not None and source.path.name == MANIFEST:
        table = beside_own_images(table, source.path.parent)
    try:
        return Pixels(table), ""
    except (MissingInputError, DataError) as error:
        return None, error.message


def _reasons(cohort: Cohort, targets: Mapping[str, Floats], metadata: Mapping[str, "pd.Series[str]"]) -> dict[str, str]:
    reasons = {}
    for kind in KINDS:
        if kind not in cohort.rows or not (cohort.rows[kind] != "").any():
            reasons[kind] = f"no column of {kind} identifiers; --{kind} COLUMN names it"
    if cohort.dates is None:
        reasons["date"] = "no dates of studies; --date COLUMN names them"
    if not cohort.folds:
        reasons["folds"] = "no column of folds; --fold COLUMN names it"
    if not targets:
        reasons["labels"] = "no label; --label COLUMN names it"
    elif not metadata:
        reasons["labels"] = "no column of metadata; --column COLUMN names it"
    return reasons


def disambiguate(tables: Sequence[CohortTable], names: Sequence[str]) -> list[str]:
    """Return what each of several datasets is called: by its title, or as the user named it where titles agree.

    Raises:
        DataError: one was named twice.
    """
    titles = [table.cohort.name for table in tables]
    if len(set(names)) < len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise DataError(f"'{twice}' is given twice", "give each dataset once")
    return list(titles) if len(set(titles)) == len(titles) else [str(name) for name in names]
