"""Rows of estimates: their columns, cells and names."""

from cxrshort.stats.changes import Interval
from cxrshort.verbs.stats.estimates import interval_cell, interval_columns, name_rows


def test_missing_interval_is_three_empty_columns() -> None:
    assert interval_columns("ppv", None) == {"ppv": None, "ppv_low": None, "ppv_high": None}
    assert interval_columns("ppv", Interval(0.5, 0.4, 0.6)) == {"ppv": 0.5, "ppv_low": 0.4, "ppv_high": 0.6}


def test_number_without_limits_is_not_shown() -> None:
    assert interval_cell({"ppv": 0.5, "ppv_low": None, "ppv_high": 0.6}, "ppv") == "no interval"
    assert interval_cell({"ppv": None, "ppv_low": None, "ppv_high": None}, "ppv") == "none"
    assert interval_cell({"ppv": 0.5, "ppv_low": 0.25, "ppv_high": 1.0}, "ppv") == "0.500 [0.250, 1.000]"
    assert interval_cell({"x": -1e-9, "x_low": -0.0004, "x_high": -0.001}, "x") == "0.000 [0.000, -0.001]"


def test_names_hold_what_differs_and_the_rest_is_said_once() -> None:
    rows = [
        {"label": "Edema", "training": "erm", "dataset": name, "role": role, "replicate": number}
        for name, role, number in (("a", "internal", 0), ("a", "internal", 1), ("b", "external", 0))
    ]
    names, shared = name_rows(rows)
    assert names == [
        "Edema, a, internal, replicate 0",
        "Edema, a, internal, replicate 1",
        "Edema, b, external, replicate 0",
    ]
    assert shared == "erm"
    assert name_rows(rows[:1]) == (["Edema"], "erm, tested on a")


def test_names_hold_further_columns_and_leave_out_empty_ones() -> None:
    rows = [{"label": "score", "rule": "cost"}, {"label": "score", "rule": ""}]
    assert name_rows(rows, "rule") == (["score, cost", "score"], "")
    assert name_rows(rows) == (["score", "score"], "")
