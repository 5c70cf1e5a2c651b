"""What is printed of an edited dataset: a row for each edit, counted and measured."""

from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort.results import Facts, Table, Text
from cxrshort.verbs.roentmod.edited_films import edit_blocks, edits_table

SUMMARY: dict[str, Any] = {
    "editor": {"editor": "diffusion", "strength": 0.4, "beta_start": 0.1, "components": {"unet": {}}},
    "excluded": {"blank picture": 1},
    "splits": {"split_0": {"test": 5}},
    "candidates": 6,
    "rows": 5,
    "people": 2,
    "edited_images": 3,
    "edited_dataset": "films",
    "off_target": "ignore",
}


def manifest(folder: Path) -> Path:
    rows = [("edema", "edema", "Edema", 0.02, 1.0), ("edema", "edema", "Edema", 0.04, 3.0)]
    rows += [("edema", "edema", "Edema", 0.08, 9.0), ("inverted, sham", "nothing", "", 0.01, 0.5)]
    rows += [("round trip", "", "", 0.0, 0.0)]
    names = ["edit", "edit_prompt", "edit_label", "edit_change", "edit_channel_spread"]
    table = pd.DataFrame(rows, columns=names)
    table.insert(0, "image_id", [f"x/{row}" for row in range(len(rows))])
    table.assign(repository="x", patient_id="p", person_id="p").to_csv(folder / "manifest.csv", index=False)
    return folder


def test_each_edit_has_its_count_and_its_medians(tmp_path: Path) -> None:
    table = edits_table(manifest(tmp_path))
    assert [(row["edit"], row["images"], row["change"]) for row in table] == [
        ("edema", 3, 0.04),
        ("sham", 1, 0.01),
        ("round trip", 1, 0.0),
    ]
    assert (table[0]["prompt"], table[0]["finding"], table[0]["channel_spread"]) == ("edema", "Edema", 3.0)
    assert table[0]["changed_share"] is None


def test_people_see_the_editor_the_edits_and_the_sum(tmp_path: Path) -> None:
    blocks = edit_blocks(SUMMARY, edits_table(manifest(tmp_path)))
    brief, full = (block for block in blocks if isinstance(block, Facts))
    assert brief.pairs == [("editor", "diffusion"), ("strength", "0.4")]
    assert full.pairs == [*brief.pairs, ("beta start", "0.1")]
    edits, excluded = (block for block in blocks if isinstance(block, Table))
    assert [list(row.values()) for row in edits.rows] == [
        ["edema", "edema", "Edema", "3", "4.0%", "-", "3.0"],
        ["sham", "nothing", "-", "1", "1.0%", "-", "0.5"],
        ["round trip", "-", "-", "1", "0.0%", "-", "0.0"],
    ]
    assert [list(row.values()) for row in excluded.rows] == [["blank picture", "1"]]
    lines = "\n".join(block.text for block in blocks if isinstance(block, Text))
    assert "candidates 6 = rows 5 + excluded 1" in lines
    assert "3 images of 2 persons, splits as those of films; split_0: test 5" in lines
