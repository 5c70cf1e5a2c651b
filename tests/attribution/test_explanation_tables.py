"""The printed text of an explanation."""

import pandas as pd

from cxrshort.attribution.explanation_tables import explanation_result
from cxrshort.results import UNLESS_QUIET, Column, Facts, Result, Table

SHARE = {
    "label": "Edema", "share": 0.2, "share_low": 0.1, "share_high": 0.3, "area": 0.1, "ratio": 2.0, "ratio_low": 1.5,
    "ratio_high": 2.5, "reason": "",
}  # fmt: skip
FINDING = {"label": "Edema", "effect": 0.5, "low": 0.4, "high": 0.61, "p": 0.001, "smallest_effect": 0.1, "why": "w"}
SUMMARY = {
    "labels": ["Edema"],
    "model": "run",
    "role": "external",
    "dataset": "tiny",
    "split": "test",
    "images": 1200,
    "method": "expected-gradients",
    "settings": {"samples": 200},
    "references": ["references: 200 images without Edema of tiny"],
    "adding_up": {"difference": 1.234, "error": 0.0123, "tolerance": 0.1, "maps": 1200, "failed": 0},
    "share_errors": {"lungs": 0.0051},
    "separation": {"Edema": {"separation": 1.5, "p": 0.001, "positives": 9, "negatives": 8, "reason": ""}},
    "shares": [
        {**SHARE, "class": "positive", "region": "lungs"},
        {**SHARE, "class": "negative", "region": "lungs", "ratio_low": None, "reason": "only 2 persons"},
        {**SHARE, "class": "positive", "region": "corner_top_left"},
        {**SHARE, "class": "unlabelled", "region": "lungs"},
        {**SHARE, "class": "positive", "region": "marker", "ratio": None, "area": 0.0},
    ],
    "localisation": [],
    "visible": [],
    "sanity": {},
    "findings": [
        {**FINDING, "region": "border", "verdict": "shortcut"},
        {**FINDING, "region": "lungs", "verdict": "not testable", "effect": -0.001, "low": -0.001},
        {**FINDING, "region": "corner_top_left", "verdict": "not testable", "effect": None},
        {**FINDING, "region": "heart", "verdict": "not testable", "effect": None},
    ],
}  # fmt: skip


LOCATED = {
    "label": "Edema", "region": "lungs", "mass": 0.5, "mass_low": 0.4, "mass_high": 0.6, "rank": 0.5, "rank_low": 0.4,
    "rank_high": 0.6, "pointing": 1.0, "pointing_low": 1.0, "pointing_high": 1.0, "area": 0.25, "images": 9,
}  # fmt: skip
CHECKS = {
    "images": 28,
    "left_out": 2,
    "caution": "maps fail background",
    "checks": [
        {"check": "randomisation", "passes": True, "reason": "a"},
        {"check": "background", "passes": False, "reason": "b"},
        {"check": "faithfulness", "passes": None, "reason": "c"},
    ],
}


def shown(summary) -> Result:
    def show_visible(rows: pd.DataFrame, label: str) -> Table:
        return Table([Column("AUC", "auc")], rows.to_dict(orient="records"), f"{label}: border alone")

    return explanation_result(summary, folder=None, show_visible=show_visible)


def tables(summary) -> list[Table]:
    return [block for block in shown(summary).tables if isinstance(block, Table)]


def test_facts_say_what_was_done():
    (facts,) = [block for block in shown(SUMMARY).tables if isinstance(block, Facts)]
    assert list(facts.pairs) == [
        ("model", "run, external"),
        ("explained", "1,200 images of tiny (test)"),
        ("method", "expected-gradients (samples 200)"),
        ("references", "200 images without Edema of tiny"),
        (
            "maps add up",
            "to the difference of logits (1.23) within 0.012, in the median; "
            "none of 1,200 maps miss it by more than 10 %",
        ),
        ("error of shares", "lungs 0.5 % of the map in each image, over other draws (median)"),
        ("maps of Edema", "positives add up to 1.50 logits more than negatives (9 persons against 8, p = 0.001)"),
    ]
    one_class = {"separation": None, "p": None, "positives": 3, "negatives": 0, "reason": "only positives"}
    bare = {**SUMMARY, "references": [], "adding_up": {}, "share_errors": {}, "separation": {"Edema": one_class}}
    (facts,) = [block for block in shown(bare).tables if isinstance(block, Facts)]
    assert facts.pairs[-1] == ("maps of Edema", "classes cannot be compared: only positives")
    assert len(facts.pairs) == 4


def test_maps_that_do_not_add_up_are_counted_and_cautions_stand_beside_the_facts():
    caution = {"caution": "maps fail background"}
    summary = {
        **SUMMARY,
        "adding_up": {**SUMMARY["adding_up"], "failed": 1100, **caution},
        "share_errors": {**SUMMARY["share_errors"], **caution},
        "separation": {"Edema": {**SUMMARY["separation"]["Edema"], **caution}},
    }
    (facts,) = [block for block in shown(summary).tables if isinstance(block, Facts)]
    adding, errors, whole = (dict(facts.pairs)[name] for name in ("maps add up", "error of shares", "maps of Edema"))
    assert "; 1,100 of 1,200 maps miss it by more than 10 %" in adding
    assert errors.startswith("lungs 0.5 % of the map")
    assert all(text.endswith(" (caution: maps fail background)") for text in (adding, errors, whole))


def test_shares_stand_by_region_and_class_and_details_with_verbose():
    usual, detailed, _ = tables(SUMMARY)
    assert (usual.shown, detailed.shown) == (("usual",), ("verbose",))
    assert [column.heading for column in usual.columns] == [
        *("region", "positives: share", "area", "share / area", "negatives: share", "area", "share / area"),
    ]
    assert usual.rows[0] == {
        "region": "lungs",
        "positive.share": "20.0 %",
        "positive.area": "10.0 %",
        "positive.ratio": "2.00 [1.50, 2.50]",
        "negative.share": "20.0 %",
        "negative.area": "10.0 %",
        "negative.ratio": "no interval: only 2 persons",
    }
    assert [row["region"] for row in usual.rows] == ["lungs", "marker"] and usual.rows[1]["positive.ratio"] == "-"
    assert [row["region"] for row in detailed.rows] == ["lungs", "corner top left", "marker"]
    assert "unlabelled: share" in [column.heading for column in detailed.columns]


def test_each_region_has_a_verdict_in_a_line_and_those_without_effect_share_one():
    result = shown(SUMMARY)
    table = tables(SUMMARY)[-1]
    assert table.title == "Edema: verdict on each region"
    assert [(row["region"], row["verdict"], row["effect"]) for row in table.rows] == [
        ("border", "shortcut", "50 % [40, 61]"),
        ("lungs", "not testable", "0 % [0, 61]"),
        ("corner top left, heart", "not testable", "-"),
    ]
    assert list(result.verdicts) == ["shortcut", "not testable", "not testable", "not testable"]
    assert result.document["schema"] == "cxrshort.findings/1"


def test_checks_and_other_measures_stand_between_with_their_caution():
    summary = {
        **SUMMARY,
        "sanity": {"Edema": CHECKS},
        "localisation": [{**LOCATED, "caution": "maps fail background"}, {**LOCATED, "label": "Mass"}],
        "visible": [{"label": "Edema", "auc": 0.75}, {"label": "Mass", "auc": 0.5}],
    }
    checks, usual, detailed, located, visible, verdicts = tables(summary)
    assert checks.title == "Edema: checks of the maps, on 28 images, 2 left out: their maps are zero or broken"
    assert [(row["check"], row["result"], row["reason"]) for row in checks.rows] == [
        ("randomisation", "passed", "a"),
        ("background", "failed", "b"),
        ("faithfulness", "not judged", "c"),
    ]
    caution = " (caution: maps fail background)"
    assert all(table.title.endswith(caution) for table in (usual, detailed, located, verdicts))
    assert located.title == f"Edema: maps of positives against outlines, with 95 % interval{caution}"
    assert "caution" not in located.rows[0]  # which would stand in each cell
    assert [row["region"] for row in located.rows] == ["lungs"] and located.columns[0].heading == "outline"
    assert visible.title == "Edema: border alone" and [row["auc"] for row in visible.rows] == [0.75]
    assert {table.shown for table in (checks, located, visible)} == {UNLESS_QUIET}
