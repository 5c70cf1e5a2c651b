"""Recalibration against scikit-learn and a general minimiser; it puts right what was put wrong."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss, roc_auc_score

from cxrshort.errors import DataError
from cxrshort.stats.recalibration import fit_platt, fit_temperature


class OwnLogit(ClassifierMixin, BaseEstimator):
    """A classifier whose decision is its only feature."""

    def fit(self, features, targets):
        self.classes_ = np.unique(targets)
        return self

    def predict(self, features):
        return (features[:, 0] > 0).astype(float)

    def decision_function(self, features):
        return features[:, 0]


def draw(seed, count=400, slope=1.0, intercept=0.0):
    rng = np.random.default_rng(seed)
    logits = np.round(rng.normal(0, 2, count), 1)
    return (rng.random(count) < expit(slope * logits + intercept)).astype(float), logits


def test_temperature_has_the_smallest_log_loss():
    truth, logits = draw(0, slope=0.4)
    fit = fit_temperature(truth, logits)
    best = minimize_scalar(lambda t: log_loss(truth, expit(logits / t)), bounds=(0.1, 20), method="bounded")
    assert fit.temperature == pytest.approx(best.x, rel=1e-4)
    assert fit.slope.low < 0.4 < fit.slope.high
    assert (fit.intercept.value, fit.method, fit.images, fit.persons) == (0, "temperature", 400, 400)


@pytest.mark.parametrize("separated", [False, True])
def test_platt_equals_scikit_learn(separated):
    truth, logits = draw(1, slope=0.5, intercept=-1)
    if separated:
        truth = (logits > 0).astype(float)
    fit = fit_platt(truth, logits)
    frozen = FrozenEstimator(OwnLogit().fit(logits[:, None], truth))
    other = CalibratedClassifierCV(frozen, method="sigmoid").fit(logits[:, None], truth)
    # scikit-learn's minimiser stops early.
    np.testing.assert_allclose(fit.probabilities(logits), other.predict_proba(logits[:, None])[:, 1], atol=1e-3)


def test_recalibration_puts_other_images_right_and_keeps_their_order():
    fit = fit_platt(*draw(2, count=4000, slope=0.5, intercept=-1))
    truth, logits = draw(3, count=4000, slope=0.5, intercept=-1)
    better = fit.probabilities(logits)
    assert log_loss(truth, better) < log_loss(truth, expit(logits)) - 0.05
    assert better.mean() == pytest.approx(truth.mean(), abs=0.025)  # three standard errors
    assert roc_auc_score(truth, better) == roc_auc_score(truth, logits)


def test_copies_of_images_are_no_evidence():
    truth, logits = draw(4, count=100, slope=0.7)
    once = fit_temperature(truth, logits, range(100))
    copies = fit_temperature(truth.repeat(5), logits.repeat(5), np.arange(100).repeat(5))
    assert (copies.slope.low, copies.slope.high) == pytest.approx((once.slope.low, once.slope.high), abs=0.01)
    assert (copies.images, copies.persons) == (500, 100)


def test_a_slope_that_is_not_positive_is_said():
    truth, logits = draw(5, slope=0.8)
    assert fit_platt(truth, logits).caution == ""
    assert "turns the ranking around" in fit_platt(truth, -logits).caution
    assert fit_platt([0, 1, 0, 1, 1, 0], [1, 2, 2, 1, 3, 2]).caution.startswith(
        "the interval of the slope reaches down"
    )


@pytest.mark.parametrize(
    ("fit", "targets", "logits", "clusters", "message"),
    [
        (fit_platt, [1, 1], [1, 2], None, "only positives: recalibration needs images of both classes"),
        (fit_temperature, [np.nan], [1], None, "no target is 0 or 1: recalibration needs images of both classes"),
        (fit_platt, [0, 1], [1, np.inf], None, "1 of 2 logits are not finite: each must be a number"),
        (fit_platt, [0, 1], [1, np.nan], None, "1 of 2 scores are NaN: a score must be a number"),
        (fit_platt, [0, 1], [2, 2], None, 'all logits are "2": no slope can be fitted'),
        (fit_temperature, [0, 1], [0, 0], None, "all logits are 0: no temperature changes them"),
        (
            fit_temperature,
            [0, 1],
            [-1, 2],
            None,
            "the sign of every validation logit tells the truth or its opposite: no finite temperature fits",
        ),
        (fit_platt, [0, 1], [1, 2], ["a", "a"], "all 2 images are of one person: recalibration needs at least two"),
    ],
)
def test_recalibration_refuses_what_cannot_be_fitted(fit, targets, logits, clusters, message):
    with pytest.raises(DataError) as caught:
        fit(targets, logits, clusters)
    assert caught.value.message == message
