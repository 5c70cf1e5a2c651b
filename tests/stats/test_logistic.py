"""Logistic regression against a general minimiser and the sandwich by loops."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from cxrshort.errors import DataError
from cxrshort.stats.logistic import fit_logistic, is_separated


def draw(seed, persons=40):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(persons), rng.integers(1, 4, persons))
    logits = rng.normal(size=persons)[codes] + rng.normal(size=len(codes))
    truth = (rng.random(len(codes)) < expit(0.6 * logits - 0.5)).astype(float)
    return truth, logits, codes


@pytest.mark.parametrize("with_offset", [False, True])
def test_fit_equals_a_minimiser_and_the_sandwich_by_loops(with_offset):
    truth, logits, codes = draw(0)
    design = np.ones((len(logits), 1)) if with_offset else np.column_stack([np.ones(len(logits)), logits])
    offset = logits if with_offset else np.zeros(len(logits))

    def loss(line):
        values = design @ line + offset
        return np.sum(np.logaddexp(0, values) - truth * values)

    best = minimize(loss, np.zeros(design.shape[1]), tol=1e-12).x
    fit = fit_logistic(truth, design, codes=codes, offset=logits if with_offset else None)
    np.testing.assert_allclose(fit.coefficients, best, atol=1e-5)
    chances = expit(design @ fit.coefficients + offset)
    bread = np.linalg.inv(sum(np.outer(row, row) * p * (1 - p) for row, p in zip(design, chances, strict=True)))
    meat = np.zeros_like(bread)
    for person in range(40):
        total = sum(((truth - chances)[:, None] * design)[codes == person])
        meat += np.outer(total, total)
    count = len(truth)
    factor = 40 / 39 * (count - 1) / (count - design.shape[1])
    np.testing.assert_allclose(fit.covariance, factor * bread @ meat @ bread, rtol=1e-6)


def test_interval_is_that_of_students_t():
    truth, logits, codes = draw(1, persons=3)
    fit = fit_logistic(truth, np.ones((len(truth), 1)), codes=codes, offset=logits)
    interval, error = fit.interval(0, level=0.95), np.sqrt(fit.covariance[0, 0])
    limits = [fit.coefficients[0] + side * 4.302653 * error for side in (-1, 1)]  # t of two degrees of freedom
    assert [interval.low, interval.high] == pytest.approx(limits, rel=1e-6)


def test_separated_classes_have_no_coefficients():
    values = np.array([-2.0, -1, 1, 2])
    truth = np.array([0.0, 0, 1, 1])
    assert is_separated(truth, values) and is_separated(1 - truth, values)
    assert not is_separated(np.array([0.0, 1, 0, 1]), values)
    with pytest.raises(DataError, match="the logistic regression has no finite coefficients"):
        fit_logistic(truth, np.column_stack([np.ones(4), values]), codes=np.arange(4))


def test_fit_equals_statsmodels():
    truth, logits, codes = draw(2)
    design = np.column_stack([np.ones(len(logits)), 1000 * logits])
    fit = fit_logistic(truth, design, codes=codes)
    other = GLM(truth, design, family=Binomial()).fit(cov_type="cluster", cov_kwds={"groups": codes})
    np.testing.assert_allclose(fit.coefficients, other.params, rtol=1e-6)
    np.testing.assert_allclose(fit.covariance, other.cov_params(), rtol=1e-5)


def test_smoothed_targets_of_separated_classes_have_a_finite_fit():
    """statsmodels' steps overshoot here."""
    values = np.linspace(-3, 3, 400)
    smoothed = np.where(values > 0, 201 / 202, 1 / 202)
    slope = fit_logistic(smoothed, values[:, None], codes=np.arange(400)).coefficients[0]
    grid = np.linspace(0.5, 2, 1501) * slope
    losses = [np.sum(np.logaddexp(0, value * values) - smoothed * value * values) for value in grid]
    assert grid[np.argmin(losses)] == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize(("positives", "logit"), [(5, 13.8), (95, -13.8), (1, 13.8), (99, -30.0)])
def test_intercept_beside_logits_that_are_far_off_is_found(positives, logit):
    """Newton's first step from there is of 100,000 log-odds, and a tenth of it still lowers the loss."""
    truth = np.repeat([1.0, 0.0], [positives, 100 - positives])
    fit = fit_logistic(truth, np.ones((100, 1)), codes=np.arange(100), offset=np.full(100, logit))
    assert fit.coefficients[0] == pytest.approx(np.log(positives / (100 - positives)) - logit, abs=1e-6)
