"""``stats operating-point``: thresholds from validation images alone, and the numbers of the statistics."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import confusion_matrix, roc_curve

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.operating_points import operating_point as measure
from cxrshort.verbs.stats.operating_point import operating_point

from .scored import plain, predictions, written
from .test_calibration import validation

COLUMNS: dict[str, Any] = {"target": "label", "score": "score", "person": "patient"}


def test_stated_threshold_gives_the_counts_of_scikit_learn(tmp_path: Path) -> None:
    path = plain(tmp_path)
    table = pd.read_csv(path)
    (row,) = operating_point(path, **COLUMNS, threshold=0.4, prevalence=0.1, level=0.9).summary["operating_points"]
    (tn, fp), (fn, tp) = confusion_matrix(table["label"], table["score"] >= 0.4)
    names = ("true_negatives", "false_positives", "false_negatives", "true_positives")
    assert [row[name] for name in names] == [tn, fp, fn, tp]
    sample = table["label"], table["score"], table["patient"]
    here = measure(*sample, threshold=0.4, level=0.9)
    there = measure(*sample, threshold=0.4, prevalence=0.1, level=0.9)
    for name, interval in (
        ("sensitivity", here.sensitivity),
        ("specificity", here.specificity),
        ("ppv", here.ppv),
        ("npv", here.npv),
        ("ppv_at_target", there.ppv),
        ("npv_at_target", there.npv),
    ):
        assert interval is not None
        assert [row[name + end] for end in ("", "_low", "_high")] == [interval.value, interval.low, interval.high]
    assert row["ppv_at_target"] == pytest.approx(0.1 * 5 / 6 / (0.1 * 5 / 6 + 0.9 * 2 / 6))
    assert (row["threshold"], row["rule"], row["persons"]) == (0.4, "stated", 8)


def test_threshold_is_chosen_on_validation_images_and_judged_on_the_table(tmp_path: Path) -> None:
    val = validation()
    paths = written(predictions(), tmp_path), written(val, tmp_path, "val.csv")
    rows = operating_point(paths[0], label="Edema", val=paths[1]).summary["operating_points"]
    false, true, cuts = roc_curve(val["target.Edema"], val["logit.Edema"], drop_intermediate=False)
    chosen = cuts[np.argmax(true - false)]
    assert [row["threshold_logit"] for row in rows] == [chosen, chosen]
    assert rows[0]["threshold"] == pytest.approx(expit(chosen))
    part = predictions().query("dataset == 'hospital-b'")
    hits = (part["logit.Edema"] >= chosen) & (part["target.Edema"] == 1)
    assert rows[1]["sensitivity"] == pytest.approx(hits.sum() / part["target.Edema"].sum())


def test_wanted_sensitivity_is_reached_on_validation_images(tmp_path: Path) -> None:
    val = validation()
    paths = written(predictions(), tmp_path), written(val, tmp_path, "val.csv")
    rows = operating_point(paths[0], label="Edema", val=paths[1], sensitivity=0.9).summary["operating_points"]
    positive = val[val["target.Edema"] == 1]["logit.Edema"]
    assert (positive >= rows[0]["threshold_logit"]).mean() == pytest.approx(0.9)
    assert rows[0]["rule"] == "sensitivity 0.9"


def test_groups_share_the_threshold(tmp_path: Path) -> None:
    paths = written(predictions(), tmp_path), written(validation(), tmp_path, "val.csv")
    rows = operating_point(paths[0], label="Edema", val=paths[1], by="view").summary["operating_points"]
    assert len(rows) == 4 and len({row["threshold"] for row in rows}) == 1


def test_net_benefit_is_that_of_its_definition(tmp_path: Path) -> None:
    path = plain(tmp_path)
    table = pd.read_csv(path)
    result = operating_point(path, **COLUMNS, threshold=0.5, benefit_at=[0.25, 0.333])
    rows = {row["threshold"]: row for row in result.summary["net_benefit"]}
    assert len(rows) == 100 and 0.333 in rows
    called, truth = table["score"] >= 0.25, table["label"] == 1
    expected = (called & truth).mean() - (called & ~truth).mean() / 3
    assert rows[0.25]["net_benefit"] == pytest.approx(expected)
    assert rows[0.25]["treat_all"] == pytest.approx(0.5 - 0.5 / 3)
    assert rows[0.25]["treat_none"] == 0
    assert rows[0.25]["over_all"] == pytest.approx(expected - (0.5 - 0.5 / 3))
    printed = result.tables[1].rows  # type: ignore[union-attr]
    assert [row["name"] for row in printed] == ["0.25: score", "0.333: score"]


def test_findings_follow_the_limits(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.random(4000)
    truth = (rng.random(4000) < probabilities).astype(int)
    table = pd.DataFrame({"label": truth, "score": probabilities, "opposite": 1 - probabilities})
    path = written(table, tmp_path, "t.csv")
    for score, findings in (("score", {"useful", "not shown"}), ("opposite", {"worse"})):
        result = operating_point(path, target="label", score=score, threshold=0.5, benefit_at=[0.5])
        for row in result.summary["net_benefit"]:
            useful = row["net_benefit_low"] > 0 and row["over_all_low"] > 0
            worse = row["net_benefit_high"] < 0 or row["over_all_high"] < 0
            assert row["finding"] == ("useful" if useful else "worse" if worse else "not shown")
        half = [row for row in result.summary["net_benefit"] if row["threshold"] == 0.5]
        assert {row["finding"] for row in half} <= findings
    assert half[0]["finding"] == "worse"


def test_miscalibrated_probabilities_are_noted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.random(2000)
    table = pd.DataFrame({"label": (rng.random(2000) < probabilities).astype(int), "right": probabilities})
    table["wrong"] = probabilities / 3
    path = written(table, tmp_path, "t.csv")
    for score, noted in (("right", False), ("wrong", True)):
        notes = operating_point(path, target="label", score=score, threshold=0.3).notes
        assert any("miscalibrated in the large" in note and f"({score})" in note for note in notes) == noted


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"label": [0] * 12}, "only negatives"),
        ({"patient": ["a"] * 12}, "all 12 images are of one person"),
    ],
)
def test_one_class_and_one_person_are_refused(tmp_path: Path, columns: dict[str, Any], reason: str) -> None:
    with pytest.raises(DataError) as caught:
        operating_point(plain(tmp_path, **columns), **COLUMNS, threshold=0.5)
    assert caught.value.message == f"scores.csv: no sensitivity can be given an interval ({reason})"


def test_label_whose_validation_images_are_of_one_class_has_no_threshold(tmp_path: Path) -> None:
    val = written(validation(**{"target.Edema": 0.0}), tmp_path, "val.csv")
    result = operating_point(written(predictions(), tmp_path), val=val, out=tmp_path / "out", figures=True)
    reasons = {row["label"]: row["reason"] for row in result.summary["operating_points"]}
    message = "validation: only negatives: a threshold is chosen on images of both classes"
    assert reasons == {"Edema": message, "COVID-19": ""}
    assert [row["sensitivity"] is None for row in result.summary["operating_points"]] == [True, True, False, False]
    assert any(note.endswith(message) for note in result.notes)
    json.dumps(result.document, allow_nan=False)


def test_group_of_one_class_keeps_the_rate_that_it_has(tmp_path: Path) -> None:
    table = predictions()
    table.loc[table["view"] == "AP", "target.Edema"] = 1
    rows = operating_point(written(table, tmp_path), label="Edema", by="view", threshold=0.5, prevalence=0.2)
    first = rows.summary["operating_points"][0]
    assert (first["group"], first["specificity"], first["ppv_at_target"]) == ("AP", None, None)
    assert first["sensitivity_low"] is not None and first["reason"] == "only positives"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing says at which threshold images are positive"),
        ({"threshold": 0.5, "val": "v.csv"}, "--threshold and --val exclude each other"),
        ({"sensitivity": 0.9}, "nothing says at which threshold images are positive"),
        ({"threshold": 0.5, "prevalence": 1.0}, 'prevalence "1" is not between 0 and 1'),
        ({"threshold": 0.5, "benefit_at": [1.5]}, 'threshold "1.5" is not between 0 and 1'),
    ],
)
def test_wrong_usage_is_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        operating_point(plain(tmp_path), **COLUMNS, **options)
    assert caught.value.message == message


def test_folder_holds_tables_and_figures(tmp_path: Path) -> None:
    result = operating_point(
        written(predictions(), tmp_path), threshold=0.5, prevalence=0.05, out=tmp_path / "out", figures=True
    )
    assert [path.name for path in result.figures] == ["operating_point.png", "net_benefit.png"]
    assert len(pd.read_csv(tmp_path / "out" / "operating_points.csv")) == 4
    assert len(pd.read_csv(tmp_path / "out" / "net_benefit.csv")) == 4 * 99
