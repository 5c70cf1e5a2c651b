"""Shares of regions: against sums in double precision, and each rule for maps and regions without one."""

import numpy as np
import pandas as pd
import pytest

from cxrshort.attribution.shares import (
    concatenate_shares,
    most_driven,
    region_shares,
    share_standard_errors,
    share_table,
)
from cxrshort.errors import DataError
from cxrshort.regions import CORNERS, EDGES, RegionBatch, geometry

NAMES = ("a", "b", "c")


def batch(count: int = 6, side: int = 9, seed: int = 0):
    rng = np.random.default_rng(seed)
    areas = rng.random((count, len(NAMES), side, side)) < 0.3
    maps = rng.normal(size=(count, side, side)).astype(np.float32)
    return maps, RegionBatch(areas, np.ones(areas.shape[:2], bool))


def test_shares_and_areas_are_sums_over_the_region():
    maps, regions = batch()
    found = region_shares(maps, regions, names=NAMES)
    absolute = np.abs(maps.astype(np.float64))
    expected = np.einsum("nrhw,nhw->nr", regions.areas, absolute) / absolute.sum(axis=(1, 2))[:, None]
    np.testing.assert_allclose(found.shares, expected, rtol=1e-5)
    np.testing.assert_allclose(found.areas, regions.areas.mean(axis=(2, 3)))
    np.testing.assert_allclose(found.ratios, expected / regions.areas.mean(axis=(2, 3)), rtol=1e-5)
    assert not found.zero_maps.any() and not found.broken_maps.any()


@pytest.mark.parametrize("scale", [1e-36, 1e36])
def test_shares_do_not_depend_on_the_scale_of_a_map(scale):
    maps, regions = batch()
    plain = region_shares(maps, regions, names=NAMES).shares
    np.testing.assert_allclose(region_shares(maps * np.float32(scale), regions, names=NAMES).shares, plain, rtol=1e-4)


def test_zero_broken_and_unknown_have_no_share_and_an_empty_region_has_none_of_the_map():
    maps, regions = batch(count=5)
    maps[0] = 0
    maps[1, 0, 0], maps[2, 0, 0] = np.nan, np.inf
    regions.available[3, 1] = False
    regions.areas[4, 2] = False
    found = region_shares(maps, regions, names=NAMES)
    assert np.isnan(found.shares[:3]).all() and not np.isnan(found.areas[:3]).any()
    np.testing.assert_array_equal(found.zero_maps, [True, False, False, False, False])
    np.testing.assert_array_equal(found.broken_maps, [False, True, True, False, False])
    assert np.isnan(found.shares[3, 1]) and np.isnan(found.areas[3, 1])
    assert (found.shares[4, 2], found.areas[4, 2]) == (0, 0) and np.isnan(found.ratios[4, 2])


def test_regions_of_other_images_are_refused():
    maps, regions = batch()
    with pytest.raises(DataError, match="do not fit maps of shape"):
        region_shares(maps[:2], regions, names=NAMES)
    with pytest.raises(DataError, match="cannot be read"):
        region_shares(maps[0], regions, names=NAMES)


def test_batches_join_to_the_shares_of_the_whole():
    maps, regions = batch()
    parts = [
        region_shares(maps[cut], RegionBatch(regions.areas[cut], regions.available[cut]), names=NAMES)
        for cut in (slice(0, 2), slice(2, 6))
    ]
    whole = region_shares(maps, regions, names=NAMES)
    np.testing.assert_array_equal(concatenate_shares(parts).shares, whole.shares)
    with pytest.raises(DataError, match="2 lists of regions"):
        concatenate_shares([whole, region_shares(maps, regions, names=("x", "y", "z"))])


def test_standard_error_is_the_scatter_of_shares_over_new_draws():
    """Of 400 experiments with 10 groups each, the mean error is the standard deviation of the share."""
    rng = np.random.default_rng(3)
    signal = np.zeros((1, 6, 6))
    signal[0, :2] = 3.0
    signal[0, 2:] = 1.0
    regions = RegionBatch(np.zeros((1, 1, 6, 6), bool), np.ones((1, 1), bool))
    regions.areas[0, 0, :2] = True
    shares, errors = [], []
    for _ in range(400):
        groups = signal + rng.normal(scale=0.8, size=(10, 1, 6, 6))
        shares.append(region_shares(groups.mean(axis=0), regions, names=["top"]).shares.item())
        errors.append(share_standard_errors(groups, regions, names=["top"]).item())
    # The standard deviation of 400 draws has a standard error of 3.5 %.
    assert np.mean(errors) == pytest.approx(np.std(shares), rel=0.12)
    with pytest.raises(DataError, match="have no standard error"):
        share_standard_errors(groups[:1], regions, names=["top"])


def test_table_has_a_row_for_each_region_of_each_group():
    maps, regions = batch(count=12)
    maps[3] = 0
    by = pd.DataFrame({"finding": ["Mass"] * 6 + ["Edema"] * 6, "class": [0, 1, 1, 0, np.nan, 1] * 2})
    found = region_shares(maps, regions, names=NAMES)
    table = share_table(found, list("aabbccddeeff"), by=by, rng=np.random.default_rng(0))
    assert list(table["region"]) == list(NAMES) * 4
    cell = table[(table["finding"] == "Mass") & (table["class"] == 0) & (table["region"] == "a")].iloc[0]
    assert (cell["images"], cell["left_out"], cell["share"]) == (1, 1, pytest.approx(found.shares[0, 0]))
    with pytest.raises(DataError, match="12 maps, 3 persons and 12 groups"):
        share_table(found, list("abc"), by=by, rng=np.random.default_rng(0))


def test_images_driven_by_borders_and_corners_come_first():
    areas = geometry((32, 32))
    maps = np.ones((4, 32, 32), np.float32)
    maps[1, 0], maps[3] = 50, 0
    maps[2, :4, :4] = 9
    regions = RegionBatch(np.broadcast_to(np.stack(list(areas.values())), (4, 8, 32, 32)), np.ones((4, 8), bool))
    found = region_shares(maps, regions, names=tuple(areas))
    ranking = most_driven(found)
    assert list(ranking["row"]) == [1, 2, 0]
    outside = np.any([areas[name] for name in (*EDGES, *CORNERS)], axis=0)
    assert ranking["share"].iloc[0] == pytest.approx(maps[1][outside].sum() / maps[1].sum())
    assert ranking["ratio"].iloc[2] == pytest.approx(1)
    with pytest.raises(DataError, match="region 'spine' was not measured"):
        most_driven(found, regions=["spine"])
