"""PadChest: labels from reports, views, ages, what pixels need."""

import pandas as pd
import pytest

from cxrshort.columns import CHESTX_RAY14_LABELS, COVID
from cxrshort.datasets.repositories.padchest import REPOSITORY
from cxrshort.datasets.repositories.parsing.layout import find_repository
from cxrshort.datasets.repositories.reading import ReadOptions

from ..lookalikes import padchest


@pytest.fixture
def reading(tmp_path):
    padchest(tmp_path)
    return REPOSITORY.read(find_repository(tmp_path, REPOSITORY), tmp_path, ReadOptions())


def labels_of(reading, name):
    row = reading.rows.set_index("image_id").loc[f"padchest/{name}", list(CHESTX_RAY14_LABELS)]
    return None if row.isna().all() else {label for label, value in row.items() if value == 1}


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("a.png", {"Effusion", "Pneumonia"}),
        ("b.png", {"Cardiomegaly"}),
        ("c.png", {"Mass", "Nodule", "Cardiomegaly"}),
        ("d.png", None),
        ("e.png", None),
        ("i.png", {"Pleural_Thickening"}),
    ],
)
def test_labels_come_from_reports_and_the_latest_earlier_study(reading, name, labels):
    assert labels_of(reading, name) == labels


def test_films_pre_date_covid(reading):
    assert (reading.rows[COVID] == 0).all()


def test_notes_count_unknown_words_and_missing_findings(reading):
    assert reading.notes == (
        "1 unknown finding strings: new word (1)",
        "2 images without findings: their labels are empty",
        "1 of them say 'unchanged' with no earlier study",
        "1 unreadable values of sex emptied: O (1)",
    )


def test_columns_of_the_table_are_read(reading):
    first = reading.rows.iloc[0]
    assert first[["patient_id", "study_date", "sex", "manufacturer", "modality", "photometric"]].to_list() == [
        "padchest:P1",
        "2014-09-15",
        "M",
        "PhilipsMedicalSystems",
        "CR",
        "MONOCHROME1",
    ]
    assert first["age_years"] == 2014 - 1956
    assert pd.isna(reading.rows.set_index("image_id").loc["padchest/d.png", "age_years"])


def test_supine_films_are_kept_on_request(tmp_path):
    padchest(tmp_path)
    options = ReadOptions(views=("PA", "AP", "AP_SUPINE"))
    rows = REPOSITORY.read(find_repository(tmp_path, REPOSITORY), tmp_path, options).rows
    assert (rows["view"] == "AP_SUPINE").sum() == 1
