"""The rule of verdicts: margin and chance together accuse, each alone does not."""

import pytest

from cxrshort.errors import DataError
from cxrshort.stats.verdicts import RULES, VERDICTS, Evidence, Rule, describe_rule, judge, judge_regions

RULE = Rule(unit="SD of the logits", margin=0.2)


@pytest.mark.parametrize(
    ("effect", "p", "verdict", "why"),
    [
        (0.2, 0.05, "shortcut", "an effect of 0.200 is at least the margin of 0.2, p = 0.05"),
        (1.5, 0.4, "no evidence", "an effect of 1.500 may be chance, p = 0.4; 0.15 would have been seen"),
        (-0.2, 0.01, "suspicious", "an effect of -0.200 goes against what a shortcut predicts, p = 0.01"),
        (0.199, 1e-9, "no evidence", "an effect of 0.199 is below the margin of 0.2; 0.15 would have been seen"),
        (-0.0004, 0.5, "no evidence", "an effect of 0.000 is below the margin of 0.2; 0.15 would have been seen"),
        (-0.3, 0.5, "no evidence", "an effect of -0.300 is below the margin of 0.2; 0.15 would have been seen"),
    ],
)
def test_a_verdict_needs_margin_direction_and_chance(effect, p, verdict, why):
    judgement = judge(Evidence("marker", effect=effect, p=p, smallest_effect=0.15), RULE)
    assert (judgement.verdict, judgement.why) == (verdict, why)


@pytest.mark.parametrize(("p", "verdict"), [(0.06, "suspicious"), (0.2, "suspicious"), (0.21, "no evidence")])
def test_a_large_effect_that_may_be_chance_is_suspicious_up_to_a_level_of_its_own(p, verdict):
    judgement = judge(Evidence("marker", effect=1.5, p=p), RULE)
    assert judgement.verdict == verdict
    if verdict == "suspicious":
        assert judgement.why == f"an effect of 1.500 is at least the margin of 0.2, but p = {p:g} is above 0.05"


def test_a_doubt_makes_suspicious_but_does_not_hide_a_shortcut():
    doubt = "its share of attribution is 6 times its share of the area, clean models reach 4"
    mild = judge(Evidence("border", effect=0.0, p=1.0, doubt=doubt), RULE)
    assert (mild.verdict, mild.why) == ("suspicious", doubt)
    assert judge(Evidence("border", effect=1.0, p=0.001, doubt=doubt), RULE).verdict == "shortcut"


def test_what_cannot_be_tested_says_why():
    judgement = judge(Evidence("marker", effect=None, reason="no image has a box of it"), RULE)
    assert (judgement.verdict, judgement.why) == ("not testable", "no image has a box of it")


def test_too_few_images_are_said_so():
    assert judge(Evidence("marker", effect=0.0, p=1.0), RULE).why.endswith("so few images would have shown none")


def test_evidence_without_numbers_or_reason_is_refused():
    with pytest.raises(DataError, match="'marker' has no effect or no p-value"):
        judge(Evidence("marker", effect=None), RULE)


def test_the_worst_comes_first_and_equals_stay_in_order():
    evidence = [
        Evidence("lungs", effect=None, reason="the finding may lie there"),
        Evidence("shoulders", effect=0.0, p=1.0),
        Evidence("border", effect=0.1, p=1.0),
        Evidence("marker", effect=1.0, p=0.001),
    ]
    assert [judgement.region for judgement in judge_regions(evidence, RULE)] == [
        "marker",
        "shoulders",
        "border",
        "lungs",
    ]


def test_a_record_holds_the_numbers():
    judgement = judge(Evidence("marker", effect=1.0, low=0.5, high=1.5, p=0.001, smallest_effect=0.1), RULE)
    assert judgement.record() == {
        "region": "marker",
        "verdict": "shortcut",
        "effect": 1.0,
        "low": 0.5,
        "high": 1.5,
        "p": 0.001,
        "smallest_effect": 0.1,
        "why": "an effect of 1.000 is at least the margin of 0.2, p = 0.001",
    }


def test_rules_are_numbers_that_can_be_met():
    assert VERDICTS == ("shortcut", "suspicious", "no evidence", "not testable")
    for rule in RULES.values():
        assert (
            rule.unit
            and 0 < rule.margin < (100 if rule.unit.startswith("percentile") else 2)
            and 0 < rule.level <= 0.05
        )


@pytest.mark.parametrize("name", RULES)
def test_description_of_a_rule_has_its_numbers(name):
    rule, terms = RULES[name], dict(describe_rule(RULES[name]))
    assert f"at least {rule.margin:g}" in terms["shortcut"] and f"at most {rule.level:g}" in terms["shortcut"]
    assert f"at most {rule.doubt_level:g}" in terms["suspicious"]
    assert (rule.ratio_margin is None) == ("attribution" not in terms["suspicious"])
    assert [*terms][:4] == list(VERDICTS) and terms["calibration"] == rule.calibrated
