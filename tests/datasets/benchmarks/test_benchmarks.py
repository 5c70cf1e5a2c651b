"""The contract that every benchmark keeps, on a small copy of its sources."""

import numpy as np
import pandas as pd
import pytest

from cxrshort import manifest as manifests
from cxrshort.columns import EXCLUDED_COLUMNS
from cxrshort.datasets.benchmarks import BENCHMARKS
from cxrshort.datasets.benchmarks.plan import DECEIVING, MAJORITY, MINORITY, TEST_GROUPS
from cxrshort.errors import UsageError
from cxrshort.registry import load_entry

from .copies import MAKERS


@pytest.fixture(scope="module", params=list(BENCHMARKS))
def source(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param)
    MAKERS[request.param](root)
    return load_entry(BENCHMARKS, request.param, kind="benchmark"), root


def test_rows_make_a_valid_manifest_with_the_classes_as_labels(source):
    benchmark, root = source
    rows = benchmark.plan(root).rows
    manifest = manifests.check_manifest(rows.assign(split_0=rows["split"]))
    assert manifests.label_columns(manifest) == list(benchmark.labels)
    assert set(rows["repository"]) == {benchmark.name}


def test_manifest_is_the_same_after_writing_and_reading(source, tmp_path):
    benchmark, root = source
    rows = benchmark.plan(root, confounder_strength=0.8).rows
    manifests.write_table(rows, tmp_path / "manifest.csv")
    again = manifests.read_manifest(tmp_path / "manifest.csv")
    pd.testing.assert_frame_equal(again, rows, check_dtype=False)
    assert manifests.label_columns(again) == list(benchmark.labels)


def test_every_picture_has_exactly_one_class(source):
    benchmark, root = source
    rows = benchmark.plan(root).rows
    assert (rows[list(benchmark.labels)].sum(axis=1) == 1).all()


def test_source_images_never_cross_folds(source):
    benchmark, root = source
    rows = benchmark.plan(root, confounder_strength=0.5).rows
    assert (rows.groupby("patient_id")["split"].nunique() == 1).all()
    assert set(rows["split"]) == {"train", "val", "test"}


def test_groups_are_those_of_the_fold(source):
    benchmark, root = source
    rows = benchmark.plan(root, confounder_strength=0.5).rows
    learning = rows[rows["split"] != "test"]
    assert set(learning["group"]) == {MAJORITY, MINORITY}
    assert set(rows.loc[rows["split"] == "test", "group"]) <= set(TEST_GROUPS)


@pytest.mark.parametrize(("strength", "group"), [(1.0, MAJORITY), (0.0, MINORITY)])
def test_extreme_strengths_leave_one_group(source, strength, group):
    benchmark, root = source
    rows = benchmark.plan(root, confounder_strength=strength).rows
    assert set(rows.loc[rows["split"] != "test", "group"]) == {group}


def test_full_strength_gives_the_class_away_and_deceiving_never_does(source):
    benchmark, root = source
    rows = benchmark.plan(root).rows
    label = rows[list(benchmark.labels)].idxmax(axis=1)
    learning = rows["split"] != "test"
    by_confounder = label[learning].groupby(rows["confounder"][learning]).agg(set)
    assert (by_confounder.map(len) == 1).all()
    for group, agrees in (("biased", True), (DECEIVING, False)):
        chosen = rows["group"] == group
        giveaway = [
            by_confounder[worn] == {own} for worn, own in zip(rows["confounder"][chosen], label[chosen], strict=True)
        ]
        assert giveaway and set(giveaway) == {agrees}
    unbiased = rows.loc[rows["group"] == "unbiased", "confounder"]
    assert not set(unbiased) & set(by_confounder.index)


def test_strength_moves_neither_folds_nor_test_pictures(source):
    benchmark, root = source
    plans = [benchmark.plan(root, confounder_strength=strength, seed=3).rows for strength in (0.2, 0.9)]
    folds = [rows.set_index("image_id")["split"].to_dict() for rows in plans]
    assert folds[0] == folds[1]
    groups = [rows[rows["split"] == "test"].set_index("image_id")["group"].to_dict() for rows in plans]
    assert groups[0] == groups[1]


def test_same_seed_plans_the_same_and_another_one_does_not(source):
    benchmark, root = source
    first, again, other = (benchmark.plan(root, confounder_strength=0.5, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first.rows, again.rows)
    assert first.keys() == again.keys() != other.keys()
    assert len(set(first.keys())) == len(first.rows) == len(first.pictures)


def test_drawing_is_pure_and_keeps_its_shape(source):
    benchmark, root = source
    plan = benchmark.plan(root)
    for size in (benchmark.size, 40):
        first, again = (benchmark.draw(plan.pictures[0], size=size) for _ in range(2))
        assert first.pixels.shape == (3, size, size) and first.pixels.dtype == np.uint8
        assert first.masks.shape == (size, size) and first.masks.dtype == np.uint8
        assert np.array_equal(first.pixels, again.pixels) and np.array_equal(first.masks, again.masks)


def test_masks_hold_every_named_bit_and_no_other(source):
    benchmark, root = source
    plan = benchmark.plan(root)
    seen = np.bitwise_or.reduce(np.unique(benchmark.draw(plan.pictures[0], size=benchmark.size).masks))
    assert seen == sum(benchmark.mask_bits.values())


def test_candidates_are_rows_or_excluded_with_a_reason(source):
    benchmark, root = source
    plan = benchmark.plan(root)
    assert list(plan.excluded.columns) == list(EXCLUDED_COLUMNS)
    assert (plan.excluded["reason"] != "").all()
    assert not set(plan.excluded["patient_id"]) & set(plan.rows["patient_id"])


def test_paths_are_files_below_the_root(source):
    benchmark, root = source
    assert all((root / path).is_file() for path in benchmark.plan(root).rows["path"].unique())


def test_numbers_out_of_range_are_refused(source):
    benchmark, root = source
    with pytest.raises(UsageError) as caught:
        benchmark.plan(root, confounder_strength=1.5)
    assert caught.value.message == "--set confounder_strength is '1.5', it must be from 0 to 1"
    with pytest.raises(UsageError) as caught:
        benchmark.plan(root, seed=-1)
    assert caught.value.message == "seed '-1' is below 0"
