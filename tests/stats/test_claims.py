"""The probability of a false claim against draws from the posterior, integrals, printed examples, and its meaning."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm, ttest_1samp

from cxrshort.errors import DataError
from cxrshort.stats.auc import compare_paired
from cxrshort.stats.claims import (
    ONE_SEED,
    design_effect,
    false_claim_of_aucs,
    false_claim_of_counts,
    false_claim_of_decisions,
    false_claim_of_difference,
    false_claim_of_groups,
    false_claim_of_pairs,
    false_claim_of_rates,
)


@pytest.mark.parametrize(("images", "printed"), [(200, "0.21"), (1000, "0.034")])
def test_rates_give_the_examples_of_the_paper(images, printed):
    probability = false_claim_of_rates(0.82, 0.80, both=0.75, images=images)
    assert f"{probability:.{len(printed) - 2}f}" == printed


@pytest.mark.parametrize(("x1", "x2"), [(0, 0), (14, 10), (3, 9), (0, 5)])
def test_counts_equal_draws_from_the_posterior_of_all_four_cells(x1, x2):
    """Both right and both wrong say nothing about the order: a Dirichlet posterior of all four cells agrees."""
    draws = np.random.default_rng(0).dirichlet([51, x1 + 1, x2 + 1, 21], 200_000)
    false = np.mean(draws[:, 1] <= draws[:, 2])
    assert false_claim_of_counts(x1, x2) == pytest.approx(false, abs=0.004)  # 3.6 standard errors
    area = quad(lambda q: q**x1 * (1 - q) ** x2, 0, 0.5)[0] / quad(lambda q: q**x1 * (1 - q) ** x2, 0, 1)[0]
    assert false_claim_of_counts(x1, x2) == pytest.approx(area, abs=1e-9)


def test_counts_are_right_as_often_as_they_say():
    """Chances drawn from the prior: of the claims called false with 10 to 30 %, as many are."""
    rng = np.random.default_rng(0)
    chance = rng.random(20_000)
    wins = rng.binomial(12, chance)
    probabilities = np.array([false_claim_of_counts(count, 12 - count) for count in range(13)])[wins]
    doubtful = (probabilities > 0.1) & (probabilities < 0.3)
    # About 3,000 claims: three standard errors are 0.022.
    assert np.mean(chance[doubtful] <= 0.5) == pytest.approx(probabilities[doubtful].mean(), abs=0.022)


def test_decisions_count_discordant_images():
    first, second = np.array([1] * 75 + [1] * 7 + [0] * 5 + [0] * 13), np.array([1] * 75 + [0] * 7 + [1] * 5 + [0] * 13)
    claim = false_claim_of_decisions(first, second)
    assert claim.probability == false_claim_of_counts(7, 5)
    assert (claim.difference, claim.caution) == (pytest.approx(0.02), ONE_SEED)
    turned = false_claim_of_decisions(second, first)
    assert turned.probability == pytest.approx(1 - claim.probability)


def test_decisions_of_copies_are_no_surer_than_of_one():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 60)) < [[0.8], [0.6]]
    once = false_claim_of_decisions(first, second)
    copies = false_claim_of_decisions(first.repeat(4), second.repeat(4), clusters=np.arange(60).repeat(4))
    naive = false_claim_of_decisions(first.repeat(4), second.repeat(4))
    # 60/59 against 240/239 is all that differs.
    assert copies.probability == pytest.approx(once.probability, rel=0.1)
    assert naive.probability < once.probability / 10
    assert "design effect 4.05" in copies.method


def test_decisions_without_a_difference_are_a_coin():
    assert false_claim_of_decisions([1, 1, 0], [1, 1, 0]).probability == 0.5
    alike = false_claim_of_decisions([1] * 6, [0] * 6, clusters=[1, 1, 1, 2, 2, 2])
    assert alike.probability == false_claim_of_counts(2, 0)  # two persons, however many images


def test_design_effect_is_the_ratio_of_variances_by_loops():
    rng = np.random.default_rng(4)
    codes = np.repeat(np.arange(30), rng.integers(1, 5, 30))
    values = rng.normal(size=30)[codes] + rng.normal(size=len(codes))
    sums = [sum(values[codes == person] - values.mean()) for person in range(30)]
    clustered = 30 / 29 * sum(total**2 for total in sums) / len(values) ** 2
    assert design_effect(values, codes) == pytest.approx(clustered / (values.var(ddof=1) / len(values)))
    assert design_effect(np.array([0.0, 1, 0, 1]), np.array([0, 0, 1, 1])) == 1  # pairs that cancel


def test_difference_gives_the_reference_values():
    assert false_claim_of_difference(0.02, standard_error=0.01).probability == pytest.approx(0.0228, abs=5e-5)
    with_seeds = false_claim_of_difference(0.02, standard_error=0.01, seed_deviations=(0.01, 0.01))
    assert (with_seeds.probability, with_seeds.caution) == (pytest.approx(0.124, abs=5e-4), "")
    many = false_claim_of_difference(0.02, standard_error=0.01, seed_deviations=(0.01, 0.01), replicates=(5, 5))
    assert many.standard_error == pytest.approx(math.sqrt(1e-4 * 1.4))
    assert false_claim_of_difference(0.0, standard_error=0.0).probability == 0.5
    assert false_claim_of_difference(0.1, standard_error=0.0).probability == 0


def cohort(seed, seeds=3, persons=60):
    rng = np.random.default_rng(seed)
    people = np.repeat(np.arange(persons), rng.integers(1, 4, persons))
    targets = (rng.random(len(people)) < 0.4).astype(float)
    own = rng.normal(size=(persons, 1))[people]
    first, second = (
        np.round(own + effect * targets[:, None] + rng.normal(size=(len(people), seeds)), 1) for effect in (1.5, 1.0)
    )
    return targets, first, second, people


def test_aucs_of_one_seed_are_half_of_the_two_sided_p():
    targets, first, second, people = cohort(0, seeds=1)
    claim = false_claim_of_aucs(targets, first=first[:, 0], second=second, clusters=people)
    paired = compare_paired(targets, before=second[:, 0], after=first[:, 0], clusters=people)
    assert (claim.difference, claim.standard_error) == pytest.approx((paired.difference, paired.standard_error))
    assert claim.probability == pytest.approx(paired.p_value / 2)
    assert claim.caution == ONE_SEED


def test_aucs_of_several_seeds_add_their_variance():
    targets, first, second, people = cohort(1)
    claim = false_claim_of_aucs(targets, first=first, second=second, clusters=people)

    def by_pairs(scores):
        above, below = scores[targets == 1][:, None], scores[targets == 0][None, :]
        wins = (above > below) + 0.5 * (above == below)
        return wins.mean(), wins

    areas = [[by_pairs(column)[0] for column in table.T] for table in (first, second)]
    contrast = sum(by_pairs(column)[1] for column in first.T) / 3 - sum(by_pairs(column)[1] for column in second.T) / 3
    tens, ones, area = contrast.mean(axis=1), contrast.mean(axis=0), contrast.mean()
    people10, people01 = people[targets == 1], people[targets == 0]
    s10 = s01 = s11 = 0.0
    for person in np.unique(people):
        a, b = (tens[people10 == person] - area).sum(), (ones[people01 == person] - area).sum()
        s10, s01, s11 = s10 + a * a, s01 + b * b, s11 + a * b
    m, n = len(people10), len(people01)
    i10, i01, i = (len(np.unique(part)) for part in (people10, people01, people))
    images = i10 / (i10 - 1) * s10 / m**2 + i01 / (i01 - 1) * s01 / n**2 + 2 * i / (i - 1) * s11 / (m * n)
    seeds = sum(np.var(group, ddof=1) / 3 for group in areas)
    assert (claim.difference, claim.standard_error) == pytest.approx((area, math.sqrt(images + seeds)))
    assert claim.probability > norm.cdf(-area / math.sqrt(images + seeds))  # t of few seeds
    assert claim.caution == ""
    assert "one seed of one method" in false_claim_of_aucs(targets, first=first, second=second[:, 0]).caution


def test_pairs_are_a_one_sided_t_test_of_persons():
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.1, 1, 12), rng.normal(0, 1, 12)
    claim = false_claim_of_pairs(first, second)
    assert claim.probability == pytest.approx(ttest_1samp(first - second, 0, alternative="greater").pvalue)
    clustered = false_claim_of_pairs(first, second, clusters=np.arange(12) // 3)
    means = (first - second).reshape(4, 3).mean(axis=1)
    assert clustered.probability == pytest.approx(ttest_1samp(means, 0, alternative="greater").pvalue)
    assert false_claim_of_pairs([1.0, 1.0], [1.0, 1.0]).probability == 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: false_claim_of_counts(-1, 2), "-1 and 2 discordant images: a count is not negative"),
        (lambda: false_claim_of_counts(math.nan, 2), "nan and 2 discordant images: a count is not negative"),
        (
            lambda: false_claim_of_rates(0.8, 0.7, both=0.75, images=10),
            'share "0.75" that both have right is not possible with accuracies of 0.8 and 0.7: it lies between 0.5 and '
            "0.7",
        ),
        (
            lambda: false_claim_of_decisions([1, 0], [1]),
            "2 and 1 decisions: they must be as many, and at least one",
        ),
        (
            lambda: false_claim_of_decisions([1, 0.5], [1, np.nan]),
            "2 decisions are neither right nor wrong: each must be 0 or 1",
        ),
        (
            lambda: false_claim_of_difference(0.1, standard_error=-1),
            'difference "0.1", standard error "-1", deviations "(0.0, 0.0)" and replicates "(1, 1)": errors are finite '
            "and not negative, replicates at least one",
        ),
        (lambda: false_claim_of_pairs([1, 2], [1]), "2 and 1 numbers: they must be as many"),
        (
            lambda: false_claim_of_pairs([1, np.nan], [1, 2]),
            "1 of 2 differences are not finite: each must be a number",
        ),
        (
            lambda: false_claim_of_pairs([1, 2], [1, 3], clusters=["a", "a"]),
            "1 person: a claim about a mean needs at least two",
        ),
        (
            lambda: false_claim_of_aucs([1, 1], first=[1, 2], second=[1, 2]),
            "no covariance of AUCs: only positives",
        ),
        (
            lambda: false_claim_of_aucs([0, 1], first=[1, 2], second=[1, 2, 3]),
            "2 and 3 rows of scores: they must be as many",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(DataError) as caught:
        call()
    assert caught.value.message == message


def test_groups_are_welchs_test():
    from scipy.stats import ttest_ind

    rng = np.random.default_rng(5)
    first, second = rng.normal(0.8, 0.03, 5), rng.normal(0.78, 0.01, 7)
    claim = false_claim_of_groups(first, second)
    expected = ttest_ind(first, second, equal_var=False, alternative="greater").pvalue
    assert claim.probability == pytest.approx(expected)
    assert claim.probability + false_claim_of_groups(second, first).probability == pytest.approx(1)


def test_groups_without_spread_and_too_small_ones():
    assert false_claim_of_groups([0.8, 0.8], [0.7, 0.7]).probability == 0
    assert false_claim_of_groups([0.8, 0.8], [0.8, 0.8]).probability == 0.5
    with pytest.raises(DataError, match=r"^1 and 3 replicates: their spread needs two of each"):
        false_claim_of_groups([0.8], [0.7, 0.7, 0.6])
    with pytest.raises(DataError, match=r"^1 of 4 numbers are not finite"):
        false_claim_of_groups([0.8, np.nan], [0.7, 0.7])
