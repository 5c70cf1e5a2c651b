"""Looks at one test set, against published constants, simulations and closed forms."""

import math

import numpy as np
import pytest

from cxrshort.errors import UsageError
from cxrshort.stats.selection import (
    best_of_equals,
    best_of_models,
    expected_maximum,
    false_finding,
    spent_level,
)


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (2, 1 / math.sqrt(math.pi)),
        (3, 1.5 / math.sqrt(math.pi)),
        (5, 1.1629644736),
        (10, 1.5387527308),
        (100, 2.5075936),
    ],
)
def test_expected_maximum_is_that_of_tables_of_order_statistics(count: int, expected: float) -> None:
    """Harter, Biometrika 48:151 (1961)."""
    assert expected_maximum(count) == pytest.approx(expected, abs=1e-7)


def test_expected_maximum_of_many_agrees_with_simulation() -> None:
    draws = np.random.default_rng(0).normal(size=(20_000, 1000)).max(axis=1)
    assert expected_maximum(1000) == pytest.approx(draws.mean(), abs=4 * draws.std() / math.sqrt(len(draws)))


def test_levels_of_all_looks_add_up() -> None:
    assert sum(spent_level(0.05, look) for look in range(1, 100_000)) == pytest.approx(0.05, abs=1e-6)
    assert spent_level(0.05, 1) > spent_level(0.05, 2)


def test_false_finding_agrees_with_simulation() -> None:
    hits = (np.random.default_rng(1).random((100_000, 7)) < 0.05).any(axis=1).mean()
    assert false_finding(0.05, 7) == pytest.approx(hits, abs=0.006)


@pytest.mark.parametrize("correlation", [0.0, 0.6, 1.0])
def test_best_of_equals_agrees_with_drawn_covariance(correlation: float) -> None:
    covariance = 0.02**2 * (np.full((6, 6), correlation) + (1 - correlation) * np.eye(6))
    optimism = best_of_models([0.8] * 6, covariance, rng=np.random.default_rng(0))
    closed = best_of_equals(0.02, 6, correlation=correlation)
    assert (optimism.at_most, optimism.expected) == pytest.approx((closed, closed), abs=3e-4)
    assert optimism.correlation == pytest.approx(correlation, abs=1e-9)


def test_best_of_models_is_what_the_winner_exceeds_its_truth_by() -> None:
    truth, error = np.array([0.80, 0.79, 0.75]), 0.015
    rng = np.random.default_rng(2)
    scored = truth + rng.normal(scale=error, size=(200_000, 3))
    winners = scored.argmax(axis=1)
    simulated = (scored.max(axis=1) - truth[winners]).mean()
    optimism = best_of_models(truth, np.eye(3) * error**2, rng=np.random.default_rng(0))
    assert optimism.expected == pytest.approx(simulated, abs=3e-4)
    assert 0 < optimism.expected < optimism.at_most
    assert optimism.best == 0.80


def test_two_models_have_the_closed_form_of_their_difference() -> None:
    """E[error of the winner] = s phi(d / s), where s is the standard deviation of the difference d."""
    covariance = np.array([[4e-4, 1e-4], [1e-4, 3e-4]])
    spread = math.sqrt(4e-4 + 3e-4 - 2e-4)
    expected = spread * math.exp(-((0.01 / spread) ** 2) / 2) / math.sqrt(2 * math.pi)
    optimism = best_of_models([0.81, 0.80], covariance, rng=np.random.default_rng(0))
    assert optimism.expected == pytest.approx(expected, abs=2e-4)


def test_one_model_and_equal_models_have_no_luck() -> None:
    assert best_of_models([0.7], [[1e-4]], rng=np.random.default_rng(0)).at_most == 0.0
    same = best_of_models([0.7, 0.7], np.full((2, 2), 1e-4), rng=np.random.default_rng(0))
    assert (same.at_most, same.correlation) == pytest.approx((0.0, 1.0), abs=1e-3)
    assert best_of_models([0.7, 0.8], np.zeros((2, 2)), rng=np.random.default_rng(0)).at_most == 0.0


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(UsageError, match='count "0" is below 1'):
        expected_maximum(0)
    with pytest.raises(UsageError, match=r'correlation "1\.5" is not in \[0, 1\]'):
        best_of_equals(0.1, 2, correlation=1.5)
