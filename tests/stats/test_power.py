"""Sizes against the reference sizes, a walk over all sizes, and simulated tests that reach their power."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.auc import auc_covariance, compare_paired
from cxrshort.stats.power import Sampling, auc_correlation, images_for_difference, images_for_width, set_power


def hanley_mcneil(auc, m, n):
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    return math.sqrt((auc * (1 - auc) + (m - 1) * (q1 - auc**2) + (n - 1) * (q2 - auc**2)) / (m * n))


@pytest.mark.parametrize(("auc", "prevalence", "half", "size"), [(0.85, 0.15, 0.04, 984), (0.70, 0.3, 0.05, 551)])
def test_width_gives_the_reference_sizes(auc, prevalence, half, size):
    design = images_for_width(auc, sampling=Sampling(prevalence), half_width=half)
    assert design.images == size
    walk = next(
        number
        for number in range(20, 2000)
        if norm.ppf(0.975) * hanley_mcneil(auc, round(number * prevalence), number - round(number * prevalence)) <= half
    )
    assert design.images == pytest.approx(walk, abs=20)  # a size further down may do by luck of rounding
    assert design.positives == round(size * prevalence)


def test_difference_is_the_first_size_of_a_walk():
    design = images_for_difference(0.9, 0.8, sampling=Sampling(0.3), correlation=0.4)

    def shows(number):
        m = round(number * 0.3)
        a, b = (hanley_mcneil(auc, m, number - m) for auc in (0.9, 0.8))
        return 0.1 >= (norm.ppf(0.975) + norm.ppf(0.8)) * math.sqrt(a * a + b * b - 0.8 * a * b)

    assert design.images == next(number for number in range(10, 3000) if shows(number))


AUCS = (0.91, 0.84)


def simulated(seed, persons, *, exponential=False, shared=0.6):
    """Scores of two models that share a part of their noise: binormal, or Hanley and McNeil's exponential ones."""
    rng = np.random.default_rng(seed)
    truth = (np.arange(persons) % 5 == 0).astype(float)
    common, own = rng.normal(size=persons), rng.normal(size=(2, persons))
    noise = math.sqrt(shared) * common + math.sqrt(1 - shared) * own
    if exponential:  # exponential scores of means 1 and A / (1 - A)
        return truth, *(
            -norm.logsf(part) * np.where(truth == 1, a / (1 - a), 1) for part, a in zip(noise, AUCS, strict=True)
        )
    return truth, *(part + math.sqrt(2) * norm.ppf(a) * truth for part, a in zip(noise, AUCS, strict=True))


@pytest.mark.parametrize(("exponential", "least", "most"), [(True, 219, 261), (False, 261, 300)])
def test_a_test_of_the_size_shows_the_difference_as_often_as_said(exponential, least, most):
    """240 of 300, give or take three standard errors of 7; more with normal scores, as the module says."""
    correlation = np.mean([auc_correlation(*simulated(seed, 600, exponential=exponential)) for seed in range(20)])
    design = images_for_difference(*AUCS, sampling=Sampling(0.2), correlation=correlation)
    shown = 0
    for seed in range(1000, 1300):
        truth, first, second = simulated(seed, design.images, exponential=exponential)
        shown += compare_paired(truth, before=second, after=first).p_value <= 0.05
    assert least <= shown <= most


def test_correlation_is_that_of_the_covariance_and_of_simulated_aucs():
    truth, first, second = simulated(0, 200)
    _, covariance = auc_covariance(truth, np.stack([first, second], axis=1))
    correlation = auc_correlation(truth, first, second)
    assert correlation == pytest.approx(covariance[0, 1] / math.sqrt(covariance[0, 0] * covariance[1, 1]))
    assert auc_correlation(truth, first, first) == pytest.approx(1)
    sets = [simulated(seed, 200) for seed in range(300)]
    pairs = [auc_covariance(targets, np.stack([a, b], axis=1))[0] for targets, a, b in sets]
    mean = np.mean([auc_correlation(*rows) for rows in sets])
    # The standard error of a correlation of 0.5 from 300 pairs is 0.043.
    assert mean == pytest.approx(np.corrcoef(np.transpose(pairs))[0, 1], abs=0.13)


def test_repeated_persons_need_more_images():
    once = images_for_width(0.8, sampling=Sampling(0.2), half_width=0.05)
    thrice = images_for_width(0.8, sampling=Sampling(0.2, images_per_person=3, person_correlation=0.5), half_width=0.05)
    assert thrice.design_effect == 2 and thrice.images == 2 * once.images
    assert thrice.persons == math.ceil(thrice.images / 3)
    copies = Sampling(0.2, images_per_person=3, person_correlation=1)
    assert images_for_width(0.8, sampling=copies, half_width=0.05).persons == once.persons


def test_set_power_agrees_with_the_sizes_that_were_asked_for():
    design = images_for_width(0.85, sampling=Sampling(0.15), half_width=0.04)
    targets = [1] * design.positives + [0] * design.negatives
    reach = set_power(targets, aucs=(0.85,)).reach[0]
    assert reach.half_width == pytest.approx(0.04, abs=1e-4)
    drop = reach.smallest_drop
    again = images_for_difference(0.85, 0.85 - drop, sampling=Sampling(0.15))
    assert again.images == pytest.approx(design.images, abs=10)


def test_set_power_counts_persons():
    targets = np.tile([1.0, 0, 0, 0, 0], 60)
    once = set_power(targets, np.arange(300))
    pairs = set_power(targets.repeat(2), np.arange(300).repeat(2), person_correlation=1)
    assert pairs.reach == once.reach
    assert (pairs.images, pairs.persons, pairs.images_per_person, pairs.design_effect) == (600, 300, 2, 2)
    assert [reach.auc for reach in once.reach] == [0.7, 0.8, 0.9, 0.95]
    left_out = set_power([*targets, 0.5, np.nan])
    assert (left_out.images, left_out.reach) == (300, once.reach)


def test_a_handful_of_images_shows_nothing():
    reach = set_power([0, 1], aucs=(0.6,)).reach[0]
    assert reach.smallest_drop is None and reach.half_width > 0.5


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Sampling(15), UsageError, 'prevalence "15" is not between 0 and 1'),
        (lambda: Sampling(0.1, images_per_person=0), UsageError, 'images per person "0" must be at least 1'),
        (lambda: Sampling(0.1, person_correlation=2), UsageError, 'person correlation "2" is not in [0, 1]'),
        (
            lambda: images_for_width(1.0, sampling=Sampling(0.1), half_width=0.1),
            UsageError,
            'auc "1" is not between 0 and 1',
        ),
        (
            lambda: images_for_width(0.8, sampling=Sampling(0.1), half_width=0),
            UsageError,
            'half width "0" is not between 0 and 1',
        ),
        (
            lambda: images_for_width(0.8, sampling=Sampling(0.1), half_width=1e-7),
            UsageError,
            "more than 1,000,000,000 images would be needed",
        ),
        (
            lambda: images_for_difference(0.8, 0.8, sampling=Sampling(0.1)),
            UsageError,
            'AUCs of "0.8" and "0.8": no test set shows a difference that is not there',
        ),
        (
            lambda: images_for_difference(0.8, 0.7, sampling=Sampling(0.1), correlation=1),
            UsageError,
            'correlation "1" is not in [-1, 1)',
        ),
        (
            lambda: images_for_difference(0.8, 0.7, sampling=Sampling(0.1), power=80),
            UsageError,
            'power "80" is not between 0 and 1',
        ),
        (lambda: set_power([1, 1]), DataError, "only positives: a test set needs images of both classes"),
        (
            lambda: auc_correlation([0, 0, 1, 1], [1, 1, 1, 1], [1, 2, 3, 4]),
            DataError,
            "an AUC without variance: perfect separation or equal scores have no correlation",
        ),
        (lambda: auc_correlation([0, 1], [1], [1, 2]), DataError, "1 and 2 scores: they must be as many"),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert caught.value.message == message
