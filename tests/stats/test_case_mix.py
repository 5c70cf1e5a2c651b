"""The gap at one case mix: weighted AUCs by brute force, and their spread by drawing persons again."""

import numpy as np
import pytest

from cxrshort.errors import DataError
from cxrshort.stats.bootstrap import draw_weights, weighted_aucs
from cxrshort.stats.case_mix import Stratified, matched_gap
from cxrshort.stats.gap import generalization_gap
from cxrshort.stats.midranks import Sample


def drawn(rng, persons, bedside, *, images=1, prefix="", step=0.8):
    """Return a test set: harder at the bedside, scores higher there; ``bedside`` is its share by class."""
    targets = rng.random(persons) < 0.3
    at_bed = rng.random(persons) < np.where(targets, bedside[1], bedside[0])
    person = np.repeat(np.arange(persons), images)
    scores = (1.5 * targets * np.where(at_bed, 0.5, 1.0) + step * at_bed)[person]
    scores += np.sqrt(0.5) * (rng.normal(size=persons)[person] + rng.normal(size=len(person)))
    ids = [f"{prefix}{number}" for number in person]
    return Stratified(Sample(targets[person].astype(float), scores, ids), np.where(at_bed, "AP", "PA")[person])


def weights_by_hand(inside, outside, *, by_class):
    """Return the weight of each row inside, counted row by row."""
    keys = [
        [(view, target if by_class else None) for view, target in zip(side.strata, side.sample.targets, strict=True)]
        for side in (inside, outside)
    ]
    return np.array([keys[1].count(key) / len(keys[1]) / (keys[0].count(key) / len(keys[0])) for key in keys[0]])


@pytest.mark.parametrize("by_class", [False, True])
def test_auc_inside_is_the_weighted_one(by_class):
    rng = np.random.default_rng(1)
    inside, outside = drawn(rng, 80, (0.2, 0.6)), drawn(rng, 70, (0.7, 0.6), prefix="x")
    comparison = matched_gap([inside], [outside], by_class=by_class)
    weights = weights_by_hand(inside, outside, by_class=by_class)
    expected = weighted_aucs(inside.sample.targets, inside.sample.scores, weights=weights[None])[0]
    assert comparison.gap.internal.mean == pytest.approx(expected, abs=1e-12)
    assert comparison.gap.difference == pytest.approx(expected - comparison.gap.external.mean, abs=1e-12)
    assert comparison.effective == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert (comparison.left_out_internal, comparison.left_out_external) == (0, 0)


def test_equal_mixes_give_the_crude_gap():
    rng = np.random.default_rng(2)
    inside, outside = drawn(rng, 60, (0.5, 0.5)), drawn(rng, 60, (0.5, 0.5), prefix="x")
    outside = Stratified(outside.sample, inside.strata)
    gap = matched_gap([inside], [outside], by_class=False).gap
    crude = generalization_gap([inside.sample], [outside.sample])
    assert gap.internal.mean == pytest.approx(crude.internal.mean, abs=1e-12)
    assert gap.difference == pytest.approx(crude.difference, abs=1e-12)


def test_one_stratum_gives_the_intervals_of_the_crude_gap():
    rng = np.random.default_rng(3)
    sides = [drawn(rng, 60, (0.5, 0.5), images=2, prefix=prefix) for prefix in ("", "x")]
    sides = [Stratified(side.sample, ["PA"] * 120) for side in sides]
    gap = matched_gap([sides[0]], [sides[1]], by_class=False).gap
    crude = generalization_gap([sides[0].sample], [sides[1].sample])
    for actual, expected in ((gap, crude), (gap.internal, crude.internal), (gap.external, crude.external)):
        assert (actual.low, actual.high) == pytest.approx((expected.low, expected.high), abs=1e-3)


@pytest.mark.parametrize("by_class", [False, True])
def test_interval_inside_has_the_width_of_persons_drawn_again_and_weighted_again(by_class):
    rng = np.random.default_rng(4)
    # Strata far apart: without their centring the error would be a third larger.
    inside, outside = drawn(rng, 400, (0.2, 0.6), images=2, step=2.5), drawn(rng, 300, (0.7, 0.6), prefix="x", step=2.5)
    area = matched_gap([inside], [outside], by_class=by_class).gap.internal
    targets, views = inside.sample.targets, inside.strata == "AP"
    key = (2 * views + (targets if by_class else 0)).astype(int)
    other = (2 * (outside.strata == "AP") + (outside.sample.targets if by_class else 0)).astype(int)
    wanted = np.bincount(other, minlength=4) / len(other)
    rows = np.repeat(draw_weights(np.zeros(400, np.int64), draws=2000, rng=rng), 2, axis=1)
    sizes = np.stack([rows[:, key == stratum].sum(axis=1) for stratum in range(4)], axis=1)
    again = weighted_aucs(targets, inside.sample.scores, weights=rows * (wanted / np.maximum(sizes, 1))[:, key])
    # 2,000 draws know a standard deviation to 2 %; the limits are the wider of those of a logit and a score interval.
    assert 0.95 < (area.high - area.low) / (2 * 1.96 * again.std()) < 1.15


def test_change_of_case_mix_alone_is_no_gap():
    rng = np.random.default_rng(5)
    inside, outside = drawn(rng, 4000, (0.2, 0.6)), drawn(rng, 4000, (0.7, 0.7), prefix="x")
    crude = generalization_gap([inside.sample], [outside.sample])
    assert crude.low > 0.04
    matched = matched_gap([inside], [outside], by_class=True).gap
    assert matched.low < 0 < matched.high and matched.high < 0.04


def test_shortcut_stays_a_gap_at_the_same_mix():
    rng = np.random.default_rng(6)
    inside, outside = drawn(rng, 1000, (0.4, 0.6)), drawn(rng, 1000, (0.6, 0.6), prefix="x")
    marked = np.asarray(inside.sample.scores) + 2 * np.asarray(inside.sample.targets)  # a marker gives positives away
    planted = Stratified(Sample(inside.sample.targets, marked, inside.sample.clusters), inside.strata)
    assert matched_gap([planted], [outside], by_class=True).gap.low > 0.1


def test_replicates_share_persons_and_widen_the_interval():
    rng = np.random.default_rng(7)
    first, outside = drawn(rng, 200, (0.3, 0.6)), drawn(rng, 200, (0.6, 0.6), prefix="x")
    noise = [rng.normal(size=200) for _ in range(2)]
    second, beyond = (
        Stratified(
            Sample(side.sample.targets, np.asarray(side.sample.scores) + extra, side.sample.clusters), side.strata
        )
        for side, extra in zip((first, outside), noise, strict=True)
    )
    both = matched_gap([first, second], [outside, beyond], by_class=True).gap
    alone = matched_gap([first], [outside], by_class=True).gap
    assert both.replicates == 2 and len(both.internal.aucs) == 2
    assert both.internal.aucs[0] == alone.internal.mean
    assert both.high - both.low > alone.high - alone.low


def test_strata_of_one_side_are_left_out_and_counted():
    inside = Stratified(Sample([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6]), ["AP", "PA", "PA", "PA", "AP", "LATERAL"])
    outside = Stratified(Sample([0, 0, 1, 1, 0], [1, 3, 2, 4, 9]), ["AP", "PA", "AP", "PA", "SUPINE"])
    comparison = matched_gap([inside], [outside], by_class=False)
    assert (comparison.left_out_internal, comparison.left_out_external) == (1, 1)
    assert comparison.gap.external.mean == 0.75


@pytest.mark.parametrize(
    ("views", "targets", "reason"),
    [
        (["X"] * 4, [0, 0, 1, 1], "no stratum is on both sides"),
        (["AP", "AP", "X", "X"], [0, 0, 1, 1], "external: only negatives"),
        (["AP", "AP", "AP", "X"], [0, 0, 1, 1], "external: only 1 positive"),
    ],
)
def test_what_cannot_be_matched_says_why(views, targets, reason):
    inside = Stratified(Sample([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6]), ["AP"] * 6)
    gap = matched_gap([inside], [Stratified(Sample(targets, [1, 2, 3, 4]), views)], by_class=False).gap
    assert (gap.difference, gap.low, gap.reason) == (None, None, reason)


def test_perfect_separation_has_the_exact_bound():
    inside = Stratified(Sample([0] * 6 + [1] * 6, range(12)), ["AP", "PA"] * 6)
    outside = Stratified(Sample([0] * 6 + [1] * 6, [1, 5, 3, 9, 2, 4, 6, 8, 7, 11, 12, 3.5]), ["AP", "PA", "PA"] * 4)
    area = matched_gap([inside], [outside], by_class=False).gap.internal
    assert (area.mean, area.high) == (1.0, 1.0)
    assert 0.5 < area.low < 0.7  # one-sided Clopper-Pearson of 6 pairs


def test_soft_targets_are_left_out():
    inside = Stratified(Sample([0, 0, 0.5, 1, 1], [1, 2, 9, 3, 0]), ["AP", "PA", "AP", "PA", "AP"])
    outside = Stratified(Sample([0, 0, 1, 1], [1, 3, 2, 4]), ["AP", "PA", "AP", "PA"])
    assert matched_gap([inside], [outside], by_class=True).gap.internal.mean is not None


def test_unequal_replicates_and_lengths_are_refused():
    side = Stratified(Sample([0, 1], [1, 2]), ["AP", "PA"])
    with pytest.raises(DataError, match="2 internal and 1 external replicates: they must be the same models"):
        matched_gap([side, side], [side], by_class=False)
    with pytest.raises(DataError, match="1 strata for 2 rows: they must be as many"):
        matched_gap([Stratified(side.sample, ["AP"])], [side], by_class=False)
    with pytest.raises(DataError, match="replicates without person ids"):
        matched_gap([side, side], [side, side], by_class=False)
