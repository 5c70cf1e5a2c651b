"""Rows of two models on the same images, against the functions of statistics called directly."""

import numpy as np
import pandas as pd
import pytest

from cxrshort.stats.auc import auc_interval, compare_paired
from cxrshort.stats.claims import false_claim_of_aucs
from cxrshort.verbs.stats.compared_models import compare_aucs, compare_hits, p_text, probability_text
from cxrshort.verbs.stats.pairs import Pair


def pair(seed: int, *, label: str = "Edema", replicate: int = 0, positives: bool = True) -> Pair:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, 60).astype(float) * positives
    scores = [targets + rng.normal(0, spread, 60).round(1) for spread in (1.5, 0.7)]
    facts = {"label": label, "replicate": replicate}
    return Pair(facts, targets, *scores, np.arange(60) // 2, pd.DataFrame(index=range(60)))


OPTIONS = {"draws": 200, "seed": 0, "level": 0.95, "correction": "holm"}


def test_row_has_what_the_paired_test_says():
    part = pair(0)
    (row,) = compare_aucs([("AP", part)], **OPTIONS)
    paired = compare_paired(part.targets, before=part.before, after=part.after, clusters=part.persons)
    assert (row["difference"], row["low"], row["p"]) == (paired.difference, paired.low, paired.p_value)
    assert row["auc_after_low"] == auc_interval(part.targets, part.after, part.persons).low
    claim = false_claim_of_aucs(part.targets, first=part.after, second=part.before, clusters=part.persons)
    assert (row["claim_false"], row["group"], row["finding"]) == (claim.probability, "AP", "better")
    assert row["bootstrap_low"] < row["difference"] < row["bootstrap_high"]
    assert compare_aucs([("", part)], **(OPTIONS | {"draws": 0}))[0]["bootstrap_low"] is None


def test_each_replicate_is_a_family_of_its_own():
    parts = [("", pair(seed, label=str(seed // 2), replicate=seed % 2)) for seed in range(4)]
    rows = compare_aucs(parts, **OPTIONS)
    for replicate in (0, 1):
        family = [row for row in rows if row["replicate"] == replicate]
        assert min(row["p_adjusted"] for row in family) == pytest.approx(2 * min(row["p"] for row in family))


def test_one_class_is_a_row_with_a_reason():
    rows = compare_aucs([("", pair(0)), ("", pair(1, label="Hernia", positives=False))], **OPTIONS)
    assert [(row["finding"], row["reason"]) for row in rows] == [("better", ""), ("not testable", "only negatives")]
    assert rows[1]["p_adjusted"] is rows[1]["claim_false"] is rows[1]["difference"] is None
    assert rows[0]["p_adjusted"] == rows[0]["p"]


def test_decisions_have_counts_that_add_up():
    part = pair(2)
    (row,) = compare_hits([("", part)], threshold=0.5, level=0.95, correction="holm")
    hits = [(scores >= 0.5) == (part.targets == 1) for scores in (part.before, part.after)]
    assert row["accuracy_before"] == hits[0].mean() and row["accuracy_after"] == hits[1].mean()
    assert row["difference"] == pytest.approx((row["after_only"] - row["before_only"]) / row["images"])
    assert row["both"] == (hits[0] & hits[1]).sum()


def test_numbers_are_printed_with_few_digits():
    assert [p_text(p) for p in (0.5, 1e-20, None)] == ["0.500", "1.00e-20", ""]
    assert [probability_text(p) for p in (None, 0.5, 0.0996, 0.0011)] == ["none", "0.50", "0.10", "0.0011"]
