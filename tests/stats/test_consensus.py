"""Consensus against Demsar's worked example, scipy, published quantiles and loops over draws."""

import numpy as np
import pytest
from scipy.stats import friedmanchisquare

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.consensus import bayesian_signed_rank, critical_difference, rank_consensus

DEMSAR = [
    [0.763, 0.768, 0.771, 0.798],
    [0.599, 0.591, 0.590, 0.569],
    [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657],
    [0.882, 0.888, 0.886, 0.898],
    [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685],
    [0.583, 0.583, 0.563, 0.625],
    [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000],
    [0.940, 0.962, 0.965, 0.962],
    [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.97501, 0.975],
    [0.957, 0.978, 0.946, 0.970],
]
"""AUCs of four versions of C4.5 on 14 datasets (Demsar 2006, table 6); more digits set ranks 2 and 3 of the 13th."""


def test_ranks_are_those_of_demsars_example():
    consensus = rank_consensus(DEMSAR)
    assert consensus.mean_ranks == pytest.approx((3.143, 2.000, 2.893, 1.964), abs=5e-4)
    assert consensus.critical_difference == pytest.approx(1.25, abs=0.005)
    # Demsar's 9.28 and 3.69 are without the correction for ties, which makes them larger.
    ranks = np.array(consensus.mean_ranks)
    plain = 12 * 14 / 20 * ((ranks**2).sum() - 4 * 25 / 4)
    assert plain == pytest.approx(9.28, abs=0.005)
    assert consensus.chi_square > plain
    assert consensus.groups == ((3, 1, 2, 0),)
    assert consensus.caution == ""
    assert rank_consensus(DEMSAR, level=0.1).critical_difference == pytest.approx(1.12, abs=0.005)
    # At 10 % the difference of 1.18 between the best and the worst is more than the critical one.
    assert rank_consensus(DEMSAR, level=0.1).groups == ((3, 1, 2), (2, 0))


@pytest.mark.parametrize("decimals", [1, 6])
def test_friedman_equals_scipy(decimals):
    table = np.round(np.random.default_rng(0).normal(size=(9, 5)) + np.arange(5) / 3, decimals)
    consensus, expected = rank_consensus(table), friedmanchisquare(*table.T)
    assert (consensus.chi_square, consensus.p_chi_square) == pytest.approx((expected.statistic, expected.pvalue))
    assert consensus.f == pytest.approx(8 * consensus.chi_square / (9 * 4 - consensus.chi_square))
    assert consensus.caution == "only 9 datasets; 10 or more are advised"


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_quantiles_are_those_of_the_printed_table(methods, q):
    difference = critical_difference(methods, datasets=7)
    assert difference / np.sqrt(methods * (methods + 1) / 42) == pytest.approx(q, abs=1e-3)


def test_groups_are_the_bars_of_the_diagram():
    table = np.tile([0.9, 0.5, 0.7, 0.1], (30, 1))
    consensus = rank_consensus(table)
    assert consensus.mean_ranks == (1, 3, 2, 4)
    assert consensus.critical_difference < 1
    assert consensus.groups == ((0,), (2,), (1,), (3,))
    assert (consensus.f, consensus.p_f) == (np.inf, 0)
    alike = rank_consensus(np.ones((12, 3)))
    assert (alike.chi_square, alike.p_chi_square, alike.p_f, alike.groups) == (0, 1, 1, ((0, 1, 2),))


def test_bayesian_signed_rank_equals_loops_over_draws():
    rng = np.random.default_rng(1)
    first, second = np.round(rng.normal(0.01, 0.02, (2, 6)) + [[0.01], [0.0]], 3)
    posterior = bayesian_signed_rank(first, second, rng=np.random.default_rng(0), region=0.005)
    values, wins = [0.0, *(first - second)], np.zeros(3)
    for _ in range(3000):
        shares = rng.gamma([0.5, *[1.0] * 6])
        shares /= shares.sum()
        weights = np.zeros(3)
        for a, u in zip(values, shares, strict=True):
            for b, v in zip(values, shares, strict=True):
                weights[0 if (a + b) / 2 > 0.005 else 2 if (a + b) / 2 < -0.005 else 1] += u * v
        wins[np.argmax(weights)] += 1 / 3000
    assert (posterior.first, posterior.equivalent, posterior.second) == pytest.approx(tuple(wins), abs=0.035)
    assert posterior.first + posterior.equivalent + posterior.second == pytest.approx(1)


def test_prior_of_the_signed_rank_weighs_half_a_dataset():
    """Of one dataset the first wins unless the prior's weight, Beta(0.5, 1), has a square above a half."""
    posterior = bayesian_signed_rank([1.0], [0.0], rng=np.random.default_rng(0))
    assert posterior.first == pytest.approx(0.5**0.25, abs=0.01)  # 20,000 draws have an error of 0.003
    assert posterior.second == 0


def test_bayesian_signed_rank_is_symmetric_and_knows_equivalence():
    rng = np.random.default_rng(2)
    first, second = rng.normal(0, 0.03, (2, 15))
    forwards = bayesian_signed_rank(first, second, rng=np.random.default_rng(0))
    backwards = bayesian_signed_rank(second, first, rng=np.random.default_rng(0))
    assert (forwards.first, forwards.equivalent) == (backwards.second, backwards.equivalent)
    close = bayesian_signed_rank(np.full(20, 0.905), np.full(20, 0.9), rng=rng)
    assert close.equivalent == 1
    coin = bayesian_signed_rank([1.0] * 5, [1.0] * 5, rng=rng, region=0)
    assert (coin.first, coin.equivalent, coin.second) == (0.5, 0, 0.5)
    border = bayesian_signed_rank([0.91] * 11, [0.9] * 11, rng=rng, region=0.01)
    assert border.equivalent == 1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: rank_consensus([[1, 2], [3, 4]]),
            DataError,
            "scores of shape (2, 2): at least two datasets and three methods are needed",
        ),
        (
            lambda: rank_consensus([[1, 2, np.nan], [3, 4, 5]]),
            DataError,
            "1 of 6 scores are not finite: every method needs every dataset",
        ),
        (lambda: rank_consensus(DEMSAR, level=5), UsageError, 'level "5" is not between 0 and 1'),
        (
            lambda: bayesian_signed_rank([1, 2], [1], rng=np.random.default_rng(0)),
            DataError,
            "2 and 1 datasets: they must be as many, and at least one",
        ),
        (
            lambda: bayesian_signed_rank([1, np.nan], [1, 2], rng=np.random.default_rng(0)),
            DataError,
            "1 of 2 differences are not finite: every method needs every dataset",
        ),
        (
            lambda: bayesian_signed_rank([1], [1], rng=np.random.default_rng(0), region=-1),
            UsageError,
            'region "-1" must not be negative',
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert caught.value.message == message
