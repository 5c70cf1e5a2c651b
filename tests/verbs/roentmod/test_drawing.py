"""Figures of a summary: files, and a note on what has no room."""

from pathlib import Path

import numpy as np

from cxrshort.verbs.roentmod.drawing import draw_stress_test
from cxrshort.verbs.roentmod.matrix import cell_record

from ...stats.edited_scores import matrix
from ...training.tiny import png_signature


def summary(models: int) -> dict[str, object]:
    cells = matrix(np.random.default_rng(0), np.eye(2), persons=12)
    names = [f"m{number}" for number in range(models)]
    return {
        "after": "edits",
        "models": [{"model": name} for name in names],
        "cells": [cell_record(name, cell) for name in names for cell in cells],
        "controls": [],
    }


def test_both_figures_are_drawn(tmp_path: Path) -> None:
    drawn, notes = draw_stress_test(summary(1), matrix=tmp_path / "m.png", probabilities=tmp_path / "p.png")
    assert all(png_signature(path) for path in drawn) and len(drawn) == 2 and notes == []


def test_models_beyond_the_sixth_are_noted(tmp_path: Path) -> None:
    _, notes = draw_stress_test(summary(7), matrix=tmp_path / "m.png", probabilities=tmp_path / "p.png")
    assert notes == ["figures show the first 6 of 7 models alone; the tables have all"]
