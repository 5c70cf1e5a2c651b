"""``stats compare``: all three ways of it, and what is written."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import CxrshortError
from cxrshort.stats.claims import ONE_SEED
from cxrshort.verbs.stats.compare import compare

from .scored import plain, two_trainings, written


def refusal(table: Path | None, **options: object) -> tuple[int, str]:
    with pytest.raises(CxrshortError) as caught:
        compare(table, **options)
    return caught.value.exit_code, caught.value.message


def test_predictions_of_two_trainings(tmp_path: Path) -> None:
    result = compare(written(two_trainings(), tmp_path), draws=100)
    rows = result.summary["comparisons"]
    assert [(row["label"], row["dataset"]) for row in rows] == [
        ("Edema", "hospital-a"),
        ("Edema", "hospital-b"),
        ("COVID-19", "hospital-a"),
        ("COVID-19", "hospital-b"),
    ]
    assert all(row["tests"] == 4 and row["persons"] == 30 for row in rows)
    assert all(row["finding"] == ("not shown" if row["p_adjusted"] > 0.05 else "better") for row in rows[:2])
    assert result.summary["groups"] == [] and result.notes[-1] == ONE_SEED


def test_replicates_are_compared_as_groups_too(tmp_path: Path) -> None:
    result = compare(written(two_trainings(replicates=3), tmp_path), label="Edema", draws=0)
    assert len(result.summary["comparisons"]) == 6
    assert [row["pairs"] for row in result.summary["groups"]] == [9, 9]
    assert any("3 and 3 replicates cannot show a difference in 2 tests" in note for note in result.notes)


def test_subgroups_and_decisions(tmp_path: Path) -> None:
    result = compare(written(two_trainings(), tmp_path), label="Edema", by="view", threshold=0.6, draws=0)
    groups = [(row["dataset"], row["group"]) for row in result.summary["comparisons"]]
    assert groups == [(f"hospital-{place}", view) for place in "ab" for view in ("AP", "PA")]
    assert [(row["dataset"], row["group"]) for row in result.summary["decisions"]] == groups
    images = sum(row["images"] for row in result.summary["decisions"])
    assert images == 120


def test_same_seed_gives_the_same_numbers(tmp_path: Path) -> None:
    path = written(two_trainings(), tmp_path)
    first, again, other = (
        compare(path, label="Edema", draws=50, seed=seed).summary["comparisons"] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_published_accuracies_give_the_numbers_of_the_paper() -> None:
    (row,) = compare(accuracies=(0.80, 0.82), both=0.75, images=200).summary["published"]
    assert (round(row["claim_false"], 2), round(row["after_only"], 6), round(row["before_only"], 6)) == (0.21, 14, 10)
    (row,) = compare(accuracies=(0.80, 0.82), both=0.75, images=1000).summary["published"]
    assert round(row["claim_false"], 3) == 0.034
    bounds = compare(accuracies=(0.80, 0.82), images=200)
    assert [round(row["both"], 2) for row in bounds.summary["published"]] == [0.62, 0.80]
    assert bounds.notes[0].startswith("the share that both have right is not given")


def test_folder_holds_tables_and_figure(tmp_path: Path) -> None:
    result = compare(
        written(two_trainings(replicates=2), tmp_path), threshold=0.5, draws=0, out=tmp_path / "o", figures=True
    )
    names = {path.name for path in (tmp_path / "o").iterdir()}
    assert names == {
        *("comparisons.csv", "decisions.csv", "groups.csv", "compare.png", "run.json", "summary.json"),
    }
    assert json.loads((tmp_path / "o" / "summary.json").read_text())["groups"] == result.summary["groups"]
    alone = written(pd.DataFrame({"m": list("aabb"), "v": [1.0, 2, 3, 4]}), tmp_path, "v.csv")
    compare(alone, value="v", group="m", out=tmp_path / "g", figures=True)
    assert {path.name for path in (tmp_path / "g").iterdir()} == {
        *("groups.csv", "compare.png", "run.json", "summary.json"),
    }


def test_two_tables_of_one_name_are_both_recorded(tmp_path: Path) -> None:
    table = two_trainings()
    places = []
    for training in ("t", "u"):
        (tmp_path / training).mkdir()
        places.append(written(table[table["training_id"] == training], tmp_path / training))
    compare(*places, draws=0, out=tmp_path / "o")
    inputs = json.loads((tmp_path / "o" / "run.json").read_text())["inputs"]
    assert set(inputs) == {str(place) for place in places}


def test_wrong_options_and_tables_are_refused(tmp_path: Path) -> None:
    path = plain(tmp_path, other=np.arange(12.0), group=["g"] * 12)
    assert refusal(None) == (2, "a comparison needs a table")
    assert refusal(path, value="score") == (2, "--group is missing: --value and --group name two columns")
    assert refusal(path, value="score", group="group", target="label") == (
        2,
        "--value compares numbers of replicates, and 'target' is of images",
    )
    assert refusal(path, accuracies=(0.8, 0.9), images=3) == (2, "--accuracies stands for a table")
    assert refusal(None, accuracies=(0.8, 0.9)) == (2, "--images is missing: a published comparison needs both")
    assert refusal(None, accuracies=(0.8, 1.9), images=10)[0] == 65
    assert refusal(None, accuracies=(0.8, 0.9), both=0.85, images=10)[0] == 65
    assert refusal(path, correction="bonferoni")[0] == 2
    assert refusal(path, level=2.0) == (2, 'level "2" is not between 0 and 1')
    assert refusal(plain(tmp_path, other=1.0, label=[0] * 12), target="label", before="score", after="other") == (
        65,
        "scores.csv: no difference can be given an interval (only negatives)",
    )
