"""RSNA: films of ChestX-ray14 that were read again."""

import pytest

from cxrshort.datasets.repositories import rsna
from cxrshort.datasets.repositories.parsing.layout import find_repository
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import DataError

from .. import lookalikes


def read(repository, root, **options):
    getattr(lookalikes, repository.name)(root)
    reading = repository.read(find_repository(root, repository), root, ReadOptions(**options))
    return reading, reading.rows.set_index("image_id")


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
