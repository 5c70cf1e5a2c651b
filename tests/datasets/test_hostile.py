"""Broken metadata: every reader ends in a reading that adds up or in an error of ours, never in a crash."""

import random
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrshort.datasets import SOURCES
from cxrshort.datasets.repositories.parsing.fields import OLDEST, read_ages, read_dates
from cxrshort.datasets.repositories.parsing.label_maps import github_covid_labels
from cxrshort.datasets.repositories.parsing.layout import find_repository, leaves_folder
from cxrshort.datasets.repositories.parsing.projections import read_description
from cxrshort.datasets.repositories.parsing.report_findings import label_findings, split_findings
from cxrshort.datasets.repositories.reading import Reading, ReadOptions
from cxrshort.errors import CxrshortError, DataError
from cxrshort.manifest import check_manifest
from cxrshort.registry import load_entry
from cxrshort.tables import read_table

from .lookalikes import BUILDERS

METADATA = (".csv", ".tsv", ".json", ".txt", ".gz", ".dcm")
TRIES = 30
NASTY = (b"\x00", b"\xff\xfe", b'"', b"\n", b",,,,,,,,", b"../../x.png", b"\r", b"9" * 5000, b"nan", b"\xc3")


def spoil(data: bytes, generator: random.Random) -> bytes:
    """Cut, overwrite or insert somewhere."""
    place = generator.randrange(len(data) + 1)
    how = generator.randrange(3)
    if how == 0:
        return data[:place]
    return data[:place] + generator.choice(NASTY) + data[place + (how == 1) * generator.randrange(20) :]


def check_reading(reading: Reading) -> None:
    assert (reading.excluded["reason"] != "").all()
    assert reading.rows["image_id"].is_unique and reading.rows["path"].is_unique
    assert not reading.rows["patient_id"].str.endswith(":").any()
    assert not any(leaves_folder(path) for path in reading.rows["path"])
    if len(reading.rows):
        check_manifest(reading.rows.assign(person_id=reading.rows["patient_id"]))


@pytest.mark.parametrize("name", list(SOURCES))
def test_broken_metadata_never_crashes_a_reader(name, tmp_path):
    repository = load_entry(SOURCES, name, kind="repository")
    BUILDERS[name](tmp_path)
    files = sorted(path for path in tmp_path.rglob("*") if path.suffix in METADATA and path.stat().st_size)
    generator = random.Random(name)
    for _ in range(TRIES):
        path = generator.choice(files)
        whole = path.read_bytes()
        path.write_bytes(spoil(whole, generator))
        try:
            check_reading(repository.read(find_repository(tmp_path, repository), tmp_path, ReadOptions()))
        except CxrshortError as error:
            assert "\n" not in error.message and len(error.message) < 500
        path.write_bytes(whole)


@pytest.mark.parametrize("name", list(SOURCES))
def test_loops_of_links_end(name, tmp_path):
    repository = load_entry(SOURCES, name, kind="repository")
    expected = BUILDERS[name](tmp_path)
    folder = find_repository(tmp_path, repository)
    (folder / "loop").symlink_to(folder)
    (folder / "up").symlink_to(tmp_path)
    (folder / "nowhere").symlink_to(tmp_path / "gone")
    assert tuple(repository.read(folder, tmp_path, ReadOptions()).rows["image_id"]) == expected.rows


TEXTS = st.text(max_size=200)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_parsers_take_any_text(texts):
    series = pd.Series(texts, dtype=str)
    for unit in ("convert", "drop"):
        ages, _ = read_ages(series, unit=unit)
        assert ages.dropna().between(0, OLDEST).all()
    assert read_dates(series).str.fullmatch(r"|\d{4}(-\d{2}(-\d{2})?)?").all()
    reports = [split_findings(text) for text in texts]
    labels, _ = label_findings(reports, series.index)
    assert labels.isin([0, 1]).all(axis=1).equals(pd.Series([words is not None for words in reports]))
    assert all(read_description(text) in (None, "PA", "AP", "AP_SUPINE", "LATERAL", "UNKNOWN") for text in texts)
    assert all(set(github_covid_labels(text).values()) <= {0, 1} for text in texts)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=200))
def test_tables_of_any_bytes_are_read_or_refused(tmp_path_factory, data):
    path: Path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(b"a,b\n" + data)
    try:
        table, _ = read_table(path, ("a", "b"))
    except DataError as error:
        assert error.message.startswith("any.csv: ")
    else:
        assert list(table.columns) == ["a", "b"] and len(table) > 0
