"""Limits of an AUC: the equations that they solve, and that they hold where few errors are expected."""

import math

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import norm

from cxrshort.stats.auc import auc_interval
from cxrshort.stats.auc_limits import auc_limits, few_errors, hanley_mcneil_error, logit_limits, newcombe_variance

Z = float(norm.ppf(0.975))


@pytest.mark.parametrize("auc", [0.3, 0.5, 0.9, 0.99])
def test_newcombe_variance_is_that_of_hanley_and_mcneil_for_classes_of_one_size(auc):
    assert newcombe_variance(auc, 40, 40) == pytest.approx(hanley_mcneil_error(auc, positives=40, negatives=40) ** 2)


def test_logit_limits_are_symmetric_on_the_logit_scale():
    low, high = logit_limits(0.9, 0.02, Z)
    assert logit(high) - logit(0.9) == pytest.approx(logit(0.9) - logit(low))
    assert logit(high) - logit(0.9) == pytest.approx(Z * 0.02 / 0.09)


@pytest.mark.parametrize("persons", [2, 20, 2000])
def test_score_limits_bound_the_aucs_that_would_not_be_refuted(persons):
    # Brute force over a grid, with the factor written out; so small a variance makes the score limits the wider.
    variance, independent, counts = 1e-5, 5e-6, (20, 180)
    low, high = auc_limits(0.97, variance=variance, independent=independent, counts=counts, persons=persons, quantile=Z)
    weight = persons / (persons + 50)
    factor = weight * variance / newcombe_variance(0.97, *counts) + (1 - weight) * variance / independent
    grid = np.linspace(0.5, 1, 200_001)[:-1]
    kept = [auc for auc in grid if (0.97 - auc) ** 2 <= Z**2 * factor * newcombe_variance(auc, *counts)]
    logits = logit_limits(0.97, math.sqrt(variance), Z)
    assert (low, high) == pytest.approx((min(kept[0], logits[0]), max(kept[-1], logits[1])), abs=5e-6)


def test_limits_of_many_persons_are_those_of_the_logit_interval():
    variance = newcombe_variance(0.8, 5000, 5000)
    limits = auc_limits(0.8, variance=variance, independent=variance, counts=(5000, 5000), persons=5000, quantile=Z)
    assert limits == pytest.approx(logit_limits(0.8, math.sqrt(variance), Z), abs=1e-4)


def test_limits_mirror_for_an_auc_below_a_half():
    made = {"variance": 4e-4, "independent": 4e-4, "counts": (20, 180), "persons": 20, "quantile": Z}
    low, high = auc_limits(0.9, **made)
    mirrored = auc_limits(0.1, **made)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_limits_without_a_variance_of_independent_images_rest_on_the_estimate():
    low, high = auc_limits(0.9, variance=4e-4, independent=0.0, counts=(20, 180), persons=20, quantile=Z)
    assert 0 < low < 0.9 < high < 1


@pytest.mark.parametrize(
    ("value", "persons", "few"), [(0.95, 99, True), (0.95, 101, False), (0.05, 99, True), (0.5, 10, False)]
)
def test_few_errors_counts_persons_times_the_distance_from_perfection(value, persons, few):
    assert few_errors(value, persons) is few


def test_interval_holds_where_twenty_positives_meet_an_auc_of_0_95():
    # 400 runs, seed fixed: the standard error of a coverage of 95 % is 1.1 points; 2,000 runs gave 90 and 98 %.
    rng, held, logit_held = np.random.default_rng(3), 0, 0
    shift = norm.ppf(0.95) * math.sqrt(2)
    targets = np.arange(200) < 20
    for _ in range(400):
        actual = auc_interval(targets, rng.normal(size=200) + shift * targets)
        held += actual.low <= 0.95 <= actual.high
        if actual.standard_error is None:
            logit_held += actual.low <= 0.95
            continue
        low, high = logit_limits(actual.auc, actual.standard_error, Z)
        logit_held += low <= 0.95 <= high
    assert held / 400 > 0.95
    assert logit_held / 400 < 0.93
