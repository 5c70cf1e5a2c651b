"""``stats floors`` on phantoms with and without a planted shortcut, against models, and on real radiographs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import DataError, UsageError
from cxrshort.results import Result
from cxrshort.stats.floors import FLOORS
from cxrshort.stats.out_of_fold import out_of_fold_auc, out_of_fold_ranks
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.stats.floors import floors

from .test_audited_images import changed


def aucs(summary: Any, group: str = "all") -> dict[str, float]:
    return {row["floor"]: row["auc"] for row in summary["floors"] if row["group"] == group}


def model_table(folder: Path, dataset: Path, *, effect: float, images: int = 160, **facts: object) -> Path:
    """Return predictions of a model whose logits hold the truth and noise."""
    table = pd.read_csv(dataset / "manifest.csv", dtype=str, keep_default_na=False)[:images]
    truth = table["COVID-19"].astype(float)
    names = {"model": "runs/m", "model_id": "m", "training": "m/erm", "training_id": "t", "dataset": dataset.name}
    names |= {"dataset_id": "d", "replicate": 0, "role": "internal"} | facts
    logits = effect * truth + np.random.default_rng(0).normal(size=len(table))
    predictions = table[["image_id", "person_id"]].assign(
        **{**names, "target.COVID-19": truth, "logit.COVID-19": logits}
    )
    folder.mkdir(exist_ok=True)
    predictions.to_csv(folder / "predictions.csv", index=False)
    return folder


LEARNED: dict[tuple[Any, ...], Any] = {}


@pytest.fixture(autouse=True)
def trees_grown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grow the trees of the same images and folds once: the 3,000 of a phantom take longer than all else of a test.

    What :func:`out_of_fold_ranks` returns is a function of what it takes; that is tested beside it.
    """
    monkeypatch.setattr("cxrshort.verbs.stats.floors.out_of_fold_ranks", _remembered)


def _remembered(features: Any, targets: Any, folds: Any, learn: Any) -> Any:
    key = (features.shape, features.tobytes(), targets.tobytes(), folds.tobytes(), learn)
    if key not in LEARNED:
        LEARNED[key] = out_of_fold_ranks(features, targets, folds, learn)
    return LEARNED[key].copy()


@pytest.fixture(scope="module")
def planted_floors(planted_phantom: Path) -> Result:
    return floors(str(planted_phantom))


def test_planted_border_is_reached_without_anatomy(planted_floors: Result) -> None:
    """Nine of ten of a class have its style: a floor that reads it reaches about 0.9."""
    result = planted_floors
    reached = aucs(result.summary)
    assert list(reached) == list(FLOORS)
    assert reached["prevalence"] == 0.5
    assert reached["border strips"] > 0.75 and reached["metadata"] > 0.65  # the hospital is the style
    assert reached["age, sex, view"] < 0.65
    assert min(aucs(result.summary, "PA")["border strips"], aucs(result.summary, "AP")["border strips"]) > 0.7
    assert result.verdicts == ()
    assert result.document["schema"] == "cxrshort.stats-floors/1"


def test_floors_of_a_clean_dataset_are_at_chance_but_for_what_is_disease(clean_phantom: Path) -> None:
    """Opacities brighten the lungs, so that pixels may tell a little; what has none of them may not."""
    rows = {row["floor"]: row for row in floors(str(clean_phantom)).summary["floors"] if row["group"] == "all"}
    for name in ("age, sex, view", "metadata", "border strips"):
        assert rows[name]["low"] <= 0.5 <= rows[name]["high"], name
    assert max(row["auc"] for row in rows.values()) < 0.75


def test_numbers_are_those_of_the_scores_that_are_written(planted_phantom: Path, tmp_path: Path) -> None:
    result = floors(str(planted_phantom), out=tmp_path / "out", figures=True, level=0.9)
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    area = out_of_fold_auc(scores["target"], scores["score.border_strips"], scores["person_id"], level=0.9)
    (row,) = [row for row in result.summary["floors"] if (row["floor"], row["group"]) == ("border strips", "all")]
    assert (row["auc"], row["low"], row["high"]) == pytest.approx((area.auc, area.low, area.high))
    assert scores.groupby("person_id")["fold"].nunique().max() == 1
    assert [path.name for path in result.figures] == ["floors.png"]
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["floors"] == result.summary["floors"]
    assert len(pd.read_csv(tmp_path / "out" / "floors.csv")) == 3 * len(FLOORS)


def test_same_seed_gives_the_same_floors(
    planted_phantom: Path, planted_floors: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # nothing is remembered
    again, other = (floors(str(planted_phantom), seed=seed).summary["floors"] for seed in (0, 1))
    assert planted_floors.summary["floors"] == again != other


def test_model_is_held_against_every_floor(planted_phantom: Path, tmp_path: Path) -> None:
    good = floors(str(planted_phantom), predictions=model_table(tmp_path / "good", planted_phantom, effect=8.0))
    assert {row["finding"] for row in good.summary["comparisons"]} == {"superior"}
    assert good.verdicts == ["no evidence"]
    poor = floors(str(planted_phantom), predictions=model_table(tmp_path / "poor", planted_phantom, effect=1.0))
    findings = {row["floor"]: row["finding"] for row in poor.summary["comparisons"]}
    assert (findings["prevalence"], findings["border strips"]) == ("superior", "not shown")
    assert poor.verdicts == ["suspicious"]
    (model,) = poor.summary["models"]
    source, shuffled = model["auc"], poor.summary["comparisons"][-1]["floor_auc"]
    assert model["expected"] == pytest.approx(source - shuffled + 0.5)
    assert model["expected_low"] < model["expected"] < model["expected_high"]


def test_images_that_are_not_shared_are_left_out_and_named(planted_phantom: Path, tmp_path: Path) -> None:
    table = model_table(tmp_path / "m", planted_phantom, effect=2.0, images=100)
    rows = pd.read_csv(table / "predictions.csv")
    rows.loc[[3, 7], "image_id"] = ["elsewhere/3", "elsewhere/7"]
    other = rows.assign(dataset="other", dataset_id="o", image_id="other/" + rows["image_id"], role="external")
    pd.concat([rows, other]).to_csv(table / "predictions.csv", index=False)
    result = floors(str(planted_phantom), predictions=table)
    assert result.summary["models"][0]["images"] == 98
    assert list(result.notes) == [
        "images of other datasets are left out: other 100",
        "images that are not in planted are left out: m/erm, replicate 0: 2 of 100 ('elsewhere/3', 'elsewhere/7')",
    ]


def test_model_trained_elsewhere_has_no_expected_auc_and_a_note(planted_phantom: Path, tmp_path: Path) -> None:
    result = floors(
        str(planted_phantom), predictions=model_table(tmp_path / "m", planted_phantom, effect=2.0, role="external")
    )
    assert result.summary["models"][0]["expected"] is None
    assert result.notes[-1].startswith("floors are learned on this dataset, so that a model trained elsewhere")


def test_any_table_with_image_ids_and_scores_will_do(planted_phantom: Path, tmp_path: Path) -> None:
    table = model_table(tmp_path / "m", planted_phantom, effect=8.0) / "predictions.csv"
    plain = pd.read_csv(table).rename(columns={"logit.COVID-19": "probability"})[["image_id", "probability"]]
    plain.to_csv(tmp_path / "scores.csv", index=False)
    whole = floors(str(planted_phantom), predictions=table).summary["comparisons"]
    result = floors(str(planted_phantom), predictions=tmp_path / "scores.csv", score="probability").summary[
        "comparisons"
    ]
    assert [row["difference"] for row in result] == [row["difference"] for row in whole]


def test_predictions_of_other_images_are_refused(planted_phantom: Path, tmp_path: Path) -> None:
    table = model_table(tmp_path / "m", planted_phantom, effect=2.0)
    rows = pd.read_csv(table / "predictions.csv").assign(image_id=[f"x/{number}" for number in range(160)])
    rows.to_csv(table / "predictions.csv", index=False)
    with pytest.raises(DataError) as caught:
        floors(str(planted_phantom), predictions=table)
    assert caught.value.message == (
        "predictions.csv: none of its 160 images with a score is one of planted with a label of COVID-19 (first 'x/0')"
    )


def test_one_class_and_a_score_without_predictions_are_refused(clean_phantom: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="^no folds by person: only negatives$"):
        floors(str(changed(clean_phantom, tmp_path / "d", **{"COVID-19": "0"})), label="COVID-19")
    with pytest.raises(UsageError, match="^--score names a column of --predictions$"):
        floors(str(clean_phantom), score="probability")


def test_one_repository_has_one_floor_of_metadata(clean_phantom: Path, tmp_path: Path) -> None:
    result = floors(str(changed(clean_phantom, tmp_path / "d", repository="one", view="PA")))
    assert "age, sex, view" not in aucs(result.summary)
    assert {row["group"] for row in result.summary["floors"]} == {"all"}


def test_floors_of_dataset_one_are_those_that_are_known(test_data: Path, tmp_path: Path) -> None:
    """Other learners reach 0.93 (histogram), 0.89 (borders), 0.93 (thumbnail); boosted trees 0.01 to 0.04 more."""
    build_dataset("I", root=test_data, out=tmp_path / "I", size=64, replicates=1)
    reached = aucs(floors(str(tmp_path / "I")).summary)
    expected = {"histogram": 0.93, "border strips": 0.89, "thumbnail": 0.93}
    for name, value in expected.items():
        assert value - 0.02 <= reached[name] <= value + 0.05, name
    assert 0.95 - reached["shuffled pixels"] + 0.5 == pytest.approx(0.52, abs=0.03)  # P_Est of a network at 0.95
    assert reached["metadata"] == 1.0  # the repository is the class
