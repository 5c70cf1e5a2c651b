"""Flips, changes and what regions carry, against numbers worked out by hand on made-up scores."""

import numpy as np
import pytest

from cxrshort.errors import DataError
from cxrshort.stats.transformed_scores import (
    NOT_TOLD_APART,
    ShamScores,
    TransformedScores,
    carried_evidence,
    carried_records,
    change_record,
    flip_record,
    join_scores,
    sham_record,
)
from cxrshort.stats.verdicts import Rule, judge_regions

RULE = Rule(unit="SD of the logits", margin=0.25)
COUNT = 20


def made_up(
    share: float = 0.7, *, elsewhere: float = 0.0, direction: str = "increase", whole: float = 2.0, count: int = COUNT
) -> TransformedScores:
    """Return scores in which region ``a`` carries a share of the change, ``b`` nothing, and ``c`` is unknown."""
    rng = np.random.default_rng(5)
    sign = -1.0 if direction == "decrease" else 1.0
    before = rng.normal(-sign, 0.3, count)
    change = sign * whole * rng.uniform(0.9, 1.1, count)
    noise = rng.normal(0, 0.01, count)
    only = np.stack([before + share * change + noise, before, np.full(count, np.nan)], axis=1)
    rest = np.stack([before + (1 - share) * change, before + change, np.full(count, np.nan)], axis=1)
    others = before[:, None, None] + elsewhere * change[:, None, None] + rng.normal(0, 0.01, (count, 3, 2))
    others[:, 2] = np.nan
    return TransformedScores(
        ("a", "b", "c"),
        before,
        before + change,
        only,
        rest,
        others,
        np.array([f"p{number}" for number in range(count)]),
        np.full(count, direction),
    )


def test_flips_are_decisions_that_change() -> None:
    scores = TransformedScores(
        (),
        np.array([-1.0, -1, -1, 1]),
        np.array([1.0, 1, -2, 2]),
        *(np.zeros((4, 0)), np.zeros((4, 0)), np.zeros((4, 0, 1))),
        np.array(list("abcd")),
        np.full(4, "increase"),
    )
    record = flip_record(scores, threshold=0.0)
    assert (record["flips"], record["positive_before"], record["positive_after"]) == (0.5, 0.25, 0.75)
    assert (record["reached"], record["could_reach"], record["images"]) == (pytest.approx(2 / 3), 3, 4)
    assert record["flips_low"] < 0.5 < record["flips_high"]
    higher = flip_record(scores, threshold=1.5)
    assert (higher["flips"], higher["reached"]) == (0.25, 0.25)


def test_without_a_direction_or_where_all_were_there_nothing_is_reached() -> None:
    assert flip_record(made_up(direction="either"), threshold=0.0)["reached"] is None
    assert flip_record(made_up(), threshold=-100.0)["reached"] is None
    assert flip_record(made_up(direction="decrease"), threshold=0.0)["reached"] > 0.9


def test_changes_are_in_standard_deviations() -> None:
    scores = made_up()
    record = change_record(scores, spread=0.5, rng=np.random.default_rng(0))
    assert record["mean_change"] == pytest.approx(scores.change.mean() / 0.5)
    assert record["median_change"] == pytest.approx(np.median(scores.change) / 0.5)
    assert record["mean_change_low"] < record["mean_change"] < record["mean_change_high"]


def test_change_beyond_the_sham_is_a_difference_of_medians_with_the_limits_of_both() -> None:
    scores, rng = made_up(), np.random.default_rng(6)
    before = rng.normal(size=30)
    sham = ShamScores(before, before + rng.normal(0.5, 0.1, 30), np.array([f"q{number}" for number in range(30)]))
    record = sham_record(scores, sham, spread=0.5)
    change = change_record(scores, spread=0.5, rng=rng)
    assert record["sham_images"] == 30
    assert record["sham_change"] == pytest.approx(np.median(sham.after - sham.before) / 0.5)
    assert record["beyond_sham"] == pytest.approx(change["median_change"] - record["sham_change"])
    down = change["median_change"] - change["median_change_low"], record["sham_change_high"] - record["sham_change"]
    assert record["beyond_sham"] - record["beyond_sham_low"] == pytest.approx(np.hypot(*down))
    alike = sham_record(scores, ShamScores(scores.before, scores.after, scores.persons), spread=0.5)
    assert alike["beyond_sham_low"] < alike["beyond_sham"] == 0 < alike["beyond_sham_high"]
    few = ShamScores(sham.before[:2], sham.after[:2], sham.persons[:2])
    assert sham_record(scores, few, spread=0.5)["beyond_sham_low"] is None


@pytest.mark.parametrize("direction", ["increase", "decrease", "either"])
def test_shares_are_those_of_the_mean_changes(direction: str) -> None:
    scores = made_up(direction=direction)
    first, second, unknown = carried_records(scores, spread=0.5, rng=np.random.default_rng(0))
    own = (scores.only[:, 0] - scores.before).mean() / scores.change.mean()
    lost = (scores.after - scores.rest[:, 0]).mean() / scores.change.mean()
    assert first["share"] == pytest.approx(own) and first["share_lost"] == pytest.approx(lost) == pytest.approx(0.7)
    assert 0.65 < first["share_low"] <= first["share"] <= first["share_high"] < 0.75
    assert first["own_change"] == pytest.approx(abs((scores.only[:, 0] - scores.before).mean()) / 0.5)
    assert (second["share"], second["share_lost"], second["own_change"]) == (0, 0, 0)
    assert unknown["share"] is None and unknown["carried_reason"] == "no image has the region"


def test_change_that_is_not_told_apart_from_zero_has_no_shares() -> None:
    scores = made_up(whole=0.0)
    noisy = TransformedScores(
        scores.regions,
        scores.before,
        scores.before + np.random.default_rng(0).normal(size=COUNT),
        *(scores.only, scores.rest, scores.elsewhere, scores.persons, scores.directions),
    )
    first = carried_records(noisy, spread=1.0, rng=np.random.default_rng(0))[0]
    assert first["share"] is None and first["carried_reason"] == NOT_TOLD_APART
    assert first["own_change"] is not None and first["own_change_low"] is not None


def evidence_of(scores: TransformedScores, **options: object) -> dict:
    settings: dict = {"reasons": {}, "unchanged": {}, "spread": 1.0, "rule": RULE, "seed": 0, **options}
    return {verdict.region: verdict for verdict in judge_regions(carried_evidence(scores, **settings), RULE)}


def test_region_that_carries_the_change_is_accused_and_the_other_is_not() -> None:
    judged = evidence_of(join_scores([made_up(), made_up(direction="decrease")]))
    assert (judged["a"].verdict, judged["b"].verdict, judged["c"].verdict) == (
        "shortcut",
        "no evidence",
        "not testable",
    )
    assert judged["a"].evidence.effect == pytest.approx(1.4, rel=0.05)
    assert judged["c"].why == "no image has the region"


def test_same_change_elsewhere_acquits() -> None:
    assert evidence_of(made_up(share=0.3, elsewhere=0.4))["a"].verdict != "shortcut"
    assert evidence_of(made_up(share=0.3, elsewhere=0.1))["a"].verdict == "shortcut"


def test_change_against_the_direction_is_suspicious_at_most() -> None:
    assert evidence_of(made_up(share=-0.7))["a"].verdict == "suspicious"


def test_region_that_was_not_changed_more_than_its_area_is_suspicious_at_most() -> None:
    judged = evidence_of(made_up(), unchanged={"a": "it was not changed much"})["a"]
    assert judged.verdict == "suspicious" and judged.why.endswith("but it was not changed much")


def test_stated_reasons_and_constant_classifiers_are_not_testable() -> None:
    judged = evidence_of(made_up(), reasons={"a": "the finding may lie there"})
    assert (judged["a"].verdict, judged["a"].why) == ("not testable", "the finding may lie there")
    assert {verdict.why for verdict in evidence_of(made_up(), spread=0.0).values()} == {
        "the classifier gives all images one score"
    }


def test_few_persons_are_named_and_do_not_weigh_on_other_regions() -> None:
    scores = made_up()
    few = scores.only.copy()
    few[3:, 1] = np.nan
    judged = evidence_of(
        TransformedScores(
            scores.regions,
            scores.before,
            scores.after,
            few,
            *(scores.rest, scores.elsewhere, scores.persons, scores.directions),
        )
    )
    assert (
        judged["b"].why == "3 persons reach p = 0.25 at best, and 0.025 is needed (0.05 over 2 regions), which takes 7"
    )
    alone = evidence_of(made_up(), reasons={"b": "not asked"})
    assert judged["a"].evidence.p == alone["a"].evidence.p


def test_scores_of_other_regions_are_not_joined() -> None:
    other = TransformedScores(("z",), *(np.zeros(1), np.zeros(1)), *(np.zeros((1, 1)), np.zeros((1, 1))),
                              np.zeros((1, 1, 1)), np.array(["p"]), np.array(["either"]))  # fmt: skip
    with pytest.raises(DataError, match="scores of 2 lists of regions cannot be joined"):
        join_scores([made_up(), other])
