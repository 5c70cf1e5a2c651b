"""Shares of the class separation: against sums by hand and SciPy, and what is not tested."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import mannwhitneyu

from cxrshort.errors import DataError
from cxrshort.stats import separation
from cxrshort.stats.separation import separate_classes, too_few
from cxrshort.stats.verdicts import RULES, SHORTCUT, Evidence, judge


def draw(*, people: int, shift: float, share: float, seed: int = 0):
    """Return contributions of two regions, totals, classes and persons; the first region has a share of the shift."""
    rng = np.random.default_rng(seed)
    classes = np.repeat([1, 0], people)
    noise = rng.normal(size=(2 * people, 2))
    parts = noise + classes[:, None] * shift * np.array([share, 1 - share])
    return parts, parts.sum(axis=1), classes, np.arange(2 * people).astype(str)


def separate(parts, totals, classes, persons, **options):
    names = options.pop("names", ["border", "lungs"])
    return separate_classes(parts, totals, classes, persons, names=names, rng=np.random.default_rng(0), **options)


def test_effect_and_p_are_those_of_means_over_persons():
    parts, totals, classes, persons = draw(people=12, shift=3.0, share=0.7)
    repeated = np.r_[np.arange(24), 0, 0, 1]  # two persons with more images
    parts[0] -= 1
    whole, (border, lungs) = separate(parts[repeated], totals[repeated], classes[repeated], persons[repeated])
    difference = parts[:12].mean(axis=0) - parts[12:].mean(axis=0)
    assert whole.separation == pytest.approx(totals[:12].mean() - totals[12:].mean())
    assert (whole.positives, whole.negatives) == (12, 12)
    assert border.effect == pytest.approx(difference[0] / whole.separation)
    assert border.effect + lungs.effect == pytest.approx(difference.sum() / whole.separation)
    raw = [mannwhitneyu(parts[:12, column], parts[12:, column]).pvalue for column in (0, 1)]
    assert border.p == pytest.approx(min(1, 2 * min(raw))) and lungs.p == pytest.approx(max(raw[1], border.p))
    assert border.low < border.effect < border.high


def test_images_of_a_person_are_averaged_within_their_class():
    parts = np.array([[2.0], [4.0], [1.0], [0.0], [5.0], [3.0], [1.0], [0.5]])
    classes = [1, 1, 0, 0, 1, 1, 0, 0]
    whole, (region,) = separate(parts, parts[:, 0], classes, list("aaaabcde"), names=["border"])
    assert whole.separation == pytest.approx((3 + 5 + 3) / 3 - (0.5 + 1 + 0.5) / 3)
    assert (whole.positives, whole.negatives) == (3, 3)
    assert region.reason == whole.reason and whole.reason.startswith("3 positive and 3 negative persons reach p = 0.1")


def test_regions_that_are_not_judged_count_in_no_correction():
    values = draw(people=12, shift=4.0, share=0.8)
    _, (alone, expected) = separate(*values, not_judged={"lungs": "the finding may lie there"})
    _, (together, _) = separate(*values)
    assert alone.p == pytest.approx(together.p / 2)
    assert (expected.p, expected.reason) == (None, "the finding may lie there") and expected.effect is not None


def test_maps_that_do_not_differ_as_a_whole_accuse_nothing():
    whole, regions = separate(*draw(people=20, shift=0.0, share=0.5))
    assert whole.p > 0.05
    assert {region.effect for region in regions} == {None}
    assert regions[0].reason == f"the maps of positives and negatives do not differ as a whole (p = {whole.p:.2g})"


@pytest.mark.parametrize(
    ("classes", "reason"),
    [
        ([1] * 8, "only positives"),
        ([0] * 8, "only negatives"),
        ([np.nan] * 8, "no image has a class"),
        ([1] * 2 + [0] * 6, "2 positive and 6 negative persons, and 3 of each are needed"),
    ],
)
def test_too_few_persons_are_said(classes, reason):
    whole, (region,) = separate(np.arange(8.0)[:, None], np.arange(8.0), classes, list("abcdefgh"), names=["border"])
    assert region.reason == whole.reason == reason
    assert region.p is None and region.smallest_effect is None


def test_unknown_regions_are_judged_on_the_images_that_know_them():
    parts, totals, classes, persons = draw(people=12, shift=4.0, share=0.5)
    parts[:10, 0] = np.nan
    _, (partly, _) = separate(parts, totals, classes, persons)
    assert partly.reason == "known in 2 positive and 12 negative persons, and 3 of each are needed"
    parts[:, 0] = np.nan
    _, (nowhere, lungs) = separate(parts, totals, classes, persons)
    assert nowhere.reason == "no image is known to have this region, or not to have it"
    assert lungs.reason == "" and lungs.p is not None


def test_region_that_contributes_nothing_has_no_effect():
    parts, totals, classes, persons = draw(people=12, shift=4.0, share=0.5)
    parts[:, 0] = 0
    _, (empty, _) = separate(parts, totals, classes, persons)
    assert (empty.effect, empty.p, empty.smallest_effect) == (0.0, 1.0, 0.0)


def test_smallest_effect_is_seen_about_four_times_in_five():
    """80 % is planned for values that are normal; 300 draws have a standard error of 2.3 points (76 % are seen)."""
    seen, people, shift = 0, 15, 6.0
    _, (region, _) = separate(*draw(people=people, shift=shift, share=0.5))
    smallest = np.mean(
        [separate(*draw(people=people, shift=shift, share=0.5, seed=s))[1][0].smallest_effect for s in range(20)]
    )
    for seed in range(300):
        parts, _, classes, _ = draw(people=people, shift=shift, share=smallest, seed=1000 + seed)
        seen += mannwhitneyu(parts[classes == 1, 0], parts[classes == 0, 0]).pvalue <= 0.05 / 2
    assert region.smallest_effect == pytest.approx(smallest, rel=0.5)
    assert 0.72 <= seen / 300 <= 0.88


def test_so_few_persons_that_no_region_could_be_accused_are_said():
    """Of 4 and 4 without overlap, p is 2 / 70; of 3 and 3, 2 / 20."""
    parts, totals, classes, persons = draw(people=4, shift=20.0, share=0.5)
    whole, regions = separate(parts, totals, classes, persons)
    assert whole.p == pytest.approx(2 / 70) and whole.reason == ""
    reach = "4 positive and 4 negative persons reach p = 0.029 at best, and 0.025 is needed (0.05 over 2 regions)"
    assert {region.reason for region in regions} == {f"{reach}, which takes 5 of each"}
    assert {(region.p, region.smallest_effect) for region in regions} == {(None, None)}
    _, (border, _) = separate(parts, totals, classes, persons, not_judged={"lungs": "the finding may lie there"})
    assert border.p == pytest.approx(2 / 70)  # one region alone can be tested
    whole, regions = separate(*draw(people=3, shift=20.0, share=0.5))
    reason = "3 positive and 3 negative persons reach p = 0.1 at best, and 0.05 is needed, which takes 4 of each"
    assert (whole.p, whole.reason) == (None, reason) and {region.reason for region in regions} == {reason}


@pytest.mark.parametrize("regions", [1, 3, 9])
def test_needed_persons_are_the_fewest_that_reach_the_level(regions):
    def best(count):
        return mannwhitneyu(range(count), range(count, 2 * count)).pvalue

    needed = next(count for count in range(3, 20) if best(count) <= 0.05 / regions)
    assert too_few(needed, needed, level=0.05, regions=regions) == ""
    assert too_few(needed - 1, needed - 1, level=0.05, regions=regions).endswith(f"which takes {needed} of each")


def test_ranks_against_the_difference_of_means_accuse_nothing():
    """One person of 20 lifts the mean of the positives above that of the negatives; all others lie below them."""
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(-0.1, 0.01, 19), [200.0], rng.normal(0.1, 0.01, 20)])
    totals = np.concatenate([rng.normal(10, 0.1, 20), rng.normal(0, 0.1, 20)])
    classes = [1] * 20 + [0] * 20
    whole, (marker,) = separate(values[:, None], totals, classes, np.arange(40), names=["marker"])
    assert mannwhitneyu(values[:20], values[20:]).pvalue < 1e-5  # of the opposite direction
    assert whole.reason == "" and marker.effect > 0.25 and marker.p == 1
    whole, (marker,) = separate(values[:, None], values, classes, np.arange(40), names=["marker"])
    assert whole.reason == "the maps of positives and negatives do not differ as a whole (p = 1)"
    without = np.delete(np.arange(40), 19)
    _, (marker,) = separate(values[without, None], totals[without], np.array(classes)[without], without, names=["m"])
    assert marker.effect < 0 and marker.p < 1e-5  # both directions agree


AREAS = np.zeros((4, 16, 16))
AREAS[0, :2], AREAS[1, -2:], AREAS[2, :, :2], AREAS[3, 2:5, 2:5] = 1, 1, 1, 1


def flagged(*, runs, lift, seed):
    """Return how often whole maps, any of four regions and the verdict are flagged in runs of 20 persons against 20.

    Maps are smooth and random; those of positives have ``lift`` standard deviations more in the middle, where no region
    lies.
    """
    rng, counts = np.random.default_rng(seed), np.zeros(3)
    for _ in range(runs):
        maps = gaussian_filter(rng.normal(size=(40, 16, 16)), (0, 2, 2), mode="wrap")
        maps[:20, 6:14, 4:13] += lift * maps.std()
        parts, classes = np.einsum("nyx,ryx->nr", maps, AREAS), [1] * 20 + [0] * 20
        whole, regions = separate(parts, maps.sum(axis=(1, 2)), classes, np.arange(40), names=list("abcd"))
        evidence = [Evidence(r.region, r.effect, r.low, r.high, r.p, r.smallest_effect, r.reason) for r in regions]
        counts += (
            whole.p <= 0.05,
            any(region.p is not None and region.p <= 0.05 for region in regions),
            any(judge(region, RULES["explain"]).verdict == SHORTCUT for region in evidence),
        )
    return counts / runs


def test_smooth_random_maps_are_flagged_at_most_at_their_level(monkeypatch):
    """At a nominal 5 %, 1,500 runs have a standard error of 0.56 points: a valid test is above 6 % in one of 27 seeds.

    5.1 % were flagged with this seed.
    """
    monkeypatch.setattr(separation, "DRAWS", 50)  # of intervals, which no verdict rests on
    whole, region, shortcut = flagged(runs=1500, lift=0, seed=0)
    assert 0.03 <= whole <= 0.06 and region <= 0.06 and shortcut <= 0.01


def test_regions_of_random_maps_are_flagged_at_most_at_their_level_where_classes_differ_elsewhere(monkeypatch):
    """The whole maps always differ, so that four regions are tested each time; the level is that of all four.

    800 runs have a standard error of 0.77 points; 5.3 % were flagged with this seed.
    """
    monkeypatch.setattr(separation, "DRAWS", 50)
    whole, region, shortcut = flagged(runs=800, lift=4, seed=1)
    assert whole == 1 and 0.02 <= region <= 0.06 and shortcut <= 0.01


def test_wrong_shapes_and_broken_maps_are_refused():
    with pytest.raises(DataError, match="do not fit 2 maps and 2 regions"):
        separate([[1.0]], [1.0, 2.0], [0, 1], ["a", "b"])
    with pytest.raises(DataError, match="1 of 2 maps have no finite sum"):
        separate([[1.0], [2.0]], [1.0, np.nan], [0, 1], ["a", "b"], names=["border"])
