"""The weight bootstrap against scikit-learn's weighted AUC and the analytic standard error."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cxrshort.errors import DataError
from cxrshort.stats.auc import auc, auc_interval
from cxrshort.stats.bootstrap import _strata, bootstrap_aucs, draw_weights, percentile_interval, resample, weighted_aucs
from cxrshort.stats.midranks import Sample, check_rows


def draw(rows, seed, decimals=1):
    rng = np.random.default_rng(seed)
    targets = (rng.random(rows) < 0.3).astype(float)
    return targets, np.round(targets + rng.normal(size=rows), decimals)


@pytest.mark.parametrize("seed", range(5))
def test_weighted_aucs_equal_scikit_learn(seed):
    targets, scores = draw(150, seed)
    weights = np.random.default_rng(seed).integers(0, 4, size=(20, 150))
    expected = [roc_auc_score(targets, scores, sample_weight=row) for row in weights]
    assert weighted_aucs(targets, scores, weights=weights) == pytest.approx(expected, abs=1e-12)  # float64 sums


def test_weighted_aucs_are_nan_without_weight_in_a_class():
    assert np.isnan(weighted_aucs([0, 1, 1], [1, 2, 3], weights=[[0, 1, 1], [1, 0, 0]])).all()


def test_weighted_aucs_refuse_soft_targets_and_wrong_shapes():
    with pytest.raises(DataError) as caught:
        weighted_aucs([0, 0.5], [1, 2], weights=[[1, 1]])
    assert caught.value.message == "1 targets are neither 0 nor 1: weights need exact targets"
    with pytest.raises(DataError) as caught:
        weighted_aucs([0, 1], [1, 2], weights=[[1, 1, 1]])
    assert caught.value.message == "weights of shape (1, 3) for 2 rows: they must be (resamples, rows)"


def test_draw_weights_keep_the_size_of_each_stratum():
    strata = np.array([0, 1, 0, 1, 1, 2])
    weights = draw_weights(strata, draws=50, rng=np.random.default_rng(0))
    for stratum, size in ((0, 2), (1, 3), (2, 1)):
        assert (weights[:, strata == stratum].sum(axis=1) == size).all()
    assert len(np.unique(weights, axis=0)) > 10


def test_bootstrap_aucs_spread_as_the_analytic_error():
    targets, scores = draw(400, 3)
    result = bootstrap_aucs([Sample(targets, scores)], draws=3000, rng=np.random.default_rng(0))
    error = auc_interval(targets, scores).standard_error
    assert result.aucs.std() == pytest.approx(error, rel=0.05)  # Monte Carlo error of an SD from 3,000 draws: 1.3 %
    assert result.aucs.mean() == pytest.approx(auc(targets, scores), abs=4 * error / np.sqrt(3000))
    assert result.redrawn == 0


def test_bootstrap_aucs_of_copied_rows_equal_those_of_single_ones():
    targets, scores = draw(100, 4)
    people = np.arange(100)
    once = bootstrap_aucs([Sample(targets, scores, people)], draws=50, rng=np.random.default_rng(1))
    copied = Sample(np.repeat(targets, 3), np.repeat(scores, 3), np.repeat(people, 3))
    thrice = bootstrap_aucs([copied], draws=50, rng=np.random.default_rng(1))
    assert thrice.aucs == pytest.approx(once.aucs, abs=1e-12)


def test_bootstrap_aucs_move_samples_of_the_same_persons_together():
    targets, scores = draw(200, 5)
    people = [f"p{row}" for row in range(200)]
    pair = [Sample(targets, scores, people), Sample(targets, 2 * scores, people)]
    result = bootstrap_aucs(pair, draws=40, rng=np.random.default_rng(2))
    assert (result.aucs[:, 0] == result.aucs[:, 1]).all()
    strangers = [Sample(targets, scores), Sample(targets, scores)]
    apart = bootstrap_aucs(strangers, draws=400, rng=np.random.default_rng(2)).aucs
    assert abs(np.corrcoef(apart.T)[0, 1]) < 0.2  # four standard errors of a correlation from 400 draws


@pytest.mark.parametrize("samples", [1, 3, 25])
def test_strata_are_persons_alike_in_all_samples(samples):
    rng = np.random.default_rng(samples)
    rows = [check_rows(rng.random(60) < 0.4, rng.random(60), rng.integers(0, 40, 60)) for _ in range(samples)]
    codes = [rng.integers(0, 40, 60) for _ in rows]
    sets = [part for row, own in zip(rows, codes, strict=True) for part in (set(own), set(own[row.positive]))]
    marks = [[person in part for part in sets] for person in range(40)]
    strata = _strata(rows, codes, 40)
    for first, second in itertools.combinations(range(40), 2):
        assert (strata[first] == strata[second]) == (marks[first] == marks[second])


def test_bootstrap_aucs_repeat_with_the_same_seed():
    sample = Sample(*draw(60, 6))
    first, second = (bootstrap_aucs([sample], draws=30, rng=np.random.default_rng(9)).aucs for _ in range(2))
    assert (first == second).all()


def test_bootstrap_aucs_redraw_and_count_what_lost_a_class():
    mixed = Sample([1, 0, 1, 0, 1, 1], [1, 2, 3, 4, 5, 6], ["a", "a", "b", "b", "c", "d"])
    result = bootstrap_aucs([mixed], draws=200, rng=np.random.default_rng(0))
    assert result.aucs.shape == (200, 1)
    assert not np.isnan(result.aucs).any()
    assert 0 < result.redrawn < 100  # no "a" and no "b" among four draws: 1 in 16, so about 13


def test_bootstrap_aucs_refuse_one_class():
    with pytest.raises(DataError) as caught:
        bootstrap_aucs([Sample([1, 1], [0, 1])], draws=10, rng=np.random.default_rng(0))
    assert caught.value.message == "sample 0 cannot be resampled: only positives"


def test_percentile_interval_cuts_equal_tails():
    assert percentile_interval(np.arange(101), level=0.9) == pytest.approx((5, 95))


def test_resample_draws_undefined_statistics_again_and_gives_up_when_most_are() -> None:
    def only_with_the_first(weights):
        return np.where(weights[:, :1] > 0, weights[:, :1], np.nan)

    made = {"strata": np.zeros(4, np.int64), "rng": np.random.default_rng(0)}
    actual = resample(only_with_the_first, draws=300, **made)
    assert actual.values.shape == (300, 1) and actual.values.min() > 0
    assert 80 < actual.redrawn < 200  # absent with a chance of (3/4)^4 = 0.316: 139 on average
    with pytest.raises(DataError) as caught:
        resample(lambda weights: weights * np.nan, draws=5, undefined="are empty", **made)
    assert caught.value.message == "55 resamples of 5 wanted are empty: there are too few persons"
