"""Any folder: with a table, with DICOM headers, with neither."""

import os

import numpy as np
import pytest

from cxrshort.columns import COVID
from cxrshort.datasets.repositories import folder
from cxrshort.datasets.repositories.folder import REPOSITORY
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import DataError, MissingInputError, UsageError

from ..lookalikes import any_folder, dicom, touch, write


def read(root, text=None, **options):
    if text is not None:
        write(root / "tables" / "labels.csv", text)
        options["table"] = root / "tables" / "labels.csv"
    reading = REPOSITORY.read(root, root, ReadOptions(**options))
    return reading, reading.rows.set_index("image_id")


def test_headers_give_what_they_know(tmp_path):
    any_folder(tmp_path)
    reading, rows = read(tmp_path)
    first = rows.loc["folder/DICOM/A/im1.dcm"]
    assert first[["patient_id", "view", "sex", "age_years", "modality"]].to_list() == ["folder:P1", "PA", "F", 61, "DX"]
    assert rows.loc["folder/png/a.png", ["patient_id", "view"]].to_list() == ["folder:png/a.png", "UNKNOWN"]
    assert reading.notes == (
        "2 files that are neither DICOM, PNG nor JPEG were left alone",
        "images without a patient id: 3; each counts as a patient of its own",
        "images of unknown view, which are kept: 3",
    )


def test_dicom_files_are_found_by_content_where_their_names_say_nothing(tmp_path):
    dicom(tmp_path / "A" / "a.dcm", PatientID="P1", ViewPosition="PA")
    for number, name in enumerate(("IM000001", "1.2.840.113", "film.ima", "DICOMDIR"), 2):
        dicom(tmp_path / "A" / "x.dcm", PatientID=f"P{number}", ViewPosition="AP")
        (tmp_path / "A" / "x.dcm").rename(tmp_path / "A" / name)
    touch(tmp_path, "A/readme.txt", "A/IM9")
    reading, rows = read(tmp_path)
    assert rows["patient_id"].to_dict() == {
        "folder/A/1.2.840.113": "folder:P3",
        "folder/A/IM000001": "folder:P2",
        "folder/A/a.dcm": "folder:P1",
        "folder/A/film.ima": "folder:P4",
    }
    assert "3 files that are neither DICOM, PNG nor JPEG were left alone" in reading.notes
    _, rows = read(tmp_path, "path,MRN\nIM000001,77\n", column_map=(("patient_id", "MRN"),))
    assert rows["patient_id"].to_dict() == {"folder/A/IM000001": "folder:77"}


def test_metadata_alone_still_knows_who_is_whose_patient(tmp_path):
    for name in "abc":
        dicom(tmp_path / f"{name}.dcm", PatientID="P1")
    _, rows = read(tmp_path, require_files=False)
    assert rows["patient_id"].tolist() == ["folder:P1"] * 3


def test_age_comes_from_the_birth_date_and_view_from_the_series_where_tags_are_silent(tmp_path):
    dicom(tmp_path / "a.dcm", PatientBirthDate="19600701", StudyDate="20200630", SeriesDescription="TORAX PA")
    dicom(tmp_path / "b.dcm", PatientBirthDate="19600701", StudyDate="20200630", PatientAge="044Y", ViewPosition="AP")
    dicom(tmp_path / "c.dcm", PatientBirthDate="20300701", StudyDate="20200630", SeriesDescription="unheard of")
    _, rows = read(tmp_path)
    assert rows["age_years"].tolist() == pytest.approx([59, 44, np.nan], nan_ok=True)
    assert rows["view"].tolist() == ["PA", "AP", "UNKNOWN"]


def test_table_goes_before_headers(tmp_path):
    dicom(tmp_path / "x" / "a.dcm", PatientID="P1", ViewPosition="PA", PatientAge="061Y")
    text = "file;MRN;pcr_result;view;age_years\na.dcm;77;yes;;62\n"
    columns = (("patient_id", "MRN"), (COVID, "pcr_result"))
    _, rows = read(tmp_path, text, column_map=columns)
    assert rows.loc["folder/x/a.dcm", ["patient_id", "view", "age_years", COVID]].to_list() == [
        "folder:77",
        "PA",
        62,
        1,
    ]


def test_labels_may_be_numbers_words_or_uncertain(tmp_path):
    touch(tmp_path, *(f"{name}.png" for name in "abcdefg"))
    text = "path,Edema,Mine\n" + "".join(
        f"{name}.png,{value},1\n"
        for name, value in zip("abcdefg", ["1", "0.25", "No", "-1", "", "7", "x"], strict=True)
    )
    reading, rows = read(tmp_path, text, column_map=(("Mine", "Mine"),), uncertain="negative")
    assert rows["Edema"].to_list() == pytest.approx([1, 0.25, 0, 0, np.nan, np.nan, np.nan], nan_ok=True)
    assert rows["Mine"].to_list() == [1] * 7
    assert "2 unreadable values of Edema emptied: 7 (1), x (1)" in reading.notes


def test_rows_of_a_table_are_the_candidates(tmp_path):
    touch(tmp_path, "p/a.png", "q/a.png", "q/b.png", "c.png")
    reading, rows = read(tmp_path, "path,patient_id\nq/a.png,1\nb.png,2\ngone.png,3\n../c.png,4\n")
    assert rows["path"].to_list() == ["q/a.png", "q/b.png"]
    assert reading.excluded[["path", "reason"]].values.tolist() == [
        ["gone.png", "missing file"],
        ["../c.png", "path leaves root"],
    ]
    assert "2 image files are not named in the metadata and were left alone" in reading.notes


def test_paths_of_a_table_may_be_absolute_or_of_windows(tmp_path):
    any_folder(tmp_path)
    names = [f"{tmp_path}/png/a.png", "png\\b.JPEG", f"{tmp_path.parent}/elsewhere/png/a.png"]
    reading, rows = read(tmp_path, "path,Edema\n" + "".join(f"{name},1\n" for name in names))
    assert sorted(rows.index) == ["folder/png/a.png", "folder/png/b.JPEG"]
    assert reading.excluded["reason"].to_list() == ["path leaves root"]


def test_labels_of_ones_own_are_named(tmp_path):
    any_folder(tmp_path)
    pairs = (("Age", "a"), ("Edema", "e"), ("patient_id", "p"))
    reading, _ = read(tmp_path, "path,a,e,p\npng/a.png,1,1,P1\n", column_map=pairs)
    assert "labels.csv: these columns become labels of your own: Age" in reading.notes


def test_lateral_views_of_a_table_are_excluded(tmp_path):
    touch(tmp_path, "a.png", "b.png")
    reading, rows = read(tmp_path, "path,view\na.png,Lateral\nb.png,AP Supine\n", views=("AP_SUPINE",))
    assert rows["view"].to_list() == ["AP_SUPINE"]
    assert reading.excluded["reason"].to_list() == ["lateral view"]


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(MissingInputError) as caught:
        read(tmp_path)
    assert caught.value.message == f"'{tmp_path}' has no images"


def test_columns_without_a_table_are_refused(tmp_path):
    with pytest.raises(UsageError) as caught:
        read(tmp_path, column_map=(("patient_id", "MRN"),))
    assert (caught.value.message, caught.value.hint) == ("--column needs a table", "give it with --table")


def test_table_that_names_no_files_is_refused(tmp_path):
    with pytest.raises(DataError) as caught:
        read(tmp_path, "MRN\n1\n")
    assert caught.value.message == "labels.csv: no column names the files"


def test_missing_column_of_a_pair_is_refused(tmp_path):
    with pytest.raises(DataError) as caught:
        read(tmp_path, "path\na.png\n", column_map=(("patient_id", "MRN"),))
    assert caught.value.message == "labels.csv: column 'MRN' is missing"


TABLE_OF_OTHER_LANGUAGES = """path,sex,study_date,view,age_years
a.png,männlich,01.02.2021,PA,60
b.png,weiblich,31/12/2020,von vorn,alt
c.png,divers,sometime,von vorn,70
"""


def test_unreadable_values_of_every_column_are_counted(tmp_path):
    touch(tmp_path, "a.png", "b.png", "c.png")
    reading, rows = read(tmp_path, TABLE_OF_OTHER_LANGUAGES)
    assert rows["sex"].tolist() == ["M", "F", ""]
    assert rows["study_date"].tolist() == ["2021-02-01", "", ""]
    assert {
        "1 unreadable ages emptied: alt (1)",
        "images of unknown view, which are kept: 2",
        "1 unknown words for a view: von vorn (2)",
        "dates that begin with the day, left empty: 1; --day-first reads them",
        "1 unreadable values of sex emptied: divers (1)",
        "2 unreadable values of study_date emptied: 31/12/2020 (1), sometime (1)",
    } <= set(reading.notes)
    assert not {"source_sex", "source_study_date", "source_view"} & set(reading.rows)


def test_day_first_dates_are_an_option(tmp_path):
    touch(tmp_path, "a.png", "b.png", "c.png")
    reading, rows = read(tmp_path, TABLE_OF_OTHER_LANGUAGES, day_first=True)
    assert rows["study_date"].tolist() == ["2021-02-01", "2020-12-31", ""]
    assert not [note for note in reading.notes if "--day-first" in note]


def test_file_names_that_are_not_utf_8_are_excluded_and_can_be_written(tmp_path):
    touch(tmp_path, "a.png")
    (tmp_path / os.fsdecode(b"f\xe9.png")).write_bytes(b"")
    dicom(tmp_path / "x.dcm", PatientID="P1")
    (tmp_path / "x.dcm").rename(tmp_path / os.fsdecode(b"g\xe9.dcm"))
    reading, rows = read(tmp_path, header_cache=tmp_path / "cache" / "headers.json")
    assert rows.index.to_list() == ["folder/a.png"]
    assert reading.excluded[["path", "patient_id", "reason"]].to_numpy().tolist() == [
        ["f\\xe9.png", "folder:f\\xe9.png", "undecodable file name"],
        ["g\\xe9.dcm", "folder:P1", "undecodable file name"],
    ]
    reading.excluded.to_csv(tmp_path / "excluded.csv", encoding="utf-8")
    for note in reading.notes:
        note.encode()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("patient_di",), "--column 'patient_di' is nearly 'patient_id'"),
        (("Pneumonias",), "--column 'Pneumonias' is nearly 'Pneumonia'"),
        (("sex", "sex"), "--column names 'sex' twice"),
        (("split_0",), "--column cannot give 'split_0', which build-dataset draws"),
        (("cache",), "'cache' is not a known column that a table can give"),
    ],
)
def test_columns_that_a_table_cannot_give_are_refused(names, message):
    with pytest.raises(UsageError) as caught:
        folder._check_columns(names)
    assert caught.value.message == message


def test_labels_of_ones_own_are_columns():
    folder._check_columns(["Fracture", "COVID", "age_years", "path"])


def test_columns_that_are_not_used_are_named(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("path,MRN,Sex,ward,COVID-19\na.png,1,M,3,1\n")
    options = ReadOptions(column_map=(("patient_id", "MRN"),))
    _, notes = folder._read_table(table, options)
    assert notes == ["labels.csv: these columns are not used: ward; --column NAME=COLUMN takes one in"]
