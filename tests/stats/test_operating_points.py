"""Operating points against loops over all thresholds, scikit-learn, published limits and simulation."""

import math

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm
from sklearn.metrics import confusion_matrix

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.changes import rate_interval
from cxrshort.stats.operating_points import (
    cheapest_threshold,
    operating_point,
    threshold_at_sensitivity,
    threshold_at_specificity,
    youden_threshold,
)


def draw(seed, persons=80, decimals=1):
    rng = np.random.default_rng(seed)
    people = np.repeat(np.arange(persons), rng.integers(1, 4, persons))
    truth = (rng.random(len(people)) < 0.3).astype(float)
    own = rng.normal(size=persons)[people]
    return truth, np.round(own + 1.5 * truth + rng.normal(size=len(people)), decimals), people


def rates(truth, scores, threshold):
    called = scores >= threshold
    return called[truth == 1].mean(), (~called)[truth == 0].mean()


@pytest.mark.parametrize("seed", range(5))
def test_thresholds_are_the_best_of_all(seed):
    truth, scores, _ = draw(seed)
    every = [*np.unique(scores), np.inf]
    threshold = youden_threshold(truth, scores)
    assert sum(rates(truth, scores, threshold)) == pytest.approx(
        max(sum(rates(truth, scores, level)) for level in every)
    )
    for share in (0.5, 0.9, 1.0):
        expected = max(level for level in every if rates(truth, scores, level)[0] >= share)
        assert threshold_at_sensitivity(truth, scores, sensitivity=share) == expected
        expected = min(level for level in every if rates(truth, scores, level)[1] >= share)
        expected = np.nextafter(scores.max(), math.inf) if math.isinf(expected) else expected
        assert threshold_at_specificity(truth, scores, specificity=share) == expected

    def cost(threshold, prevalence):
        sensitivity, specificity = rates(truth, scores, threshold)
        return prevalence * 4 * (1 - sensitivity) + (1 - prevalence) * (1 - specificity)

    for prevalence in (0.02, 0.5):
        chosen = cheapest_threshold(truth, scores, miss_cost=4, prevalence=prevalence)
        assert cost(chosen, prevalence) == pytest.approx(min(cost(level, prevalence) for level in every))
    own = cheapest_threshold(truth, scores, miss_cost=4)
    assert own == cheapest_threshold(truth, scores, miss_cost=4, prevalence=truth.mean())


def test_a_threshold_may_lie_above_all_scores():
    assert threshold_at_specificity([0, 1], [2.0, 1.0], specificity=1) == np.nextafter(2.0, math.inf)
    assert youden_threshold([0, 1, 1], [3.0, 3.0, 3.0]) > 3  # constant scores: nothing is called


def test_operating_point_equals_scikit_learn():
    truth, scores, people = draw(0)
    point = operating_point(truth, scores, people, threshold=1.0)
    called = scores >= 1.0
    (tn, fp), (fn, tp) = confusion_matrix(truth, called)
    counts = (point.true_negatives, point.false_positives, point.false_negatives, point.true_positives)
    assert counts == (tn, fp, fn, tp)
    values = [rate.value for rate in (point.sensitivity, point.specificity, point.ppv, point.npv)]
    assert values == pytest.approx([tp / (tp + fn), tn / (tn + fp), tp / (tp + fp), tn / (tn + fn)])
    assert point.ppv == rate_interval(truth[called], people[called])
    assert (point.prevalence, point.persons, point.left_out) == (truth.mean(), 80, 0)


def test_predictive_values_at_the_own_prevalence_are_the_own_ones():
    truth, scores, people = draw(1)
    own = operating_point(truth, scores, people, threshold=1.0)
    stated = operating_point(truth, scores, people, threshold=1.0, prevalence=truth.mean())
    assert (stated.ppv.value, stated.npv.value) == pytest.approx((own.ppv.value, own.npv.value))


def test_predictive_value_at_another_prevalence_has_mercaldos_limits_in_a_large_set():
    truth = np.repeat([1.0, 0.0], [1000, 4000])
    scores = np.concatenate([np.repeat([1, 0], [800, 200]), np.repeat([1, 0], [400, 3600])])
    point = operating_point(truth, scores, threshold=1, prevalence=0.02)
    ppv = 0.02 * 0.8 / (0.02 * 0.8 + 0.98 * 0.1)
    error = math.sqrt(0.2 / (0.8 * 1000) + 0.9 / (0.1 * 4000))
    limits = [expit(math.log(ppv / (1 - ppv)) + side * norm.ppf(0.975) * error) for side in (-1, 1)]
    assert (point.ppv.value, point.ppv.low, point.ppv.high) == pytest.approx((ppv, *limits), abs=0.002)
    npv = 0.98 * 0.9 / (0.98 * 0.9 + 0.02 * 0.2)
    error = math.sqrt(0.1 / (0.9 * 4000) + 0.8 / (0.2 * 1000))
    limits = [expit(math.log(npv / (1 - npv)) + side * norm.ppf(0.975) * error) for side in (-1, 1)]
    assert (point.npv.value, point.npv.low, point.npv.high) == pytest.approx((npv, *limits), abs=0.001)


def test_predictive_values_of_persons_with_both_classes_have_the_width_of_a_bootstrap():
    """Persons who are called ill in both of their images: the two rates rise together, which steadies the ratio."""
    rng = np.random.default_rng(0)
    people, truth = np.arange(400).repeat(4), np.tile([0.0, 0, 1, 1], 400)
    scores = 1.5 * rng.normal(size=400)[people] + truth + 0.5 * rng.normal(size=1600)
    point = operating_point(truth, scores, people, threshold=0.5, prevalence=0.1)
    right, wrong = (((scores >= 0.5) & (truth == image)).reshape(400, 4).sum(axis=1) / 2 for image in (1, 0))
    drawn = rng.integers(0, 400, (2000, 400))
    sensitivity, alarms = right[drawn].mean(axis=1), wrong[drawn].mean(axis=1)
    ppv = 0.1 * sensitivity / (0.1 * sensitivity + 0.9 * alarms)
    npv = 0.9 * (1 - alarms) / (0.9 * (1 - alarms) + 0.1 * (1 - sensitivity))
    for value, again in ((point.ppv, ppv), (point.npv, npv)):
        assert value.high - value.low == pytest.approx(2 * 1.96 * again.std(), rel=0.12)


def test_predictive_value_holds_the_truth_about_as_often_as_it_says():
    """40 persons with a positive and a negative image, whose scores share the person's."""
    truth, people = np.tile([1.0, 0.0], 40), np.arange(40).repeat(2)
    sensitivity, alarms = norm.cdf(0.5), norm.cdf(-0.7)  # scores of SD sqrt(2), threshold 0
    ppv, inside = 0.1 * sensitivity / (0.1 * sensitivity + 0.9 * alarms), 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        scores = (rng.normal(size=40).repeat(2) + rng.normal(size=80)) / math.sqrt(2) + np.where(truth == 1, 0.5, -0.7)
        interval = operating_point(truth, scores, people, threshold=0, prevalence=0.1).ppv
        inside += interval.low <= ppv <= interval.high
    assert inside >= 273  # 95 % of 300 are 285; fewer than 273 have a chance below 1 in 1,000


def test_copies_of_images_change_nothing_but_their_number():
    truth, scores, _ = draw(2)
    people = np.arange(len(truth))
    once = operating_point(truth, scores, people, threshold=0.5, prevalence=0.1)
    thrice = operating_point(truth.repeat(3), scores.repeat(3), people.repeat(3), threshold=0.5, prevalence=0.1)
    for name in ("sensitivity", "specificity", "ppv", "npv"):
        first, second = getattr(once, name), getattr(thrice, name)
        assert (second.value, second.low, second.high) == pytest.approx((first.value, first.low, first.high))
    assert thrice.true_positives == 3 * once.true_positives


def test_no_false_positive_leaves_doubt():
    point = operating_point([0] * 20 + [1] * 20, [0] * 20 + [1] * 20, threshold=1, prevalence=0.1)
    assert (point.ppv.value, point.ppv.high, point.sensitivity.low) == (1, 1, pytest.approx(0.025 ** (1 / 20)))
    sure = 0.1 * point.sensitivity.low
    assert point.ppv.low == pytest.approx(sure / (sure + 0.9 * (1 - point.specificity.low)))


def test_what_has_no_rate_is_none():
    positives = operating_point([1, 1, np.nan], [0.2, 0.8, 0.5], threshold=0.5)
    assert (positives.specificity, positives.left_out, positives.sensitivity.value) == (None, 1, 0.5)
    stated = operating_point([1, 1], [0.2, 0.8], threshold=0.5, prevalence=0.1)
    assert (stated.ppv, stated.npv) == (None, None)
    nothing_called = operating_point([0, 1], [0.2, 0.3], threshold=0.5, prevalence=0.1)
    assert nothing_called.ppv is None and nothing_called.npv.value == pytest.approx(0.9)
    assert operating_point([0, 1], [0.2, 0.3], threshold=0.5).ppv is None


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: youden_threshold([1, 1], [0, 1]),
            DataError,
            "only positives: a threshold is chosen on images of both classes",
        ),
        (
            lambda: threshold_at_sensitivity([0, 1], [0, 1], sensitivity=90),
            UsageError,
            'sensitivity "90" is not in (0, 1]',
        ),
        (
            lambda: threshold_at_specificity([0, 1], [0, 1], specificity=0),
            UsageError,
            'specificity "0" is not in (0, 1]',
        ),
        (lambda: cheapest_threshold([0, 1], [0, 1], miss_cost=0), UsageError, 'miss cost "0" must be above 0'),
        (
            lambda: operating_point([0, 1], [0, 1], threshold=0, prevalence=5),
            UsageError,
            'prevalence "5" is not between 0 and 1',
        ),
        (lambda: operating_point([0, 1], [0, 1], threshold=math.nan), UsageError, 'threshold "nan" is not a number'),
        (
            lambda: operating_point([0.5], [1], threshold=0),
            DataError,
            "no target is 0 or 1: there is nothing to decide",
        ),
        (
            lambda: operating_point([0, 1], [0, math.nan], threshold=0),
            DataError,
            "1 of 2 scores are NaN: a score must be a number",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert caught.value.message == message
