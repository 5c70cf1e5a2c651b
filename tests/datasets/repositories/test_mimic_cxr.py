"""MIMIC-CXR: metadata, labels of two labelers, official split, ages from MIMIC-IV."""

import pytest

from cxrshort.datasets.repositories import mimic_cxr
from cxrshort.datasets.repositories.parsing.layout import find_repository
from cxrshort.datasets.repositories.reading import ReadOptions

from .. import lookalikes


def read(root, **options):
    expected = lookalikes.mimic_cxr(root)
    folder = find_repository(root, mimic_cxr.REPOSITORY)
    return expected, mimic_cxr.REPOSITORY.read(folder, root, ReadOptions(**options))


def test_mimic_cxr_parts_rows_from_excluded(tmp_path):
    expected, reading = read(tmp_path)
    assert tuple(reading.rows["image_id"]) == expected.rows
    assert reading.excluded["reason"].value_counts().to_dict() == expected.reasons


def test_mimic_cxr_finds_jpeg_and_dicom_files(tmp_path):
    _, reading = read(tmp_path)
    assert [path.rpartition("/")[2] for path in reading.rows["path"]] == ["aa-1.jpg", "bb-1.dcm", "dd-1.jpg"]


def test_mimic_cxr_takes_sex_and_age_from_mimic_iv(tmp_path):
    _, reading = read(tmp_path)
    patient = reading.rows.set_index("image_id").loc["mimic-cxr/aa-1"]
    # Aged 52 in 2180, and the study is of the same year.
    assert patient["sex"] == "F" and patient["age_years"] == 52


def test_mimic_cxr_fixes_the_patients_of_the_official_test_fold(tmp_path):
    _, reading = read(tmp_path)
    assert len(reading.test_patients) == 1 and next(iter(reading.test_patients)).endswith("10000764")


@pytest.mark.parametrize("labeler", ["chexpert", "negbio"])
def test_mimic_cxr_reads_the_labeler_that_was_asked_for(tmp_path, labeler):
    expected = lookalikes.mimic_cxr(tmp_path)
    folder = find_repository(tmp_path, mimic_cxr.REPOSITORY)
    other = {"chexpert": "negbio", "negbio": "chexpert"}[labeler]
    (folder / f"mimic-cxr-2.0.0-{other}.csv.gz").unlink()
    reading = mimic_cxr.REPOSITORY.read(folder, tmp_path, ReadOptions(labeler=labeler))
    assert tuple(reading.rows["image_id"]) == expected.rows
