"""AUC intervals against brute force, Obuchowski's formula in plain loops, scikit-learn and a jackknife."""

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.auc import (
    Sample,
    auc,
    auc_covariance,
    auc_interval,
    compare_paired,
    macro_auc,
    macro_auc_limits,
    roc_curve,
)

ROUNDING = 1e-12  # sums of a few hundred float64


def draw(rows, persons, seed, *, models=1, decimals=1):
    """Scores with many ties, a few persons with several images, mixed classes within persons."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, rows).astype(float)
    targets[:4] = [0, 0, 1, 1]
    people = rng.integers(0, persons, rows)
    people[:4] = [0, 1, 2, 3]
    effect = rng.normal(size=persons)[people][:, None]
    scores = np.round(targets[:, None] + effect + rng.normal(size=(rows, models)), decimals)
    return targets, scores, people


def brute_components(targets, scores):
    wins = (scores[targets == 1][:, None] > scores[targets == 0][None, :]) * 1.0
    wins += 0.5 * (scores[targets == 1][:, None] == scores[targets == 0][None, :])
    return wins.mean(), wins.mean(axis=1), wins.mean(axis=0)


def delong_by_pairs(targets, scores):
    parts = [brute_components(targets, column) for column in scores.T]
    tens = np.cov(np.array([part[1] for part in parts]))
    ones = np.cov(np.array([part[2] for part in parts]))
    return tens / (targets == 1).sum() + ones / (targets == 0).sum()


def obuchowski_by_loops(targets, scores, people):
    area, tens, ones = brute_components(targets, scores)
    above, below = people[targets == 1], people[targets == 0]
    everyone = sorted(set(people.tolist()))
    m, n = len(above), len(below)
    i10, i01, i = len(set(above.tolist())), len(set(below.tolist())), len(everyone)
    s10 = s01 = s11 = 0.0
    for person in everyone:
        first = sum(tens[above == person]) - (above == person).sum() * area
        second = sum(ones[below == person]) - (below == person).sum() * area
        s10 += first * first
        s01 += second * second
        s11 += first * second
    s10, s01, s11 = s10 * i10 / ((i10 - 1) * m), s01 * i01 / ((i01 - 1) * n), s11 * i / (i - 1)
    return s10 / m + s01 / n + 2 * s11 / (m * n)


@pytest.mark.parametrize("seed", range(20))
def test_auc_covariance_equals_delong_by_pairs(seed):
    targets, scores, _ = draw(12 + 5 * seed, 30, seed, models=3)
    aucs, covariance = auc_covariance(targets, scores)
    assert aucs == pytest.approx([roc_auc_score(targets, column) for column in scores.T], abs=ROUNDING)
    assert covariance == pytest.approx(delong_by_pairs(targets, scores), abs=ROUNDING)


@pytest.mark.parametrize("seed", range(20))
def test_auc_interval_equals_obuchowski_by_loops(seed):
    targets, scores, people = draw(60, 25, seed)
    result = auc_interval(targets, scores[:, 0], people)
    assert result.method == "Obuchowski"
    assert result.standard_error**2 == pytest.approx(obuchowski_by_loops(targets, scores[:, 0], people), abs=ROUNDING)


def test_auc_interval_of_singletons_equals_delong():
    targets, scores, _ = draw(80, 10, 3)
    alone = auc_interval(targets, scores[:, 0])
    named = auc_interval(targets, scores[:, 0], [f"p{row}" for row in range(80)])
    assert (named.auc, named.low, named.high, named.method) == (alone.auc, alone.low, alone.high, "DeLong")
    assert (named.clusters, alone.clusters) == (80, None)


def test_auc_interval_agrees_with_a_cluster_jackknife():
    targets, scores, people = draw(900, 300, 5, decimals=6)
    left_out = [roc_auc_score(targets[people != p], scores[people != p, 0]) for p in np.unique(people)]
    count = len(left_out)
    jackknife = np.sqrt((count - 1) / count * np.sum((left_out - np.mean(left_out)) ** 2))
    # two estimators of one variance; at 300 persons they differ by about 1/300 in theory, 2 % leaves room
    assert auc_interval(targets, scores[:, 0], people).standard_error == pytest.approx(jackknife, rel=0.02)


def test_auc_interval_is_wider_when_images_of_a_person_are_copies():
    targets, scores, _ = draw(60, 25, 8)
    once = auc_interval(targets, scores[:, 0])
    copies = auc_interval(np.repeat(targets, 4), np.repeat(scores[:, 0], 4), np.repeat(np.arange(60), 4))
    assert copies.standard_error == pytest.approx(once.standard_error, rel=1e-9)  # copies add no information


def test_auc_interval_is_symmetric_on_the_logit_scale():
    targets, scores, _ = draw(100, 40, 2)
    result = auc_interval(targets, scores[:, 0], level=0.9)
    half = 1.6448536269514722 * result.standard_error / (result.auc * (1 - result.auc))
    assert [result.low, result.high] == pytest.approx(expit(logit(result.auc) + np.array([-half, half])), abs=ROUNDING)


def test_macro_auc_limits_of_one_label_are_those_of_its_auc():
    targets, scores, people = draw(100, 40, 2)
    result = auc_interval(targets, scores[:, 0], people)
    half = 1.959963984540054 * result.standard_error / (result.auc * (1 - result.auc))
    expected = expit(logit(result.auc) + np.array([-half, half]))
    assert macro_auc_limits([Sample(targets, scores[:, 0], people)]) == pytest.approx(expected, abs=ROUNDING)


def test_macro_auc_limits_agree_with_a_cluster_jackknife():
    targets, scores, people = draw(900, 300, 5, decimals=6)
    second = np.where(people % 3 == 0, np.nan, 1 - targets)  # another label, of other images, against the first
    noise = np.random.default_rng(1).normal(size=900)
    both = [(targets, scores[:, 0]), (second, noise - scores[:, 0])]

    def mean(keep):
        return np.mean([auc(truth[keep], column[keep]) for truth, column in both])

    left_out = [mean(people != person) for person in np.unique(people)]
    count = len(left_out)
    jackknife = np.sqrt((count - 1) / count * np.sum((left_out - np.mean(left_out)) ** 2))
    low, high = macro_auc_limits([Sample(truth, column, people) for truth, column in both])
    value = mean(people >= 0)
    assert expit((logit(low) + logit(high)) / 2) == pytest.approx(value, abs=ROUNDING)
    actual = (logit(high) - logit(low)) / 2 / 1.959963984540054 * value * (1 - value)
    assert actual == pytest.approx(jackknife, rel=0.03)


def test_macro_auc_limits_are_missing_where_a_label_has_no_variance():
    sure = Sample([0, 0, 1, 1], [1, 2, 3, 4])
    assert macro_auc_limits([sure, sure]) is None
    assert macro_auc_limits([Sample([0, 1, 1], [1, 3, 2]), Sample([0, 0, 1, 1], [1, 3, 2, 4])]) is None


def test_auc_interval_leaves_out_and_counts_soft_and_empty_targets():
    targets, scores, _ = draw(40, 20, 1)
    more = auc_interval([*targets, 0.5, np.nan, -1], [*scores[:, 0], 9.0, -9.0, 0.0])
    alone = auc_interval(targets, scores[:, 0])
    assert (more.left_out, more.auc, more.low) == (3, alone.auc, alone.low)


@pytest.mark.parametrize(
    ("targets", "scores", "people", "reason"),
    [
        ([], [], None, "no target is 0 or 1"),
        ([0, 0, np.nan], [1, 2, 3], None, "only negatives"),
        ([1, 1], [1, 2], None, "only positives"),
        ([0, 0, 1], [1, 2, 3], None, "only 1 positive"),
        ([0, 1, 1], [1, 2, 3], None, "only 1 negative"),
        ([0, 0, 1, 1], [1, 3, 2, 4], ["a", "b", "c", "c"], "all 2 positives are of one person"),
    ],
)
def test_auc_interval_says_why_there_is_none(targets, scores, people, reason):
    result = auc_interval(targets, scores, people)
    assert (result.low, result.high, result.method, result.reason) == (None, None, "none", reason)
    assert (result.auc is None) == (reason.startswith(("no", "only negatives", "only positives")))


def test_auc_interval_bounds_perfect_separation_exactly():
    result = auc_interval([0] * 40 + [1] * 20, range(60))
    assert (result.auc, result.high, result.method, result.reason) == (1, 1, "exact bound", "perfect separation")
    assert result.low == pytest.approx(0.05 ** (1 / 20))  # Clopper-Pearson, one-sided, 20 of 20 disjoint pairs
    mirrored = auc_interval([1] * 40 + [0] * 20, range(60))
    assert (mirrored.auc, mirrored.low) == (0, 0)
    assert mirrored.reason == "reversed: every positive below every negative"
    assert mirrored.high == pytest.approx(1 - 0.05 ** (1 / 20))


def test_auc_interval_counts_persons_not_images_at_perfect_separation():
    people = np.repeat(["a", "b", "c", "d", "e", "f"], 10)
    result = auc_interval([0] * 40 + [1] * 20, range(60), people)
    assert result.low == pytest.approx(0.05 ** (1 / 2))


def test_auc_interval_of_equal_scores_is_wide():
    result = auc_interval([0] * 10 + [1] * 10, [0.5] * 20)
    assert (result.auc, result.reason) == (0.5, "all scores are equal")
    assert [result.low, result.high] == pytest.approx([0.05**0.1 / 2, 1 - 0.05**0.1 / 2])


def test_auc_interval_reports_a_variance_that_is_not_positive():
    # Found by search: two persons with both classes, Obuchowski's cross term outweighs the rest.
    result = auc_interval([0, 1, 0, 1], [1, 2, 3, 4], ["a", "a", "b", "b"])
    assert (result.auc, result.low, result.reason) == (0.75, None, "no positive variance from 2 persons")


@pytest.mark.parametrize(
    ("positives", "errors", "caution"),
    [
        (100, 1, "only 100 persons in the smaller class for an AUC of 0.99"),
        (12, 1, "only 12 persons in the smaller class for an AUC of 0.92"),
        (12, 6, ""),
        (100, 10, ""),
    ],
)
def test_auc_interval_cautions_where_few_errors_are_expected(positives, errors, caution):
    # Each wrong positive lies below every negative and costs 1/positives of the AUC: their number is what is expected.
    scores = [0] * errors + [2] * (positives - errors) + list(np.linspace(1, 1.5, 200))
    actual = auc_interval([1] * positives + [0] * 200, scores)
    assert actual.auc == pytest.approx(1 - errors / positives)
    assert actual.caution == caution


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], [0.1]), "2 targets and 1 row of scores: they must be as many"),
        (([0, 1], [0.1, np.nan]), "1 of 2 scores are NaN: a score must be a number"),
        (([0, 1], [0.1, 0.2], ["a"]), "1 person ids for 2 rows: they must be as many"),
        (([0, 1, 1], [0.1, 0.2, 1], ["a", None, ""]), "2 of 3 rows have no person: every row needs one"),
    ],
)
def test_auc_interval_refuses_bad_rows(arguments, message):
    with pytest.raises(DataError) as caught:
        auc_interval(*arguments)
    assert caught.value.message == message


def test_auc_interval_refuses_a_level_in_percent():
    with pytest.raises(UsageError) as caught:
        auc_interval([0, 1], [0, 1], level=95)
    assert caught.value.message == 'level "95" is not between 0 and 1'


def test_auc_covariance_refuses_one_class():
    with pytest.raises(DataError) as caught:
        auc_covariance([0, 0], [[1.0], [2.0]])
    assert caught.value.message == "no covariance of AUCs: only negatives"


def test_compare_paired_equals_delong_by_pairs():
    targets, scores, _ = draw(120, 60, 6, models=2)
    result = compare_paired(targets, before=scores[:, 0], after=scores[:, 1])
    covariance = delong_by_pairs(targets, scores)
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    difference = roc_auc_score(targets, scores[:, 1]) - roc_auc_score(targets, scores[:, 0])
    assert result.difference == pytest.approx(difference, abs=ROUNDING)
    assert (result.before, result.after) == pytest.approx([roc_auc_score(targets, scores[:, k]) for k in (0, 1)])
    assert result.standard_error == pytest.approx(error, abs=ROUNDING)
    half = student.ppf(0.975, min(targets.sum(), (1 - targets).sum()) - 1) * error
    assert result.high - result.low == pytest.approx(2 * half, abs=ROUNDING)
    assert (result.p_value < 0.05) == (result.low > 0 or result.high < 0)


@pytest.mark.parametrize(("positives", "shift", "caution"), [
    (5, 1.0, "only 5 persons in the smaller class"),
    (10, 3.5, "only 10 persons in the smaller class"),
    (10, 1.0, ""),
])  # fmt: skip
def test_compare_paired_warns_where_the_interval_rests_on_few(positives, shift, caution):
    rng = np.random.default_rng(3)
    targets = np.arange(200) < positives
    scores = shift * targets[:, None] + rng.normal(size=(200, 2))
    result = compare_paired(targets, before=scores[:, 0], after=scores[:, 1])
    assert result.caution.startswith(caution) and bool(result.caution) == bool(caution)


def test_intervals_of_paired_differences_hold_with_few_positives():
    # Twelve positives, 400 test sets: 95 % within three standard errors, where normal limits fall to 91 %.
    rng, held = np.random.default_rng(4), 0
    targets = np.arange(112) < 12
    for _ in range(400):
        shared = rng.normal(size=112)
        scores = [targets * shift + 0.6 * shared + 0.8 * rng.normal(size=112) for shift in (0.5, 1.0)]
        result = compare_paired(targets, before=scores[0], after=scores[1])
        held += result.low <= norm.cdf(1 / np.sqrt(2)) - norm.cdf(0.5 / np.sqrt(2)) <= result.high
    assert held / 400 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 400)


def test_compare_paired_of_equal_rankings_has_p_one():
    targets, scores, people = draw(50, 20, 7)
    result = compare_paired(targets, before=scores[:, 0], after=3 * scores[:, 0], clusters=people)
    assert (result.difference, result.p_value, result.method) == (0, 1, "Obuchowski")


def test_compare_paired_says_why_there_is_no_number():
    assert compare_paired([1, 1], before=[1, 2], after=[2, 1]).reason == "only positives"
    single = compare_paired([1, 0, 0], before=[1, 2, 0], after=[2, 1, 0])
    assert (single.before, single.after, single.reason) == (0.5, 1, "only 1 positive")
    imperfect, perfect = [1, 2, 4, 3, 5, 6], [1, 2, 3, 4, 5, 6]
    for scores in (perfect, perfect[::-1]):
        assert compare_paired([0, 0, 0, 1, 1, 1], before=imperfect, after=scores).reason == "perfect separation"
    assert compare_paired([0, 0, 0, 1, 1, 1], before=imperfect, after=imperfect).reason == ""
    opposite = compare_paired([1, 1, 0, 0], before=[0, 0, 1, 1], after=[1, 1, 0, 0])
    assert (opposite.difference, opposite.p_value, opposite.reason) == (1, None, "perfect separation")
    with pytest.raises(DataError) as caught:
        compare_paired([1, 0], before=[1, 2], after=[1])
    assert caught.value.message == "2 scores before and 1 after: they must be as many"


def test_roc_curve_equals_scikit_learn_at_all_ties():
    targets, scores, _ = draw(200, 50, 9)
    false, true, _ = sklearn_roc_curve(targets, scores[:, 0], drop_intermediate=False)
    ours = roc_curve(targets, scores[:, 0])
    assert ours[0] == pytest.approx(false, abs=ROUNDING)
    assert ours[1] == pytest.approx(true, abs=ROUNDING)
    assert np.trapezoid(ours[1], ours[0]) == pytest.approx(auc(targets, scores[:, 0]), abs=ROUNDING)


def test_roc_curve_refuses_one_class():
    with pytest.raises(DataError) as caught:
        roc_curve([1, 1], [0.1, 0.2])
    assert caught.value.message == "no ROC curve: only positives"


def test_macro_auc_averages_the_labels_with_both_classes():
    targets = np.array([[0, 1, np.nan], [1, 1, 0], [1, 1, 1], [0, 1, 1]])
    scores = np.array([[1, 1, 9], [2, 2, 1], [0, 3, 2], [0, 4, 0]])
    assert macro_auc(targets, scores) == ((0.625 + 0.5) / 2, 2)
    assert macro_auc(targets[:, 1:2], scores[:, 1:2]) == (None, 0)


@pytest.mark.slow
def test_auc_interval_covers_the_truth_with_repeated_persons():
    rng = np.random.default_rng(0)
    truth, hits, runs = 0.8561, 0, 1000  # Phi(1.5 / sqrt(2)), two unit normals 1.5 apart
    for _ in range(runs):
        people = np.repeat(np.arange(200), 3)
        targets = np.repeat(rng.random(200) < 0.3, 3).astype(float)
        scores = 1.5 * targets + np.sqrt(0.6) * rng.normal(size=200)[people] + np.sqrt(0.4) * rng.normal(size=600)
        result = auc_interval(targets, scores, people)
        hits += result.low <= truth <= result.high
    assert 0.92 <= hits / runs <= 0.97  # the reference simulation has 0.945; Monte Carlo error 0.007


@pytest.mark.parametrize("persons", range(3, 40))
def test_variance_that_is_rounding_gives_no_limits(persons):
    """Persons with an image of each class whose ranks move together: what V10 gains V01 loses, and nothing is left."""
    scores, people = np.arange(2 * persons), np.repeat(np.arange(persons), 2)
    result = auc_interval(np.tile([0, 1], persons), scores, people)
    assert result.auc == pytest.approx((persons + 1) / (2 * persons))
    assert (result.low, result.high) == (None, None)
    assert result.reason == f"no positive variance from {persons} persons"


def test_limits_of_a_difference_of_two_aucs_stay_within_one() -> None:
    targets = [1, 1, 0, 0, 0, 0]
    comparison = compare_paired(targets, before=[0.9, 0.35, 0.4, 0.3, 0.2, 0.1], after=[0.3, 0.8, 0.4, 0.5, 0.2, 0.1])
    assert comparison.low == -1.0 and comparison.high == 1.0  # by the quantile of t alone -5.1 to 4.9
