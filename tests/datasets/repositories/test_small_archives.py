"""Brixia, Montgomery, Shenzhen and RSNA."""

import numpy as np
import pytest

from cxrshort.columns import CHESTX_RAY14_LABELS, COVID, LABELS
from cxrshort.datasets.repositories import brixia, nlm, rsna
from cxrshort.datasets.repositories.parsing.layout import find_repository
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import DataError

from .. import lookalikes


def read(repository, root, **options):
    getattr(lookalikes, repository.name)(root)
    reading = repository.read(find_repository(root, repository), root, ReadOptions(**options))
    return reading, reading.rows.set_index("image_id")


def test_brixia_keeps_its_score_and_knows_covid_only(tmp_path):
    reading, rows = read(brixia.REPOSITORY, tmp_path)
    assert rows["brixia_score"].to_list() == [6, 18]
    assert (rows[COVID] == 1).all() and rows[list(CHESTX_RAY14_LABELS)].isna().all(axis=None)
    assert rows["view"].to_list() == ["AP", "UNKNOWN"]
    assert reading.notes == (
        "5 films of unknown view kept: all films of this archive are frontal",
        "2 unreadable values of study_date emptied: 43902 (5), 43900 (1)",
    )


def test_brixia_prefers_the_age_of_the_header_to_the_group_of_five_years(tmp_path):
    _, rows = read(brixia.REPOSITORY, tmp_path)
    assert rows["age_years"].to_list() == [67, 55]
    assert rows["sex"].to_list() == ["M", "F"]


def test_brixia_reads_version_1_with_commas(tmp_path):
    lookalikes.brixia(tmp_path)
    table = tmp_path / "Brixia" / "metadata_global_v2.csv"
    (tmp_path / "Brixia" / "metadata_global_v1.csv").write_text(table.read_text("utf-8-sig").replace(";", ","))
    table.unlink()
    reading = brixia.REPOSITORY.read(tmp_path / "Brixia", tmp_path, ReadOptions())
    assert len(reading.rows) == 2


def test_montgomery_normal_films_have_no_finding(tmp_path):
    _, rows = read(nlm.MONTGOMERY, tmp_path)
    normal, ill = rows.loc["montgomery/MCUCXR_0001_0.png"], rows.loc["montgomery/MCUCXR_0104_1.png"]
    assert (normal[list(LABELS)] == 0).all() and normal["Tuberculosis"] == 0
    assert ill[list(CHESTX_RAY14_LABELS)].isna().all() and ill[COVID] == 0 and ill["Tuberculosis"] == 1


def test_clinical_readings_give_sex_and_age(tmp_path):
    _, rows = read(nlm.MONTGOMERY, tmp_path)
    assert rows[["sex", "age_years"]].values.tolist() == [["F", 27], ["M", 52]]
    _, rows = read(nlm.SHENZHEN, tmp_path)
    assert rows["sex"].to_list() == ["M", "F", ""]
    assert rows["age_years"].to_list() == pytest.approx([45, 0.25, np.nan], nan_ok=True)


def test_rsna_classes_decide_the_labels_they_can(tmp_path):
    _, rows = read(rsna.REPOSITORY, tmp_path)
    assert rows["Pneumonia"].to_list() == [1, 0, 0]
    assert rows["Effusion"].isna().to_list() == [True, False, True]
    assert rows["view"].to_list() == ["AP", "PA", "PA"] and rows["age_years"].to_list() == [51, 51, 51]


def test_rsna_patients_are_those_of_chestx_ray14(tmp_path):
    reading, rows = read(rsna.REPOSITORY, tmp_path)
    assert rows["patient_id"].to_list() == ["rsna:00013774", "rsna:00013774", "rsna:c"]
    assert reading.same_person == (("rsna:00013774", "chestx-ray14:00013774"),)
    assert "3 films are each taken for a patient of their own: no table of originals" in reading.notes


def test_rsna_refuses_a_broken_table_of_originals(tmp_path):
    lookalikes.rsna(tmp_path)
    path = next(tmp_path.rglob("*.json"))
    path.write_text("{")
    with pytest.raises(DataError) as caught:
        rsna.REPOSITORY.read(path.parent, tmp_path, ReadOptions())
    assert caught.value.message == f"{path.name}: not the table of originals"
