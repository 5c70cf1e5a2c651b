"""The contract of repository readers, and the steps that they share.

A reader turns a repository's metadata into candidates and states why some may not become rows; `make_reading` does the
rest. No pixels are read here. What would invalidate a reading: a candidate that is neither a row nor in ``excluded``.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cxrshort.columns import BY_NAME, EXCLUDED_COLUMNS, LABELS, VIEWS
from cxrshort.datasets.repositories.parsing.corrections import correct
from cxrshort.datasets.repositories.parsing.fields import list_words
from cxrshort.files import escape, is_text

ROW_COLUMNS = (
    "image_id",
    "path",
    "repository",
    "patient_id",
    "study_id",
    "study_date",
    "view",
    "sex",
    "age_years",
    "manufacturer",
    "modality",
)
"""The manifest columns that a reader fills; labels follow."""

VIEW_REASONS = {
    "PA": "view PA",
    "AP": "view AP",
    "AP_SUPINE": "supine view",
    "LATERAL": "lateral view",
    "UNKNOWN": "unknown view",
}
COVID_LABELS = ("molecular", "radiologic", "certain")
"""Who says that a patient of BIMCV has COVID-19, see `ReadOptions`."""

AGE_UNITS = ("convert", "drop")
LABELERS = ("chexpert", "negbio")

_EMPTIED = ("sex", "study_date")
"""Columns that are empty where the source's text, in ``source_...``, is not understood."""

LONGEST_TEXT = 1000
"""Characters of a cell that excluded.csv repeats; a broken file can hold cells of many megabytes."""


@dataclass(frozen=True)
class ReadOptions:
    """Specify how a repository is read.

    Args:
        include_other_findings: keep the images of GitHub-COVID that do not show COVID-19.
        covid_labels: ``"molecular"`` (a positive test decides), ``"radiologic"`` (the report decides, uncertain ones
            and viral pneumonia included) or ``"certain"`` (the report says so without doubt); for BIMCV.
        views: projections that are kept.
        jobs: processes that read many small files.
        corrections: table of per-image corrections, added to those of the repository.
        table: metadata of a folder of images.
        column_map: pairs of a manifest column or label and its name in ``table``.
        require_files: exclude candidates without an image file; False reads the metadata alone.
        require_windowing: exclude images whose DICOM header has neither window nor lookup table; for BIMCV.
        day_first: read 03/04/2021 as 3 April; for a folder of images.
        age_unit: ``"convert"`` reads 011M as 0.92 years; ``"drop"`` reads 11, as some papers did.
        first_release_ages: take ages from the first release of the label file and labels from the edition of 2020, as
            RoentMod and TEA did; for ChestX-ray14.
        uncertain: value of a label that the report leaves open: ``"empty"``, ``"negative"`` or ``"positive"``.
        labeler: whose reading of the reports is taken, ``"chexpert"`` or ``"negbio"``; for MIMIC-CXR.
        require_report: exclude images whose study has no row in the label table; for BIMCV.
        header_cache: where what was read from many small files is kept, so that only changed ones are read again: a
            folder for all repositories, a file for the reader of one.
    """

    include_other_findings: bool = False
    covid_labels: str = "molecular"
    views: tuple[str, ...] = ("PA", "AP")
    jobs: int = 1
    corrections: Path | None = None
    table: Path | None = None
    column_map: tuple[tuple[str, str], ...] = ()
    require_files: bool = True
    require_windowing: bool = False
    day_first: bool = False
    age_unit: str = "convert"
    first_release_ages: bool = False
    uncertain: str = "empty"
    labeler: str = "chexpert"
    require_report: bool = False
    header_cache: Path | None = None


@dataclass(frozen=True)
class Reading:
    """Hold what a repository's metadata says; candidates are ``len(rows) + len(excluded)``.

    Args:
        rows: one row per radiograph: ``ROW_COLUMNS``, then labels as float32 (0, 1, NaN where not labelled).
        excluded: path, patient_id, reason and detail of every candidate that is not a row.
        notes: counted facts to show people.
        test_patients: patients that an official list fixes to the test fold.
        same_person: pairs of patient ids that are known to be one person.
    """

    rows: pd.DataFrame
    excluded: pd.DataFrame
    notes: tuple[str, ...] = ()
    test_patients: frozenset[str] = frozenset()
    same_person: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Repository:
    """Describe a public source of radiographs.

    Args:
        name: its name on the command line.
        summary: one line for help pages.
        folders: usual names of its folder, the preferred one first; the case does not matter.
        markers: files that tell its folder when the name does not; ``*`` is allowed.
        read: ``read(folder, root, options)``: ``folder`` holds the repository, paths are relative to ``root``.
        test_fraction: share of patients in the test fold where no official list fixes it.
        val_fraction: share of the remaining patients in the validation fold.
    """

    name: str
    summary: str
    folders: tuple[str, ...]
    markers: tuple[str, ...]
    read: Callable[[Path, Path, ReadOptions], Reading]
    test_fraction: float
    val_fraction: float


@dataclass(frozen=True)
class Located:
    """Hold where the files of the candidates are; series have the candidates' index.

    Args:
        paths: path relative to the root; where there is no file, the place where it was expected.
        outside: whether the path that the metadata gives leaves the root; ``paths`` holds it as it is.
        missing: whether there is no such file.
        notes: what people should know about the files.
    """

    paths: pd.Series
    outside: pd.Series
    missing: pd.Series
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """Mark the candidates that do not become rows, with the reason.

    Args:
        where: a boolean per candidate.
        reason: a few words, the same for all of them.
        detail: the value that decided, one text or a text per candidate.
    """

    where: pd.Series
    reason: str
    detail: pd.Series | str = ""


def make_reading(
    candidates: pd.DataFrame,
    located: Located,
    *,
    repository: str,
    options: ReadOptions,
    refusals: Sequence[Refusal] = (),
    notes: Iterable[str] = (),
    test_patients: Iterable[str] = (),
    same_person: Iterable[tuple[str, str]] = (),
) -> Reading:
    """Divide the candidates into rows and excluded ones, after corrections.

    The first reason that applies counts, in this order: a path that is no text, the path leaves the root, no patient, a
    correction, the given refusals, the view, no file, a file that an earlier row has already. Patients who share a file
    are reported as one person.

    Args:
        candidates: ``image_id`` and ``patient_id`` without the repository's prefix, any other of ``ROW_COLUMNS``,
            labels, further columns; ``source_view`` has the view in the source's words and goes into details only, and
            of ``source_sex`` and ``source_study_date`` the values that were not understood are counted in a note.
        located: the files of the candidates.
        repository: prefix of ids.
        options: views and corrections.
        refusals: reasons of the repository itself, the strongest first.
        notes: counted facts.
        test_patients: patients of the official test list, without prefix.
        same_person: pairs of patients, with prefix.

    Returns:
        Rows and excluded, both in the order of the candidates.
    """
    candidates, located, undecodable = _escape_names(candidates, located)
    corrected = correct(candidates, repository=repository, more=options.corrections)
    source_view = candidates["source_view"] if "source_view" in candidates else ""
    reasons = _reasons(
        [
            Refusal(undecodable, "undecodable file name"),
            Refusal(located.outside, "path leaves root"),
            Refusal(candidates["patient_id"] == "", "no patient"),
            Refusal(corrected.dropped != "", "dropped by a correction", corrected.dropped),
            *refusals,
            *_refuse_views(corrected.candidates, options, source_view),
            Refusal(located.missing, "missing file"),
        ],
        located.paths,
    )
    patient = (repository + ":" + candidates["patient_id"]).where(candidates["patient_id"] != "", "")
    accepted = reasons["reason"] == ""
    candidates = corrected.candidates.assign(
        image_id=repository + "/" + candidates["image_id"],
        path=located.paths,
        repository=repository,
        patient_id=patient,
    )
    excluded = pd.DataFrame({"path": located.paths, "patient_id": patient, **reasons})[~accepted]
    sources = [f"source_{name}" for name in ("view", *_EMPTIED)]
    return Reading(
        rows=_complete(candidates[accepted].drop(columns=sources, errors="ignore")).reset_index(drop=True),
        excluded=_shorten(excluded)[list(EXCLUDED_COLUMNS)].reset_index(drop=True),
        notes=(*notes, *_count_emptied(candidates), *located.notes),
        test_patients=frozenset(f"{repository}:{test_patient}" for test_patient in test_patients),
        same_person=(*same_person, *_pairs_of_one_file(located.paths[~located.outside & (patient != "")], patient)),
    )


def _escape_names(candidates: pd.DataFrame, located: Located) -> tuple[pd.DataFrame, Located, pd.Series]:
    """Return both with names that every table can hold, and which file names are not UTF-8 on the disk."""
    undecodable = ~located.paths.map(is_text).astype(bool)
    if not undecodable.any():
        return candidates, located, undecodable
    names = {name: candidates[name].map(escape).astype(str) for name in ("image_id", "patient_id")}
    return candidates.assign(**names), replace(located, paths=located.paths.map(escape).astype(str)), undecodable


def _count_emptied(candidates: pd.DataFrame) -> list[str]:
    """Return a note on each column with values that were not understood and are empty now."""
    notes = []
    for name in _EMPTIED:
        if f"source_{name}" in candidates:
            source = candidates[f"source_{name}"]
            lost = source[(candidates[name] == "") & (source != "")]
            if len(lost):
                notes.append(list_words(f"unreadable values of {name} emptied", Counter(lost)))
    return notes


def _reasons(refusals: Sequence[Refusal], paths: pd.Series) -> pd.DataFrame:
    """Return the first reason and its detail for each candidate; both are empty where it becomes a row."""
    reason = pd.Series("", index=paths.index, dtype=str)
    detail = pd.Series("", index=paths.index, dtype=str)
    for refusal in refusals:
        new = refusal.where & (reason == "")
        if new.any():
            reason = reason.mask(new, refusal.reason)
            detail = detail.mask(new, refusal.detail)
    repeated = paths[reason == ""].duplicated().reindex(paths.index, fill_value=False)
    return pd.DataFrame({"reason": reason.mask(repeated, "duplicate row"), "detail": detail})


def _refuse_views(candidates: pd.DataFrame, options: ReadOptions, detail: pd.Series | str) -> list[Refusal]:
    if "view" not in candidates:
        return []
    unwanted = [view for view in VIEWS if view not in options.views]
    return [Refusal(candidates["view"] == view, VIEW_REASONS[view], detail) for view in unwanted]


def _complete(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with every column of `ROW_COLUMNS` and every label of ``LABELS``, in that order, then the others."""
    columns: dict[str, object] = {}
    for name in ROW_COLUMNS:
        if name in rows:
            columns[name] = rows[name]
        elif BY_NAME[name].kind == "number":
            columns[name] = np.nan
        else:
            columns[name] = "UNKNOWN" if name == "view" else ""
    further_columns = [name for name in rows.columns if name not in ROW_COLUMNS and name not in LABELS]
    for name in (*LABELS, *further_columns):
        columns[name] = rows[name] if name in rows else np.float32("nan")
    complete = pd.DataFrame(columns, index=rows.index)
    return complete.astype(dict.fromkeys(LABELS, np.float32))


def _shorten(excluded: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: excluded[name].astype(str).str.slice(0, LONGEST_TEXT) for name in excluded})


def _pairs_of_one_file(paths: pd.Series, patients: pd.Series) -> list[tuple[str, str]]:
    """Return pairs of patients whose rows name the same file."""
    repeated = paths[paths.duplicated(keep=False)]
    pairs: set[tuple[str, str]] = set()
    for _, same in patients[repeated.index].groupby(repeated):
        first, *further = sorted(set(same))
        pairs.update((first, patient_id) for patient_id in further)
    return sorted(pairs)
