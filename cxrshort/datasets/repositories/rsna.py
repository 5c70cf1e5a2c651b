"""The RSNA Pneumonia Detection Challenge (Shih et al., Radiology: AI 2019): 26,684 labelled DICOM films.

The films are a part of ChestX-ray14, from before COVID-19. Without the published table that names the original of each
film, two films of one person cannot be told from those of two; with it, patients are joined to those of ChestX-ray14.
View, sex and age are read from the DICOM headers.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from cxrshort.columns import CHESTX_RAY14_LABELS, COVID
from cxrshort.datasets.repositories.parsing.fields import count_words, list_words, read_ages, read_labels, read_sexes
from cxrshort.datasets.repositories.parsing.headers import read_dicom_header, read_located_headers
from cxrshort.datasets.repositories.parsing.layout import find_file, find_optional_file, locate_names
from cxrshort.datasets.repositories.reading import Reading, ReadOptions, Refusal, Repository, make_reading
from cxrshort.errors import DataError
from cxrshort.tables import read_table

NAME = "rsna"
_IMAGES = "stage_2_train_images"
_CLASSES = ("stage_2_detailed_class_info.csv", "*detailed_class_info*.csv", "*/*detailed_class_info*.csv")
_MAPPING = ("pneumonia-challenge-dataset-mappings*.json", "*/pneumonia-challenge-dataset-mappings*.json")
_LABELS = (*CHESTX_RAY14_LABELS, COVID, "Lung Opacity")
_CLASS_LABELS = {
    "Normal": dict.fromkeys(_LABELS, 0.0),
    "No Lung Opacity / Not Normal": {"Pneumonia": 0.0, "Lung Opacity": 0.0, COVID: 0.0},
    "Lung Opacity": {"Pneumonia": 1.0, "Lung Opacity": 1.0, COVID: 0.0},
}


def read(folder: Path, root: Path, options: ReadOptions) -> Reading:
    """Read the classes of the films, their headers, and the table of originals where it is there."""
    table, notes = read_table(find_file(folder, *_CLASSES), ("patientId", "class"))
    # One line per box: a film with three boxes stands there three times.
    table = table.drop_duplicates("patientId").reset_index(drop=True)
    names = table["patientId"] + ".dcm"
    located = locate_names(names, folder, root=root, within="stage_2_train_images", options=options, expected=_IMAGES)
    headers = read_located_headers(located, read_dicom_header, root=root, options=options)
    ages, age_notes = read_ages(headers["PatientAge"], unit=options.age_unit)
    patients, same_person, mapping_notes = _patients(folder, table["patientId"])
    view = headers["ViewPosition"].str.upper()
    unknown = count_words(table["class"], lambda text: [] if text in _CLASS_LABELS else [text])
    candidates = pd.DataFrame(
        {
            "image_id": table["patientId"],
            "patient_id": patients,
            "view": view.where(view.isin(["PA", "AP"]), "UNKNOWN"),
            "source_view": headers["ViewPosition"],
            "sex": read_sexes(headers["PatientSex"]),
            "source_sex": headers["PatientSex"],
            "age_years": ages,
            "modality": headers["Modality"],
        }
    ).join(read_labels(table["class"], lambda text: _CLASS_LABELS.get(text, {}), _LABELS, otherwise=np.nan))
    return make_reading(
        candidates,
        located,
        repository=NAME,
        # The table has no views, and all films of this archive are frontal.
        options=options if options.require_files else replace(options, views=(*options.views, "UNKNOWN")),
        refusals=[
            # A file that is not there has no view either, and that is not what is wrong with it.
            Refusal(located.missing, "missing file"),
            Refusal(headers["error"] != "", "unreadable header", headers["error"]),
        ],
        notes=[*notes, *age_notes, *mapping_notes, *([list_words("unknown classes", unknown)] if unknown else [])],
        same_person=same_person,
    )


def _patients(folder: Path, films: pd.Series) -> tuple[pd.Series, list[tuple[str, str]], list[str]]:
    """Return the patient of each film, pairs with the patients of ChestX-ray14, and a note."""
    path = find_optional_file(folder, *_MAPPING)
    originals = _read_mapping(path) if path else {}
    patients = pd.Series([originals.get(film, film) for film in films], index=films.index, dtype=str)
    unmapped = int((~films.isin(originals)).sum())
    notes = [f"{unmapped} films are each taken for a patient of their own: no table of originals"] if unmapped else []
    joined = sorted({(f"{NAME}:{patient}", f"chestx-ray14:{patient}") for patient in patients[films.isin(originals)]})
    return patients, joined, notes


def _read_mapping(path: Path) -> dict[str, str]:
    """Return the ChestX-ray14 patient of each film."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
        return {str(entry["subset_img_id"]): str(entry["img_id"]).partition("_")[0] for entry in entries}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path.name}: not the table of originals", "download it again, or move it away") from error


REPOSITORY = Repository(
    name=NAME,
    summary="RSNA Pneumonia Challenge: 26,684 DICOM films of ChestX-ray14, read again",
    folders=("RSNA", "rsna-pneumonia-detection-challenge"),
    markers=("stage_2_detailed_class_info.csv*", "*/stage_2_detailed_class_info.csv*"),
    read=read,
    test_fraction=0.05,
    val_fraction=0.05,
)
