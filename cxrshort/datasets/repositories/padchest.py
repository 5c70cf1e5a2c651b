"""PadChest of the Hospital San Juan, Alicante (Bustos et al., Med. Image Anal. 2020): 160,868 films, 2009 to 2017.

Films pre-date COVID-19, so that label is 0. Pixels are stored as they came from the machine: ``photometric`` says which
films are MONOCHROME1 and need inverting.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from cxrshort.columns import COVID
from cxrshort.datasets.repositories.parsing.fields import read_dates, read_distinct, read_sexes
from cxrshort.datasets.repositories.parsing.layout import find_file, last_parts, locate_names
from cxrshort.datasets.repositories.parsing.report_findings import carry_forward, label_findings, split_findings
from cxrshort.datasets.repositories.reading import Reading, ReadOptions, Repository, make_reading
from cxrshort.tables import read_table

NAME = "padchest"
_TABLE = "PADCHEST_chest_x_ray_images_labels*.csv"
_REQUIRED = ("ImageID", "PatientID", "Projection", "Labels", "StudyDate_DICOM")
_OPTIONAL = (
    "StudyID",
    "PatientBirth",
    "PatientSex_DICOM",
    "Manufacturer_DICOM",
    "Modality_DICOM",
    "PhotometricInterpretation_DICOM",
)
_VIEWS = {"PA": "PA", "AP": "AP", "AP_HORIZONTAL": "AP_SUPINE", "L": "LATERAL"}


def read(folder: Path, root: Path, options: ReadOptions) -> Reading:
    """Read the label table and the names of the image files, flat or in the folders of the download."""
    table, notes = read_table(find_file(folder, _TABLE, "*/" + _TABLE), _REQUIRED, optional=_OPTIONAL)
    located = locate_names(table["ImageID"], folder, root=root, options=options)
    dates = read_dates(table["StudyDate_DICOM"])
    reports, lost = carry_forward(read_distinct(table["Labels"], split_findings), table["PatientID"], dates)
    labels, label_notes = label_findings(reports, table.index)
    candidates = pd.DataFrame(
        {
            "image_id": last_parts(table["ImageID"]),
            "patient_id": table["PatientID"],
            "study_id": table["StudyID"],
            "study_date": dates,
            "source_study_date": table["StudyDate_DICOM"],
            "view": read_distinct(table["Projection"], lambda text: _VIEWS.get(text.upper(), "UNKNOWN")),
            "source_view": table["Projection"],
            "sex": read_sexes(table["PatientSex_DICOM"]),
            "source_sex": table["PatientSex_DICOM"],
            "age_years": _ages(dates, table["PatientBirth"]),
            "manufacturer": table["Manufacturer_DICOM"],
            "modality": table["Modality_DICOM"],
            "photometric": table["PhotometricInterpretation_DICOM"],
        }
    ).join(labels)
    return make_reading(
        candidates.assign(**{COVID: np.float32(0)}),
        located,
        repository=NAME,
        options=options,
        notes=[*notes, *label_notes, *_count(reports, lost)],
    )


def _ages(dates: pd.Series, births: pd.Series) -> pd.Series:
    """Return the difference of years; the table gives no more than the year of birth."""
    born = pd.Series(read_distinct(births, _year), index=births.index, dtype=np.float64)
    studied = pd.Series(read_distinct(dates, lambda text: _year(text[:4])), index=dates.index, dtype=np.float64)
    ages = studied - born
    return ages.where(ages.between(0, 120))


def _year(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _count(reports: list[tuple[str, ...] | None], lost: int) -> list[str]:
    without_findings = sum(words is None for words in reports)
    notes = [f"{without_findings} images without findings: their labels are empty"] if without_findings else []
    return [*notes, f"{lost} of them say 'unchanged' with no earlier study"] if lost else notes


REPOSITORY = Repository(
    name=NAME,
    summary="PadChest: 160,868 films of Alicante, findings read from reports",
    folders=("PadChest", "BIMCV-PadChest"),
    markers=(_TABLE, _TABLE + ".gz", "*/" + _TABLE, "*/" + _TABLE + ".gz"),
    read=read,
    test_fraction=0.05,
    val_fraction=0.05,
)
