"""Items of the guidelines: proven by files, partly proven, or blank, and never filled by guess."""

from pathlib import Path

import pytest

from cxrshort.verbs.stats.checklist.publishing import BLANK
from cxrshort.verbs.stats.reports.items import CLAIM, GUIDELINES, PARTLY, PROVEN, TRIPOD, answer_items

from ..studies import EVALUATION, EXPLANATION, INSIDE, MODEL, OTHER, OUTSIDE, load, write_run

ITEMS = {guideline: {item.number: item for item in items} for guideline, items in GUIDELINES.items()}
PROVABLE = {
    CLAIM: "7 8 9 10 12 13 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 35 36 37 38 39",
    TRIPOD: "5a 5b 6a 6b 7 10 11 12a 12b 12c 12d 12e 12f 12g 13 14 15 16 18f 20a 20b 20c 21 22 23a 23b 24",
}
"""Items that run folders can prove, or a part of, as the facts of the project list them."""


def answers(*paths: Path) -> dict[tuple[str, str], dict[str, str]]:
    return {(row["guideline"], row["item"]): row for row in answer_items(load(*paths))}


def test_numbers_are_those_of_the_guidelines() -> None:
    assert list(ITEMS[CLAIM]) == [str(number) for number in range(1, 45)]
    assert {int(number.rstrip("abcdefg")) for number in ITEMS[TRIPOD]} == set(range(1, 28))
    assert len(ITEMS[TRIPOD]) == len(GUIDELINES[TRIPOD]) == 52


@pytest.mark.parametrize("guideline", list(GUIDELINES))
def test_items_with_facts_are_those_that_folders_can_prove(guideline: str) -> None:
    assert [number for number, item in ITEMS[guideline].items() if item.facts] == PROVABLE[guideline].split()


def test_partly_provable_items_are_never_proven(study: Path) -> None:
    partly = {(guideline, number) for guideline in ITEMS for number, item in ITEMS[guideline].items() if item.partly}
    assert partly == {(CLAIM, "13"), (CLAIM, "21"), *((TRIPOD, number) for number in ("5b", "6a", "10", "18f"))}
    rows = answers(study)
    assert {rows[key]["status"] for key in partly} <= {PARTLY, BLANK}


def test_whole_study_proves_what_it_can(study: Path) -> None:
    rows = answers(study)
    proven = {number for (guideline, number), row in rows.items() if guideline == CLAIM and row["status"] == PROVEN}
    missing = {"30"} if rows[CLAIM, "30"]["status"] == BLANK else set()  # where no pair of markers was testable
    assert proven == set(PROVABLE[CLAIM].split()) - {"13", "21"} - missing


def test_every_proof_is_a_file_and_every_blank_is_blank(study: Path) -> None:
    for row in answers(study).values():
        assert (row["status"] == BLANK) == (row["evidence"] == "") == (row["proof"] == "")
        for proof in filter(None, row["proof"].split("; ")):
            assert Path(proof.partition(": ")[0]).is_file()


def test_folder_that_shows_nothing_proves_nothing(tmp_path: Path) -> None:
    write_run(tmp_path / "run", "stats cost")
    rows = answers(tmp_path)
    assert {row["status"] for key, row in rows.items() if key != (TRIPOD, "18f")} == {BLANK}


def test_part_of_the_facts_is_partly(study: Path) -> None:
    rows = answers(study / INSIDE)  # pixels, and no model that says how it normalises them
    assert (rows[CLAIM, "9"]["status"], rows[CLAIM, "7"]["status"], rows[CLAIM, "22"]["status"]) == (
        PARTLY,
        PROVEN,
        BLANK,
    )


@pytest.mark.parametrize(
    ("without", "lost"),
    [
        ((INSIDE, OUTSIDE), "7 8 10 19 20 35 36"),
        ((MODEL, OTHER), "22 23 24 25 26 27"),
        ((EVALUATION,), "29 32 33 37"),
        ((EXPLANATION,), "31 39"),
    ],
)
def test_item_is_lost_with_the_folder_that_proves_it(study: Path, without: tuple[str, ...], lost: str) -> None:
    kept = [study / name for name in (INSIDE, OUTSIDE, MODEL, OTHER, EVALUATION, EXPLANATION) if name not in without]
    rows = answers(*kept)
    assert {rows[CLAIM, number]["status"] for number in lost.split()} == {BLANK}
