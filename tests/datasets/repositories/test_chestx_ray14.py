"""ChestX-ray14: both releases of the label file, the official test list, labels and ages."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cxrshort.columns import CHESTX_RAY14_LABELS, COVID
from cxrshort.datasets.catalogue import COHORTS
from cxrshort.datasets.cohorts import gather
from cxrshort.datasets.repositories.chestx_ray14 import REPOSITORY
from cxrshort.datasets.repositories.parsing.layout import find_repository
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import DataError

from ..lookalikes import NIH_HEADER, chestx_ray14, write

METADATA_ONLY = ReadOptions(require_files=False)


def read(root: Path, options: ReadOptions = METADATA_ONLY):
    return REPOSITORY.read(find_repository(root, REPOSITORY), root, options)


def test_labels_are_the_words_of_the_findings(tmp_path):
    chestx_ray14(tmp_path)
    rows = read(tmp_path).rows.set_index("image_id")
    both = rows.loc["chestx-ray14/00000001_001.png"]
    assert {label for label in CHESTX_RAY14_LABELS if both[label] == 1} == {"Cardiomegaly", "Emphysema"}
    none = rows.loc["chestx-ray14/00000005_000.png"]
    assert (none[list(CHESTX_RAY14_LABELS)] == 0).all()
    assert (rows[COVID] == 0).all()


def test_ages_have_their_unit_and_impossible_ones_are_empty(tmp_path):
    chestx_ray14(tmp_path)
    reading = read(tmp_path)
    assert reading.rows["age_years"].to_list() == pytest.approx([58, 58, 0.5, np.nan, 60], nan_ok=True)
    assert reading.notes == (
        "labels, ages and views from Data_Entry_2017.csv",
        "1 ages above 120 years emptied",
        "1 unknown finding strings: Ghost (1)",
        "1 image is not in the official test list but follows its patient into it",
    )


def test_official_test_list_fixes_patients(tmp_path):
    chestx_ray14(tmp_path)
    assert read(tmp_path).test_patients == {"chestx-ray14:00000013"}


def test_missing_test_list_is_noted(tmp_path):
    chestx_ray14(tmp_path)
    (tmp_path / "ChestX-ray14" / "labels" / "test_list.txt.gz").unlink()
    reading = read(tmp_path)
    assert reading.test_patients == frozenset()
    assert "no official test list (test_list.txt): the test fold is drawn by patient" in reading.notes


def test_patient_ids_are_the_same_in_both_releases(tmp_path):
    write(
        tmp_path / "nih" / "Data_Entry_2017_v2020.csv", f"{NIH_HEADER}\n00000061_012.png,Edema,12,61,77,M,AP,1,1,1,1\n"
    )
    assert list(read(tmp_path).rows["patient_id"]) == ["chestx-ray14:00000061"]


def test_plain_label_file_is_preferred(tmp_path):
    row = "00000061_012.png,{},12,61,77,M,AP,1,1,1,1\n"
    write(tmp_path / "nih" / "Data_Entry_2017_v2020.csv", f"{NIH_HEADER}\n" + row.format("Edema"))
    write(tmp_path / "nih" / "Data_Entry_2017.csv", f"{NIH_HEADER}\n" + row.format("Mass"))
    assert read(tmp_path).rows["Mass"].to_list() == [1.0]


def test_label_file_without_views_is_refused(tmp_path):
    write(tmp_path / "nih" / "Data_Entry_2017.csv", "Image Index,Finding Labels,Patient ID\n")
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert caught.value.message == "Data_Entry_2017.csv: column 'Patient Age' is missing"


def test_real_pack_is_read_whole(test_data):
    reading = read(test_data, ReadOptions())
    assert (len(reading.rows), len(reading.excluded)) == (1000, 0)
    assert reading.rows["patient_id"].nunique() == 682
    assert reading.rows["view"].value_counts().to_dict() == {"AP": 567, "PA": 433}
    assert reading.rows["Pneumonia"].sum() == 500
    assert len(reading.test_patients) == 92


FIRST_RELEASE = "00000061_012.png,Mass,012,00000061,{},M,PA,1,1,1,1,\n"
EDITION_2020 = "00000061_012.png,Edema,12,61,77,M,PA,1,1,1,1\n00000061_013.png,Hernia,13,61,78,M,PA,1,1,1,1\n"
BOTH = ReadOptions(require_files=False, first_release_ages=True, age_unit="drop")


@pytest.mark.parametrize(
    ("first_release", "edition_2020"),
    [
        ("Data_Entry_2017.csv", "Data_Entry_2017_v2020.csv"),
        ("Data_Entry_2017_first_release.csv", "Data_Entry_2017.csv"),
    ],
)
def test_labels_of_2020_go_with_ages_of_the_first_release_whatever_the_files_are_called(
    tmp_path, first_release, edition_2020
):
    write(tmp_path / "nih" / first_release, f"{NIH_HEADER},\n" + FIRST_RELEASE.format("076Y"))
    write(tmp_path / "nih" / edition_2020, f"{NIH_HEADER}\n{EDITION_2020}")
    reading = read(tmp_path, BOTH)
    rows = reading.rows.set_index("image_id")
    assert rows["age_years"].to_list() == [76, 78]
    assert rows["Edema"].to_list() == [1, 0] and rows["Mass"].sum() == 0
    assert reading.notes[:2] == (
        f"labels and views from {edition_2020}, ages from {first_release}",
        f"1 image is not in {first_release}: their ages are those of {edition_2020}",
    )
    usual = "Data_Entry_2017.csv"
    assert read(tmp_path).notes[0] == f"labels, ages and views from {usual}"


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (FIRST_RELEASE.format("076Y"), "only the first release is here ({}): the paper's labels of 2020 are missing"),
        (EDITION_2020, "only the edition of 2020 is here ({}): the paper's ages of 2017 are missing"),
    ],
)
def test_edition_that_is_missing_is_named(tmp_path, text, note):
    write(tmp_path / "nih" / "Data_Entry_2017.csv", f"{NIH_HEADER},\n{text}")
    assert read(tmp_path, BOTH).notes[0] == note.format("Data_Entry_2017.csv")


@pytest.fixture
def complete(test_data, tmp_path):
    """Return a function that lays out releases of the complete label file with the official lists."""

    def lay_out(*releases: str) -> Path:
        folder = tmp_path / "nih"
        (folder / "official_lists").mkdir(parents=True)
        for release in releases:
            shutil.copy(test_data / "nih" / f"Data_Entry_2017_{release}.csv.gz", folder)
        shutil.copy(test_data / "nih" / "official_lists" / "test_list.txt.gz", folder / "official_lists")
        return tmp_path

    return lay_out


@pytest.mark.parametrize(
    ("release", "unit", "images", "patients"),
    [("v2020", "convert", 64_582, 27_689), ("first_release", "drop", 64_628, 27_713)],
)
def test_adult_pa_films_of_the_complete_file_are_as_many_as_published(complete, release, unit, images, patients):
    # RoentMod reports 64,628 scans of 27,713 patients: ages read without their unit, 18 to 100.
    rows = read(complete(release), ReadOptions(require_files=False, age_unit=unit)).rows
    adults = rows[(rows["view"] == "PA") & rows["age_years"].between(18, 100)]
    assert len(rows) == 112_120 and rows["patient_id"].nunique() == 30_805
    assert (len(adults), adults["patient_id"].nunique()) == (images, patients)


def test_official_test_list_of_the_complete_file_holds_whole_patients(complete):
    reading = read(complete("v2020"))
    assert len(reading.test_patients) == 2_797
    assert reading.rows["patient_id"].isin(reading.test_patients).sum() == 25_596


def test_published_label_counts_need_both_releases(complete):
    # RoentMod's Supplemental Table 1, and TEA's 941 patients with pneumonia (of 1,322 films; the paper says 1,295).
    part = COHORTS["roentmod-nih"].parts[0]
    options = replace(METADATA_ONLY, **dict(part.options))
    root = complete("v2020", "first_release")
    rows = read(root, options).rows
    adults = rows[rows["age_years"].between(18, 100)]
    findings = adults[list(CHESTX_RAY14_LABELS)] == 1
    assert (len(adults), adults["patient_id"].nunique()) == part.published
    assert {**findings.sum(), "No Finding": (~findings.any(axis=1)).sum()} == dict(part.published_labels)
    sick = [part for part in COHORTS["tea-xray"].parts if part.source == "chestx-ray14"][0]
    rows = read(root, replace(METADATA_ONLY, **dict(sick.options))).rows
    sick_adults = rows[(rows["age_years"] >= 18) & (rows["Pneumonia"] == 1)]
    assert (len(sick_adults), sick_adults["patient_id"].nunique()) == (1_322, sick.published[1])


def test_first_release_alone_says_which_label_counts_differ(complete):
    actual = gather("roentmod-nih", root=complete("first_release"), options=METADATA_ONLY)
    assert actual.notes[-1] == (
        "chestx-ray14: 9 label counts differ from the paper's: Atelectasis 5,614, here 5,601; Cardiomegaly 1,520, here "
        "1,516; Effusion 6,450, here 6,446; Infiltration 8,976, here 8,968; Mass 3,466, here 3,446; Nodule 4,106, here "
        "4,101; Pneumonia 586, here 552; Pneumothorax 3,268, here 3,266; No Finding 37,452, here 37,469"
    )
