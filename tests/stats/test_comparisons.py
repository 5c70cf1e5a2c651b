"""Comparisons against loops over pairs, every order of the groups, statsmodels, and the p-values of the paper."""

import itertools

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.comparisons import (
    _rank_of_limit,
    adjust,
    align_images,
    benjamini_hochberg,
    compare_groups,
    compare_models,
)


def draw(seed, persons=40):
    """Tied scores of two models; persons have one to three images, of either class."""
    rng = np.random.default_rng(seed)
    people = np.repeat(np.arange(persons), rng.integers(1, 4, persons))
    targets = (rng.random(len(people)) < 0.4).astype(float)
    own = rng.normal(size=persons)[people]
    before = np.round(own + 0.8 * targets + rng.normal(size=len(people)), 1)
    after = np.round(own + 1.4 * targets + rng.normal(size=len(people)), 1)
    return targets, before, after, people


def obuchowski_of_the_difference(targets, before, after, people):
    """The variance of a difference of AUCs as one statistic: its components are differences of components."""
    parts = []
    for scores in (before, after):
        above, below = scores[targets == 1][:, None], scores[targets == 0][None, :]
        wins = (above > below) + 0.5 * (above == below)
        parts.append((wins.mean(), wins.mean(axis=1), wins.mean(axis=0)))
    area = parts[1][0] - parts[0][0]
    tens, ones = parts[1][1] - parts[0][1], parts[1][2] - parts[0][2]
    people10, people01 = people[targets == 1], people[targets == 0]
    m, n = len(people10), len(people01)
    s10 = s01 = s11 = 0.0
    for person in np.unique(people):
        first = (tens[people10 == person] - area).sum()
        second = (ones[people01 == person] - area).sum()
        s10, s01, s11 = s10 + first**2, s01 + second**2, s11 + first * second
    i10, i01, i = (len(np.unique(part)) for part in (people10, people01, people))
    variance = i10 / (i10 - 1) * s10 / m**2 + i01 / (i01 - 1) * s01 / n**2 + 2 * i / (i - 1) * s11 / (m * n)
    return area, np.sqrt(variance)


@pytest.mark.parametrize("seed", range(5))
def test_compare_models_equals_the_variance_of_the_difference_by_loops(seed):
    targets, before, after, people = draw(seed)
    paired = compare_models(
        targets, before=before, after=after, clusters=people, rng=np.random.default_rng(0), draws=20
    ).paired
    area, error = obuchowski_of_the_difference(targets, before, after, people)
    assert (paired.difference, paired.standard_error) == pytest.approx((area, error), abs=1e-12)
    assert paired.method == "Obuchowski"


def test_compare_models_resamples_persons_of_both_models_together():
    targets, before, after, people = draw(1, persons=60)
    comparison = compare_models(targets, before=before, after=after, clusters=people, rng=np.random.default_rng(3))
    rng, differences = np.random.default_rng(0), []
    rows = [np.flatnonzero(people == person) for person in range(60)]
    while len(differences) < 600:
        taken = np.concatenate([rows[person] for person in rng.integers(0, 60, 60)])
        if 0 < targets[taken].sum() < len(taken):
            values = [roc_auc_score(targets[taken], scores[taken]) for scores in (before, after)]
            differences.append(values[1] - values[0])
    low, high = np.quantile(differences, [0.025, 0.975])
    # Strata hold the number of persons with a positive fixed, here not there; the limits have an error of about 0.008.
    assert (comparison.bootstrap_low, comparison.bootstrap_high) == pytest.approx((low, high), abs=0.02)
    wrong = np.mean(np.array(differences) <= 0)
    assert comparison.bootstrap_p == pytest.approx(2 * wrong, abs=0.03)
    assert (comparison.positives, comparison.negatives, comparison.persons) == (targets.sum(), (targets == 0).sum(), 60)


def test_compare_models_without_persons_pairs_the_images():
    targets, before, _, _ = draw(2)
    same = compare_models(targets, before=before, after=before, rng=np.random.default_rng(0), draws=50)
    assert (same.bootstrap_low, same.bootstrap_high, same.bootstrap_p, same.persons) == (0, 0, 1, None)
    assert (same.paired.difference, same.paired.p_value) == (0, 1)


def test_bootstrap_p_is_never_zero():
    targets = np.repeat([0.0, 1.0], 30)
    after = targets + np.tile(np.linspace(0, 1.05, 30), 2)
    comparison = compare_models(targets, before=-after, after=after, rng=np.random.default_rng(0), draws=99)
    assert comparison.bootstrap_p == 2 / 100


@pytest.mark.parametrize(
    ("targets", "reason"), [([1, 1, 1, 1], "only positives"), ([0, np.nan, 1, 0.5], "only 1 positive")]
)
def test_compare_models_says_why_there_is_no_number(targets, reason):
    comparison = compare_models(targets, before=[1, 2, 3, 4], after=[4, 3, 2, 1], rng=np.random.default_rng(0))
    assert (comparison.paired.reason, comparison.bootstrap_p, comparison.draws) == (reason, None, 0)


def test_compare_models_refuses_nan_scores():
    with pytest.raises(DataError, match="1 of 3 scores are NaN"):
        compare_models([0, 1, 1], before=[1, 2, 3], after=[1, np.nan, 3], rng=np.random.default_rng(0))


def test_align_images_joins_by_name():
    first, second = list("abcde"), np.array(list("edcba"))
    positions = align_images(first, second)
    assert second[positions].tolist() == first


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (["a", "b"], ["a", "c"], "2 of 3 images are in one table only ('b', 'c'): pairs need the same images"),
        (
            list("abcd"),
            ["x"],
            "5 of 5 images are in one table only ('a', 'b', 'c', …): pairs need the same images",
        ),
        (
            ["a", "b"],
            ["a", "b", "b"],
            "'b' stands more than once in the second table (1 rows too many): a comparison of pairs needs each image "
            "once",
        ),
    ],
)
def test_align_images_refuses_what_is_in_one_table_only(first, second, message):
    with pytest.raises(DataError) as caught:
        align_images(first, second)
    assert caught.value.message == message


def with_u(u):
    """Two groups of five without ties whose first wins exactly u of the 25 pairs."""
    for places in itertools.combinations(range(10), 5):
        first = np.array(places, float)
        second = np.setdiff1d(np.arange(10.0), first)
        if np.subtract.outer(first, second).clip(min=0).astype(bool).sum() == u:
            return first, second
    raise AssertionError(u)


@pytest.mark.parametrize(("u", "p_value"), [(6, "0.22"), (13, "1.00")])
def test_compare_groups_gives_the_values_of_the_paper(u, p_value):
    """DeGrave et al. 2021: five replicates against five."""
    comparison = compare_groups(*with_u(u))
    assert (comparison.u, f"{comparison.p_value:.2f}", comparison.method) == (u, p_value, "exact")
    assert comparison.chance_larger == u / 25
    assert comparison.smallest_p == pytest.approx(0.0079, abs=5e-5)


def test_compare_groups_is_exact_with_ties():
    """scipy's own choice here is the normal approximation, 0.1626."""
    first, second = [1, 2, 2, 3, 4], [2, 3, 4, 4, 5]
    values, u = np.array(first + second, float), []
    for places in itertools.combinations(range(10), 5):
        chosen, rest = values[list(places)], np.delete(values, places)
        above = np.subtract.outer(chosen, rest)
        u.append((above > 0).sum() + 0.5 * (above == 0).sum())
    comparison = compare_groups(first, second)
    assert (
        comparison.p_value == pytest.approx(2 * np.mean(np.array(u) <= comparison.u)) == pytest.approx(0.2222, abs=5e-5)
    )


@pytest.mark.parametrize(("m", "n"), [(300, 300), (600, 600), (40, 2000)])
def test_rank_of_limit_of_large_groups_is_that_of_a_normal_distribution(m, n):
    """The counts of 600 against 600 go beyond 1e308, and differences of large counts round away long before."""
    spread = np.sqrt(m * n * (m + n + 1) / 12)
    for tail in (0.025, 0.005):
        assert _rank_of_limit(m, n, tail) == pytest.approx(m * n / 2 + norm.ppf(tail) * spread, abs=0.02 * spread)


@pytest.mark.parametrize(("m", "n"), [(1, 4), (3, 3), (5, 5), (4, 7)])
def test_rank_of_limit_counts_every_order(m, n):
    u = []
    for places in itertools.combinations(range(m + n), m):
        rest = np.setdiff1d(np.arange(m + n), places)
        u.append(np.less.outer(rest, np.array(places)).sum())
    for tail in (0.2, 0.05, 0.025, 0.001):
        expected = sum(np.mean(np.array(u) <= value) <= tail for value in range(m * n + 1))
        assert _rank_of_limit(m, n, tail) == expected


@pytest.mark.parametrize(("m", "n"), [(5, 5), (8, 6)])
def test_interval_of_the_shift_holds_what_the_test_does_not_refute(m, n):
    rng = np.random.default_rng(m)
    first, second = rng.normal(size=m) + 1, rng.normal(size=n)
    comparison = compare_groups(first, second)
    for limit, outwards in ((comparison.low, -1e-9), (comparison.high, 1e-9)):
        outside = mannwhitneyu(first - limit - outwards, second, method="exact").pvalue
        inside = mannwhitneyu(first - limit + outwards, second, method="exact").pvalue
        assert outside <= 0.05 < inside
    assert comparison.low < comparison.shift < comparison.high


def test_small_groups_have_no_interval_and_constant_ones_no_shift():
    comparison = compare_groups([1, 2, 3], [4, 5, 6])
    assert (comparison.low, comparison.high, comparison.smallest_p, comparison.p_value) == (
        None,
        None,
        0.1,
        pytest.approx(0.1),
    )
    alike = compare_groups([0.5] * 5, [0.5] * 5)
    assert (alike.p_value, alike.shift, alike.low, alike.high, alike.chance_larger) == (1, 0, 0, 0, 0.5)


def test_compare_groups_refuses_nothing_nan_and_percents():
    with pytest.raises(DataError, match="samples of 0 and 1 numbers"):
        compare_groups([], [1.0])
    with pytest.raises(DataError, match="cannot rank NaN"):
        compare_groups([np.nan], [1.0])
    with pytest.raises(UsageError, match='level "95" is not between 0 and 1'):
        compare_groups([1.0], [1.0], level=95)


@pytest.mark.parametrize("seed", range(5))
def test_adjust_equals_statsmodels(seed):
    p = np.round(np.random.default_rng(seed).random(9) ** 3, 2).tolist()  # with ties
    adjusted = adjust(p)
    expected = [multipletests(p, method=method)[1] for method in ("holm", "fdr_bh")]
    np.testing.assert_allclose([row.holm for row in adjusted], expected[0])
    np.testing.assert_allclose([row.benjamini_hochberg for row in adjusted], expected[1])
    assert [row.raw for row in adjusted] == p


def test_adjust_leaves_out_what_was_not_tested():
    adjusted = adjust([0.01, None, 0.02])
    assert [(row.holm, row.benjamini_hochberg) for row in adjusted] == [(0.02, 0.02), (None, None), (0.02, 0.02)]
    assert benjamini_hochberg([]) == [] and benjamini_hochberg([None]) == [None]


@pytest.mark.parametrize("p", [np.nan, -0.1, 1.5])
def test_adjust_refuses_what_is_no_probability(p):
    with pytest.raises(DataError) as caught:
        adjust([0.5, p])
    assert caught.value.message == f'p-value "{p:g}" is not in [0, 1]'
