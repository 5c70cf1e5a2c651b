"""``stats auc``: the numbers are those of the statistics called directly, and what they rest on is said."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import DataError
from cxrshort.stats.auc import auc_interval
from cxrshort.stats.curve_areas import average_precision, partial_auc
from cxrshort.stats.gap import Sample, mean_auc
from cxrshort.verbs.stats.auc import auc

from .scored import plain, predictions, written


def test_numbers_are_those_of_the_statistics(tmp_path: Path) -> None:
    path = plain(tmp_path)
    table = pd.read_csv(path)
    result = auc(path, target="label", score="score", person="patient", max_fpr=0.3, level=0.9)
    (row,) = result.summary["aucs"]
    sample = table["label"], table["score"], table["patient"]
    area = auc_interval(*sample, level=0.9)
    assert [row[name] for name in ("auc", "auc_low", "auc_high", "method", "persons", "positives", "negatives")] == [
        *(area.auc, area.low, area.high, "Obuchowski", 8, 6, 6)
    ]
    for name, expected in (
        ("average_precision", average_precision(*sample, level=0.9)),
        ("partial_auc", partial_auc(*sample, most=0.3, level=0.9)),
    ):
        assert [row[name + end] for end in ("", "_low", "_high")] == [expected.value, expected.low, expected.high]
    assert row["prevalence"] == 0.5
    assert result.document["schema"] == "cxrshort.stats-auc/1"


def test_groups_are_measured_apart(tmp_path: Path) -> None:
    path = written(predictions(), tmp_path)
    rows = auc(path, by="view", label="Edema").summary["aucs"]
    assert [(row["dataset"], row["group"]) for row in rows] == [
        (f"hospital-{name}", view) for name in "ab" for view in ("AP", "PA")
    ]
    table = predictions()
    part = table[(table["dataset"] == "hospital-b") & (table["view"] == "PA")]
    assert rows[3]["auc"] == auc_interval(part["target.Edema"], part["logit.Edema"], part["person_id"]).auc


def test_replicates_have_a_mean_with_its_interval(tmp_path: Path) -> None:
    table = predictions(replicates=2)
    result = auc(written(table, tmp_path), label="Edema")
    rows = result.summary["means"]
    assert [(row["dataset"], row["replicates"]) for row in rows] == [("hospital-a", 2), ("hospital-b", 2)]
    parts = [table[(table["dataset"] == "hospital-a") & (table["replicate"] == number)] for number in (0, 1)]
    expected = mean_auc([Sample(part["target.Edema"], part["logit.Edema"], part["person_id"]) for part in parts])
    assert (rows[0]["mean"], rows[0]["low"]) == pytest.approx((expected.mean, expected.low), abs=1e-12)
    assert len(result.tables) == 2
    assert auc(written(predictions(), tmp_path)).summary["means"] == []


def test_group_of_one_class_is_a_row_with_its_reason(tmp_path: Path) -> None:
    table = predictions()
    table.loc[table["view"] == "AP", "target.Edema"] = 1
    rows = auc(written(table, tmp_path), by="view", label="Edema").summary["aucs"]
    assert [(row["auc"], row["reason"]) for row in rows if row["group"] == "AP"] == [(None, "only positives")] * 2
    assert all(row["auc_low"] is not None for row in rows if row["group"] == "PA")


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"label": [0] * 12}, "only negatives"),
        ({"label": [1] * 12}, "only positives"),
        ({"patient": ["a"] * 6 + ["b"] * 6}, "all 6 positives are of one person"),
        ({"label": [0] * 11 + [1]}, "only 1 positive"),
    ],
)
def test_one_class_and_fewer_than_two_persons_are_refused(tmp_path: Path, columns: dict[str, Any], reason: str) -> None:
    with pytest.raises(DataError) as caught:
        auc(plain(tmp_path, **columns), target="label", score="score", person="patient")
    assert caught.value.message == f"scores.csv: no AUC can be given an interval ({reason})"
    assert caught.value.hint == "two persons of each class"


def test_soft_targets_are_counted(tmp_path: Path) -> None:
    table = predictions()
    table.loc[:1, "target.Edema"] = 0.5
    result = auc(written(table, tmp_path))
    assert result.notes == ["soft targets, between 0 and 1, are left out: Edema 2"]
    assert result.summary["aucs"][0]["positives"] + result.summary["aucs"][0]["negatives"] == 58


def test_folder_holds_tables_and_figures(tmp_path: Path) -> None:
    result = auc(written(predictions(replicates=2), tmp_path), out=tmp_path / "out", figures=True)
    assert [path.name for path in result.figures] == ["auc.png", "roc.png"]
    assert len(pd.read_csv(tmp_path / "out" / "aucs.csv")) == 8
    assert len(pd.read_csv(tmp_path / "out" / "means.csv")) == 4
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["aucs"] == result.summary["aucs"]


def test_figures_leave_out_what_has_no_auc(tmp_path: Path) -> None:
    table = predictions()
    table.loc[table["dataset"] == "hospital-a", "target.Edema"] = 1
    result = auc(written(table, tmp_path), label="Edema", out=tmp_path / "out", figures=True)
    assert len(result.figures) == 2


def test_numbers_of_no_interval_are_null_in_json(tmp_path: Path) -> None:
    scores = np.r_[np.arange(6), np.arange(6) + 10]
    (row,) = auc(plain(tmp_path, score=scores), target="label", score="score").summary["aucs"]
    assert (row["auc"], row["auc_high"], row["reason"]) == (1.0, 1.0, "perfect separation")
    assert (row["average_precision_low"], row["average_precision_reason"]) == (None, "perfect separation")
    json.dumps(row, allow_nan=False)
