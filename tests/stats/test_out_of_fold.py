"""Out-of-fold scores: no person on both sides, no bias and honest limits where nothing is to be learned."""

import numpy as np
import pytest
from scipy.stats import norm

from cxrshort.errors import DataError
from cxrshort.stats.auc import auc_interval
from cxrshort.stats.out_of_fold import boosted_trees, out_of_fold_auc, out_of_fold_ranks, person_folds


def linear(train, targets, test):
    """Learn the difference of the class means; fast enough for hundreds of simulations."""
    return test @ (train[targets == 1].mean(axis=0) - train[targets == 0].mean(axis=0))


def persons_with_images(rng, *, persons, images):
    return np.sort(np.concatenate([np.arange(persons), rng.integers(0, persons, images - persons)]))


def test_person_folds_keep_persons_whole_and_spread_positives() -> None:
    rng = np.random.default_rng(0)
    codes = persons_with_images(rng, persons=100, images=250)
    targets = (rng.random(100) < 0.23)[codes].astype(float)
    folds = person_folds(targets, codes, rng=rng)
    by_person = {person: set(folds[codes == person]) for person in range(100)}
    assert all(len(numbers) == 1 for numbers in by_person.values())
    positives = [len(set(codes[(folds == fold) & (targets == 1)])) for fold in range(5)]
    persons = [len(set(codes[folds == fold])) for fold in range(5)]
    assert max(positives) - min(positives) <= 1 and max(persons) - min(persons) <= 1


def test_person_folds_are_as_many_as_the_rarer_class_has_persons() -> None:
    targets = np.r_[np.ones(3), np.zeros(30)]
    assert set(person_folds(targets, np.arange(33), rng=np.random.default_rng(0))) == {0, 1, 2}


@pytest.mark.parametrize(
    ("targets", "codes", "reason"),
    [
        ([0, 0, 0], [0, 1, 2], "only negatives"),
        ([1, 1, 0, 0], [0, 0, 1, 2], "all 2 positives are of one person"),
        ([1, 0, 0, 0], [0, 1, 2, 3], "only 1 positive"),
    ],
)
def test_person_folds_refuse_fewer_than_two_persons_of_a_class(targets, codes, reason) -> None:
    with pytest.raises(DataError, match=f"^no folds by person: {reason}$"):
        person_folds(targets, np.array(codes), rng=np.random.default_rng(0))


def test_ranks_are_of_what_was_learned_elsewhere() -> None:
    rng = np.random.default_rng(1)
    features, targets = rng.normal(size=(60, 3)), np.tile([0.0, 1.0], 30)
    folds = np.arange(60) % 4 // 2
    ranks = out_of_fold_ranks(features, targets, folds, linear)
    inside = folds == 1
    scores = linear(features[~inside], targets[~inside], features[inside])
    np.testing.assert_array_equal(ranks[inside].argsort(), scores.argsort())
    assert ranks[inside].mean() == 0.5 and 0 < ranks.min() < ranks.max() < 1


def test_a_person_in_two_folds_would_be_recognised() -> None:
    """Features that name the person say nothing of others: 0.5 by person, nearly 1 where images are split."""
    rng = np.random.default_rng(2)
    codes = np.repeat(np.arange(60), 4)
    targets, features = (rng.random(60) < 0.5)[codes].astype(float), rng.normal(size=(60, 8))[codes]
    honest = out_of_fold_ranks(features, targets, person_folds(targets, codes, rng=rng), boosted_trees)
    leaking = out_of_fold_ranks(features, targets, rng.integers(0, 5, 240), boosted_trees)
    assert out_of_fold_auc(targets, honest, codes).low < 0.5 < out_of_fold_auc(targets, honest, codes).high
    assert auc_interval(targets, leaking, codes).auc > 0.95


@pytest.mark.parametrize("columns", [1, 12])
def test_limits_cover_one_half_where_nothing_is_to_be_learned(columns: int) -> None:
    """95 % of 300 with a standard error of 1.3 points; three allowed. Plain limits cover 80 to 90 % here."""
    rng = np.random.default_rng(3)
    covered, plain, values = [], [], []
    for _ in range(300):
        codes = persons_with_images(rng, persons=120, images=200)
        targets = (rng.random(120) < 0.3)[codes].astype(float)
        features = rng.normal(size=(120, columns))[codes]
        ranks = out_of_fold_ranks(features, targets, person_folds(targets, codes, rng=rng), linear)
        area, narrow = out_of_fold_auc(targets, ranks, codes), auc_interval(targets, ranks, codes)
        covered.append(area.low <= 0.5 <= area.high)
        plain.append(narrow.low <= 0.5 <= narrow.high)
        values.append(area.auc)
    assert np.mean(covered) >= 0.915
    assert np.mean(plain) < 0.92
    assert np.mean(values) == pytest.approx(0.5, abs=0.02)  # 0.46 without ranks within folds


def test_limits_are_those_of_a_standard_error_one_and_a_half_times_as_large() -> None:
    rng = np.random.default_rng(4)
    targets, scores = np.tile([0.0, 1.0], 100), rng.normal(size=200)
    level = 2 * norm.cdf(1.5 * norm.ppf(0.975)) - 1
    expected, actual = auc_interval(targets, scores, level=level), out_of_fold_auc(targets, scores, np.arange(200))
    assert (actual.low, actual.high, actual.level) == (pytest.approx(expected.low), pytest.approx(expected.high), 0.95)


def test_boosted_trees_find_what_no_line_finds_and_take_missing_values() -> None:
    rng = np.random.default_rng(5)
    features = rng.normal(size=(600, 2))
    targets = (features[:, 0] * features[:, 1] > 0).astype(float)
    features[::10, 0] = np.nan
    folds = np.arange(600) % 5
    ranks, straight = (
        out_of_fold_ranks(np.nan_to_num(features), targets, folds, learn) for learn in (boosted_trees, linear)
    )
    assert auc_interval(targets, ranks).auc > 0.9
    assert auc_interval(targets, straight).auc < 0.6
    assert auc_interval(targets, out_of_fold_ranks(features, targets, folds, boosted_trees)).auc > 0.9
