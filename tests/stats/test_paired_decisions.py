"""Decisions of two models against scipy, statsmodels, loops and simulation."""

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.claims import false_claim_of_counts
from cxrshort.stats.paired_decisions import compare_decisions


def scores(seed: int, images: int = 80):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, images)
    return targets, targets + rng.normal(0, 1, images), targets + rng.normal(0, 0.6, images)


def test_independent_images_are_mcnemars_exact_test():
    targets, before, after = scores(0)
    decisions = compare_decisions(targets, before=before, after=after, threshold=0.5)
    hits = [(values >= 0.5) == targets for values in (before, after)]
    table = [[(hits[0] & hits[1]).sum(), (hits[0] & ~hits[1]).sum()], [(~hits[0] & hits[1]).sum(), 0]]
    assert decisions.p_value == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert (decisions.both, decisions.before_only, decisions.after_only) == (table[0][0], table[0][1], table[1][0])
    assert (decisions.before.value, decisions.after.value) == (hits[0].mean(), hits[1].mean())
    assert decisions.difference == pytest.approx(hits[1].mean() - hits[0].mean())
    assert decisions.claim.probability == false_claim_of_counts(table[1][0], table[0][1])
    assert decisions.method == "McNemar, exact"


def test_limits_are_agresti_and_mins():
    targets, before, after = scores(1)
    decisions = compare_decisions(targets, before=before, after=after, threshold=0.5)
    n, b, c = 80 + 2, decisions.after_only + 0.5, decisions.before_only + 0.5
    half = 1.959964 * np.sqrt((b + c) - (b - c) ** 2 / n) / n
    assert (decisions.low, decisions.high) == pytest.approx(((b - c) / n - half, (b - c) / n + half), abs=1e-6)


def test_images_of_a_person_that_agree_count_once():
    targets, before, after = scores(2)
    persons = np.arange(80)
    alone = compare_decisions(targets, before=before, after=after, threshold=0.5, clusters=persons)
    twice = compare_decisions(
        np.tile(targets, 2),
        before=np.tile(before, 2),
        after=np.tile(after, 2),
        threshold=0.5,
        clusters=np.tile(persons, 2),
    )
    assert twice.claim.probability == pytest.approx(alone.claim.probability, rel=0.05)
    assert (twice.low, twice.high) == pytest.approx((alone.low, alone.high), abs=0.002)
    gained, lost = alone.after_only, alone.before_only
    z = (gained - lost) / np.sqrt(gained + lost)
    from scipy.stats import chi2

    assert twice.p_value == pytest.approx(chi2.sf(z**2, 1))
    assert twice.method == "McNemar by person (Obuchowski 1998)"


def test_error_of_the_first_kind_holds_where_persons_repeat():
    rng = np.random.default_rng(3)
    p_values = []
    for _ in range(400):
        person = np.repeat(rng.normal(0, 1, (2, 60)), 4, axis=1)
        values = person + rng.normal(0, 0.5, (2, 240))
        clusters = np.repeat(np.arange(60), 4)
        targets = np.repeat(rng.integers(0, 2, 60), 4)
        decisions = compare_decisions(targets, before=values[0], after=values[1], threshold=0.0, clusters=clusters)
        p_values.append(decisions.p_value)
    # Three standard errors of 5 % in 400 studies are 3.3 %; images taken as independent reach 30 %.
    assert 0.017 <= np.mean(np.array(p_values) <= 0.05) <= 0.083


def test_models_that_agree_everywhere_show_nothing():
    decisions = compare_decisions([0, 1, 1], before=[0, 1, 0], after=[0, 1, 0], threshold=0.5)
    assert (decisions.difference, decisions.p_value, decisions.claim.probability) == (0, 1, 0.5)
    assert decisions.low < 0 < decisions.high
    repeated = compare_decisions([0, 1, 1], before=[0, 1, 0], after=[0, 1, 0], threshold=0.5, clusters=[1, 1, 2])
    assert repeated.p_value == 1


def test_soft_targets_and_ties_with_the_threshold():
    decisions = compare_decisions([0, 1, 0.4], before=[0.5, 0.5, 9], after=[0.4, 0.5, 0], threshold=0.5)
    assert (decisions.images, decisions.after_only, decisions.both) == (2, 1, 1)


def test_wrong_input_is_refused():
    with pytest.raises(DataError, match=r"^2 scores before and 1 after"):
        compare_decisions([0, 1], before=[0, 1], after=[0], threshold=0)
    with pytest.raises(DataError, match="1 of 2 scores are NaN"):
        compare_decisions([0, 1], before=[0, np.nan], after=[0, 1], threshold=0)
    with pytest.raises(DataError, match="no target is 0 or 1"):
        compare_decisions([0.5], before=[0], after=[0], threshold=0)
    with pytest.raises(DataError, match="threshold is not a number"):
        compare_decisions([0, 1], before=[0, 1], after=[0, 1], threshold=float("nan"))
    with pytest.raises(UsageError, match="level"):
        compare_decisions([0, 1], before=[0, 1], after=[0, 1], threshold=0, level=1)
