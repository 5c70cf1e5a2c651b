"""What people see of a cure."""

from cxrshort.results import Table, Text
from cxrshort.training.cures.overview import cure_blocks, cure_forecast

ROW = {
    "label": "COVID-19",
    "group": "all",
    "persons": 74,
    "auc_before": 0.827,
    "auc_after": 0.9,
    "difference": 0.073,
    "low": -0.01,
    "high": 0.15,
    "reason": "",
    "caution": "",
    **{f"{name}_{when}": 0.5 for name in ("sensitivity", "specificity") for when in ("before", "after")},
}
SUMMARY = {"method": "dfr", "head": "linear", "changed": {"model": "erm/model.safetensors"}, "effect": [ROW]}


def cells(**changes: object) -> dict[str, object]:
    table, _ = cure_blocks({**SUMMARY, "effect": [{**ROW, **changes}]})
    assert isinstance(table, Table)
    return dict(table.rows[0])


def test_rows_show_both_aucs_and_their_difference() -> None:
    row = cells()
    assert (row["before"], row["after"], row["change"]) == ("0.827", "0.900", "+0.073 [-0.010, +0.150]")
    assert row["cells_before"] == "0.50 / 0.50"
    assert cells(caution="only 3 persons")["change"] == "+0.073 (few patients)"
    assert cells(low=None, high=None)["change"] == "+0.073"
    missing = cells(auc_before=None, auc_after=None, difference=None, sensitivity_after=None)
    assert (missing["before"], missing["change"], missing["cells_after"]) == ("", "a class is missing", "- / 0.50")


def test_last_line_says_what_was_changed() -> None:
    _, text = cure_blocks(SUMMARY)
    assert text == Text("the last layer of erm/model.safetensors is changed, all else is as it was")
    _, text = cure_blocks({**SUMMARY, "head": "reactive"})
    assert text == Text("the last layer (reactive) of erm/model.safetensors is changed, all else is as it was")


def test_dry_run_says_what_it_would_read() -> None:
    summary = {
        "reads": ["films"], "outputs": [{"folder": "out", "fate": "new"}], "method": "dfr", "architecture": "small-cnn",
        "labels": ["COVID-19"], "images": {"val": 9}, "runs": 1, "disk_free_mib": 5000, "state_mib": 1.0,
        "images_per_second": 10.0, "hours": 0.001,
    }  # fmt: skip
    result = cure_forecast(summary)
    assert result.plan and result.notes == [
        "the time is that of the features; fits on them take seconds to minutes more"
    ]
