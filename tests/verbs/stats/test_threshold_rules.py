"""The rule of a threshold: one at a time, chosen on validation images as the library chooses."""

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import UsageError
from cxrshort.stats import operating_points
from cxrshort.verbs.stats.scores import Scores
from cxrshort.verbs.stats.threshold_rules import ThresholdRule

TARGETS, SCORES = np.array([0.0, 0, 1, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.9])
VALIDATION = Scores({"label": "x"}, TARGETS, SCORES, None, pd.DataFrame(index=range(6)))


@pytest.mark.parametrize(
    ("rule", "expected", "text"),
    [
        (ThresholdRule(), operating_points.youden_threshold(TARGETS, SCORES), "Youden's index"),
        (ThresholdRule(sensitivity=1.0), 0.3, "sensitivity 1"),
        (ThresholdRule(specificity=1.0), 0.5, "specificity 1"),
        (ThresholdRule(miss_cost=100.0), 0.3, "a miss costs 100 false alarms"),
        (ThresholdRule(miss_cost=0.01), 0.5, "a miss costs 0.01 false alarms"),
    ],
)
def test_rule_chooses_on_validation_images(rule: ThresholdRule, expected: float, text: str) -> None:
    assert rule.choose(VALIDATION, None) == expected
    assert rule.text == text


def test_prevalence_of_the_place_of_use_moves_the_cheapest_threshold() -> None:
    rule = ThresholdRule(miss_cost=2.0)
    assert rule.choose(VALIDATION, 0.01) > rule.choose(VALIDATION, 0.9)


def test_stated_threshold_is_said_to_be() -> None:
    assert ThresholdRule(threshold=0.3).text == "stated"


def test_two_rules_exclude_each_other() -> None:
    with pytest.raises(UsageError) as caught:
        ThresholdRule(sensitivity=0.9, miss_cost=3)
    assert caught.value.message == "--sensitivity and --miss-cost exclude each other"


@pytest.mark.parametrize("threshold", [0, 1, -2.0, float("nan")])
def test_threshold_is_a_probability(threshold: float) -> None:
    with pytest.raises(UsageError, match="is not between 0 and 1"):
        ThresholdRule(threshold=threshold)
