"""Cramer's V and AUCs of metadata: formulas, repeated persons, and honesty where nothing is associated."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2_contingency

from cxrshort.errors import DataError, UsageError
from cxrshort.stats import association
from cxrshort.stats.association import category_auc, cramers_v, number_auc
from cxrshort.stats.auc import auc_interval


def independent(rng, *, persons=300, categories=6, images=1, prevalence=0.3):
    """Return labels, categories and persons; both vary more between persons than within them, but are independent."""
    ids = np.repeat(np.arange(persons), images)
    names = np.repeat(
        rng.choice(categories, persons, p=np.arange(1, categories + 1) / sum(range(categories + 1))), images
    )
    own = np.repeat(rng.random(persons) < prevalence, images)
    targets = np.where(rng.random(len(ids)) < 0.7, own, rng.random(len(ids)) < prevalence).astype(float)
    return targets, np.array([f"c{name}" for name in names], dtype=object), ids


def bergsma(targets, names):
    """Bergsma (2013), from the chi-square of scipy and a table of pandas."""
    table = pd.crosstab(pd.Series(names), pd.Series(targets)).to_numpy()
    images, (rows, classes) = table.sum(), table.shape
    phi_squared = chi2_contingency(table, correction=False).statistic / images
    left = max(0.0, phi_squared - (rows - 1) * (classes - 1) / (images - 1))
    sides = [each - (each - 1) ** 2 / (images - 1) for each in (rows, classes)]
    return np.sqrt(left / (min(sides) - 1))


@pytest.mark.parametrize("seed", range(5))
def test_cramers_v_is_bergsmas(seed):
    rng = np.random.default_rng(seed)
    names = rng.choice(list("abcd"), 400)
    targets = (rng.random(400) < np.where(names == "a", 0.7, 0.3)).astype(float)
    assert cramers_v(targets, names).value == pytest.approx(bergsma(targets, names), abs=1e-12)


def test_cramers_v_leaves_out_soft_and_missing_cells():
    targets = [0, 1, 0, 1, 0.5, np.nan, 1, 0]
    found = cramers_v(targets, ["a", "b", "a", "b", "a", "b", "", None])
    assert (found.value, found.images) == (1.0, 4)


def test_cramers_v_takes_rare_categories_together():
    rng = np.random.default_rng(0)
    names = np.array(["a"] * 100 + ["b"] * 60 + [f"rare {number}" for number in range(30)], dtype=object)
    targets = (rng.random(190) < 0.4).astype(float)
    pooled = np.where(np.isin(names, ["a", "b"]), names, "others")
    assert cramers_v(targets, names) == cramers_v(targets, pooled)


def test_cramers_v_keeps_the_largest_of_many_categories():
    names = np.repeat([f"c{number:02}" for number in range(30)], np.arange(12, 42))
    targets = (np.random.default_rng(0).random(len(names)) < 0.5).astype(float)
    pooled = np.where(names < "c11", "others", names)
    assert len(np.unique(pooled)) == association.MOST_CATEGORIES
    assert cramers_v(targets, names).value == pytest.approx(bergsma(targets, pooled))


def test_cramers_v_of_few_persons_still_compares_the_largest_category():
    assert cramers_v([0, 0, 0, 1, 1], ["x", "x", "x", "y", "z"]).value == 1.0


def test_cramers_v_does_not_count_an_image_twice():
    """With every image given twice, the same chi-square and design effect come out doubled, and cancel exactly."""
    rng = np.random.default_rng(1)
    names, ids = rng.choice(list("abc"), 150), np.arange(150)
    targets = (rng.random(150) < np.where(names == "a", 0.6, 0.3)).astype(float)
    once = cramers_v(targets, names, clusters=ids)
    twice = cramers_v(np.tile(targets, 2), np.tile(names, 2), clusters=np.tile(ids, 2))
    unaware = cramers_v(np.tile(targets, 2), np.tile(names, 2))
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high), abs=1e-9)
    assert twice.smallest == pytest.approx(once.smallest, abs=1e-9)
    assert unaware.high - unaware.low < 0.8 * (once.high - once.low)


def test_cramers_v_balanced_within_every_person_is_zero():
    found = cramers_v([1, 1, 0, 0] * 20, ["PA", "AP"] * 40, clusters=np.repeat(np.arange(40), 2))
    assert (found.value, found.low) == (0.0, 0.0)
    assert 0 < found.high < 0.5


def test_cramers_v_interval_has_a_width_where_the_table_is_perfectly_even():
    found = cramers_v([0, 1] * 50, ["a", "a", "b", "b"] * 25)
    assert (found.value, found.low) == (0.0, 0.0)
    assert 0.15 < found.high < 0.35


@pytest.mark.parametrize(("images", "categories"), [(1, 2), (1, 8), (4, 6)])
def test_cramers_v_covers_zero_where_nothing_is_associated(images, categories):
    """The lower limit is one side of a 95 % interval: 97.5 % of 400 cover 0, standard error 0.8 points."""
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(400):
        targets, names, ids = independent(rng, categories=categories, images=images)
        found = cramers_v(targets, names, clusters=ids)
        covered.append(found.low == 0)
        assert found.low <= found.value <= found.high
    assert 0.95 <= np.mean(covered) <= 0.998


def test_cramers_v_unaware_of_persons_would_accuse():
    rng = np.random.default_rng(2)
    samples = (independent(rng, images=4)[:2] for _ in range(200))
    assert np.mean([cramers_v(*sample).low == 0 for sample in samples]) < 0.8


@pytest.mark.parametrize("truth", [0.15, 0.3, 0.6])
def test_cramers_v_covers_the_truth(truth):
    """Two equal categories with prevalences 0.5 -+ V/2 have this V; 400 runs, so 95 % comes with 1.1 points."""
    rng = np.random.default_rng(3)
    names = np.repeat(["a", "b"], 200)
    runs = (
        (rng.random(400) < np.where(names == "a", 0.5 - truth / 2, 0.5 + truth / 2)).astype(float) for _ in range(400)
    )
    covered = [found.low <= truth <= found.high for found in (cramers_v(targets, names) for targets in runs)]
    assert np.mean(covered) >= 0.925


def test_cramers_v_smallest_is_found_in_four_of_five():
    """400 runs at the V that the function names: 80 % with a standard error of 2 points."""
    rng = np.random.default_rng(4)
    names = np.repeat(["a", "b"], 150)
    smallest = cramers_v([0, 1] * 150, names).smallest
    prevalence = np.where(names == "a", 0.5 - smallest / 2, 0.5 + smallest / 2)
    runs = [cramers_v((rng.random(300) < prevalence).astype(float), names).low > 0 for _ in range(400)]
    assert 0.74 <= np.mean(runs) <= 0.86


@pytest.mark.parametrize("images", [1, 4])
def test_category_auc_covers_one_half_where_nothing_is_associated(images):
    """95 % of 500 with a standard error of 1 point; three of them allowed."""
    rng = np.random.default_rng(5)
    covered, values = [], []
    for _ in range(500):
        targets, names, ids = independent(rng, categories=8, images=images, persons=300)
        found = category_auc(targets, names, clusters=ids, rng=rng)
        covered.append(found.low <= 0.5 <= found.high)
        values.append(found.value)
    assert 0.92 <= np.mean(covered) <= 0.98
    assert np.mean(values) == pytest.approx(0.5, abs=0.006)  # three standard errors of the mean


def test_category_auc_of_a_rare_label_covers_one_half():
    """DeLong's error alone covers 0.5 in 91 % here, with seven positives to judge; at least 95 % less two errors."""
    rng = np.random.default_rng(10)
    covered = []
    for _ in range(500):
        targets, names, ids = independent(rng, categories=8, prevalence=0.05)
        found = category_auc(targets, names, clusters=ids, rng=rng)
        covered.append(found.low is None or found.low <= 0.5 <= found.high)
    assert np.mean(covered) >= 0.93


def test_category_auc_keeps_its_doubt_when_few_positives_share_a_category():
    names, targets = np.array(["a"] * 320 + ["b"] * 320), np.zeros(640)
    targets[:8] = 1
    found = category_auc(targets, names, rng=np.random.default_rng(0))
    assert found.value == pytest.approx(0.75, abs=0.03)
    assert found.high - found.low > 0.3
    assert found.reason == "only 4 persons in the smaller class for an AUC of 0.75 in the half that judges"


def test_category_auc_judged_on_what_it_learned_from_would_accuse():
    rng = np.random.default_rng(5)
    values = []
    for _ in range(100):
        targets, names, ids = independent(rng, categories=8)
        prevalence = pd.Series(targets).groupby(names).transform("mean")
        values.append(auc_interval(targets, prevalence, ids).auc)
    assert np.mean(values) > 0.54


def test_category_auc_finds_what_is_there():
    names = np.repeat(["a", "b"], 2000)
    targets = (np.random.default_rng(6).random(4000) < np.where(names == "a", 0.2, 0.6)).astype(float)
    found = category_auc(targets, names, rng=np.random.default_rng(0))
    assert found.value == pytest.approx(auc_interval(targets, names == "b").auc, abs=0.03)  # two standard errors
    assert found.images == 4000


def test_measures_refuse_a_category_for_every_person():
    """Each person alone has a category and a class: 30 images of each say nothing about other persons."""
    targets, names = np.repeat([0.0, 1.0] * 20, 30), np.repeat([f"p{number}" for number in range(40)], 30)
    for found in (cramers_v(targets, names, clusters=names), category_auc(targets, names, clusters=names, rng=RNG)):
        assert (found.value, found.reason) == (None, "every category is rare")


def test_category_auc_of_perfect_separation_has_the_exact_bound():
    targets = [0.0] * 20 + [1.0] * 20
    found = category_auc(targets, ["a"] * 20 + ["b"] * 20, rng=np.random.default_rng(0))
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.05 ** (1 / 10))


def test_category_auc_of_the_same_generator_is_the_same():
    targets, names, ids = independent(np.random.default_rng(7))
    first, second = (category_auc(targets, names, clusters=ids, rng=np.random.default_rng(1)) for _ in range(2))
    assert first == second


def test_number_auc_is_that_of_the_numbers():
    rng = np.random.default_rng(8)
    ages, ids = rng.normal(50, 15, 300), np.repeat(np.arange(100), 3)
    targets = (ages + rng.normal(0, 15, 300) < 50).astype(float)
    ages[::7], targets[1::11] = np.nan, 0.5
    used = ~np.isnan(ages) & (targets != 0.5)
    expected = auc_interval(targets[used], ages[used], ids[used])
    found = number_auc(targets, ages, clusters=ids)
    assert (found.value, found.low, found.high) == (expected.auc, expected.low, expected.high)
    assert found.value < 0.3
    assert found.images == used.sum()


def test_number_auc_covers_one_half_where_nothing_is_associated():
    """95 % of 500 with a standard error of 1 point; three of them allowed."""
    rng = np.random.default_rng(9)
    covered = []
    for _ in range(500):
        targets, _, ids = independent(rng, images=3, persons=150)
        found = number_auc(targets, np.repeat(rng.normal(size=150), 3), clusters=ids)
        covered.append(found.low <= 0.5 <= found.high)
    assert 0.92 <= np.mean(covered) <= 0.98


def test_strength_is_one_scale():
    assert number_auc([0, 0, 1, 1], [4, 3, 2, 1]).strength == 1
    assert number_auc([0, 0, 1, 1], [1, 4, 2, 3]).strength == 0
    assert cramers_v([0, 0, 1, 1], list("aabb")).strength == 1
    assert cramers_v([0, 0, 1, 1], list("aaaa")).strength == -1


RNG = np.random.default_rng(0)
MEASURES = {
    "V": lambda *given, **more: cramers_v(*given, **more),
    "category": lambda *given, **more: category_auc(*given, rng=RNG, **more),
}


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
@pytest.mark.parametrize(
    ("targets", "names", "persons", "reason"),
    [
        ([0, 1, 0, 1], ["a", "a", "a", "a"], None, "only one category"),
        ([0, 1, 0, 1], ["", "", "", None], None, "no category is known"),
        ([0, 0, 0, 0], ["a", "b", "a", "b"], None, "only negatives"),
        ([1, 1, 0.5, 1], ["a", "b", "a", "b"], None, "only positives"),
        ([1, 0, 0, 0], ["a", "b", "a", "b"], None, "only 1 positive"),
        ([1, 1, 0, 0], ["a", "b", "a", "b"], ["p", "p", "q", "r"], "all 2 positives are of one person"),
    ],
)
def test_measures_say_why_they_give_no_interval(measure, targets, names, persons, reason):
    found = measure(targets, names, clusters=persons)
    assert (found.low, found.high, found.reason) == (None, None, reason)


@pytest.mark.parametrize(
    ("targets", "numbers", "reason"),
    [
        ([0, 1, 0], [5, 5, 5], "only one value"),
        ([0, 1, 0], [np.nan] * 3, "no value is known"),
        ([0, 0, 0], [1, 2, 3], "only negatives"),
        ([0, 1, 0], [1, 2, 3], "only 1 positive"),
    ],
)
def test_number_auc_says_why_it_gives_no_interval(targets, numbers, reason):
    found = number_auc(targets, numbers)
    assert (found.low, found.high, found.reason) == (None, None, reason)


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_measures_refuse_what_does_not_fit(measure):
    with pytest.raises(DataError, match="^3 targets and 2 categories: they must be as many$"):
        measure([0, 1, 0], ["a", "b"])
    with pytest.raises(UsageError, match='^level "1" is not between 0 and 1$'):
        measure([0, 1], ["a", "b"], level=1)
