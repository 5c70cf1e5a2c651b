"""AUCs of metadata: formulas, repeated persons, and honesty where nothing is associated."""

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import DataError, UsageError
from cxrshort.stats import association
from cxrshort.stats.association import category_auc, number_auc
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


def drawn(targets, names, **more):
    return category_auc(targets, names, rng=np.random.default_rng(0), **more)


def test_category_auc_leaves_out_soft_and_missing_cells():
    targets = [0, 1, 0, 1, 0.5, np.nan, 1, 0] * 5
    actual = drawn(targets, ["a", "b", "a", "b", "a", "b", "", None] * 5)
    assert (actual.value, actual.images) == (1.0, 20)


def test_category_auc_takes_rare_categories_together():
    rng = np.random.default_rng(0)
    names = np.array(["a"] * 100 + ["b"] * 60 + [f"rare {number}" for number in range(30)], dtype=object)
    targets = (rng.random(190) < 0.4).astype(float)
    pooled = np.where(np.isin(names, ["a", "b"]), names, "others")
    assert drawn(targets, names) == drawn(targets, pooled)


def test_category_auc_keeps_the_largest_of_many_categories():
    names = np.repeat([f"c{number:02}" for number in range(30)], np.arange(12, 42))
    targets = (np.random.default_rng(0).random(len(names)) < 0.5).astype(float)
    pooled = np.where(names < "c11", "others", names)
    assert len(np.unique(pooled)) == association.MOST_CATEGORIES
    assert drawn(targets, names) == drawn(targets, pooled)


@pytest.mark.parametrize("images", [1, 4])
def test_category_auc_covers_one_half_where_nothing_is_associated(images):
    """95 % of 500 with a standard error of 1 point; three of them allowed."""
    rng = np.random.default_rng(5)
    covered, values = [], []
    for _ in range(500):
        targets, names, ids = independent(rng, categories=8, images=images, persons=300)
        actual = category_auc(targets, names, clusters=ids, rng=rng)
        covered.append(actual.low <= 0.5 <= actual.high)
        values.append(actual.value)
    assert 0.92 <= np.mean(covered) <= 0.98
    assert np.mean(values) == pytest.approx(0.5, abs=0.006)  # three standard errors of the mean


def test_category_auc_of_a_rare_label_covers_one_half():
    """DeLong's error alone covers 0.5 in 91 % here, with seven positives to judge; at least 95 % less two errors."""
    rng = np.random.default_rng(10)
    covered = []
    for _ in range(500):
        targets, names, ids = independent(rng, categories=8, prevalence=0.05)
        actual = category_auc(targets, names, clusters=ids, rng=rng)
        covered.append(actual.low is None or actual.low <= 0.5 <= actual.high)
    assert np.mean(covered) >= 0.93


def test_category_auc_keeps_its_doubt_when_few_positives_share_a_category():
    names, targets = np.array(["a"] * 320 + ["b"] * 320), np.zeros(640)
    targets[:8] = 1
    actual = category_auc(targets, names, rng=np.random.default_rng(0))
    assert actual.value == pytest.approx(0.75, abs=0.03)
    assert actual.high - actual.low > 0.3
    assert actual.reason == "only 4 persons in the smaller class for an AUC of 0.75 in the half that judges"


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
    actual = category_auc(targets, names, rng=np.random.default_rng(0))
    assert actual.value == pytest.approx(auc_interval(targets, names == "b").auc, abs=0.03)  # two standard errors
    assert actual.images == 4000


def test_category_auc_refuses_a_category_for_every_person():
    """Each person alone has a category and a class: 30 images of each say nothing about other persons."""
    targets, names = np.repeat([0.0, 1.0] * 20, 30), np.repeat([f"p{number}" for number in range(40)], 30)
    actual = drawn(targets, names, clusters=names)
    assert (actual.value, actual.reason) == (None, "every category is rare")


def test_category_auc_of_perfect_separation_has_the_exact_bound():
    targets = [0.0] * 20 + [1.0] * 20
    actual = category_auc(targets, ["a"] * 20 + ["b"] * 20, rng=np.random.default_rng(0))
    assert (actual.value, actual.high) == (1.0, 1.0)
    assert actual.low == pytest.approx(0.05 ** (1 / 10))


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
    actual = number_auc(targets, ages, clusters=ids)
    assert (actual.value, actual.low, actual.high) == (expected.auc, expected.low, expected.high)
    assert actual.value < 0.3
    assert actual.images == used.sum()


def test_number_auc_covers_one_half_where_nothing_is_associated():
    """95 % of 500 with a standard error of 1 point; three of them allowed."""
    rng = np.random.default_rng(9)
    covered = []
    for _ in range(500):
        targets, _, ids = independent(rng, images=3, persons=150)
        actual = number_auc(targets, np.repeat(rng.normal(size=150), 3), clusters=ids)
        covered.append(actual.low <= 0.5 <= actual.high)
    assert 0.92 <= np.mean(covered) <= 0.98


def test_strength_is_one_scale():
    assert number_auc([0, 0, 1, 1], [4, 3, 2, 1]).strength == 1
    assert number_auc([0, 0, 1, 1], [1, 4, 2, 3]).strength == 0
    assert drawn([0, 0, 1, 1], list("aaaa")).strength == -1


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
def test_category_auc_says_why_it_gives_no_interval(targets, names, persons, reason):
    actual = drawn(targets, names, clusters=persons)
    assert (actual.low, actual.high, actual.reason) == (None, None, reason)


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
    actual = number_auc(targets, numbers)
    assert (actual.low, actual.high, actual.reason) == (None, None, reason)


def test_category_auc_refuses_what_does_not_fit():
    with pytest.raises(DataError, match="^3 targets and 2 categories: they must be as many$"):
        drawn([0, 1, 0], ["a", "b"])
    with pytest.raises(UsageError, match='^level "1" is not between 0 and 1$'):
        drawn([0, 1], ["a", "b"], level=1)
