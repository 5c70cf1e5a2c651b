from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from cxrshort.interventions.swap_plan import CandidateBoxes, SwapPlan
from cxrshort.interventions.swap_tables import finding_tables, overlap_share, plan_notes, short_p
from cxrshort.results import Table
from cxrshort.stats.verdicts import RULES

RULE = RULES["swap-test"]
MARKER = {0: np.array([[0, 0, 4, 4]]), 1: np.array([[0, 0, 4, 4]])}
CORNER = {0: np.array([[2, 2, 10, 10]]), 1: np.array([[20, 20, 28, 28]])}


def planned(
    *, without_room: frozenset[tuple[str, str]] = frozenset(), reasons: Mapping[str, str] | None = None
) -> SwapPlan:
    boxes = {"marker": MARKER, "corners": CORNER, "far": {0: np.array([[30, 30, 31, 31]])}}
    return SwapPlan(boxes, {}, reasons or {}, (), without_room)


def boxes_with_lungs(own: bool) -> CandidateBoxes:
    return CandidateBoxes(pd.DataFrame(), np.zeros((2, 32, 32), bool), np.full(2, own), ())


def test_notes_say_what_overlaps_what_has_no_null_and_what_control_is_missing() -> None:
    assert plan_notes(planned(without_room=frozenset({("border", "replace")})), boxes_with_lungs(False)) == [
        "random patches of the size of border have no room beside it: its replace is tested against 0",
        "no control in the lungs, since no image has masks of its own; --masks or --segmenter gives them",
        "boxes overlap (marker and corners in 50 % of the images): a verdict on one region may be due to the other",
    ]
    assert plan_notes(planned(reasons={"corners": "few"}), boxes_with_lungs(True)) == []


def test_overlap_is_a_share_of_the_smaller_box_and_of_the_images_with_both() -> None:
    assert overlap_share(MARKER, CORNER) == 0.5
    assert overlap_share(MARKER, {0: np.array([[3, 3, 9, 9]])}) == 0.0  # 1 of 16 pixels
    assert overlap_share(MARKER, {}) == 0.0


def finding(**other: object) -> dict[str, object]:
    usual = {"region": "marker", "verdict": "shortcut", "effect": 1.5, "low": 1.25, "high": 1.75, "p": 1.9e-6}
    return {**usual, "smallest_effect": 0.333, "why": "why", **other}


def population() -> dict[str, object]:
    limits = {
        "median": -0.5,
        "median_low": -1.0,
        "median_high": 0.25,
        "flips": 0.125,
        "flips_low": 0.0,
        "flips_high": 0.5,
    }
    test = {"statistic": 0.0, "p_normal": 8.86e-5, "p_exact": None, "against": "zero", "images": 40, "reason": ""}
    return {"region": "marker", "intervention": "swap", **limits, **test}


def cells(table: object) -> list[list[object]]:
    assert isinstance(table, Table)
    return [[row[column.key] for column in table.columns] for row in table.rows]


def test_verdicts_come_first_then_the_published_test_then_the_controls() -> None:
    control = {
        "control": "sham",
        "region": "marker",
        "images": 40,
        "median": 0.0,
        "median_low": 0.0,
        "median_high": 0.0,
    }
    control = {**control, "p": 1.0, "expected": "exactly 0", "outcome": "exactly 0"}
    untested = finding(
        region="text",
        verdict="not testable",
        why="no boxes",
        effect=None,
        low=None,
        high=None,
        p=None,
        smallest_effect=None,
    )
    summary = {
        "label": "COVID-19",
        "findings": [finding(), untested],
        "population": [population()],
        "controls": [control],
    }
    verdicts, published, controls = finding_tables(summary, rule=RULE)
    assert cells(verdicts) == [
        ["marker", "shortcut", "1.500 [1.250, 1.750]", "1.9e-06", "why"],
        ["text", "not testable", "", "", "no boxes"],
    ]
    assert cells(published) == [
        ["marker", "swap, against 0", 40, "-0.500 [-1.000, 0.250]", "12 % [0, 50]", "0", "8.9e-05", ""]
    ]
    assert cells(controls) == [["sham", "marker", 40, "0.000 [0.000, 0.000]", "1", "exactly 0"]]


def test_published_test_that_was_not_made_says_why() -> None:
    test = dict.fromkeys(("statistic", "p_normal", "p_exact"))
    untested = {**population(), **test, "region": "most", "against": "", "reason": "no room"}
    summary = {"label": "COVID-19", "findings": [], "population": [population(), untested], "controls": []}
    shown = finding_tables(summary, rule=RULE)[1]
    assert isinstance(shown, Table) and shown.columns[-1].heading == "why no test"
    assert [row[5:] for row in cells(shown)] == [["0", "8.9e-05", "", ""], ["", "", "", "no room"]]


def test_only_verdicts_are_shown_where_nothing_was_tested() -> None:
    summary = {"label": "COVID-19", "findings": [finding()], "population": [], "controls": []}
    (verdicts,) = finding_tables(summary, rule=RULE)
    assert isinstance(verdicts, Table) and verdicts.title == (
        f"COVID-19: effects are median changes as predicted, in SD of the logits; the margin is {RULE.margin:g}"
    )
    assert verdicts.shown == ("quiet", "usual", "verbose")


@pytest.mark.parametrize(("p", "text"), [(None, ""), (0.04999, "0.05"), (1e-12, "1e-12")])
def test_p_values_have_two_digits(p: float | None, text: str) -> None:
    assert short_p(p) == text


def test_shams_that_are_all_zero_are_one_row_and_surprises_are_marked() -> None:
    control = {"median": 0.0, "median_low": 0.0, "median_high": 0.0, "p": 1.0, "images": 40}
    sham = {**control, "control": "sham", "expected": "exactly 0", "outcome": "exactly 0"}
    lungs = {**control, "control": "lungs replaced", "region": "lungs", "expected": "a change", "outcome": "no change"}
    shams = [
        {**sham, "region": "marker"},
        {**sham, "region": "border"},
        {**sham, "region": "tag", "outcome": "a change"},
    ]
    summary = {"label": "Mass", "findings": [], "population": [], "controls": [lungs, *shams]}
    shown = cells(finding_tables(summary, rule=RULE)[-1])
    assert [(row[0], row[1], row[2], row[5]) for row in shown] == [
        ("lungs replaced", "lungs", 40, "no change (!)"),
        ("sham", "all", 80, "exactly 0"),
        ("sham", "tag", 40, "a change (!)"),
    ]
