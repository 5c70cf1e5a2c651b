"""Calibration against scikit-learn, loops over bins, statsmodels, and simulated coverage."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.calibration import calibration, calibration_caution


def draw(seed, persons=60, slope=0.6, decimals=2):
    rng = np.random.default_rng(seed)
    people = np.repeat(np.arange(persons), rng.integers(1, 4, persons))
    logits = rng.normal(size=persons)[people] + rng.normal(size=len(people))
    truth = (rng.random(len(people)) < expit(slope * logits - 0.3)).astype(float)
    return truth, np.round(expit(logits), decimals), people


def measure(*arguments, draws=50, **options):
    return calibration(*arguments, rng=np.random.default_rng(0), draws=draws, **options)


def parts_by_loops(truth, probabilities, bins):
    """Bins of equal width, closed on the right; the term within bins from its own definition (Stephenson 2008)."""
    rate, total = truth.mean(), len(truth)
    reliability = resolution = within = error = 0.0
    for number in range(bins):
        low, high = number / bins, (number + 1) / bins
        inside = (probabilities > low) & (probabilities <= high) | ((number == 0) & (probabilities == 0))
        if not inside.any():
            continue
        p, y, n = probabilities[inside], truth[inside], inside.sum()
        reliability += n * (p.mean() - y.mean()) ** 2 / total
        resolution += n * (y.mean() - rate) ** 2 / total
        within += (((p - p.mean()) ** 2).sum() - 2 * ((p - p.mean()) * (y - y.mean())).sum()) / total
        error += n * abs(p.mean() - y.mean()) / total
    return reliability, resolution, rate * (1 - rate), within, error


@pytest.mark.parametrize("bins", [1, 4, 10])
def test_brier_and_its_parts_equal_loops_and_scikit_learn(bins):
    truth, probabilities, people = draw(0)
    measurement = measure(truth, probabilities, people, bins=bins)
    brier = measurement.brier
    values = (brier.reliability, brier.resolution, brier.uncertainty, brier.within, measurement.ece_width)
    assert [value.value for value in values] == pytest.approx(parts_by_loops(truth, probabilities, bins), abs=1e-12)
    assert brier.score.value == pytest.approx(brier_score_loss(truth, probabilities))
    together = brier.reliability.value - brier.resolution.value + brier.uncertainty.value + brier.within.value
    assert brier.score.value == pytest.approx(together)
    assert brier.skill.value == pytest.approx(1 - brier.score.value / (truth.mean() * (1 - truth.mean())))


def test_ece_of_equal_mass_is_that_of_scikit_learns_quantiles():
    truth, probabilities, _ = draw(1, decimals=9)
    edges = np.quantile(probabilities, np.linspace(0, 1, 6))
    numbers = np.clip(np.searchsorted(edges[1:-1], probabilities), 0, 4)
    observed, predicted = calibration_curve(truth, probabilities, n_bins=5, strategy="quantile")
    expected = np.abs(observed - predicted) @ np.bincount(numbers) / len(truth)
    assert measure(truth, probabilities, bins=5).ece_mass.value == pytest.approx(expected)


def test_line_equals_statsmodels():
    truth, probabilities, people = draw(2)
    logits = logit(np.clip(probabilities, 1e-6, 1 - 1e-6))
    measurement = measure(truth, probabilities, people)
    options = {"cov_type": "cluster", "cov_kwds": {"groups": people}, "use_t": True}
    line = sm.GLM(truth, sm.add_constant(logits), family=sm.families.Binomial()).fit(**options)
    assert measurement.slope.value == pytest.approx(line.params[1])
    assert (measurement.slope.low, measurement.slope.high) == pytest.approx(
        line.conf_int()[1], abs=0.02
    )  # t of other freedom
    shift = sm.Logit(truth, np.ones(len(truth)), offset=logits).fit(disp=0)
    assert measurement.intercept.value == pytest.approx(shift.params[0], abs=1e-6)
    assert measurement.observed_to_expected.value == pytest.approx(truth.sum() / probabilities.sum())


def test_observed_to_expected_agrees_with_a_jackknife_of_persons():
    truth, probabilities, people = draw(3)
    ratio = measure(truth, probabilities, people).observed_to_expected
    ratios = np.array(
        [np.log(truth[people != person].sum() / probabilities[people != person].sum()) for person in range(60)]
    )
    error = np.sqrt(59 / 60 * ((ratios - ratios.mean()) ** 2).sum())
    assert np.log(ratio.high / ratio.low) / 2 / 2.000995 == pytest.approx(error, rel=0.03)


def test_copies_of_images_change_nothing_but_their_number():
    truth, probabilities, _ = draw(4)
    people = np.arange(len(truth))
    once = measure(truth, probabilities, people)
    thrice = measure(truth.repeat(3), probabilities.repeat(3), people.repeat(3))
    for name in ("ece_width", "ece_mass", "slope", "intercept", "observed_to_expected"):
        first, second = getattr(once, name), getattr(thrice, name)
        # The sandwich's factor of images, (N - 1)/(N - K), is all that differs.
        assert (second.value, second.low, second.high) == pytest.approx((first.value, first.low, first.high), abs=0.01)
    assert (once.persons, thrice.persons, thrice.positives) == (len(truth), len(truth), 3 * truth.sum())
    assert thrice.chance_ece[0] < once.chance_ece[0]


def test_chance_is_the_mean_error_of_a_calibrated_model():
    rng = np.random.default_rng(0)
    probabilities = rng.random(200)
    measurement = measure((rng.random(200) < probabilities).astype(float), probabilities)
    errors = [
        parts_by_loops((rng.random(200) < probabilities).astype(float), probabilities, 10)[-1] for _ in range(400)
    ]
    assert measurement.chance_ece[0] == pytest.approx(np.mean(errors), abs=0.004)  # three standard errors
    many = np.tile(probabilities, 60)
    large = measure((rng.random(12_000) < many).astype(float), many)
    assert large.chance_ece[0] == pytest.approx(measurement.chance_ece[0] / np.sqrt(60), rel=0.06)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """100 persons with two images that share the person's log-odds; slope 0.7, intercept -0.5."""
    truths = {"slope": 0.7, "brier": None, "observed_to_expected": None}
    large = np.random.default_rng(1).normal(size=400_000)
    chances = expit(0.7 * large - 0.5)
    truths["brier"] = float(np.mean(chances * (1 - expit(large)) ** 2 + (1 - chances) * expit(large) ** 2))
    truths["observed_to_expected"] = float(chances.mean() / expit(large).mean())
    inside = dict.fromkeys(truths, 0)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        logits = rng.normal(size=100).repeat(2)
        truth = (rng.random(200) < expit(0.7 * logits - 0.5)).astype(float)
        measurement = measure(truth, expit(logits), np.arange(100).repeat(2), draws=300)
        intervals = {
            "slope": measurement.slope,
            "brier": measurement.brier.score,
            "observed_to_expected": measurement.observed_to_expected,
        }
        for name, interval in intervals.items():
            inside[name] += interval.low <= truths[name] <= interval.high
    # 95 % of 200 are 190; fewer than 178 have a chance below 1 in 1,000.
    assert min(inside.values()) >= 178, inside


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.6, -0.5)])
def test_interval_of_the_ece_holds_the_true_one(slope, shift):
    logits = np.random.default_rng(1).normal(0, 1.2, 400_000)
    numbers = np.minimum((expit(logits) * 10).astype(int), 9)
    sums = [np.bincount(numbers, expit(values)) for values in (logits, slope * logits + shift)]
    truth, inside = np.abs(sums[0] - sums[1]).sum() / len(logits), 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        logits = rng.normal(0, 1.2, 200)
        targets = (rng.random(200) < expit(slope * logits + shift)).astype(float)
        error = measure(targets, expit(logits), draws=200).ece_width
        inside += error.low <= truth <= error.high
    assert inside >= 50  # 95 % of 60 are 57; fewer than 50 have a chance below 1 in 1,000


def test_missing_slopes_say_why():
    constant = measure([0, 1, 0, 1], [0.25] * 4)
    assert (constant.slope, constant.reason) == (None, "all probabilities are equal")
    assert constant.intercept.value == pytest.approx(np.log(3))
    separated = measure([0, 0, 1, 1], [0.1, 0.2, 0.8, 1.0])
    assert (separated.slope, separated.reason) == (None, "perfect separation: no finite slope")
    assert separated.clipped == 1


def test_saturated_probabilities_have_an_intercept():
    measurement = measure([1] * 5 + [0] * 95, [1.0] * 100)
    assert measurement.intercept.value == pytest.approx(np.log(5 / 95) - np.log(1e6 - 1), abs=1e-6)
    assert measurement.reason == "all probabilities are equal"


def test_soft_and_empty_targets_are_left_out_and_counted():
    truth, probabilities, people = draw(5)
    more = measure([*truth, 0.5, np.nan], [*probabilities, 0.3, 0.4], [*people, 900, 901])
    alone = measure(truth, probabilities, people)
    assert (more.left_out, more.brier, more.slope) == (2, alone.brier, alone.slope)


@pytest.mark.parametrize(
    ("targets", "probabilities", "clusters", "message"),
    [
        ([0, 1], [0.5, 1.2], None, "1 of 2 scores are not in [0, 1]: calibration is of probabilities"),
        ([0, 1], [0.5, np.nan], None, "1 of 2 scores are NaN: a score must be a number"),
        ([1, 1], [0.5, 0.5], None, "only positives: calibration needs images of both classes"),
        ([0, 0], [0.5, 0.5], None, "only negatives: calibration needs images of both classes"),
        ([0.5], [0.5], None, "no target is 0 or 1: calibration needs images of both classes"),
        ([0, 1], [0.5, 0.5], ["a", "a"], "all 2 images are of one person: calibration needs at least two"),
    ],
)
def test_calibration_refuses_what_has_none(targets, probabilities, clusters, message):
    with pytest.raises(DataError) as caught:
        measure(targets, probabilities, clusters)
    assert caught.value.message == message


def test_calibration_refuses_no_bin_and_percents():
    with pytest.raises(UsageError, match='bins "0" must be at least 1'):
        measure([0, 1], [0.5, 0.5], bins=0)
    with pytest.raises(UsageError, match='level "95"'):
        measure([0, 1], [0.5, 0.5], level=95)


def test_almost_separated_classes_have_no_slope_and_a_reason():
    # One negative lies above a positive, by a hair: the slope of maximum likelihood is beyond all bounds.
    logits = np.array([-3.0, -2.5, -2.2, -2.0, -1.1279, -1.127900001, -1.12785])
    targets = np.array([0, 0, 0, 0, 0, 1, 1])
    measurement = calibration(targets, expit(logits), rng=np.random.default_rng(0))
    assert measurement.slope is None
    assert measurement.reason == "almost perfect separation: no finite slope"
    assert measurement.intercept.low < measurement.intercept.value < measurement.intercept.high


def test_steep_slope_of_logits_far_from_0_is_that_of_statsmodels():
    logits = np.array([-3.0, -2.5, -2.2, -2.0, -1.1279, -1.1280, -0.92])
    targets = np.array([0, 0, 0, 0, 0, 1, 1])
    expected = sm.Logit(targets, sm.add_constant(logits)).fit(disp=0, maxiter=200).params[1]
    slope = calibration(targets, expit(logits), rng=np.random.default_rng(0)).slope
    assert slope.value == pytest.approx(expected, rel=1e-5)  # about 40; the likelihood is flat there


def test_caution_counts_persons_of_the_smaller_class():
    people = np.repeat(np.arange(60), 2)
    targets = np.repeat([1, 0], [58, 62])
    assert calibration_caution(targets, people) == "only 29 persons in the smaller class"
    assert calibration_caution(targets) == ""
    assert calibration_caution(np.repeat([1, 0], [60, 60]), people) == ""
    assert calibration_caution(np.r_[targets, 0.5, np.nan], np.r_[people, 98, 99]) == calibration_caution(
        targets, people
    )
