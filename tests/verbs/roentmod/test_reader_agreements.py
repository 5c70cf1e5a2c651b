"""Which readers are compared, over which images."""

from pathlib import Path

import pytest

from cxrshort.verbs.roentmod.answers import read_answers, read_key
from cxrshort.verbs.roentmod.reader_agreements import agreement_rows, overall_rows

from .filled_sheets import FINDINGS, fill, write_key


def rows(tmp_path: Path, **settings: object) -> list[dict[str, object]]:
    key = write_key(tmp_path, sources=10, **settings)  # type: ignore[arg-type]
    return agreement_rows(read_answers(fill(key, error=0.1), read_key(key)), seed=0)


def test_shared_images_alone_are_compared(tmp_path: Path) -> None:
    compared = overall_rows(rows(tmp_path, readers=3, shared=0.5))
    assert [(row["readers"], row["images"], row["answers"]) for row in compared] == [
        ("R1, R2", 20, 60),
        ("R1, R3", 20, 60),
        ("R2, R3", 20, 60),
        ("all readers", 20, 60),
        ("all readers", 20, 60),
    ]


def test_each_finding_has_rows_of_its_own(tmp_path: Path) -> None:
    compared = rows(tmp_path, readers=2)
    assert list(dict.fromkeys(row["finding"] for row in compared)) == [*FINDINGS, "all findings"]
    assert all(row["images"] == row["answers"] == 40 for row in compared if row["finding"] in FINDINGS)


def test_one_reader_is_compared_with_a_second_reading(tmp_path: Path) -> None:
    compared = overall_rows(rows(tmp_path, readers=1, repeats=15))
    assert [(row["readers"], row["images"]) for row in compared] == [("R1, twice", 15)]


@pytest.mark.parametrize("settings", [{"readers": 1}, {"readers": 2, "shared": 0.0}])
def test_images_that_are_read_once_have_no_agreement(tmp_path: Path, settings: dict[str, float]) -> None:
    assert rows(tmp_path, **settings) == []
