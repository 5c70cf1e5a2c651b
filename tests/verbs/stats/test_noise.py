"""``stats noise``: leaderboards and grids."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import CxrshortError, UsageError
from cxrshort.stats.auc import compare_paired
from cxrshort.verbs.stats.noise import noise

from .scored import two_trainings, written


def board(folder: Path, **columns: object) -> Path:
    rng = np.random.default_rng(0)
    public = np.linspace(0.6, 0.8, 40)
    rows = {"team": range(40), "public": public, "private": public + rng.normal(0, 0.02, 40)}
    return written(pd.DataFrame(rows | {"challenge": ["x", "y"] * 20} | columns), folder, "board.csv")


def refusal(*tables: Path, **options: object) -> tuple[int, str]:
    with pytest.raises(CxrshortError) as caught:
        noise(*tables, **options)
    return caught.value.exit_code, caught.value.message


def test_one_table_equals_two_leaderboards(tmp_path: Path) -> None:
    path = board(tmp_path)
    (row,) = noise(path).summary["noise"]
    table = pd.read_csv(path)
    halves = [
        written(
            table[["team", name]].rename(columns={name: "score"}).sample(frac=1, random_state=1),
            tmp_path,
            f"{name}.csv",
        )
        for name in ("public", "private")
    ]
    (joined,) = noise(*halves, public="score", private="score").summary["noise"]
    assert (joined["noise"], joined["gap"], joined["shift"]) == (row["noise"], row["gap"], row["shift"])
    assert (row["submissions"], row["verdict"]) == (40, "beyond noise")


def test_challenges_are_apart_and_missing_scores_counted(tmp_path: Path) -> None:
    private = [None, *np.linspace(0.5, 0.9, 39)]
    result = noise(board(tmp_path, private=private), by="challenge")
    assert [(row["group"], row["submissions"]) for row in result.summary["noise"]] == [("x", 19), ("y", 20)]
    assert result.notes[0] == "1 of 40 submissions lack a score and are left out"
    assert result.notes[1] == "only 19 submissions: percentiles of 20 or more are advised"


def test_grid_compares_every_model_with_the_winner(tmp_path: Path) -> None:
    table = two_trainings(replicates=2)
    result = noise(grid=written(table, tmp_path), label="Edema", splits=40)
    assert [row["submissions"] for row in result.summary["noise"]] == [4, 4]
    models = [row for row in result.summary["models"] if row["dataset"] == "hospital-a"]
    assert [row["rank"] for row in models] == [1, 2, 3, 4]
    assert sorted((row["auc"] for row in models), reverse=True) == [row["auc"] for row in models]
    assert models[0]["finding"] == "winner" and models[0]["p"] is None
    assert {row["finding"] for row in models[1:]} <= {"within noise", "behind"}
    part = table[table["dataset"] == "hospital-a"]
    names = [row["model"].partition(", replicate ") for row in (models[0], models[3])]
    first, last = (part[(part["training"] == name) & (part["replicate"] == int(number))] for name, _, number in names)
    paired = compare_paired(
        first["target.Edema"], before=last["logit.Edema"], after=first["logit.Edema"], clusters=first["person_id"]
    )
    assert (models[3]["behind"], models[3]["p"]) == pytest.approx((paired.difference, paired.p_value))
    assert any("the winner was chosen on these images" in note for note in result.notes)


def test_same_seed_gives_the_same_numbers(tmp_path: Path) -> None:
    path = written(two_trainings(), tmp_path)
    first, again, other = (noise(grid=path, splits=20, seed=seed).summary["noise"] for seed in (1, 1, 2))
    assert first == again != other


def test_folder_holds_tables_and_figure(tmp_path: Path) -> None:
    result = noise(board(tmp_path), out=tmp_path / "o", figures=True)
    assert {path.name for path in (tmp_path / "o").iterdir()} == {"noise.csv", "noise.png", "run.json", "summary.json"}
    assert json.loads((tmp_path / "o" / "summary.json").read_text())["noise"] == result.summary["noise"]
    noise(grid=written(two_trainings(), tmp_path), splits=20, out=tmp_path / "g", figures=True)
    assert (tmp_path / "g" / "models.csv").exists() and (tmp_path / "g" / "noise.png").exists()


def test_wrong_options_and_tables_are_refused(tmp_path: Path) -> None:
    path = board(tmp_path)
    assert refusal() == (2, "noise needs a table of submissions, or a grid of predictions")
    assert refusal(path, grid=path)[0] == 2
    assert refusal(grid=path, by="challenge") == (2, "--by groups submissions, and a grid has labels and test sets")
    assert refusal(path, public="publc") == (65, "board.csv: there is no column 'publc'")
    assert refusal(board(tmp_path, private=[None] * 39 + [1.0])) == (
        65,
        "board.csv: the table has fewer than two submissions with both scores",
    )
    assert refusal(board(tmp_path, challenge=["x"] + ["y"] * 39), by="challenge") == (
        65,
        "board.csv: challenge 'x' has fewer than two submissions with both scores",
    )
    twice = written(pd.DataFrame({"team": ["a", "a"], "score": [1.0, 2]}), tmp_path, "twice.csv")
    assert refusal(twice, twice, public="score", private="score") == (
        65,
        "twice.csv: 'a' stands twice (1 rows too many)",
    )


def test_one_column_for_both_scores_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "submissions.csv"
    path.write_text("auc\n0.8\n0.7\n0.9\n")
    with pytest.raises(UsageError, match="^--public and --private both name 'auc'$"):
        noise(path, public="auc", private="auc")
