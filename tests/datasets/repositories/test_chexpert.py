"""CheXpert: images found by patient, study and name; observations as labels."""

import numpy as np
import pytest

from cxrshort.datasets.repositories import chexpert
from cxrshort.datasets.repositories.parsing.layout import find_repository
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import MissingInputError

from .. import lookalikes


def read(root, **options):
    expected = lookalikes.chexpert(root)
    folder = find_repository(root, chexpert.REPOSITORY)
    return expected, chexpert.REPOSITORY.read(folder, root, ReadOptions(**options))


def test_chexpert_parts_rows_from_excluded(tmp_path):
    expected, reading = read(tmp_path)
    assert tuple(reading.rows["image_id"]) == expected.rows
    assert reading.excluded["reason"].value_counts().to_dict() == expected.reasons


def test_chexpert_finds_images_in_folders_that_its_tables_do_not_name(tmp_path):
    _, reading = read(tmp_path)
    paths = reading.rows.set_index("image_id")["path"]
    folder = "CheXpert-v1.0-small/CheXpert-v1.0 batch 1 (validate & csv)"
    name = "patient64541/study1/view1_frontal.jpg"
    assert paths[f"chexpert/{name}"] == f"{folder}/{name}"


def test_chexpert_fixes_the_patients_of_its_test_table(tmp_path):
    _, reading = read(tmp_path)
    assert reading.test_patients == {"chexpert:patient64741"}


@pytest.mark.parametrize(("uncertain", "value"), [("empty", np.nan), ("negative", 0.0), ("positive", 1.0)])
def test_chexpert_reads_uncertain_observations_as_asked(tmp_path, uncertain, value):
    _, reading = read(tmp_path, uncertain=uncertain)
    row = reading.rows.set_index("patient_id").loc["chexpert:patient00002"]
    assert row["Cardiomegaly"] == pytest.approx(value, nan_ok=True)


def test_chexpert_without_its_table_of_training_images_is_refused(tmp_path):
    lookalikes.chexpert(tmp_path)
    folder = find_repository(tmp_path, chexpert.REPOSITORY)
    (folder / "train.csv").unlink()
    with pytest.raises(MissingInputError, match=r"has no file 'train\.csv'"):
        chexpert.REPOSITORY.read(folder, tmp_path, ReadOptions())
