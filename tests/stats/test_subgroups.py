"""Groups against everybody else: by other implementations, with ties, clusters and tiny classes; false alarms."""

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.metrics import average_precision_score, roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from cxrshort.stats.gap import Sample, generalization_gap
from cxrshort.stats.subgroups import (
    AUC,
    CALIBRATION,
    COMPARED,
    METRICS,
    PRECISION,
    SENSITIVITY,
    SPECIFICITY,
    ScoredRows,
    compare_group,
    compare_rate,
    missing_log_odds,
)

from .scored_groups import by_metric, example


@pytest.mark.parametrize("within", [False, True], ids=["persons", "images"])
@pytest.mark.parametrize(("per_person", "digits"), [(1, 6), (3, 6), (3, 1)], ids=["single", "clusters", "ties"])
def test_auc_and_its_difference_are_those_of_the_generalization_gap(within: bool, per_person: int, digits: int) -> None:
    rows, member = example(per_person=per_person, within=within, digits=digits)
    area = by_metric(rows, member, level=0.9)[AUC]
    sides = [[Sample(rows.positive[part], rows.scores[part], rows.codes[part])] for part in (member, ~member)]
    gap = generalization_gap(*sides, level=0.9)
    assert area.difference is not None
    assert (area.value, area.rest) == pytest.approx((gap.internal.mean, gap.external.mean))
    assert (area.low, area.high) == pytest.approx((gap.internal.low, gap.internal.high))
    assert (area.difference.value, area.difference.low, area.difference.high) == pytest.approx(
        (gap.difference, gap.low, gap.high), abs=1e-9
    )
    assert area.value == pytest.approx(roc_auc_score(rows.positive[member], rows.scores[member]))


def test_average_precision_is_measured_and_not_compared() -> None:
    rows, member = example()
    precision = by_metric(rows, member)[PRECISION]
    assert precision.value == pytest.approx(average_precision_score(rows.positive[member], rows.scores[member]))
    assert (precision.difference, precision.rest) == (None, None)
    assert precision.reason == "its chance level is the prevalence, which differs between groups"


@pytest.mark.parametrize(("metric", "positive"), [(SENSITIVITY, True), (SPECIFICITY, False)])
def test_rates_have_exact_binomial_limits(metric: str, positive: bool) -> None:
    rows, member = example()
    rate = by_metric(rows, member)[metric]
    called = rows.called[member & (rows.positive == positive)]
    hits = int((called == positive).sum())
    assert rate.value == hits / len(called)
    # Korn and Graubard's effective number counts the variance by persons / (persons - 1), 1 in about 50.
    assert (rate.low, rate.high) == pytest.approx(proportion_confint(hits, len(called), method="beta"), abs=0.01)
    others = rows.called[~member & (rows.positive == positive)]
    assert rate.rest == (others == positive).mean()


@pytest.mark.parametrize("per_person", [1, 4])
def test_calibration_is_a_logistic_regression_with_an_offset(per_person: int) -> None:
    rows, member = example(1200, per_person=per_person)
    calibration = by_metric(rows, member)[CALIBRATION]
    assert calibration.difference is not None
    design = np.column_stack([np.ones(len(member)), member])
    model = sm.GLM(rows.positive.astype(float), design, family=sm.families.Binomial(), offset=rows.logits)
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": rows.codes})
    assert calibration.rest == pytest.approx(fit.params[0], abs=1e-6)
    assert calibration.difference.value == pytest.approx(fit.params[1], abs=1e-6)
    half = (calibration.difference.high - calibration.difference.low) / 2
    assert half == pytest.approx(1.97 * fit.bse[1], rel=0.03)  # t with some 100 degrees of freedom, not the normal
    assert calibration.difference.p == pytest.approx(fit.pvalues[1], abs=0.02)


def test_what_the_scores_do_not_allow_is_left_out() -> None:
    rows, member = example()
    without = ScoredRows(rows.positive, rows.scores, rows.codes)
    assert list(by_metric(without, member)) == [AUC, PRECISION]
    assert list(by_metric(rows, member)) == list(METRICS)


def test_perfect_separation_in_the_group_has_limits_and_a_p_value() -> None:
    rows, member = example()
    scores = np.where(member, 10.0 * rows.positive - 5, rows.scores)
    area = by_metric(ScoredRows(rows.positive, scores, rows.codes, scores >= 0, scores), member)[AUC]
    assert area.difference is not None
    assert (area.value, area.high) == (1.0, 1.0)
    assert area.low < 1 and 0 < area.difference.p < 0.05


def test_equal_scores_differ_from_nobody() -> None:
    rows, member = example()
    constant = np.zeros(len(member))
    for metric in compare_group(ScoredRows(rows.positive, constant, rows.codes, constant >= 0), member):
        if metric.difference is not None:
            assert (metric.difference.value, metric.difference.p) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("truth", "reason"),
    [
        ([1, 1, 1, 1, 0, 1], "only positives"),
        ([0, 0, 0, 1, 0, 1], "only negatives"),
        ([0, 0, 1, 0, 1, 1], "only 1 positive"),
    ],
)
def test_group_of_one_class_has_reasons_and_no_number_without_limits(truth: list[int], reason: str) -> None:
    positive = np.array(truth + [0, 1] * 5) == 1
    logits = np.linspace(-1, 1, len(positive))
    member = np.arange(len(positive)) < 3
    measured = by_metric(ScoredRows(positive, logits, np.arange(len(positive)), logits >= 0, logits), member)
    assert measured[AUC].difference is None
    assert measured[AUC].reason == reason
    for metric in measured.values():
        assert metric.difference is not None or metric.reason


def test_rate_without_an_image_has_a_reason() -> None:
    among = np.array([True, True, False, False])
    rate = compare_rate(among, among, np.arange(4), ~among, metric="x")
    assert (rate.value, rate.reason) == (None, "no image of this class inside or outside the group")


def test_missing_log_odds_of_several_groups_are_those_of_each() -> None:
    rng = np.random.default_rng(0)
    logits, numbers = rng.normal(size=300), rng.integers(0, 3, 300)
    truth = rng.random(300) < 0.3
    counts = np.zeros((3, 300))
    counts[numbers, np.arange(300)] = 1
    together = missing_log_odds(np.bincount(numbers, weights=truth), logits, counts)
    for number in range(3):
        own = numbers == number
        fit = sm.GLM(truth[own], np.ones(own.sum()), family=sm.families.Binomial(), offset=logits[own]).fit()
        assert together[number] == pytest.approx(fit.params[0], abs=1e-6)


def test_false_alarms_are_no_more_than_the_level() -> None:
    """120 samples without any difference: of each metric at most 12 are called different (P of more: 0.004)."""
    alarms = dict.fromkeys(COMPARED, 0)
    for seed in range(120):
        rows, member = example(360, per_person=2, seed=seed)
        for metric in compare_group(rows, member):
            alarms[metric.metric] = alarms.get(metric.metric, 0) + (
                metric.difference is not None and metric.difference.p <= 0.05
            )
    assert all(count <= 12 for count in alarms.values()), alarms


def test_group_beside_persons_whose_auc_has_no_variance_is_not_compared():
    """Four persons outside, of whom the cross term of Obuchowski's variance is as large as the rest of it."""
    rng = np.random.default_rng(0)
    positive = np.append(np.tile([True, False], 4), np.arange(60) < 25)
    scores = np.append([2.0, 0, 6, 5, 3, 1, 7, 4], rng.normal(size=60) + 1.5 * (np.arange(60) < 25))
    people = np.append(np.repeat(np.arange(4), 2), 4 + np.arange(60))
    area = compare_group(ScoredRows(positive, scores, people), people >= 4)[0]
    assert area.low < area.value < area.high
    assert (area.difference, area.reason) == (None, "no positive variance from 4 persons")
