"""Tables of results: metrics by the names that papers use, and what each of them lacks."""

import pandas as pd
import pytest

from cxrshort.verbs.stats.checklist.result_tables import ResultTable


def table(**columns: list[str]) -> ResultTable:
    return ResultTable("t.csv", pd.DataFrame(columns), None)


def test_metrics_are_known_by_usual_names() -> None:
    columns = {"AUROC": ["0.9"], "Macro F1-score": ["0.5"], "Recall": ["0.7"], "model": ["a"], "empty": [""]}
    metrics = table(**columns).metrics
    assert metrics == {"auroc": "ranking", "macro f1_score": "F1", "recall": "sensitivity"}
    assert table(**columns).averages == ["macro f1_score"]


def test_empty_metric_is_no_metric() -> None:
    assert table(auc=["", ""], low=["", ""]).metrics == {}


def test_long_tables_have_a_metric_in_each_row() -> None:
    long = table(metric=["auc", "brier", "auc"], value=["0.9", "0.1", "0.8"], low=["0.8", "", ""], high=["1", "", "1"])
    assert long.metrics == {"auc": "ranking", "brier": "calibration"}
    assert dict(long.without_interval()) == {"auc": 1, "brier": 1}


@pytest.mark.parametrize(
    "limits", [("low", "high"), ("auc_low", "auc_high"), ("CI low", "CI high"), ("lower", "upper")]
)
def test_limits_are_known_by_usual_names(limits: tuple[str, str]) -> None:
    columns = {"auc": ["0.9", "0.8"], limits[0]: ["0.8", ""], limits[1]: ["1.0", "0.9"]}
    assert dict(table(**columns).without_interval()) == {"auc": 1}


def test_row_that_says_why_is_excused() -> None:
    assert dict(table(auc=["0.9", "0.8"], reason=["only one person", ""]).without_interval()) == {"auc": 1}


def test_metric_may_have_a_reason_of_its_own() -> None:
    columns = {"auc": ["0.9"], "brier": ["0.1"], "brier_reason": ["too few"]}
    assert dict(table(**columns).without_interval()) == {"auc": 1}


def test_scores_of_confusion_matrices_are_long_too() -> None:
    columns = {"score": ["macro F1", "sensitivity"], "estimate": ["0.5", "0.6"], "mean_low": ["0.4", ""]}
    scores = table(**columns, mean_high=["0.6", "0.7"])
    assert scores.metrics == {"macro f1": "F1", "sensitivity": "sensitivity"}
    assert dict(scores.without_interval()) == {"sensitivity": 1}


def test_columns_are_found_whatever_their_case() -> None:
    named = table(**{"P value": ["0.1"], "N": ["10"]})
    assert named.has("p_value", "n", "q") == ["p_value", "n"]
    assert list(named.values("p_value")) == ["0.1"]
