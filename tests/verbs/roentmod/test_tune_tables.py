"""Rows, proposals and tables of a grid whose numbers are written down here."""

from pathlib import Path

import numpy as np
import pytest

from cxrshort.generative.roentmod.contract import Prompt
from cxrshort.generative.roentmod.tuning_grid import Cell
from cxrshort.generative.roentmod.tuning_pictures import CellPictures
from cxrshort.results import Table
from cxrshort.verbs.roentmod.tune_scores import PIXELS, SAME_PERSON, GridScores
from cxrshort.verbs.roentmod.tune_tables import cell_rows, grid_scores, proposals, tune_blocks

PROMPTS = [Prompt("edema", "edema", "Edema"), Prompt("lump", "left upper lobe mass", "Mass"), Prompt("sham", "nothing")]
CELLS = [Cell(0.2, 4.0), Cell(0.4, 4.0), Cell(0.9, 4.0)]
RISES = (1.0, 2.0, 5.0)
PERSONS = ["a", "b"]


@pytest.fixture
def cells(tmp_path: Path) -> list[CellPictures]:
    made = np.ones((3, 2), bool)
    made[0, 1] = False
    path = tmp_path / "cell.npz"
    np.savez(path, pictures=np.zeros((3, 2, 4, 4), np.uint8), made=made)
    return [CellPictures(cell, path, (3, 2, 4, 4), {"start_timestep": 399}) for cell in CELLS]


def scores(labels: tuple[str, ...] = ("Edema", "Effusion"), limit: float | None = 10.0) -> GridScores:
    """Return a model that sees edema rise with strength, and distances that pass the limit in the last cell."""
    after = []
    for rise in RISES:
        logits = np.zeros((3, 2, len(labels)))
        logits[0, :, 0] = rise
        logits[0, :, 1:] = rise / 4
        after.append(logits)
    distances = [np.full((3, 2), length) for length in (1.0, 5.0, 20.0)]
    return GridScores("model", labels, np.zeros((2, len(labels))), after, distances, limit, SAME_PERSON)


def test_row_of_each_prompt_and_cell_holds_settings_and_numbers(cells: list[CellPictures]) -> None:
    part = scores()
    rows = cell_rows(part, grid_scores(part, PROMPTS, PERSONS), cells, PROMPTS, most_off_target=0.5)
    assert len(rows) == 9 and [row["edit"] for row in rows[::3]] == ["edema", "lump", "sham"]
    row = rows[1]
    assert (row["judge"], row["strength"], row["guidance"], row["start_timestep"]) == ("model", 0.4, 4.0, 399)
    assert (row["target"], row["beyond_sham"], row["off_target"], row["distance"]) == (2.0, 2.0, 0.5, 5.0)
    assert (row["images"], row["allowed"]) == (1, True)
    assert [other["allowed"] for other in rows] == [True, True, False, False, False, False, None, None, None]


def test_rule_proposes_within_the_limit_for_findings_with_a_label(cells: list[CellPictures]) -> None:
    part = scores()
    measured = grid_scores(part, PROMPTS, PERSONS)
    rows = proposals(part, measured, CELLS, PROMPTS, most_off_target=0.5)
    assert [(row["edit"], row["strength"], row["guidance"]) for row in rows] == [("edema", 0.4, 4.0)]
    assert rows[0]["beyond_sham"] == 2.0 and rows[0]["reason"] == ""
    none = proposals(part, measured, CELLS, PROMPTS, most_off_target=0.1)
    assert (none[0]["strength"], none[0]["reason"]) == (None, "no cell fulfils the rule")


def test_several_findings_have_a_proposal_together() -> None:
    part = scores(("Edema", "Mass"))
    for logits in part.after:
        logits[1] = [0.0, 1.0]
    measured = grid_scores(part, PROMPTS, PERSONS)
    rows = proposals(part, measured, CELLS, PROMPTS, most_off_target=0.5)
    assert [row["edit"] for row in rows] == ["edema", "lump", "all prompts"]
    assert rows[2]["strength"] == 0.4


def test_small_pictures_have_distances_alone(cells: list[CellPictures]) -> None:
    part = scores()
    pixels = GridScores(PIXELS, (), np.zeros((2, 0)), [np.zeros((3, 2, 0))] * 3, part.distances, 10.0, SAME_PERSON)
    rows = cell_rows(pixels, grid_scores(pixels, PROMPTS, PERSONS), cells, PROMPTS, most_off_target=0.5)
    assert {(row["target"], row["off_target"], row["allowed"]) for row in rows} == {(None, None, None)}
    assert rows[0]["distance"] == 1.0


def summary(cells: list[CellPictures]) -> dict[str, object]:
    part = scores()
    measured = grid_scores(part, PROMPTS, PERSONS)
    return {
        "dataset": "films",
        "images": ["x/1", "x/2"],
        "grid": {"strengths": [0.2, 0.4, 0.9], "guidances": [4.0]},
        "rule": {"text": "the largest"},
        "proposals": proposals(part, measured, CELLS, PROMPTS, most_off_target=0.5),
        "cells": cell_rows(part, measured, cells, PROMPTS, most_off_target=0.5),
    }


def test_proposals_come_first_and_the_papers_cell_beside_them(cells: list[CellPictures]) -> None:
    tables = [block for block in tune_blocks(summary(cells)) if isinstance(block, Table)]
    assert tables[0].title.startswith("Proposed") and tables[0].rows[0]["shown_strength"] == "0.4"
    assert "RoentMod 2025 chose" in tables[1].title and len(tables[1].rows) == 3
    assert tables[2].shown == ("verbose",) and len(tables[2].rows) == 9


def test_phantoms_have_severities_and_no_paper(cells: list[CellPictures]) -> None:
    grid = {"strengths": [0.2, 0.4, 0.9], "guidances": [None]}
    tables = [block for block in tune_blocks({**summary(cells), "grid": grid}) if isinstance(block, Table)]
    assert len(tables) == 2 and [column.heading for column in tables[0].columns][1] == "severity"
