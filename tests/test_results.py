"""What a verb returns, as programs read it."""

from pathlib import Path

from cxrshort.results import VERBOSE, Column, Result, Table, interval_text, text_table


def test_document_says_what_it_holds_and_where_it_lies():
    assert Result({"rows": 3}, kind="dataset").document == {"schema": "cxrshort.dataset/1", "rows": 3}
    notes, figures, folder = ["one is left out"], [Path("out/roc.png")], Path("out")
    whole = Result({"rows": 3, "notes": []}, (), figures, notes, folder, kind="evaluation")
    assert whole.document == {
        "schema": "cxrshort.evaluation/1",
        "rows": 3,
        "notes": ["one is left out"],
        "figures": ["roc.png"],
        "folder": "out",
    }


def test_document_of_a_dry_run_is_a_plan():
    assert Result({}, plan=True, kind="training").document == {"schema": "cxrshort.plan/1"}


def test_text_table_holds_its_cells_by_place():
    made = text_table(["name", "images"], [["I", 3], ["II", 4]], counts=(1,), least={0: 5}, shown=VERBOSE)
    assert made == Table(
        [Column("name", "0", least=5), Column("images", "1", "count")],
        [{"0": "I", "1": 3}, {"0": "II", "1": 4}],
        shown=VERBOSE,
    )


def test_interval_text_prints_no_sign_before_zero():
    assert interval_text(-0.00049, -0.0004, 0.0004) == "0.000 [0.000, 0.000]"
    assert interval_text(-0.0005001, -0.12, 1.0) == "-0.001 [-0.120, 1.000]"
