"""What a dataset or a table holds for a search for leaks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import DataError, MissingInputError
from cxrshort.verbs.stats.cohort_tables import ColumnNames, disambiguate, read_cohort

from .cohorts import dataset, manifest
from .scored import predictions, written


def test_dataset_is_read_by_its_usual_columns(tmp_path: Path) -> None:
    table = read_cohort(str(dataset(tmp_path / "I", manifest())), ColumnNames())
    assert table.cohort.name == "I"
    assert table.cohort.rows.columns.tolist() == ["person", "study", "image"]
    assert list(table.cohort.folds) == ["split_0"]
    assert list(table.targets) == ["Edema"]
    assert list(table.metadata) == ["repository", "study_date", "view"]
    assert table.pixels is not None and len(table.pixels) == 40
    assert (table.reasons, table.notes) == ({}, [])


def test_dataset_with_a_person_in_two_folds_is_read(tmp_path: Path) -> None:
    rows = manifest().assign(split_0=["train", "test"] * 20)
    assert read_cohort(str(dataset(tmp_path / "I", rows)), ColumnNames()).reasons == {}


def test_moved_dataset_uses_its_own_images(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "I", manifest()).rename(tmp_path / "moved")
    table = read_cohort(str(folder), ColumnNames())
    assert table.pixels is not None and len(table.pixels.take([0])) == 1


def test_missing_images_are_a_reason(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "I", manifest())
    (folder / "images.npy").unlink()
    assert "images.npy" in read_cohort(str(folder), ColumnNames()).reasons["pixels"]


def test_any_table_by_its_columns(tmp_path: Path) -> None:
    rows = pd.DataFrame({"id": ["a", "b"], "who": ["x", ""], "ill": [0, 1], "when": ["1", "?"], "site": ["q", "r"]})
    names = ColumnNames(person="who", image="id", date="when", labels=["ill"])
    table = read_cohort(str(written(rows, tmp_path, "films.csv")), names)
    assert table.cohort.name == "films"
    assert table.targets["ill"].tolist() == [0.0, 1.0]
    assert list(table.metadata) == ["when", "site"]
    assert table.notes == ["films: 1 of 2 cells of 'when' are no date and are left out, such as '?'"]
    assert table.reasons == {
        "study": "no column of study identifiers; --study COLUMN names it",
        "folds": "no column of folds; --fold COLUMN names it",
        "pixels": "no cached images: only datasets of build-dataset have them",
    }


def test_predictions_count_each_image_once(tmp_path: Path) -> None:
    table = read_cohort(str(written(predictions(replicates=2), tmp_path).parent), ColumnNames())
    assert len(table.cohort.rows) == 120
    assert list(table.targets) == ["Edema", "COVID-19"]
    assert all(len(targets) == 120 for targets in table.targets.values())
    assert list(table.metadata) == ["view"]


def test_soft_targets_are_kept_and_others_refused(tmp_path: Path) -> None:
    path = written(pd.DataFrame({"person_id": list("abc"), "ill": [0.5, 1, 0]}), tmp_path, "t.csv")
    assert np.array_equal(read_cohort(str(path), ColumnNames(labels=["ill"])).targets["ill"], [0.5, 1, 0])
    path = written(pd.DataFrame({"person_id": list("abc"), "ill": [2, "yes", 0]}), tmp_path, "t.csv")
    with pytest.raises(DataError) as caught:
        read_cohort(str(path), ColumnNames(labels=["ill"]))
    message = "t.csv: column 'ill' holds 2 targets that are neither 0 nor 1, such as '2'"
    assert caught.value.message == message


def test_table_without_identifiers_is_refused(tmp_path: Path) -> None:
    path = written(pd.DataFrame({"label": [0, 1]}), tmp_path, "t.csv")
    with pytest.raises(DataError, match=r"t\.csv: no column of persons, studies or images"):
        read_cohort(str(path), ColumnNames())


def test_unknown_dataset_names_the_command_that_builds_it() -> None:
    with pytest.raises(MissingInputError, match="'phantom-IV' is not built yet"):
        read_cohort("phantom-IV", ColumnNames())


def test_datasets_of_one_name_are_called_by_their_places(tmp_path: Path) -> None:
    names = [str(dataset(tmp_path / place / "I", manifest())) for place in "ab"]
    tables = [read_cohort(name, ColumnNames()) for name in names]
    assert disambiguate(tables, names) == names
    assert disambiguate(tables[:1], names[:1]) == ["I"]
    with pytest.raises(DataError, match="is given twice"):
        disambiguate(tables, names[:1] * 2)
