"""Documents: numbers with their files, marks where a person must write, and no validation where a test is meant."""

import re
from pathlib import Path

import pytest

from cxrshort.verbs.stats.checklist.publishing import TO_WRITE
from cxrshort.verbs.stats.reports.documents import write_card, write_datasheet, write_items
from cxrshort.verbs.stats.reports.items import GUIDELINES, answer_items

from ..studies import EVALUATION, INSIDE, load, write_run


def headings(document: str) -> list[str]:
    return [line.removeprefix("## ") for line in document.splitlines() if line.startswith("## ")]


def test_sections_of_the_card(study: Path) -> None:
    card = write_card(load(study))
    assert card.startswith("# Model card: small-cnn\n")
    assert headings(card) == [
        "Model",
        "Intended use",
        "Training data",
        "Training",
        "Internal testing",
        "External testing",
        "Gap between internal and external testing",
        "Uncertainty",
        "Calibration",
        "Subgroups",
        "Known shortcuts",
        "Limitations and ethical considerations",
    ]
    assert "- Intended use and users: [to be written]" in card


def test_sections_of_the_datasheet_are_those_of_the_paper(study: Path) -> None:
    sheet = write_datasheet(load(study))
    assert sheet.startswith("# Datasheet: phantom-I, phantom-external\n") or sheet.startswith(
        "# Datasheet: phantom-external, phantom-I\n"
    )
    assert headings(sheet)[:3] == ["Motivation", "Composition", "Collection"]
    assert headings(sheet)[-3:] == ["Uses", "Distribution", "Maintenance"]


@pytest.mark.parametrize("write", [write_card, write_datasheet])
def test_each_number_has_its_file(study: Path, write) -> None:
    lines = [line for line in write(load(study)).splitlines() if line.startswith("- ")]
    for line in lines:
        proofs = re.findall(r"\(`([^`]+)`\)$", line)
        assert (line.endswith(TO_WRITE) or "nothing in the run folders" in line) != bool(proofs), line
        for proof in proofs:
            assert Path(proof.partition(": ")[0]).is_file()


@pytest.mark.parametrize("write", [write_card, write_datasheet])
def test_tests_are_never_called_validation(study: Path, write) -> None:
    loaded = load(study)
    assert "validation" not in write(loaded).lower()
    assert "validation" not in write_items(answer_items(loaded)).lower()


def test_training_data_of_the_card_are_those_that_were_trained_on(study: Path) -> None:
    card = write_card(load(study))
    part = card.split("## Training data")[1].split("## Training\n")[0]
    assert "phantom-I" in part and "phantom-external" not in part
    assert "dataset phantom-external: AUC of COVID-19" in card.split("## External testing")[1]


def test_empty_sections_are_marked(tmp_path: Path, study: Path) -> None:
    write_run(tmp_path / "run", "stats cost")
    card = write_card(load(tmp_path))
    assert card.startswith(f"# Model card: {TO_WRITE}\n")
    assert card.split("## Internal testing")[1].split("##")[0].strip() == f"- {TO_WRITE}: nothing in the run folders"
    assert "0." not in write_card(load(study / INSIDE)).split("## External testing")[1].split("##")[0]


def test_items_are_tables_in_markdown(study: Path) -> None:
    rows = answer_items(load(study, label="Edema"))
    tables = write_items([{**row, "evidence": "a | b\nc"} for row in rows])
    lines = [line for line in tables.splitlines() if line.startswith("|")]
    assert len(lines) == len(rows) + 2 * len(GUIDELINES)
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 6 for line in lines)
    assert "a \\| b c" in lines[2]


def test_card_of_an_evaluation_alone_has_its_numbers(study: Path) -> None:
    card = write_card(load(study / EVALUATION))
    assert "Internal testing of phantom-I/small-cnn/erm, epochs=1" in card
    assert card.split("## Training data")[1].split("## Training\n")[0].strip().startswith("- How labels were made")
