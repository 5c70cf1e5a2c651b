"""What a cure changes on validation persons."""

from dataclasses import replace

import numpy as np
import pytest

from cxrshort.stats.auc import auc, auc_interval, compare_paired
from cxrshort.training.cures.contract import Judged
from cxrshort.training.cures.effect import effect_table, score_cure, summarise_effect

from .features import shortcut_features

DATA, LAYER = shortcut_features(persons=200)
BEFORE = LAYER.logits(DATA.values)
AFTER = DATA.values[:, 0] - 3.6
ROWS = np.arange(0, 200, 2)
JUDGED = Judged(ROWS, DATA.groups[0][ROWS], AFTER[ROWS])


def test_rows_are_paired_comparisons_over_all_and_within_groups() -> None:
    table = effect_table(DATA, BEFORE, [JUDGED])
    assert table["group"].tolist() == ["all", "site-a", "site-b"]
    members = ROWS[DATA.groups[0][ROWS] == "site-b"]
    truth = DATA.targets[members, 0]
    expected = compare_paired(truth, before=BEFORE[members, 0], after=AFTER[members], clusters=DATA.persons[members])
    row = table.iloc[2]
    assert (row["auc_before"], row["auc_after"], row["low"]) == (expected.before, expected.after, expected.low)
    assert (row["persons"], row["positives"]) == (len(members), (truth == 1).sum())
    assert row["sensitivity_after"] == (AFTER[members][truth == 1] > 0).mean()
    assert row["specificity_before"] == (BEFORE[members, 0][truth == 0] <= 0).mean()


def test_summary_holds_what_was_lost_and_the_worst() -> None:
    table = effect_table(DATA, BEFORE, [JUDGED])
    summary = summarise_effect(table)["COVID-19"]
    whole, groups = table.iloc[0], table.iloc[1:]
    assert summary["auc_lost"] == whole["auc_before"] - whole["auc_after"]
    assert summary["worst_group_auc_after"] == groups["auc_after"].min()
    cells = groups[["sensitivity_before", "specificity_before"]].to_numpy(dtype=float)
    assert summary["worst_cell_accuracy_before"] == cells.min()


def test_group_without_a_class_has_no_auc() -> None:
    alone = replace(JUDGED, groups=np.where(DATA.targets[ROWS, 0] == 1, "x", "y").astype(object))
    table = effect_table(DATA, BEFORE, [alone])
    assert table["auc_after"].isna().tolist() == [False, True, True]
    assert summarise_effect(table)["COVID-19"]["worst_group_auc_after"] is None


def test_score_is_the_auc_with_its_limits_or_the_mean_over_labels() -> None:
    truth = DATA.targets[ROWS, 0]
    interval = auc_interval(truth, AFTER[ROWS], DATA.persons[ROWS])
    single = score_cure(DATA, [JUDGED], select=0)
    assert (single["split"], single["measure"]) == ("val", "AUC of COVID-19")
    assert {name: single[name] for name in ("score", "low", "high")} == pytest.approx({
        "score": interval.auc, "low": interval.low, "high": interval.high,
    })  # fmt: skip
    second = (np.arange(200) % 3 == 0).astype(np.float32)
    both = replace(DATA, targets=np.c_[DATA.targets, second], labels=("COVID-19", "Edema"))
    mean = score_cure(both, [JUDGED, JUDGED], select=None)
    assert mean["measure"] == "AUC of mean over labels" and mean["low"] < mean["score"] < mean["high"]
    assert mean["score"] == pytest.approx(np.mean([auc(truth, AFTER[ROWS]), auc(second[ROWS], AFTER[ROWS])]))
