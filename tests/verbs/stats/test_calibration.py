"""``stats calibration``: the numbers are those of the statistics called directly, before and after recalibration."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from cxrshort.errors import DataError
from cxrshort.stats.calibration import calibration as measure
from cxrshort.verbs.stats.calibration import calibration

from .scored import plain, predictions, written


def validation(**columns: object) -> pd.DataFrame:
    """Return inside predictions of the same model, of other persons, whose logits are three times too large."""
    table = predictions(300, seed=5).query("role == 'internal'").assign(split="val")
    table = table.assign(image_id="val/" + table["image_id"], person_id="val/" + table["person_id"])
    return table.assign(**columns)


def test_numbers_are_those_of_the_statistic(tmp_path: Path) -> None:
    path = plain(tmp_path)
    table = pd.read_csv(path)
    result = calibration(path, target="label", score="score", person="patient", bins=4, level=0.9, seed=3)
    (row,) = result.summary["calibrations"]
    expected = measure(
        table["label"], table["score"], table["patient"], rng=np.random.default_rng(3), bins=4, level=0.9
    )
    for name, interval in (
        ("brier", expected.brier.score),
        ("resolution", expected.brier.resolution),
        ("ece_width", expected.ece_width),
        ("ece_mass", expected.ece_mass),
        ("slope", expected.slope),
        ("intercept", expected.intercept),
        ("observed_expected", expected.observed_to_expected),
    ):
        assert interval is not None
        assert [row[name + end] for end in ("", "_low", "_high")] == [interval.value, interval.low, interval.high]
    assert (row["positives"], row["negatives"], row["persons"]) == (6, 6, 8)
    assert row["brier"] == pytest.approx(brier_score_loss(table["label"], table["score"]))
    assert row["caution"] == "only 4 persons in the smaller class"
    assert result.document["schema"] == "cxrshort.stats-calibration/1"


def test_logits_of_predictions_become_probabilities(tmp_path: Path) -> None:
    table = predictions()
    rows = calibration(written(table, tmp_path), label="Edema").summary["calibrations"]
    part = table[table["dataset"] == "hospital-b"]
    assert rows[1]["brier"] == pytest.approx(brier_score_loss(part["target.Edema"], expit(part["logit.Edema"])))


def test_logits_and_probabilities_of_one_table_give_the_same(tmp_path: Path) -> None:
    table = predictions()[["target.Edema", "logit.Edema", "person_id"]].rename(columns={"logit.Edema": "x"})
    table["p"] = expit(table["x"])
    path = written(table, tmp_path, "t.csv")
    first = calibration(path, target="target.Edema", score="x", logits=True).summary["calibrations"][0]
    second = calibration(path, target="target.Edema", score="p").summary["calibrations"][0]
    numbers = [name for name, value in first.items() if isinstance(value, float)]
    assert len(numbers) > 30
    assert [first[name] for name in numbers] == pytest.approx([second[name] for name in numbers], abs=1e-9)


def test_distributions_and_points_count_every_image_once(tmp_path: Path) -> None:
    result = calibration(written(predictions(), tmp_path), label="Edema", by="view")
    rows = result.summary["calibrations"]
    images = [row["positives"] + row["negatives"] for row in rows]
    points = pd.DataFrame(result.summary["reliability"]).groupby(["dataset", "group"])["images"].sum()
    classes = pd.DataFrame(result.summary["probabilities"])
    counts = classes[[name for name in classes if name.startswith("to_")]].sum(axis=1)
    assert points.tolist() == images == counts.groupby([classes["dataset"], classes["group"]]).sum().tolist()
    assert classes["images"].tolist() == counts.tolist()


def test_recalibration_is_fitted_on_validation_images_and_applied_to_every_test_set(tmp_path: Path) -> None:
    extreme = predictions(200, seed=1)
    extreme["logit.Edema"] *= 3
    val = validation()
    val["logit.Edema"] *= 3
    path = written(extreme, tmp_path)
    result = calibration(path, label="Edema", fit_on=written(val, tmp_path, "val.csv"))
    rows = result.summary["calibrations"]
    assert [row["recalibration"] for row in rows] == ["as scored", "temperature", "Platt"] * 2
    temperature, platt = result.summary["recalibrations"]
    free = LogisticRegression(C=np.inf, tol=1e-10, max_iter=500, fit_intercept=False)
    slope = free.fit(val[["logit.Edema"]].to_numpy(), val["target.Edema"]).coef_[0, 0]
    assert temperature["slope"] == pytest.approx(slope, rel=1e-4)  # the tolerance of lbfgs
    assert temperature["temperature"] == 1 / temperature["slope"]
    assert (platt["images"], platt["persons"]) == (300, 150)
    for row, (start, end) in zip(rows, [(0, 200)] * 3 + [(200, 400)] * 3, strict=True):
        part = extreme.iloc[start:end]
        scaled = {
            "as scored": part["logit.Edema"],
            "temperature": part["logit.Edema"] * slope,
            "Platt": part["logit.Edema"] * platt["slope"] + platt["intercept"],
        }
        expected = brier_score_loss(part["target.Edema"], expit(scaled[row["recalibration"]]))
        assert row["brier"] == pytest.approx(expected, abs=1e-4)
    assert rows[1]["brier"] < rows[0]["brier"]


def test_label_that_cannot_be_fitted_is_noted(tmp_path: Path) -> None:
    val = validation(**{"target.Edema": 1.0})
    result = calibration(written(predictions(), tmp_path), fit_on=written(val, tmp_path, "val.csv"))
    message = "only positives: recalibration needs images of both classes"
    assert f"Edema, temperature: not fitted: {message}" in result.notes
    fitted = result.summary["recalibrations"]
    assert [(row["label"], row["slope"] is None) for row in fitted] == [("Edema", True)] * 2 + [("COVID-19", False)] * 2
    rows = result.summary["calibrations"]
    assert [row["recalibration"] for row in rows if row["label"] == "Edema"] == ["as scored"] * 2
    with pytest.raises(DataError) as caught:
        calibration(written(predictions(), tmp_path), label="Edema", fit_on=tmp_path / "val.csv")
    assert caught.value.message == f"val.csv: nothing can be fitted ({message})"


def test_ranking_that_a_recalibration_turns_round_is_noted(tmp_path: Path) -> None:
    val = validation()
    val["logit.Edema"] *= -1
    result = calibration(written(predictions(), tmp_path), label="Edema", fit_on=written(val, tmp_path, "val.csv"))
    assert any("Edema, Platt: a slope of -" in note and "turns the ranking around" in note for note in result.notes)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"label": [0] * 12}, "only negatives: calibration needs images of both classes"),
        ({"patient": ["a"] * 12}, "all 12 images are of one person: calibration needs at least two"),
    ],
)
def test_one_class_and_one_person_are_refused(tmp_path: Path, columns: dict[str, Any], reason: str) -> None:
    with pytest.raises(DataError) as caught:
        calibration(plain(tmp_path, **columns), target="label", score="score", person="patient")
    assert caught.value.message == f"scores.csv: no Brier score can be given an interval ({reason})"


def test_group_of_one_class_is_a_row_with_its_reason(tmp_path: Path) -> None:
    table = predictions()
    table.loc[table["view"] == "AP", "target.Edema"] = 1
    result = calibration(written(table, tmp_path), by="view", label="Edema", out=tmp_path / "o", figures=True)
    rows = result.summary["calibrations"]
    assert [row["brier"] is None for row in rows] == [True, False, True, False]
    assert len(result.summary["probabilities"]) == 4
    assert result.notes[0].endswith("AP: only positives: calibration needs images of both classes")
    json.dumps(result.document, allow_nan=False)


def test_separated_classes_and_constant_scores_have_no_slope(tmp_path: Path) -> None:
    for scores, reason in (([0.1] * 6 + [0.9] * 6, "perfect separation: no finite slope"), ([0.5] * 12, "all probab")):
        result = calibration(plain(tmp_path, score=scores), target="label", score="score")
        (row,) = result.summary["calibrations"]
        assert (row["slope"], row["slope_low"]) == (None, None)
        assert row["reason"].startswith(reason)
        assert any(reason in note for note in result.notes)


def test_folder_holds_tables_and_the_figure(tmp_path: Path) -> None:
    val = written(validation(), tmp_path, "val.csv")
    result = calibration(written(predictions(), tmp_path), fit_on=val, out=tmp_path / "out", figures=True)
    assert [path.name for path in result.figures] == ["calibration.png"]
    for name in ("calibrations", "reliability", "probabilities", "recalibrations"):
        assert len(pd.read_csv(tmp_path / "out" / f"{name}.csv")) == len(result.summary[name])
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert {Path(name).name for name in run["inputs"]} == {"predictions.csv", "val.csv"}
