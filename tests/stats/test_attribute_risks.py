"""The product of utility and detectability: limits by simulation, and verdicts by their rule."""

import numpy as np
import pytest

from cxrshort.stats.attribute_risks import RULE, AttributeRisk, attribute_risk, judge_risks
from cxrshort.stats.detectability import Detectability
from cxrshort.stats.mutual_information import Information


def seen(value, *, error=0.05, p=1e-6, smallest=0.02, reason="", within=True):
    return Detectability(Information(value, error=error, p=p, smallest=smallest, reason=reason), within)


def told(value, *, error=0.05, p=1e-6, smallest=0.02, reason=""):
    return Information(value, error=error, p=p, smallest=smallest, reason=reason)


def test_limits_are_those_of_a_product_of_normal_numbers() -> None:
    rng = np.random.default_rng(0)
    products = rng.normal(0.4, 0.06, 200_000) * rng.normal(0.7, 0.04, 200_000)
    risk = attribute_risk(told(0.4, error=0.06), seen(0.7, error=0.04))
    assert risk.value == pytest.approx(0.28)
    assert (risk.high - risk.low) / (2 * 1.96) == pytest.approx(products.std(), rel=0.01)


def test_values_below_chance_are_no_risk_and_the_larger_p_counts() -> None:
    risk = attribute_risk(told(-0.02, p=0.7), seen(0.9, p=1e-9))
    assert (risk.value, risk.low, risk.p) == (0.0, 0.0, 0.7)
    assert attribute_risk(told(0.9), seen(-0.1, p=0.6)).p == 0.6


def test_smallest_risk_is_at_the_detectability_that_was_seen() -> None:
    assert attribute_risk(told(0.0, smallest=0.03), seen(0.5)).smallest == pytest.approx(0.015)
    assert attribute_risk(told(0.0, smallest=0.03), seen(0.001, smallest=0.1)).smallest == pytest.approx(0.003)


def test_reason_of_either_side_is_kept() -> None:
    assert attribute_risk(told(None, reason="only one value"), seen(0.5)).reason == "only one value"
    assert attribute_risk(told(0.5), seen(None, reason="no pixels")).reason == "detectability: no pixels"


def test_verdicts_follow_the_rule_with_holms_correction() -> None:
    risks = [
        AttributeRisk(0.3, 0.2, 0.4, p=0.001, smallest=0.01),
        AttributeRisk(0.3, 0.0, 0.6, p=0.04, smallest=0.01),
        AttributeRisk(RULE.margin / 2, 0.0, 0.01, p=1e-9, smallest=0.001),
        AttributeRisk(0.3, 0.0, 0.6, p=0.5, smallest=0.4),
        AttributeRisk(None, reason="only one value"),
    ]
    verdicts = judge_risks(list("abcde"), risks)
    assert [verdict.verdict for verdict in verdicts] == [
        "shortcut",
        "suspicious",
        "no evidence",
        "no evidence",
        "not testable",
    ]
    assert verdicts[1].evidence.p == pytest.approx(0.08)  # two of four p-values are larger or equal
    assert verdicts[4].why == "only one value"
