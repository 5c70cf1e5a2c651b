"""What people see of a matrix: exact text of cells, and the order of verdicts."""

import numpy as np

from cxrshort.results import Table, Text
from cxrshort.stats.stress import RULE
from cxrshort.verbs.roentmod.matrix import cell_record, finding_record, sort_findings, stress_blocks

from ...stats.edited_scores import NAMES, matrix

SHARES = np.eye(4)


def summary(**options: object) -> dict[str, object]:
    cells = matrix(np.random.default_rng(0), SHARES, persons=30, **options)
    return {
        "models": [{"model": "erm", "images": 30, "persons": 30}],
        "findings": sort_findings([finding_record("erm", cell) for cell in cells if not cell.on_target]),
        "cells": [cell_record("erm", cell) for cell in cells],
        "controls": [],
    }


def test_verdicts_come_worst_first_and_only_accusations_are_printed() -> None:
    planted = summary(shortcuts={(1, 3): 1.3, (2, 0): 2.0})
    verdicts = stress_blocks(planted, rule=RULE)[0]
    assert isinstance(verdicts, Table)
    assert [(row["added"], row["predicted"]) for row in verdicts.rows] == [("Effusion", NAMES[0]), ("Edema", NAMES[3])]
    assert verdicts.title == (
        "Cells off target: 2 shortcut, 10 no evidence; effects are mean percentile points that co-occurrence does not "
        "explain, the margin is 25"
    )


def test_no_accusation_says_what_would_have_been_seen() -> None:
    text = stress_blocks(summary(), rule=RULE)[0]
    assert isinstance(text, Text)
    first, second = text.text.split("\n")
    assert first.startswith("Cells off target: 12 no evidence;")
    assert second.startswith("Where there is no evidence, 80 % of tests like these would have shown an effect of 2")


def test_cells_on_target_are_bracketed_and_significant_ones_starred() -> None:
    blocks = stress_blocks(summary(), rule=RULE)
    table = next(block for block in blocks if isinstance(block, Table) and block.title.startswith("erm: median change"))
    first = table.rows[0]
    assert (
        first["added"] == NAMES[0]
        and first[f"cell {NAMES[0]}"].startswith("[+")
        and first[f"cell {NAMES[0]}"].endswith("*]")
    )
    assert "[" not in first[f"cell {NAMES[1]}"]


def test_records_are_json_values_with_none_for_what_is_not_known() -> None:
    cell = summary()["cells"][0]  # type: ignore[index]
    assert (cell["on_target"], cell["verdict"], cell["excess"], cell["explained"]) == (True, "on target", None, None)
    assert all(isinstance(value, str | int | float | bool | None) for value in cell.values())
