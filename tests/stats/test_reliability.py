"""Reliability diagrams against scikit-learn and NumPy's histograms."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.calibration import calibration_curve

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.changes import rate_interval
from cxrshort.stats.reliability import class_probabilities, reliability_points


def draw(seed, persons=60):
    rng = np.random.default_rng(seed)
    people = np.repeat(np.arange(persons), rng.integers(1, 4, persons))
    logits = rng.normal(size=persons)[people] + rng.normal(size=len(people))
    truth = (rng.random(len(people)) < expit(0.6 * logits - 0.3)).astype(float)
    return truth, expit(logits), people


@pytest.mark.parametrize(("rule", "strategy"), [("width", "uniform"), ("mass", "quantile")])
def test_reliability_points_are_scikit_learns(rule, strategy):
    truth, probabilities, people = draw(6)
    points = reliability_points(truth, probabilities, people, bins=8, rule=rule)
    observed, predicted = calibration_curve(truth, probabilities, n_bins=8, strategy=strategy)
    np.testing.assert_allclose([point.observed.value for point in points], observed)
    np.testing.assert_allclose([point.predicted for point in points], predicted)
    assert sum(point.images for point in points) == len(truth)
    first = points[0]
    inside = probabilities <= first.end
    assert first.observed == rate_interval(truth[inside], people[inside])
    assert first.persons == len(set(people[inside]))


def test_ties_stay_in_one_bin():
    points = reliability_points([0, 1] * 10, [0.3] * 10 + [0.6] * 10, bins=10)
    assert [(point.images, point.predicted) for point in points] == [(10, pytest.approx(0.3)), (10, pytest.approx(0.6))]


def test_class_probabilities_are_histograms_of_each_class():
    truth, probabilities, people = draw(7)
    classes = class_probabilities(truth, probabilities, people, bins=5)
    for part in classes:
        values = probabilities[truth == part.target]
        assert part.counts == tuple(np.histogram(values, part.edges)[0])
        assert part.quartiles == pytest.approx(np.quantile(values, [0.25, 0.5, 0.75]))
        assert part.median.low < part.median.value < part.median.high
    assert [part.target for part in class_probabilities([1, 1], [0, 1])] == [1]


def test_medians_hold_the_truth_about_as_often_as_they_say():
    """30 persons with three images that share most of the person's log-odds; the median of the population is 0.5."""
    people, inside = np.arange(30).repeat(3), 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        logits = rng.normal(size=30)[people] + 0.3 * rng.normal(size=90)
        median = class_probabilities(np.ones(90), expit(logits), people)[0].median
        inside += median.low <= 0.5 <= median.high
    assert inside >= 273  # 95 % of 300 are 285; fewer than 273 have a chance below 1 in 1,000


@pytest.mark.parametrize("at_most_common", [0.48, 0.495])
def test_medians_beside_many_equal_values_are_as_uncertain_as_others(at_most_common):
    """Probabilities saturate at 1 in somewhat less than half of all images, and in more than half of many a sample."""
    truth, inside = 0.9 * 0.5 / (1 - at_most_common), 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        values = np.where(rng.random(400) < at_most_common, 1.0, 0.9 * rng.random(400))
        median = class_probabilities(np.ones(400), values)[0].median
        inside += median.low <= truth <= median.high
    assert inside >= 273  # 95 % of 300 are 285; fewer than 273 have a chance below 1 in 1,000


def test_median_of_one_value_has_it_as_its_limits():
    median = class_probabilities([1, 1, 1], [0.4, 0.4, 0.4])[0].median
    assert (median.low, median.value, median.high) == (0.4, 0.4, 0.4)


@pytest.mark.parametrize(
    ("targets", "probabilities", "message"),
    [
        ([0, 1], [-0.5, 1.2], "2 of 2 scores are not in [0, 1]: calibration is of probabilities"),
        ([0, 1], [0.5, np.nan], "1 of 2 scores are NaN: a score must be a number"),
        ([0.5], [0.5], "no target is 0 or 1: calibration needs images of both classes"),
    ],
)
def test_what_is_no_probability_is_refused(targets, probabilities, message):
    for measure in (reliability_points, class_probabilities):
        with pytest.raises(DataError) as caught:
            measure(targets, probabilities)
        assert caught.value.message == message


def test_no_bin_is_refused():
    with pytest.raises(UsageError, match='bins "0" must be at least 1'):
        reliability_points([0, 1], [0.5, 0.5], bins=0)
