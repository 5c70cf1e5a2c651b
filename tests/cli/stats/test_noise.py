"""``cxrshort stats noise``: the exact text, the document, and one line for bad input."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from ...verbs.stats.scored import two_trainings, written
from ..console import cxrshort_here, failure


def board(folder: Path) -> Path:
    public = np.linspace(0.6, 0.8, 41)
    rows = {"team": range(41), "public": public, "private": public + np.resize([0.0, 0.01, -0.01], 41)}
    return written(pd.DataFrame(rows), folder, "board.csv")


def test_table_for_people(tmp_path: Path) -> None:
    result = cxrshort_here("stats", "noise", board(tmp_path))
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "noise: half the 5th to 95th percentile of private minus public scores; 95 % intervals"
    assert lines[1] == "submissions noise winner gap best, 90 % shift verdict"
    assert lines[3].startswith("41 ±0.01 [0.01, 0.01] 0.03 0.81, 0.78 0 [0, 0] beyond noise: the winner is ahead")


def test_one_json_document_of_a_grid(tmp_path: Path) -> None:
    table = written(two_trainings(), tmp_path)
    result = cxrshort_here("stats", "noise", "--grid", table, "--label", "Edema", "--splits", 20, "--json")
    document = json.loads(result.stdout)
    assert (document["schema"], len(document["noise"]), len(document["models"])) == ("cxrshort.stats-noise/1", 2, 4)


def test_table_of_a_grid_names_the_winner(tmp_path: Path) -> None:
    table = written(two_trainings(), tmp_path)
    result = cxrshort_here("stats", "noise", "--grid", table, "--label", "Edema", "--splits", 20)
    assert "each model against the winner on the same images" in result.stdout
    assert "note: the winner was chosen on these images" in result.stderr


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    assert failure(cxrshort_here("stats", "noise", board(tmp_path), "--private", "privat")) == (
        65,
        "board.csv: there is no column 'privat'",
        "did you mean 'private'?",
    )
    assert failure(cxrshort_here("stats", "noise")) == (
        2,
        "noise needs a table of submissions, or a grid of predictions",
        "TABLE, or --grid DIR",
    )
