"""MIMIC-CXR of the Beth Israel Deaconess Medical Center (Johnson et al., Sci. Data 2019): 377,110 films, 2011 to 2016.

JPEG and DICOM downloads have one layout, ``files/p10/p10000032/s50414267/<dicom_id>.jpg``; the tables are those of the
JPEG edition. Age and sex are in MIMIC-IV's ``patients.csv``; dates are shifted, the same for all of a patient's.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from cxrshort.datasets.repositories.parsing.fields import read_dates, read_distinct, read_sexes
from cxrshort.datasets.repositories.parsing.layout import (
    find_file,
    find_optional_file,
    index_images,
    locate_files,
    posix_prefix,
)
from cxrshort.datasets.repositories.parsing.observations import OBSERVATIONS, read_observations
from cxrshort.datasets.repositories.reading import Located, Reading, ReadOptions, Repository, make_reading
from cxrshort.registry import check_name
from cxrshort.tables import read_table

NAME = "mimic-cxr"
LABELERS = ("chexpert", "negbio")
_METADATA = ("dicom_id", "subject_id", "study_id", "ViewPosition", "StudyDate")
_VIEWS = {"PA": "PA", "AP": "AP", "LATERAL": "LATERAL", "LL": "LATERAL", "XTABLE LATERAL": "LATERAL"}


def read(folder: Path, root: Path, options: ReadOptions) -> Reading:
    """Read metadata, labels, the official split where it is there, and patients where they are."""
    check_name(LABELERS, options.labeler, kind="labeler")
    hint = "the tables come with the JPEG edition (MIMIC-CXR-JPG); put them beside 'files'"
    table, notes = read_table(_find(folder, "metadata", hint=hint), _METADATA)
    table, patient_notes = _join_patients(folder, table)
    labels, label_notes = _labels(folder, table, options)
    test, split_notes = _test_patients(folder)
    candidates = pd.DataFrame(
        {
            "image_id": table["dicom_id"],
            "patient_id": table["subject_id"],
            "study_id": table["study_id"],
            "study_date": read_dates(table["StudyDate"]),
            "source_study_date": table["StudyDate"],
            "view": read_distinct(table["ViewPosition"], lambda text: _VIEWS.get(text.upper(), "UNKNOWN")),
            "source_view": table["ViewPosition"],
            "sex": read_sexes(table["gender"]),
            "source_sex": table["gender"],
            "age_years": table["age_years"],
        }
    ).join(labels)
    return make_reading(
        candidates,
        _locate(table, folder, root, options),
        repository=NAME,
        options=options,
        notes=[*notes, *patient_notes, *label_notes, *split_notes],
        test_patients=test,
    )


def _find(folder: Path, table: str, *, hint: str = "") -> Path:
    name = f"mimic-cxr-*{table}.csv"
    return find_file(folder, name, f"*/{name}", hint=hint)


def _locate(table: pd.DataFrame, folder: Path, root: Path, options: ReadOptions) -> Located:
    """Return the place of each image by its name, as JPEG or else as DICOM."""
    subject, study, image = table["subject_id"], table["study_id"], table["dicom_id"]
    inside = "files/p" + subject.str[:2] + "/p" + subject + "/s" + study + "/" + image
    places = posix_prefix(folder, root) + inside
    if not options.require_files:
        return locate_files(image, places + ".jpg")
    index = index_images(folder, relative_to=root)
    jpeg, dicom = index.find(image + ".jpg"), index.find(image + ".dcm")
    return locate_files(image, places + ".jpg", paths=jpeg.where(jpeg != "", dicom), index=index)


def _join_patients(folder: Path, table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Add sex and age: the age at the anchor year plus the years since (both years are shifted alike)."""
    path = find_optional_file(folder, "patients.csv", "*/patients.csv", "../patients.csv", "../*/patients.csv")
    if path is None:
        return table.assign(gender="", age_years=np.nan), ["no patients.csv of MIMIC-IV: age and sex are empty"]
    patients, notes = read_table(path, ("subject_id", "gender", "anchor_age", "anchor_year"))
    anchors = patients.drop_duplicates("subject_id").set_index("subject_id")
    offset = pd.to_numeric(anchors["anchor_age"], errors="coerce") - pd.to_numeric(
        anchors["anchor_year"], errors="coerce"
    )
    years = pd.to_numeric(table["StudyDate"].str[:4], errors="coerce") + table["subject_id"].map(offset)
    gender = table["subject_id"].map(anchors["gender"]).fillna("").astype(str)
    return table.assign(gender=gender, age_years=years.astype(np.float64)), notes


def _labels(folder: Path, table: pd.DataFrame, options: ReadOptions) -> tuple[pd.DataFrame, list[str]]:
    """Return the labels of each image's study; empty where the study has none."""
    path = _find(folder, options.labeler)
    studies, notes = read_table(path, ("study_id", *OBSERVATIONS))
    studies = studies.drop_duplicates("study_id").set_index("study_id")
    joined = studies.reindex(table["study_id"]).set_index(table.index)
    labelled = table["study_id"].isin(studies.index)
    labels, label_notes = read_observations(joined.fillna(""), uncertain=options.uncertain, labelled=labelled)
    unlabelled = int((~labelled).sum())
    if unlabelled:
        label_notes.append(f"{unlabelled} images of studies without labels: all but COVID-19 are empty")
    return labels, [*notes, f"labels from {path.name}", *label_notes]


def _test_patients(folder: Path) -> tuple[set[str], list[str]]:
    path = find_optional_file(folder, "mimic-cxr-*split.csv", "*/mimic-cxr-*split.csv")
    if path is None:
        return set(), ["no official split: the test fold is drawn by patient"]
    table, notes = read_table(path, ("subject_id", "split"))
    return set(table["subject_id"][table["split"] == "test"]), notes


REPOSITORY = Repository(
    name=NAME,
    summary="MIMIC-CXR: 377,110 films of Boston, 14 observations; JPEG or DICOM",
    folders=("MIMIC-CXR", "MIMIC-CXR-JPG", "mimic-cxr-jpg-2.0.0", "mimic-cxr-jpg-2.1.0", "mimic-cxr-2.0.0"),
    markers=("mimic-cxr-*metadata.csv*", "*/mimic-cxr-*metadata.csv*"),
    read=read,
    test_fraction=0.05,
    val_fraction=0.05,
)
