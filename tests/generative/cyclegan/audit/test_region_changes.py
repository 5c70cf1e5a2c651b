"""Where images changed: shares beside areas, places elsewhere, and the sham, against numbers worked out by hand."""

import numpy as np
import pytest

from cxrshort.generative.cyclegan.audit.region_changes import (
    MeasuredEdits,
    change_records,
    join_edits,
    measure_edits,
    unchanged_regions,
)
from cxrshort.generative.cyclegan.audit.regions import PackedRegions
from cxrshort.stats.verdicts import Rule

SIDE, COUNT = 16, 12
NAMES = ("square", "stripe", "absent", "unknown")
RULE = Rule(unit="SD of the logits", margin=0.25)


def cut(count: int = COUNT) -> PackedRegions:
    areas = np.zeros((count, 4, SIDE, SIDE), bool)
    areas[:, 0, 2:6, 3:7] = True
    areas[:, 1, :, 12:] = True
    areas[:, 3, 8:, 8:] = True
    available = np.ones((count, 4), bool)
    available[:, 3] = False
    return PackedRegions(NAMES, np.packbits(areas, axis=-1), available, SIDE)


def maps(height: float, *, even: float = 0.01, count: int = COUNT) -> np.ndarray:
    """Return differences that are even but for the square, negative in half of the images."""
    charts = np.full((count, SIDE, SIDE), even, np.float32)
    charts[:, 2:6, 3:7] = height
    charts[::2] *= -1
    return charts


def measured(height: float, *, even: float = 0.01, start: int = 0) -> MeasuredEdits:
    persons = [f"p{number}" for number in range(start, start + COUNT)]
    return measure_edits(maps(height, even=even), cut(), persons)


def records(edits: MeasuredEdits, shams: MeasuredEdits) -> dict[str, dict]:
    return {row["region"]: row for row in change_records(edits, shams, rng=np.random.default_rng(0))}


def test_shares_areas_and_differences_are_those_of_the_pixels() -> None:
    rows = records(measured(0.2), measured(0.05, start=100))
    total = 16 * 0.2 + (SIDE**2 - 16) * 0.01
    square = rows["square"]
    assert square["difference_share"] == pytest.approx(16 * 0.2 / total, rel=1e-5)
    assert square["area"] == pytest.approx(16 / SIDE**2)
    assert square["ratio"] == pytest.approx(16 * 0.2 / total * SIDE**2 / 16, rel=1e-5)
    assert square["mean_difference"] == pytest.approx(0.2, rel=1e-5)
    assert rows["stripe"]["mean_difference"] == pytest.approx(0.01, rel=1e-5)
    assert square["sham_ratio"] == pytest.approx(4.0, rel=1e-5) and rows["stripe"]["sham_ratio"] == pytest.approx(1.0)


def test_only_the_square_lies_where_no_other_place_does() -> None:
    rows = records(measured(0.2), measured(0.2, start=100))
    assert rows["square"]["p_shift"] == pytest.approx(1 / SIDE**2)
    assert rows["stripe"]["p_shift"] > 0.3


def test_empty_and_unknown_regions_have_no_numbers() -> None:
    rows = records(measured(0.2), measured(0.2, start=100))
    assert rows["unknown"]["images"] == 0 and rows["unknown"]["mean_difference"] is None
    assert rows["absent"]["ratio"] is None and rows["absent"]["p_shift"] is None and rows["absent"]["area"] == 0
    assert rows["absent"]["change_reason"] == "the region is empty in every image"


def test_images_that_did_not_change_have_a_mean_of_zero_and_no_share() -> None:
    charts = maps(0.2)
    charts[0] = 0
    edits = measure_edits(charts, cut(), [f"p{number}" for number in range(COUNT)])
    assert edits.means[0, :2].tolist() == [0, 0] and np.isnan(edits.shares.shares[0]).all()
    assert records(edits, measured(0.2, start=100))["square"]["images"] == COUNT - 1


def test_sham_without_any_change_gives_no_ratio_and_no_objection() -> None:
    still = measured(0.0, even=0.0, start=100)
    rows = change_records(measured(0.2), still, rng=np.random.default_rng(0))
    assert rows[0]["sham_ratio"] is None
    assert "square" not in unchanged_regions(rows, RULE)


def test_limits_of_the_sham_ratio_are_those_of_persons_drawn_in_both_sets() -> None:
    rng = np.random.default_rng(4)
    heights, shams = rng.uniform(0.1, 0.4, COUNT), rng.uniform(0.05, 0.2, COUNT)
    charts = [maps(1.0) * 0 for _ in range(2)]
    for part, values in zip(charts, (heights, shams), strict=True):
        part[:, 2:6, 3:7] = values[:, None, None]
    persons = [f"p{number}" for number in range(COUNT)]
    others = [f"q{number}" for number in range(COUNT)]
    row = records(measure_edits(charts[0], cut(), persons), measure_edits(charts[1], cut(), others))["square"]
    draws = np.random.default_rng(9).integers(0, COUNT, (2, 20000, COUNT))
    by_hand = np.quantile(heights[draws[0]].mean(1) / shams[draws[1]].mean(1), [0.025, 0.975])
    assert row["sham_ratio"] == pytest.approx(heights.mean() / shams.mean(), rel=1e-5)
    assert [row["sham_ratio_low"], row["sham_ratio_high"]] == pytest.approx(by_hand, rel=0.05)


@pytest.mark.parametrize(
    ("height", "sham", "clause"),
    [
        (0.2, 0.05, ""),
        (0.01, 0.01, "it was not changed more than its area says (ratio 1.00, lower limit 1.00)"),
        (0.2, 0.2, "images that need no change were changed there as much (ratio to them 1.00, from 1.00)"),
    ],
)
def test_objections_to_a_region_are_named(height: float, sham: float, clause: str) -> None:
    rows = change_records(measured(height), measured(sham, start=100), rng=np.random.default_rng(0))
    assert unchanged_regions(rows, RULE).get("square", "") == clause
    assert unchanged_regions(rows, RULE)["absent"] == "how much of it was changed could not be measured"


def test_region_that_changed_as_much_as_other_places_is_named() -> None:
    charts = maps(0.2)
    for row in range(0, SIDE - 4, 4):
        charts[:, row : row + 4, 8:12] = 0.3  # larger elsewhere
    edits = measure_edits(charts, cut(), [f"p{number}" for number in range(COUNT)])
    clauses = unchanged_regions(change_records(edits, measured(0.0, start=50), rng=np.random.default_rng(0)), RULE)
    assert clauses["square"].startswith("it was not changed more than the same shape elsewhere (p = ")


def test_joined_edits_are_those_of_both_parts() -> None:
    joined = join_edits([measured(0.2), measured(0.1, start=50)])
    assert len(joined.maps) == len(joined.persons) == len(joined.regions) == 2 * COUNT
    assert joined.means[:, 0].mean() == pytest.approx(0.15, rel=1e-5)
