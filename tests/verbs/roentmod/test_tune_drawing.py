"""A sheet for each prompt and image, and a map for each prompt."""

from pathlib import Path

import numpy as np

from cxrshort.generative.roentmod.tuning_grid import Cell
from cxrshort.generative.roentmod.tuning_pictures import CellPictures
from cxrshort.verbs.roentmod.tune_drawing import draw_grid

CELLS = [Cell(0.2, 1.0), Cell(0.2, 4.0), Cell(0.4, 1.0), Cell(0.4, 4.0)]


def test_files_are_named_by_prompt_and_image(tmp_path: Path) -> None:
    np.savez(tmp_path / "cell.npz", pictures=np.zeros((2, 2, 8, 8), np.uint8), made=np.eye(2, dtype=bool))
    cells = [CellPictures(cell, tmp_path / "cell.npz", (2, 2, 8, 8), {}) for cell in CELLS]
    number = {"beyond_sham": 1.0, "off_target": None, "distance": 2.0}
    summary = {
        "images": ["x/1", "x/2"],
        "prompts": [{"edit": "mass, left", "text": "left mass"}, {"edit": "sham", "text": "nothing"}],
        "proposals": [{"edit": "mass, left", "strength": 0.4, "guidance": 4.0}],
        "rule": {"judge": "model", "limit": 3.0},
        "cells": [
            {"judge": "model", "edit": "mass, left", "strength": cell.strength, "guidance": cell.guidance, **number}
            for cell in CELLS
        ],
    }
    originals = np.zeros((2, 8, 8), np.uint8)
    drawn = draw_grid(summary, originals, cells, path_of=lambda name: tmp_path / name)
    stems = [path.stem for path in drawn]
    assert [stem.partition("-")[0] for stem in stems] == ["sheet", "sheet", "map", "sheet", "sheet"]
    assert stems[3:] == ["sheet-sham-1", "sheet-sham-2"] and all(path.is_file() for path in drawn)
