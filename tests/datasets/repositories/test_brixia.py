"""Brixia: films with a severity score."""

from cxrshort.columns import CHESTX_RAY14_LABELS, COVID
from cxrshort.datasets.repositories import brixia
from cxrshort.datasets.repositories.parsing.layout import find_repository
from cxrshort.datasets.repositories.reading import ReadOptions

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
