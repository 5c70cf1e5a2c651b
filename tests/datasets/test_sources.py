"""The contract that every repository reader keeps, on a look-alike of each repository."""

import os
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.columns import LABELS, SEXES, VIEWS
from cxrshort.datasets import SOURCES
from cxrshort.datasets.repositories.parsing.layout import find_repository
from cxrshort.datasets.repositories.reading import ROW_COLUMNS, Reading, ReadOptions, Repository
from cxrshort.errors import MissingInputError
from cxrshort.registry import load_entry

from .lookalikes import BUILDERS, LookAlike


@pytest.fixture(params=list(SOURCES))
def source(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Repository, Path, LookAlike]:
    repository = load_entry(SOURCES, request.param, kind="repository")
    return repository, tmp_path, BUILDERS[request.param](tmp_path)


def read(repository: Repository, root: Path, options: ReadOptions | None = None) -> Reading:
    return repository.read(find_repository(root, repository), root, options or ReadOptions())


def test_reader_finds_the_expected_rows(source):
    repository, root, expected = source
    assert tuple(read(repository, root).rows["image_id"]) == expected.rows


def test_reader_gives_a_reason_for_every_other_candidate(source):
    repository, root, expected = source
    excluded = read(repository, root).excluded
    assert excluded["reason"].value_counts().to_dict() == expected.reasons
    assert list(excluded.columns) == ["path", "patient_id", "reason", "detail"]


def test_rows_have_every_column_and_allowed_values(source):
    repository, root, _ = source
    rows = read(repository, root).rows
    assert list(rows.columns[: len(ROW_COLUMNS) + len(LABELS)]) == [*ROW_COLUMNS, *LABELS]
    assert set(rows["view"]) <= set(VIEWS) and set(rows["sex"]) <= {"", *SEXES}
    assert not rows[[name for name in ROW_COLUMNS if name != "age_years"]].isna().any(axis=None)
    assert (rows[list(LABELS)].dtypes == np.float32).all()
    assert rows[list(LABELS)].isin([0, 1, np.nan]).all(axis=None)


def test_rows_have_unique_ids_patients_and_existing_files(source):
    repository, root, _ = source
    rows = read(repository, root).rows
    assert rows["image_id"].is_unique and rows["path"].is_unique
    assert rows["image_id"].str.startswith(repository.name + "/").all()
    assert rows["patient_id"].str.match(rf"{repository.name.replace('+', '[+]')}:.").all()
    assert (rows["repository"] == repository.name).all()
    assert all((root / path).is_file() for path in rows["path"])


def test_reading_does_not_depend_on_the_order_of_directories(source, monkeypatch):
    repository, root, _ = source
    first = read(repository, root)
    scandir = os.scandir

    class Shuffled:
        def __init__(self, path: str) -> None:
            with scandir(path) as entries:
                self.entries = list(entries)
            random.Random(7).shuffle(self.entries)

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_: object) -> None:
            pass

        def __iter__(self):
            return iter(self.entries)

    monkeypatch.setattr(os, "scandir", Shuffled)
    second = read(repository, root)
    pd.testing.assert_frame_equal(first.rows, second.rows)
    pd.testing.assert_frame_equal(first.excluded, second.excluded)
    assert (first.notes, first.same_person) == (second.notes, second.same_person)


def test_reading_does_not_depend_on_the_number_of_jobs(source):
    repository, root, _ = source
    first, second = read(repository, root), read(repository, root, ReadOptions(jobs=2))
    pd.testing.assert_frame_equal(first.rows, second.rows)
    assert first.notes == second.notes


def test_metadata_alone_needs_no_image_files(source):
    repository, root, expected = source
    reading = read(repository, root, ReadOptions(require_files=False))
    assert len(reading.rows) + len(reading.excluded) == len(expected.rows) + sum(expected.reasons.values())
    assert "missing file" not in set(reading.excluded["reason"])
    assert reading.rows["path"].is_unique


def test_repository_is_found_under_its_other_names(source):
    repository, root, _ = source
    folder = find_repository(root, repository)
    if not repository.folders:
        pytest.skip("a folder of any name")
    moved = folder.rename(root / repository.folders[-1].upper())
    assert find_repository(root, repository) == moved


def test_missing_repository_names_what_was_looked_for(source, tmp_path):
    repository, _, _ = source
    if not repository.folders:
        pytest.skip("a folder of any name")
    empty = tmp_path / "elsewhere"
    empty.mkdir()
    with pytest.raises(MissingInputError) as caught:
        find_repository(empty, repository)
    assert caught.value.message == f"'{empty}' has no folder of {repository.name}"
    assert repository.folders[0] in caught.value.hint


def test_empty_repository_is_refused(source, tmp_path):
    repository, _, _ = source
    folder = tmp_path / "root" / "".join(repository.folders[:1])
    folder.mkdir(parents=True)
    with pytest.raises(MissingInputError):
        read(repository, tmp_path / "root")
