"""Checks of metrics: each passes on one folder and fails on another, and neither without a table."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.verbs.stats.checklist import metrics

from ..scored import predictions, written
from ..studies import EVALUATION, EXPLANATION, change_table, load, write_run

CHECKS = [
    metrics.check_several_metrics,
    metrics.check_f1_alone,
    metrics.check_averages,
    metrics.check_intervals,
    metrics.check_interval_unit,
    metrics.check_calibration,
    metrics.check_benefit,
    metrics.check_rankings,
    metrics.check_stress,
    metrics.check_failures,
]


def published(folder: Path, name: str = "published.csv", **columns: list) -> Path:
    return written(pd.DataFrame(columns), folder, name)


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_passes_without_a_folder(tmp_path: Path, check: Callable) -> None:
    write_run(tmp_path / "other", "stats cost", tables={"cost.csv": {"auc": [0.9]}})
    assert check(load(tmp_path)).status == "NOT ASSESSABLE"


def test_several_metrics(tmp_path: Path) -> None:
    alone = metrics.check_several_metrics(load(published(tmp_path, auc=[0.9])))
    assert (alone.status, alone.fact) == ("WARN", "kinds of metrics: ranking")
    several = metrics.check_several_metrics(load(published(tmp_path, auc=[0.9], sensitivity=[0.5], brier=[0.1])))
    assert (several.status, several.fact) == ("PASS", "kinds of metrics: calibration, ranking, sensitivity")


@pytest.mark.parametrize(
    ("columns", "status", "fact"),
    [
        ({"F1": [0.9]}, "FAIL", "F1 without an AUC, or sensitivity and specificity"),
        ({"macro F1": [0.9], "accuracy": [0.9]}, "FAIL", "F1, accuracy without an AUC, or sensitivity and specificity"),
        ({"F1": [0.9], "sensitivity": [0.9]}, "FAIL", "F1, sensitivity without an AUC, or sensitivity and specificity"),
        ({"sensitivity": [0.9]}, "WARN", "neither an AUC nor sensitivity and specificity: sensitivity"),
        ({"F1": [0.9], "AUROC": [0.9]}, "PASS", "results hold AUC, not F1 or accuracy alone"),
        (
            {"F1": [0.9], "recall": [0.9], "specificity": [0.9]},
            "PASS",
            "results hold sensitivity and specificity, not F1 or accuracy alone",
        ),
    ],
)
def test_f1_alone(tmp_path: Path, columns: dict, status: str, fact: str) -> None:
    outcome = metrics.check_f1_alone(load(published(tmp_path, **columns)))
    assert (outcome.status, outcome.fact) == (status, fact)


def test_averages(tmp_path: Path) -> None:
    bare = published(tmp_path, model=["a", "b"], macro_f1=[0.5, 0.6])
    failed = metrics.check_averages(load(bare))
    assert (failed.status, failed.fact) == ("FAIL", "macro f1 without the number of images of each class")
    classes = published(tmp_path, "classes.csv", **{"class": ["x", "y"], "n": [10, 20], "f1": [0.4, 0.6]})
    passed = metrics.check_averages(load(bare, classes))
    assert (passed.status, passed.source) == ("PASS", f"{bare}; {classes}")
    published(tmp_path, "classes.csv", **{"class": ["x", "y"], "n": [10, None], "f1": [0.4, 0.6]})
    assert metrics.check_averages(load(bare, classes)).status == "FAIL"
    assert metrics.check_averages(load(classes)).status == "NOT ASSESSABLE"


def test_intervals(changeable: Path) -> None:
    assert metrics.check_intervals(load(changeable / EVALUATION)).status == "PASS"

    def without(aucs: pd.DataFrame) -> pd.DataFrame:
        aucs.loc[(aucs["label"] == "COVID-19"), "low"] = ""
        return aucs

    change_table(changeable / EVALUATION, "aucs.csv", without)
    failed = metrics.check_intervals(load(changeable / EVALUATION))
    assert (failed.status, failed.fact) == ("FAIL", "without an interval: auc (4 rows)")


def test_interval_unit(changeable: Path) -> None:
    passed = metrics.check_interval_unit(load(changeable / EVALUATION))
    assert passed.status == "PASS" and passed.fact.endswith(" images a person, and intervals by person")
    change_table(changeable / EVALUATION, "aucs.csv", lambda aucs: aucs.assign(interval_method="DeLong"))
    failed = metrics.check_interval_unit(load(changeable / EVALUATION))
    assert failed.status == "FAIL" and failed.fact.endswith("intervals that take every image for a person")
    assert failed.source.endswith("evaluation/aucs.csv")


def test_interval_unit_needs_persons(changeable: Path) -> None:
    change_table(changeable / EVALUATION, "predictions.csv", lambda rows: rows.assign(person_id=""))
    failed = metrics.check_interval_unit(load(changeable / EVALUATION))
    assert failed.status == "FAIL" and failed.fact.endswith("does not say whose images they are")


def test_one_image_a_person_needs_no_clusters(tmp_path: Path) -> None:
    table = predictions()
    table = table.assign(person_id=table["image_id"])
    assert metrics.check_interval_unit(load(written(table, tmp_path))).status == "PASS"
    assert metrics.check_interval_unit(load(written(predictions(), tmp_path))).status == "NOT ASSESSABLE"


def test_row_without_persons_that_says_why_is_no_interval_by_image(tmp_path: Path) -> None:
    table = written(predictions(), tmp_path)
    columns = {"auc": [0.9, None], "persons": [30, None], "reason": ["", "one class"]}
    assert metrics.check_interval_unit(load(table, published(tmp_path, **columns))).status == "PASS"
    columns["reason"] = ["", ""]
    assert metrics.check_interval_unit(load(table, published(tmp_path, **columns))).status == "FAIL"


@pytest.mark.parametrize(
    ("check", "column", "command"),
    [(metrics.check_calibration, "slope", "calibration"), (metrics.check_benefit, "net_benefit", "operating-point")],
)
def test_calibration_and_benefit(tmp_path: Path, check: Callable, column: str, command: str) -> None:
    table = written(predictions(), tmp_path)
    warned = check(load(table))
    assert warned.status == "WARN" and f"(cxrshort stats {command} measures it)" in warned.fact
    run = write_run(tmp_path / "run", f"stats {command}", tables={"t.csv": {column: [0.5], "low": [0], "high": [1]}})
    passed = check(load(table, run))
    assert (passed.status, passed.source) == ("PASS", f"{run.as_posix()}/t.csv")


def test_rankings(tmp_path: Path) -> None:
    table = predictions(40)
    inside = table[table["role"] == "internal"].reset_index(drop=True)
    targets = inside["target.Edema"].to_numpy()
    good = inside.assign(**{"logit.Edema": targets * 2.0}, model_id="good", training_id="g", training="good")
    bad = inside.assign(**{"logit.Edema": -targets}, model_id="bad", training_id="b", training="bad")
    passed = metrics.check_rankings(load(written(pd.concat([bad, good]), tmp_path), label="Edema"))
    assert passed.status == "PASS" and passed.fact.endswith("AUC and average precision both rank good first")
    # A few positives at the very top and the rest at the bottom: precision likes it, the AUC does not.
    order = np.where(targets == 1, np.where(np.cumsum(targets) <= 6, 9.0, -9.0), 0.0)
    steep = inside.assign(**{"logit.Edema": order}, model_id="steep", training_id="s", training="steep")
    flat_scores = np.linspace(0, 1, len(inside)) + 0.1 * targets
    flat = inside.assign(**{"logit.Edema": flat_scores}, model_id="flat", training_id="f", training="flat")
    warned = metrics.check_rankings(load(written(pd.concat([flat, steep]), tmp_path), label="Edema"))
    assert (warned.status, warned.fact.split(": ")[1]) == ("WARN", "AUC ranks flat first, average precision steep")


def test_stress(study: Path, tmp_path: Path) -> None:
    swaps = write_run(
        tmp_path / "swaps", "swap-test", summary={"findings": [{"region": "marker", "verdict": "shortcut"}]}
    )
    assert metrics.check_stress(load(swaps)).status == "WARN"
    stress = write_run(tmp_path / "stress", "roentmod stress-test")
    assert metrics.check_stress(load(swaps, stress)).status == "PASS"
    assert metrics.check_stress(load(study / EVALUATION)).status == "NOT ASSESSABLE"


def test_failures(study: Path) -> None:
    assert metrics.check_failures(load(study / EVALUATION)).status == "WARN"
    passed = metrics.check_failures(load(study / EVALUATION, study / EXPLANATION))
    assert (passed.status, passed.fact) == ("PASS", "errors and driving regions by explain")
