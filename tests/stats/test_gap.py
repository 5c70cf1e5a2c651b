"""The gap against the bootstrap and closed forms; published Mann-Whitney and sample-size values."""

import math

import numpy as np
import pytest
from scipy.special import logit
from scipy.stats import norm

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.auc import auc_interval
from cxrshort.stats.auc_limits import hanley_mcneil_error
from cxrshort.stats.bootstrap import bootstrap_aucs
from cxrshort.stats.gap import (
    Sample,
    generalization_gap,
    mann_whitney,
    mean_auc,
    smallest_detectable_difference,
)
from cxrshort.stats.midranks import auc_components, check_rows, covariance_of


def fold(seed, *, name="x", shift=1.2, persons=80, model=None):
    """Two images per person; persons depend on ``name`` and ``seed``, the model's own noise on ``model``."""
    rng = np.random.default_rng(seed)
    targets = np.repeat(rng.random(persons) < 0.4, 2).astype(float)
    person = np.repeat(rng.normal(size=persons), 2)
    noise = np.random.default_rng([seed, 0 if model is None else model]).normal(size=2 * persons)
    ids = np.repeat([f"{name}{seed}-{number}" for number in range(persons)], 2)
    return Sample(targets, shift * targets + 0.8 * person + 0.6 * noise, ids)


def test_generalization_gap_of_one_replicate_combines_the_two_intervals():
    inside, outside = fold(0, name="i", shift=2), fold(1, name="e", shift=0.5)
    gap = generalization_gap([inside], [outside])
    a, b = (auc_interval(s.targets, s.scores, s.clusters) for s in (inside, outside))
    assert (gap.internal.mean, gap.internal.low, gap.external.high) == (a.auc, a.low, b.high)
    assert gap.internal.deviation is None
    assert gap.difference == pytest.approx(a.auc - b.auc)
    assert gap.low == pytest.approx(gap.difference - math.hypot(a.auc - a.low, b.high - b.auc))
    assert gap.high == pytest.approx(gap.difference + math.hypot(a.high - a.auc, b.auc - b.low))
    assert gap.correlation == 0


def test_generalization_gap_is_zero_on_the_same_images():
    sample = fold(2)
    gap = generalization_gap([sample], [sample])
    assert gap.correlation == pytest.approx(1)
    assert (gap.difference, gap.low < 1e-6, gap.high > -1e-6) == (0, True, True)


def test_generalization_gap_of_two_scores_of_the_same_images_has_their_correlation():
    inside, outside = fold(2, shift=3, model=1), fold(2, shift=0.5, model=2)
    table = np.stack([inside.scores, outside.scores], axis=1)
    rows = check_rows(inside.targets, table, inside.clusters)
    covariance = covariance_of([auc_components(rows, rows.codes, rows.persons)])
    expected = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert generalization_gap([inside], [outside]).correlation == pytest.approx(expected)
    assert covariance[1, 1] > 2 * covariance[0, 0]


def test_generalization_gap_of_a_perfect_internal_auc_keeps_its_doubt():
    perfect = Sample([0] * 20 + [1] * 20, range(40))
    gap = generalization_gap([perfect], [fold(1, shift=0.5)])
    outside = gap.external
    bound = 0.05 ** (1 / 20)
    assert gap.low == pytest.approx(gap.difference - math.hypot(1 - bound, outside.high - outside.mean))
    assert gap.high == pytest.approx(gap.difference + outside.mean - outside.low)
    assert gap.reason == "internal: perfect separation"


def test_mean_auc_counts_shared_test_images_once():
    sample = fold(7)
    one, shared = mean_auc([sample]), mean_auc([sample] * 4)
    assert (shared.low, shared.high) == pytest.approx((one.low, one.high))
    others = [Sample(sample.targets, sample.scores, np.char.add(sample.clusters, str(copy))) for copy in range(4)]
    apart = mean_auc(others)  # the same numbers from four sets of persons: half the width on the logit scale
    # Not exactly half: the score limits, which are the wider ones here, are not symmetric on that scale.
    assert logit(apart.high) - logit(apart.low) == pytest.approx((logit(one.high) - logit(one.low)) / 2, rel=0.02)


def test_generalization_gap_sampling_part_agrees_with_the_shared_weight_bootstrap():
    # Models that differ by image noise only: the excess between replicates is near 0 and sampling is all there is.
    inside = [fold(5, name="i", shift=1.5, persons=200, model=model) for model in range(3)]
    outside = [fold(6, name="e", shift=0.8, persons=200, model=model) for model in range(3)]
    aucs = bootstrap_aucs([*inside, *outside], draws=2000, rng=np.random.default_rng(0)).aucs
    means = aucs[:, :3].mean(axis=1), aucs[:, 3:].mean(axis=1)
    gap = generalization_gap(inside, outside)
    expected = 2 * norm.ppf(0.975) * np.std(means[0] - means[1])
    # 10 %: Monte Carlo error 1.6 %, logit scale and small-sample factors, and what little the replicates add
    assert gap.high - gap.low == pytest.approx(expected, rel=0.1)


def test_generalization_gap_widens_with_the_spread_between_models():
    outside = [fold(7, shift=shift) for shift in (0.9, 1.0, 1.1)]
    spread = [fold(7, shift=shift) for shift in (0.0, 1.0, 2.0)]
    inside = [fold(8, name="i", shift=2, model=model) for model in range(3)]
    narrow, wide = generalization_gap(inside, outside), generalization_gap(inside, spread)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert wide.external.deviation == pytest.approx(np.std(wide.external.aucs, ddof=1))


def test_generalization_gap_of_perfect_replicates_keeps_the_widest_bound():
    perfect = [Sample([0] * n + [1] * n, range(2 * n), np.arange(2 * n)) for n in (10, 20)]
    assert mean_auc(perfect).low == pytest.approx(0.05 ** (1 / 10))
    assert (mean_auc(perfect).mean, mean_auc(perfect).high, mean_auc(perfect).deviation) == (1, 1, 0)


def test_generalization_gap_says_which_side_lacks_a_class():
    gap = generalization_gap([fold(0)], [Sample([0, 0], [1, 2])])
    assert (gap.difference, gap.low, gap.reason) == (None, None, "external: only negatives")
    assert gap.internal.low is not None
    gap = generalization_gap([fold(0)], [Sample([0, 0, 1], [1, 3, 2])])
    assert (gap.difference is not None, gap.low, gap.reason) == (True, None, "external: only 1 positive")


@pytest.mark.parametrize(
    ("inside", "outside", "message"),
    [
        ([fold(0)], [], "1 internal and 0 external replicates: they must be the same models"),
        ([], [], "no replicate to average: at least one is needed"),
        (
            [Sample([0, 1], [0, 1])] * 2,
            [Sample([0, 1], [0, 1])] * 2,
            "replicates without person ids: the images they share cannot be known",
        ),
    ],
)
def test_generalization_gap_refuses_replicates_that_do_not_match(inside, outside, message):
    with pytest.raises(DataError) as caught:
        generalization_gap(inside, outside)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("first", "second", "u", "p_value", "method"),
    [
        # DeGrave et al. 2021: U = 6 and U = 13, five against five, P = 0.22 and 1.00
        ([1, 2, 3, 7, 8], [4, 5, 6, 9, 10], 6, 2 / 9, "exact"),
        ([1, 4, 5, 8, 10], [2, 3, 6, 7, 9], 13, 1.0, "exact"),
        # scipy's "auto" is silently asymptotic here (0.1626)
        ([1, 2, 2, 3, 4], [2, 3, 4, 4, 5], 5.5, 0.2222222, "exact permutation, with ties"),
    ],
)
def test_mann_whitney_gives_published_values(first, second, u, p_value, method):
    result = mann_whitney(first, second)
    assert (result.u, result.method) == (u, method)
    assert result.p_value == pytest.approx(p_value, abs=1e-6)


def test_mann_whitney_says_when_it_is_approximate():
    result = mann_whitney(np.arange(60) // 2, np.arange(60) // 2 + 3)
    assert result.method == "normal, tie-corrected, continuity-corrected"
    assert mann_whitney(np.arange(50), np.arange(50) + 0.5).method == "exact"
    assert mann_whitney(np.arange(51), np.arange(51) + 0.5).method == result.method


@pytest.mark.parametrize(("first", "second", "p"), [([2], [1, 2, 3], 1.0), ([1], [2, 2, 2], 0.5), ([1], [1], 1.0)])
def test_mann_whitney_of_one_number_with_ties_is_exact(first, second, p):
    """Of [1, 2, 2, 2] one of four splits puts the 1 alone: 2 / 4."""
    result = mann_whitney(first, second)
    assert (result.p_value, result.method) == (p, "exact permutation, with ties")
    assert mann_whitney(second, first).p_value == p


def test_mann_whitney_refuses_nothing_and_nan():
    with pytest.raises(DataError) as caught:
        mann_whitney([], [1, 2])
    assert caught.value.message == "samples of 0 and 2 numbers: a Mann-Whitney test needs both"
    with pytest.raises(DataError) as caught:
        mann_whitney([1, np.nan], [1, 2])
    assert caught.value.message == "a Mann-Whitney test cannot rank NaN"


@pytest.mark.parametrize(("auc", "prevalence", "half", "size"), [(0.85, 0.15, 0.04, 984), (0.70, 0.3, 0.05, 551)])
def test_hanley_mcneil_error_gives_reference_sample_sizes(auc, prevalence, half, size):
    def reaches(images):
        positives = prevalence * images
        return 1.96 * hanley_mcneil_error(auc, positives=positives, negatives=images - positives) <= half

    assert not reaches(size - 2)
    assert reaches(size + 2)  # the reference rounds class counts, which moves the edge by up to two images


def test_smallest_detectable_difference_has_the_power_it_states():
    drop = smallest_detectable_difference(80, 160, auc=0.9, reference=(60, 300))
    known = hanley_mcneil_error(0.9, positives=60, negatives=300)
    null = math.hypot(known, hanley_mcneil_error(0.9, positives=80, negatives=160))
    true = math.hypot(known, hanley_mcneil_error(0.9 - drop, positives=80, negatives=160))
    assert norm.cdf((drop - norm.ppf(0.975) * null) / true) == pytest.approx(0.8, abs=1e-6)
    assert drop > smallest_detectable_difference(80, 160, auc=0.9)
    assert smallest_detectable_difference(800, 1600, auc=0.9) < drop / 2


def test_smallest_detectable_difference_is_none_when_nothing_would_show():
    assert smallest_detectable_difference(1, 1, auc=0.6) is None


def test_smallest_detectable_difference_refuses_impossible_settings():
    with pytest.raises(UsageError) as caught:
        smallest_detectable_difference(10, 10, auc=1.2)
    assert caught.value.message == 'auc "1.2" must be in (0, 1] and power "0.8" in (0, 1)'
    with pytest.raises(UsageError) as caught:
        smallest_detectable_difference(10, 0, auc=0.8)
    assert caught.value.message == "a test set without images of both classes can show no difference"


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_generalization_gap_covers_the_truth_with_shared_external_images(spread):
    rng = np.random.default_rng(1)
    truth = norm.cdf(1.5 / math.sqrt(2 + spread**2)) - norm.cdf(0.8 / math.sqrt(2 + spread**2))
    hits, runs, persons = 0, 500, 150
    for _ in range(runs):
        truth_of = {name: np.repeat(rng.random(persons) < 0.3, 2).astype(float) for name in "ie"}
        person = {name: np.repeat(rng.normal(size=persons), 2) for name in "ie"}
        sides = {}
        for name, centre in (("i", 1.5), ("e", 0.8)):
            noise = np.sqrt(0.2) * rng.normal(size=(3, 2 * persons))
            shifts = centre + spread * rng.normal(size=3)
            ids = np.repeat([f"{name}{number}" for number in range(persons)], 2)
            scores = shifts[:, None] * truth_of[name] + np.sqrt(0.8) * person[name] + noise
            sides[name] = [Sample(truth_of[name], row, ids) for row in scores]
        gap = generalization_gap(sides["i"], sides["e"])
        hits += gap.low <= truth <= gap.high
    assert 0.92 <= hits / runs <= 0.985  # Monte Carlo error 0.01


def test_mean_of_replicates_at_the_edge_is_no_more_certain_than_they_are() -> None:
    """One replicate reverses every pair, another all but one: together they are no proof of exactly 0."""
    truth = [0] * 20 + [1] * 20
    reversed_pairs = [float(number) for number in range(40, 0, -1)]
    almost = [*reversed_pairs[:19], 19.5, 21.0, *reversed_pairs[21:]]
    samples = [Sample(truth, scores, range(40)) for scores in (reversed_pairs, almost)]
    singles = [auc_interval(truth, scores, range(40)) for scores in (reversed_pairs, almost)]
    actual = mean_auc(samples)
    assert singles[0].auc == 0 < singles[1].auc
    assert actual.high >= (singles[0].high + singles[1].high) / 2 > 0.01
    mirrored = mean_auc([Sample(truth, [-score for score in sample.scores], range(40)) for sample in samples])
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - actual.high, 1 - actual.low))


def test_mean_auc_passes_on_what_makes_an_interval_unreliable():
    few = Sample([0] * 40 + [1] * 4, [*range(40), 30.5, 50, 51, 52], range(44))
    many = Sample([0, 1] * 200, np.random.default_rng(0).normal(size=400), range(100, 500))
    assert mean_auc([few]).caution == "only 4 persons in the smaller class for an AUC of 0.94"
    assert mean_auc([many, few]).caution == mean_auc([few]).caution
    assert mean_auc([many]).caution == ""
