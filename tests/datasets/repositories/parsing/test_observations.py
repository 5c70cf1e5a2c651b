"""CheXpert and MIMIC-CXR: observations, uncertainty, official splits, age and sex."""

import numpy as np
import pytest

from cxrshort.columns import COVID
from cxrshort.datasets.repositories import chexpert, mimic_cxr
from cxrshort.datasets.repositories.parsing.layout import find_repository
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import MissingInputError, UsageError

from ... import lookalikes

STUDY = "chexpert/patient{}/study1/view1_frontal.jpg"


def read(module, root, **options):
    getattr(lookalikes, module.__name__.rpartition(".")[2])(root)
    reading = module.REPOSITORY.read(find_repository(root, module.REPOSITORY), root, ReadOptions(**options))
    return reading, reading.rows.set_index("image_id")


@pytest.mark.parametrize(("uncertain", "value"), [("empty", np.nan), ("negative", 0), ("positive", 1)])
def test_chexpert_uncertain_labels_are_read_as_told(tmp_path, uncertain, value):
    _, rows = read(chexpert, tmp_path, uncertain=uncertain)
    assert rows.loc[STUDY.format("00002"), "Cardiomegaly"] == pytest.approx(value, nan_ok=True)


def test_chexpert_labels_become_those_of_chestx_ray14(tmp_path):
    _, rows = read(chexpert, tmp_path)
    second = rows.loc[STUDY.format("00002")]
    assert second[["Pneumothorax", "Lung Opacity", "Consolidation", "Effusion", COVID]].to_list() == [0, 1, 0, 1, 0]
    assert np.isnan(second["Hernia"]) and np.isnan(second["Mass"])
    assert rows.loc[STUDY.format("00001"), "No Finding"] == 1


def test_chexpert_test_set_is_the_test_fold(tmp_path):
    assert read(chexpert, tmp_path)[0].test_patients == {"chexpert:patient64741"}


def test_chexpert_reads_age_sex_and_notes(tmp_path):
    reading, rows = read(chexpert, tmp_path)
    assert rows.loc[STUDY.format("00001"), ["sex", "age_years", "view"]].to_list() == ["F", 68, "AP"]
    assert reading.notes == (
        "5 rows from train.csv",
        "1 row from valid.csv",
        "1 row from test.csv",
        "1 unreadable label values emptied: odd (1)",
        "1 unreadable values of sex emptied: Unknown (1)",
    )


def test_unknown_reading_of_uncertain_labels_is_refused(tmp_path):
    with pytest.raises(UsageError) as caught:
        read(chexpert, tmp_path, uncertain="maybe")
    assert caught.value.message == "'maybe' is not a known reading of uncertain labels"


def test_mimic_finds_jpeg_and_dicom_files(tmp_path):
    _, rows = read(mimic_cxr, tmp_path)
    folder = "mimic-cxr-jpg-2.0.0/files/p10"
    assert rows.loc["mimic-cxr/aa-1", "path"] == f"{folder}/p10000032/s50414267/aa-1.jpg"
    assert rows.loc["mimic-cxr/bb-1", "path"] == f"{folder}/p10000764/s57375967/bb-1.dcm"


def test_mimic_age_is_that_of_the_study(tmp_path):
    _, rows = read(mimic_cxr, tmp_path)
    assert rows.loc["mimic-cxr/aa-1", ["age_years", "sex"]].to_list() == [52, "F"]
    assert np.isnan(rows.loc["mimic-cxr/bb-1", "age_years"])


def test_mimic_labels_of_studies_without_labels_are_empty(tmp_path):
    reading, rows = read(mimic_cxr, tmp_path, uncertain="negative")
    assert rows.loc["mimic-cxr/bb-1", ["Atelectasis", "Pneumonia", "Support Devices"]].to_list() == [1, 0, 1]
    assert rows.loc["mimic-cxr/aa-1", "No Finding"] == 1
    assert np.isnan(rows.loc["mimic-cxr/dd-1", "Atelectasis"]) and rows.loc["mimic-cxr/dd-1", COVID] == 0
    assert "3 images of studies without labels: all but COVID-19 are empty" in reading.notes


def test_mimic_official_test_patients(tmp_path):
    assert read(mimic_cxr, tmp_path)[0].test_patients == {"mimic-cxr:10000764"}


def test_mimic_takes_the_chosen_labeler(tmp_path):
    reading, _ = read(mimic_cxr, tmp_path, labeler="negbio")
    assert "labels from mimic-cxr-2.0.0-negbio.csv.gz" in reading.notes


def test_mimic_says_what_is_missing(tmp_path):
    read(mimic_cxr, tmp_path)
    for table in ("patients.csv", "mimic-cxr-2.0.0-split.csv.gz"):
        next(tmp_path.rglob(table)).unlink()
    folder = tmp_path / "mimic-cxr-jpg-2.0.0"
    notes = mimic_cxr.REPOSITORY.read(folder, tmp_path, ReadOptions()).notes
    assert "no patients.csv of MIMIC-IV: age and sex are empty" in notes
    assert "no official split: the test fold is drawn by patient" in notes
    (folder / "mimic-cxr-2.0.0-metadata.csv.gz").unlink()
    with pytest.raises(MissingInputError) as caught:
        mimic_cxr.REPOSITORY.read(folder, tmp_path, ReadOptions())
    assert caught.value.message == f"'{folder}' has no file 'mimic-cxr-*metadata.csv'"
    assert caught.value.hint == "the tables come with the JPEG edition (MIMIC-CXR-JPG); put them beside 'files'"


def test_unknown_labeler_is_refused(tmp_path):
    with pytest.raises(UsageError) as caught:
        read(mimic_cxr, tmp_path, labeler="chexbert")
    assert (caught.value.message, caught.value.hint) == (
        "'chexbert' is not a known labeler",
        "did you mean 'chexpert'?",
    )
