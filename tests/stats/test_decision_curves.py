"""Decision curves against their definition and a bootstrap of persons."""

import numpy as np
import pytest
from scipy.special import expit

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.decision_curves import decision_curve
from cxrshort.stats.operating_points import operating_point


def draw(seed, persons=80, decimals=1):
    rng = np.random.default_rng(seed)
    people = np.repeat(np.arange(persons), rng.integers(1, 4, persons))
    truth = (rng.random(len(people)) < 0.3).astype(float)
    own = rng.normal(size=persons)[people]
    return truth, np.round(own + 1.5 * truth + rng.normal(size=len(people)), decimals), people


def test_decision_curve_equals_its_definition_at_a_tie():
    truth, scores, people = draw(3)
    probabilities = np.round(expit(scores - 1), 1)
    for point in decision_curve(truth, probabilities, people, thresholds=[0.1, 0.5, 0.9]):
        called, odds = probabilities >= point.threshold, point.threshold / (1 - point.threshold)
        tp, fp = (called & (truth == 1)).mean(), (called & (truth == 0)).mean()
        everyone = truth.mean() - (1 - truth.mean()) * odds
        values = [part.value for part in (point.net_benefit, point.treat_all, point.over_all)]
        assert values == pytest.approx([tp - fp * odds, everyone, tp - fp * odds - everyone])


def test_decision_curve_has_the_errors_of_a_bootstrap_of_persons():
    truth, scores, people = draw(4)
    probabilities = expit(scores - 1)
    point = decision_curve(truth, probabilities, people, thresholds=[0.3])[0]
    rng, odds = np.random.default_rng(0), 0.3 / 0.7
    gains = (probabilities >= 0.3) * np.where(truth == 1, 1, -odds)
    sums, counts = np.bincount(people, gains), np.bincount(people)
    picks = rng.integers(0, 80, (4000, 80))
    error = np.std(sums[picks].sum(axis=1) / counts[picks].sum(axis=1))
    assert (point.net_benefit.high - point.net_benefit.value) / 1.99 == pytest.approx(error, rel=0.05)
    stated = decision_curve(truth, probabilities, people, thresholds=[0.3], prevalence=0.05)[0]
    rates = operating_point(truth, probabilities, threshold=0.3)
    expected = 0.05 * rates.sensitivity.value - 0.95 * (1 - rates.specificity.value) * odds
    assert stated.net_benefit.value == pytest.approx(expected)
    assert stated.treat_all.low == pytest.approx(stated.treat_all.high) == pytest.approx(0.05 - 0.95 * odds)


def test_decision_curve_says_what_is_useful():
    truth = np.tile([0.0, 0, 0, 0, 1], 60)
    good = decision_curve(truth, np.where(truth == 1, 0.8, 0.05), thresholds=[0.1, 0.9])
    assert [point.is_useful for point in good] == [True, False]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: decision_curve([0, 1], [0.2, 0.4], thresholds=[1]),
            UsageError,
            'threshold "1" is not between 0 and 1',
        ),
        (
            lambda: decision_curve([0, 1], [0.2, 0.4], ["a", "a"], thresholds=[0.1]),
            DataError,
            "all 2 images are of one person: net benefit needs at least two",
        ),
        (
            lambda: decision_curve([1, 1], [0.2, 0.4], thresholds=[0.1], prevalence=0.1),
            DataError,
            "only one class: net benefit at another prevalence needs images of both",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert caught.value.message == message


def test_few_persons_called_positive_are_a_caution():
    targets = np.arange(200) % 4 == 0
    probabilities = np.where(np.arange(200) < 19, 0.6, 0.1)
    points = decision_curve(targets, probabilities, np.arange(200), thresholds=[0.05, 0.5])
    assert [point.caution for point in points] == ["", "only 19 persons are called positive"]
    of_pairs = decision_curve(targets, probabilities, np.arange(200) // 2, thresholds=[0.5])[0]
    assert of_pairs.caution == "only 10 persons are called positive"
