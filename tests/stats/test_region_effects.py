"""Effects of regions: direction, unit and sign, against SciPy's test and by simulation."""

import numpy as np
import pytest
from scipy.stats import wilcoxon

from cxrshort.errors import DataError
from cxrshort.stats.region_effects import predicted_changes, region_effect, too_few

BOTH = ["decrease", "increase"]


def effect_of(changes, random_changes=None, *, directions=None, units=None, spread=1.0, level=0.05):
    count = len(changes)
    return region_effect(
        changes,
        random_changes,
        directions=directions or (BOTH * count)[:count],
        units=list(range(count)) if units is None else units,
        spread=spread,
        rng=np.random.default_rng(0),
        level=level,
    )


def test_effect_is_the_median_in_the_predicted_direction_and_in_the_spread() -> None:
    region = effect_of([-2.0, 4.0, -6.0, 8.0, -3.0, 5.0], spread=2.0)
    assert region.effect.value == 2.25 and region.units == 6
    assert region.p == wilcoxon([2.0, 4, 6, 8, 3, 5], method="exact").pvalue


def test_test_is_of_what_goes_beyond_random_patches() -> None:
    rng = np.random.default_rng(1)
    signs = np.array([-1, 1] * 6)
    changes, null = rng.normal(size=12) + signs, rng.normal(size=(12, 30))
    expected = wilcoxon(signs * changes - (signs[:, None] * null).mean(axis=1), method="exact").pvalue
    shifted = effect_of(changes + 5 * signs, null + 5 * signs[:, None])
    assert shifted.p == pytest.approx(expected) and expected < 0.1
    assert shifted.effect.value == pytest.approx(5 + np.median(signs * changes))


def test_region_that_changes_less_than_random_patches_is_not_accused() -> None:
    region = effect_of([-1.0, 1.0] * 10, np.tile([[-3.0], [3.0]], (10, 1)))
    assert (region.effect.value, region.p) == (1.0, 1.0)


def test_region_that_falls_less_than_random_patches_is_not_suspicious() -> None:
    """The score falls where a rise is predicted; random patches lower it twice as much: nothing goes against."""
    rng = np.random.default_rng(1)
    changes = rng.normal(-0.3, 0.02, 20)
    null = np.repeat(rng.normal(-0.6, 0.02, 20)[:, None], 30, axis=1)
    region = effect_of(changes, null, directions=["increase"] * 20)
    assert region.effect.value < -0.25 and region.p == 1.0
    # The same against random patches that do nothing does go against what a shortcut predicts.
    assert effect_of(changes, 0 * null, directions=["increase"] * 20).p < 1e-5


def test_changes_without_direction_need_random_patches() -> None:
    with pytest.raises(DataError, match="can be tested against random changes alone"):
        effect_of(np.random.default_rng(0).normal(size=20), directions=["either"] * 20)


def test_both_images_of_a_pair_are_one_unit() -> None:
    pairs = np.repeat(np.arange(6), 2)
    region = effect_of([-1.0, 1.0] * 6, units=pairs)
    assert region.units == 6 and region.p == 2**-5
    assert effect_of([-1.0, 1.0] * 6).p == 2**-11


def test_without_direction_the_effect_is_what_exceeds_random_magnitudes() -> None:
    region = effect_of([-3.0, 3.0] * 4, np.tile([[1.0, -1.0]], (8, 1)), directions=["either"] * 8)
    assert region.effect.value == 2.0
    assert effect_of([-1.0, 1.0] * 4, np.tile([[3.0]], (8, 1)), directions=["either"] * 8).effect.value == -2.0


def test_signs_reach_over_all_random_changes() -> None:
    signed = predicted_changes([[1.0, -2.0], [3.0, -4.0], [5.0, -6.0]], ["increase", "decrease", "either"])
    assert signed.tolist() == [[1, -2], [-3, 4], [5, 6]]


def test_smallest_effect_is_in_the_spread_and_grows_with_the_strictness() -> None:
    rng = np.random.default_rng(2)
    changes = rng.normal(size=20)
    narrow, wide = effect_of(changes, spread=1.0), effect_of(changes, spread=2.0)
    assert narrow.smallest_effect == pytest.approx(2 * (wide.smallest_effect or 0), rel=1e-4)
    strict = effect_of(changes, level=0.001).smallest_effect
    assert strict is not None and narrow.smallest_effect is not None and strict > narrow.smallest_effect
    assert effect_of(changes[:4]).smallest_effect is None


def test_pairs_keep_the_error_of_the_first_kind_where_a_model_looks_at_what_both_classes_share() -> None:
    """A model that looks at the border, whose brightness is as chance has it: persons as units accuse too often."""
    rng = np.random.default_rng(3)
    false_alarms = {"pairs": 0, "persons": 0}
    for _ in range(400):
        brighter = rng.normal(size=12)
        changes = np.stack([-brighter, brighter], axis=1).ravel() + 0.1 * rng.normal(size=24)
        for name, units in (("pairs", np.repeat(np.arange(12), 2)), ("persons", np.arange(24))):
            false_alarms[name] += effect_of(changes, units=units).p <= 0.05
    # 20 of 400 are expected of pairs, 30 are 2.3 standard errors (of 4.4) more; persons accuse in twice as many.
    assert false_alarms["pairs"] <= 0.075 * 400 < 0.1 * 400 < false_alarms["persons"]


def test_changes_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="1 changes are not finite"):
        effect_of([1.0, np.nan, 2.0])


def test_level_that_cannot_be_reached_is_explained() -> None:
    assert too_few(1, "persons", level=0.05, regions=1) == (
        "1 person reaches p = 1 at best, and 0.05 is needed, which takes 6"
    )
    assert [bool(too_few(count, "pairs", level=0.05, regions=1)) for count in (5, 6)] == [True, False]
