"""Any folder of DICOM, PNG or JPEG files, with a table of what is known about them or without one.

What the table does not say is taken from the DICOM headers. What neither says stays empty: an image without a patient
is taken for a patient of its own, and images of unknown view are kept, since whoever names a folder has chosen them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from cxrshort.columns import BY_NAME, LABELS, VIEWS
from cxrshort.datasets.repositories.parsing.fields import (
    list_words,
    looks_day_first,
    read_ages,
    read_dates,
    read_distinct,
    read_sexes,
)
from cxrshort.datasets.repositories.parsing.headers import FIELDS, read_dicom_header, read_located_headers
from cxrshort.datasets.repositories.parsing.label_maps import UNCERTAIN
from cxrshort.datasets.repositories.parsing.layout import (
    IMAGE_SUFFIXES,
    ImageIndex,
    index_images,
    last_parts,
    locate_files,
    posix_prefix,
)
from cxrshort.datasets.repositories.parsing.projections import read_description
from cxrshort.datasets.repositories.reading import Located, Reading, ReadOptions, Refusal, Repository, make_reading
from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.images.raster import ImageError, open_file
from cxrshort.manifest import is_split
from cxrshort.registry import check_name, nearest
from cxrshort.tables import read_header, read_table, sniff_separator

NAME = "folder"
_FILE_COLUMNS = ("path", "path_or_name", "filename", "file", "image_id", "image", "Image Index")
_TEXT_FIELDS = {
    "patient_id": "PatientID",
    "study_id": "StudyInstanceUID",
    "study_date": "StudyDate",
    "view": "ViewPosition",
    "sex": "PatientSex",
    "age_years": "PatientAge",
    "manufacturer": "Manufacturer",
    "modality": "Modality",
}
"""Manifest columns that a table or a DICOM header can fill."""

_LISTED = 12
"""Columns that a note names."""
_MISSPELT = 0.8
"""Similarity from which a label of the user's own is taken for a known name with a slip: four of five letters."""

_VIEW_WORDS = {
    "PA": ("PA", "POSTEROANTERIOR", "POSTERO-ANTERIOR"),
    "AP": ("AP", "ANTEROPOSTERIOR", "ANTERO-POSTERIOR", "AP ERECT", "PORTABLE"),
    "AP_SUPINE": ("AP_SUPINE", "AP SUPINE", "SUPINE"),
    "LATERAL": ("LATERAL", "LL", "RL", "LAT", "L"),
}
_VIEW_OF = {word: view for view, words in _VIEW_WORDS.items() for word in words}
_TRUTH = {"yes": 1.0, "true": 1.0, "positive": 1.0, "pos": 1.0, "no": 0.0, "false": 0.0, "negative": 0.0, "neg": 0.0}


def read(folder: Path, root: Path, options: ReadOptions) -> Reading:
    """Read a folder's files, or the table that lists them.

    ``options.column_map`` pairs a manifest column or a label with the name that the table has for it, such as
    ``("patient_id", "MRN")`` or ``("COVID-19", "pcr_result")``; columns that have the right name need no pair. ``path``
    is the column of file names.

    Raises:
        MissingInputError: the folder has no images.
        UsageError: a pair without a table, or a pair of a manifest column that a table cannot give.
        DataError: the table lacks a column.
    """
    index = index_images(folder, relative_to=root, suffixes=(*IMAGE_SUFFIXES, ".dic"), also=_is_dicom)
    ignored = (
        [f"{index.other_files} files that are neither DICOM, PNG nor JPEG were left alone"] if index.other_files else []
    )
    if options.table is None:
        if options.column_map:
            raise UsageError("--column needs a table", "give it with --table")
        if not index.paths:
            raise MissingInputError(f"'{folder}' has no images", "looked for DICOM, PNG and JPEG files")
        paths = pd.Series(index.paths, dtype=str)
        # Without a table the headers are the metadata, and all that says who is whose patient.
        options = replace(options, require_files=True)
        return _make_reading(
            pd.DataFrame(index=paths.index), locate_files(paths, paths), folder, root, options, ignored
        )
    table, notes = _read_table(options.table, options)
    located = _locate(_below(table["path"], folder, root, index), folder, root, options, index)
    return _make_reading(table, located, folder, root, options, [*notes, *ignored])


def _is_dicom(path: Path) -> bool:
    """Return whether a file without an image's ending, as scanners name them, is a DICOM image; a DICOMDIR is none."""
    from cxrshort.images.dicom import looks_like_dicom

    if path.name.upper() == "DICOMDIR":
        return False
    try:
        with open_file(path) as file:
            return looks_like_dicom(file.read(132))
    except (ImageError, OSError):
        return False


def _read_table(path: Path, options: ReadOptions) -> tuple[pd.DataFrame, list[str]]:
    """Return the table's columns under the names of the manifest."""
    _check_columns([name for name, _ in options.column_map])
    source_of = dict(options.column_map)
    free = [name for name in (*_TEXT_FIELDS, *LABELS) if name not in source_of]
    named = [name for name in _FILE_COLUMNS if "path" not in source_of]
    optional = tuple(dict.fromkeys([*free, *named]))
    separator = sniff_separator(path)
    table, notes = read_table(path, tuple(source_of.values()), optional=optional, separator=separator)
    files = [name for name in named if (table[name] != "").any()]
    if named and not files:
        raise DataError(f"{path.name}: no column names the files", "say which one does with --column path=NAME")
    source_of.setdefault("path", files[0] if files else "")
    used = {name.casefold() for name in (*source_of.values(), *free)}
    unused = [name for name in read_header(path, separator=separator) if name and name.casefold() not in used]
    own = [name for name, _ in options.column_map if name not in (*_TEXT_FIELDS, *LABELS, "path")]
    if own:
        notes = [*notes, f"{path.name}: these columns become labels of your own: {', '.join(own)}"]
    if unused:
        listed = ", ".join(unused[:_LISTED]) + (f", and {len(unused) - _LISTED} more" if len(unused) > _LISTED else "")
        notes = [*notes, f"{path.name}: these columns are not used: {listed}; --column NAME=COLUMN takes one in"]
    return pd.DataFrame(
        {**{name: table[name] for name in free}, **{to: table[name] for to, name in source_of.items()}}
    ), notes


def _check_columns(names: Sequence[str]) -> None:
    """Refuse what ``--column`` cannot name, twice the same, and a label that is probably a misspelt name."""
    allowed = (*_TEXT_FIELDS, "path")
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--column names '{name}' twice", "give it once")
        if is_split(name):
            raise UsageError(f"--column cannot give '{name}', which build-dataset draws", "--replicates says how many")
        if name in BY_NAME and name not in allowed:
            check_name(allowed, name, kind="column that a table can give")
        vocabulary = (*allowed, *LABELS)
        if name not in vocabulary and (meant := nearest(vocabulary, name, cutoff=_MISSPELT)):
            raise UsageError(
                f"--column '{name}' is nearly '{meant}'", f"--column {meant}=COLUMN, or a name less like it for a label"
            )


def _below(names: pd.Series, folder: Path, root: Path, index: ImageIndex) -> pd.Series:
    """Return names in which an absolute path within the folder is one relative to it, and backslashes are slashes.

    Only where a file is found that way: what names none stays as it is written, for excluded.csv.
    """
    prefix, files = posix_prefix(folder, root), set(index.paths)
    below = names.str.replace("\\", "/", regex=False)
    for home in dict.fromkeys((folder.absolute(), folder.resolve())):
        below = below.str.removeprefix(f"{home.as_posix()}/")
    return names.where((prefix + names).isin(files) | ~(prefix + below).isin(files), below)


def _locate(names: pd.Series, folder: Path, root: Path, options: ReadOptions, index: ImageIndex) -> Located:
    """Find each file by its path below the folder, else by its name."""
    places = posix_prefix(folder, root) + names
    if not options.require_files:
        return locate_files(names, places)
    exact = places.where(places.isin(set(index.paths)), "")
    located = locate_files(names, places, paths=exact.mask(exact == "", index.find(names)), index=index)
    return replace(located, notes=(*located.notes, *index.ambiguity(last_parts(names[exact == ""]))))


def _make_reading(
    table: pd.DataFrame,
    located: Located,
    folder: Path,
    root: Path,
    options: ReadOptions,
    notes: list[str] | None = None,
) -> Reading:
    headers, refusals = _read_headers(located, root, options)
    fields = {
        name: _prefer(table[name] if name in table else None, headers[field]) for name, field in _TEXT_FIELDS.items()
    }
    ages, age_notes = read_ages(fields["age_years"], unit=options.age_unit)
    ages = ages.where(ages.notna(), _ages_at_study(headers))
    described = headers["SeriesDescription"].map(lambda text: read_description(text) or "")
    fields["view"] = fields["view"].where(fields["view"] != "", described)
    labels, label_notes = _labels(table, options)
    image = located.paths.str.removeprefix(posix_prefix(folder, root))
    patients, patient_notes = _patients(fields["patient_id"], image)
    views = pd.Series(read_distinct(fields["view"], _view), index=image.index, dtype=str)
    dates = read_dates(fields["study_date"], day_first=options.day_first)
    candidates = pd.DataFrame(
        {
            **fields,
            "image_id": image,
            "patient_id": patients,
            "study_date": dates,
            "source_study_date": fields["study_date"],
            "view": views,
            "source_view": fields["view"],
            "sex": read_sexes(fields["sex"]),
            "source_sex": fields["sex"],
            "age_years": ages,
        }
    ).join(labels)
    return make_reading(
        candidates,
        located,
        repository=NAME,
        options=replace(options, views=(*options.views, "UNKNOWN")),
        refusals=refusals,
        notes=[
            *(notes or []),
            *age_notes,
            *label_notes,
            *patient_notes,
            *_unknown_views(views, fields["view"]),
            *_day_first(fields["study_date"], dates),
        ],
    )


def _unknown_views(views: pd.Series, source: pd.Series) -> list[str]:
    """Return notes on the images of unknown view, and on the words that say it."""
    unknown = views == "UNKNOWN"
    words = source[unknown & (source != "")]
    notes = [f"images of unknown view, which are kept: {int(unknown.sum())}"] if unknown.any() else []
    return [*notes, list_words("unknown words for a view", Counter(words))] if len(words) else notes


def _day_first(source: pd.Series, dates: pd.Series) -> list[str]:
    """Return a hint where dates were not understood whose day comes first."""
    count = sum(map(looks_day_first, source[dates == ""].tolist()))
    return [f"dates that begin with the day, left empty: {count}; --day-first reads them"] if count else []


def _read_headers(located: Located, root: Path, options: ReadOptions) -> tuple[pd.DataFrame, list[Refusal]]:
    """Return the headers of the DICOM files among the candidates, and a refusal of those that cannot be read."""
    is_dicom = ~located.paths.str.lower().str.endswith((".png", ".jpg", ".jpeg"))
    dicom_files = Located(located.paths[is_dicom], located.outside[is_dicom], located.missing[is_dicom])
    headers = read_located_headers(dicom_files, read_dicom_header, root=root, options=options)
    headers = headers.reindex(located.paths.index, columns=list(FIELDS)).fillna("").astype(str)
    return headers, [
        Refusal(located.missing, "missing file"),
        Refusal(headers["error"] != "", "unreadable header", headers["error"]),
    ]


def _ages_at_study(headers: pd.DataFrame) -> pd.Series:
    """Return the years from birth to the study, NaN where a header lacks either date."""
    born, seen = (
        pd.to_datetime(headers[name], format="%Y%m%d", errors="coerce") for name in ("PatientBirthDate", "StudyDate")
    )
    years: pd.Series = (seen - born).dt.days // 365.25
    return years.where(years.between(0, 120))


def _prefer(from_table: pd.Series | None, from_header: pd.Series) -> pd.Series:
    return from_header if from_table is None else from_table.where(from_table != "", from_header)


def _view(text: str) -> str:
    words = " ".join(text.upper().split())
    return words if words in VIEWS else _VIEW_OF.get(words, "UNKNOWN")


def _patients(patients: pd.Series, images: pd.Series) -> tuple[pd.Series, list[str]]:
    without_patient = int((patients == "").sum())
    notes = (
        [f"images without a patient id: {without_patient}; each counts as a patient of its own"]
        if without_patient
        else []
    )
    return patients.mask(patients == "", images), notes


def _labels(table: pd.DataFrame, options: ReadOptions) -> tuple[pd.DataFrame, list[str]]:
    """Return the label columns of a table: numbers in [0, 1], yes or no, -1 for uncertain."""
    check_name(UNCERTAIN, options.uncertain, kind="reading of uncertain labels")
    labels = pd.DataFrame(index=table.index)
    notes = []
    for name in [column for column in table if column not in BY_NAME]:
        values = read_distinct(table[name], lambda text: _value(text, options.uncertain))
        labels[name] = pd.Series(values, index=table.index, dtype=np.float32)
        unread = table[name][labels[name].isna() & ~table[name].isin(["", "-1", "-1.0"])]
        if len(unread):
            notes.append(list_words(f"unreadable values of {name} emptied", Counter(unread)))
    return labels, notes


def _value(text: str, uncertain: str) -> float:
    if text.lower() in _TRUTH:
        return _TRUTH[text.lower()]
    try:
        number = float(text)
    except ValueError:
        return np.nan
    if number == -1:
        return UNCERTAIN[uncertain]
    return number if 0 <= number <= 1 else np.nan


REPOSITORY = Repository(
    name=NAME,
    summary="any folder of DICOM, PNG or JPEG files, with --table for what is known about them",
    folders=(),
    markers=(),
    read=read,
    test_fraction=0.10,
    val_fraction=0.10,
)
