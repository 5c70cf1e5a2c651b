"""Brixia COVID-19 of the Spedali Civili di Brescia (Signoroni et al., Med. Image Anal. 2021): 4,703 films of 2020.

Every film is of a person with COVID-19; the Brixia score (0 to 18, kept as ``brixia_score``) grades the lungs. Films
with score 0 show no sign of it and are left out, as in the papers. Only COVID-19 is labelled. The table has no view:
it is read from the DICOM headers.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from cxrshort.columns import COVID
from cxrshort.datasets.repositories.parsing.fields import OLDEST, read_ages, read_dates, read_sexes
from cxrshort.datasets.repositories.parsing.headers import read_dicom_header, read_located_headers
from cxrshort.datasets.repositories.parsing.layout import find_file, locate_names
from cxrshort.datasets.repositories.reading import Reading, ReadOptions, Refusal, Repository, make_reading
from cxrshort.tables import read_table, sniff_separator

NAME = "brixia"
_TABLES = ("metadata_global_v2.csv", "metadata_global_v1.csv", "metadata_global*.csv", "*/metadata_global*.csv")
_REQUIRED = ("Filename", "Subject", "BrixiaScoreGlobal")
_OPTIONAL = ("StudyId", "StudyDate", "Sex", "AgeAtStudyDateFiveYear", "Manufacturer", "Modality")


def read(folder: Path, root: Path, options: ReadOptions) -> Reading:
    """Read the table of scores (parted by semicolons in version 2, by commas in version 1) and the DICOM headers."""
    path = find_file(folder, *_TABLES)
    table, notes = read_table(path, _REQUIRED, optional=_OPTIONAL, separator=sniff_separator(path))
    located = locate_names(table["Filename"], folder, root=root, options=options, expected="dicom_clean")
    headers = read_located_headers(located, read_dicom_header, root=root, options=options)
    ages, age_notes = _ages(table["AgeAtStudyDateFiveYear"], headers["PatientAge"], options)
    view = headers["ViewPosition"].str.upper()
    view = view.where(view.isin(["PA", "AP"]), "UNKNOWN")
    score = pd.to_numeric(table["BrixiaScoreGlobal"], errors="coerce")
    refusals = [
        Refusal(headers["error"] != "", "unreadable header", headers["error"]),
        Refusal(score.isna(), "no score", table["BrixiaScoreGlobal"]),
        Refusal(score == 0, "score 0"),
    ]
    candidates = pd.DataFrame(
        {
            "image_id": table["Filename"],
            "patient_id": table["Subject"],
            "study_id": table["StudyId"],
            "study_date": read_dates(table["StudyDate"]),
            "source_study_date": table["StudyDate"],
            "view": view,
            "source_view": headers["ViewPosition"],
            "sex": read_sexes(table["Sex"]),
            "source_sex": table["Sex"],
            "age_years": ages,
            "manufacturer": table["Manufacturer"],
            "modality": table["Modality"],
            COVID: np.float32(1),
            "brixia_score": score,
        }
    )
    return make_reading(
        candidates,
        located,
        repository=NAME,
        options=replace(options, views=(*options.views, "UNKNOWN")),
        refusals=refusals,
        notes=[*notes, *age_notes, *_count(view)],
    )


def _ages(groups: pd.Series, exact: pd.Series, options: ReadOptions) -> tuple[pd.Series, list[str]]:
    """Return the age of the header, else the beginning of the table's group of five years."""
    ages, notes = read_ages(exact, unit=options.age_unit)
    begins = pd.to_numeric(groups, errors="coerce") * 5.0
    return ages.fillna(begins.where(begins.between(0, OLDEST))), notes


def _count(view: pd.Series) -> list[str]:
    unknown = int((view == "UNKNOWN").sum())
    return [f"{unknown} films of unknown view kept: all films of this archive are frontal"] if unknown else []


REPOSITORY = Repository(
    name=NAME,
    summary="Brixia COVID-19: 4,703 DICOM films of Brescia with severity scores",
    folders=("Brixia", "BrixIA", "brixia-score-covid-19"),
    markers=("metadata_global*.csv*", "*/metadata_global*.csv*"),
    read=read,
    test_fraction=0.05,
    val_fraction=0.05,
)
