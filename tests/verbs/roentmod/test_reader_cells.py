"""Cells and adherence from readings that are written down here."""

import pandas as pd
import pytest

from cxrshort.dataset import Dataset
from cxrshort.verbs.roentmod.answers import Answers
from cxrshort.verbs.roentmod.reader_cells import (
    adherence_rows,
    cohort_shares,
    cooccurrence_cells,
    cooccurrence_table,
    first_readings,
    row_names,
)

EDITS = {
    "left mass": ("edit", "Mass"),
    "right mass": ("edit", "Mass"),
    "scoliosis": ("edit", "scoliosis"),
    "vae": ("round trip", ""),
}


def answers() -> Answers:
    """Return two readings of an image of each edit, of which R1 reads one twice and changes its mind."""
    rows = [
        {
            "image_id": f"x/1#{edit}",
            "person_id": "P1",
            "edit": edit,
            "role": role,
            "added": added,
            "edit_prompt": edit,
            "reader": reader,
            "repetition": repetition,
            "Mass": float(edit == "left mass" and repetition == 1),
        }
        for edit, (role, added) in EDITS.items()
        for reader, repetition in (("R1", 1), ("R2", 1), ("R1", 2))
    ]
    return Answers(pd.DataFrame(rows), ["Mass"], [], [])


def test_edits_of_one_finding_are_a_row_of_cooccurrence_and_two_of_adherence() -> None:
    readings = first_readings(answers())
    cells = cooccurrence_cells(readings, ["Mass"], rule="drop")
    assert [(cell["added"], cell["share"], cell["readings"]) for cell in cells] == [
        ("Mass", 0.5, 4),
        ("scoliosis", 0.0, 2),
        ("vae", 0.0, 2),
    ]
    rows = adherence_rows(readings, ["Mass"], rule="drop", seed=0)
    assert [(row["edit"], row.get("share")) for row in rows] == [
        ("left mass", 1.0),
        ("right mass", 0.0),
        ("scoliosis", None),
    ]
    assert rows[2]["reason"] == "readers were not asked about it"


def test_second_readings_do_not_count() -> None:
    assert len(first_readings(answers())) == 8


def test_table_has_edits_and_no_controls() -> None:
    cells = cooccurrence_cells(first_readings(answers()), ["Mass"], rule="drop")
    assert cooccurrence_table(cells, ["Mass"]) == [{"added": "Mass", "Mass": 0.5}, {"added": "scoliosis", "Mass": 0.0}]


def test_rows_follow_the_sheet_then_other_edits_then_controls() -> None:
    assert row_names(first_readings(answers()), ["Mass"]) == ["Mass", "scoliosis", "vae"]


def test_cohort_is_of_real_images_with_labels() -> None:
    manifest = pd.DataFrame(
        {
            "image_id": list("abcd"),
            "edit": ["", "", "", "edema"],
            "Edema": [1.0, 1.0, 0.0, 1.0],
            "Effusion": [1.0, 0.0, 1.0, 1.0],
            "Mass": [float("nan")] * 4,
        }
    )
    shares = cohort_shares(Dataset("real", manifest), ["Edema", "pleural effusion", "Mass", "scoliosis"])
    assert shares == pytest.approx(
        {("edema", "edema"): 1.0, ("edema", "effusion"): 0.5, ("effusion", "edema"): 0.5, ("effusion", "effusion"): 1.0}
    )
