"""What ``stats operating-point`` shows: rows with reasons, and tables whose rows can be told apart."""

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import DataError
from cxrshort.results import Table
from cxrshort.stats.decision_curves import decision_curve
from cxrshort.verbs.stats.operating_point_tables import benefit_row, operating_point_blocks, operating_point_row
from cxrshort.verbs.stats.probabilities import ScoreScale
from cxrshort.verbs.stats.scores import Scores
from cxrshort.verbs.stats.threshold_rules import ThresholdRule

TARGETS, LOGITS = np.tile([0.0, 0, 1, 1], 5), np.tile([-1.0, 1, -1, 2], 5)
PART = Scores({"label": "Edema"}, TARGETS, LOGITS, None, pd.DataFrame(index=range(20)))
LOGIT, RULE = ScoreScale(is_logit=True), ThresholdRule(threshold=0.5)


def row(threshold: float | DataError = 0.0, prevalence: float | None = 0.05, group: str = "AP") -> dict[str, object]:
    return operating_point_row(group, PART, threshold, rule=RULE, scale=LOGIT, prevalence=prevalence, level=0.95)


def test_row_of_logits_has_both_thresholds() -> None:
    shown = row()
    assert (shown["threshold"], shown["threshold_logit"], shown["group"]) == (0.5, 0.0, "AP")
    assert (shown["sensitivity"], shown["specificity"], shown["prevalence"]) == (0.5, 0.5, 0.5)
    assert shown["ppv_at_target"] == pytest.approx(0.05)


def test_row_without_a_threshold_has_its_reason_and_the_same_columns() -> None:
    shown = row(DataError("only negatives"))
    assert set(shown) == set(row())
    assert (shown["threshold"], shown["sensitivity"], shown["true_positives"]) == (None, None, None)
    assert (shown["reason"], shown["positives"]) == ("validation: only negatives", 10)


def test_tables_for_people() -> None:
    point = decision_curve(TARGETS, LOGIT.probabilities(LOGITS), thresholds=[0.3])[0]
    rows = [row(group="AP"), row(group="PA")]
    benefits = [benefit_row(entry, point) for entry in rows]
    points, benefit = operating_point_blocks(rows, benefits, RULE, prevalence=0.05, level=0.95)
    assert isinstance(points, Table) and isinstance(benefit, Table)
    assert [shown["name"] for shown in points.rows] == ["Edema, AP", "Edema, PA"]
    assert [column.heading for column in points.columns][-2:] == ["PPV at 5 %", "NPV at 5 %"]
    assert points.title == "95 % intervals, threshold stated"
    assert [shown["name"] for shown in benefit.rows] == ["0.3: Edema, AP", "0.3: Edema, PA"]
    assert benefit.title.startswith("net benefit at a prevalence of 5 %")
    plain = operating_point_blocks(rows, benefits, ThresholdRule(sensitivity=0.9), prevalence=None, level=0.9)[0]
    assert isinstance(plain, Table)
    assert plain.title == "90 % intervals, threshold chosen on validation images: sensitivity 0.9"
    assert [column.heading for column in plain.columns][-1] == "NPV"
