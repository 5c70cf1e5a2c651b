"""Options that a dataset has no use for are refused."""

import pytest

from cxrshort.datasets.building.options import GivenOptions, check_numbers, check_options
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import MissingInputError, UsageError

PLAIN = {"phantom": {}, "benchmark": {}, "downloads": {}}


def given(**changes):
    files = {"--masks": None, "--mask-pattern": (), "--metadata-only": False, **changes.pop("files", {})}
    pixels = {"--shard": None, "--merge": False, **changes.pop("pixels", {})}
    return GivenOptions(**{**PLAIN, "files": files, "pixels": pixels, **changes})


@pytest.mark.parametrize("dataset", ["I", "phantom-I", "waterbirds", "folder"])
def test_defaults_suit_every_kind_of_dataset(dataset):
    check_options(dataset, given(), ReadOptions())


@pytest.mark.parametrize(
    ("dataset", "changes", "message"),
    [
        ("I", {"phantom": {"--patients": 5}}, "--patients is for phantom datasets"),
        ("I", {"benchmark": {"--strength": 0.5}}, "--strength is for benchmarks"),
        ("phantom-I", {"downloads": {"--root": "x"}}, "--root is for repositories and benchmarks"),
        ("waterbirds", {"files": {"--masks": "x"}}, "--masks is for repositories"),
        ("I", {"pixels": {"--shard": "1/2", "--merge": True}}, "--shard and --merge exclude each other"),
        (
            "I",
            {"files": {"--metadata-only": True}, "pixels": {"--shard": "1/2"}},
            "--metadata-only and --shard exclude each other",
        ),
        ("I", {"files": {"--mask-pattern": ("x",)}}, "--mask-pattern needs --masks"),
    ],
)
def test_options_without_effect_are_refused(dataset, changes, message):
    with pytest.raises(UsageError) as caught:
        check_options(dataset, given(**changes), ReadOptions())
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("dataset", "reading", "message"),
    [
        ("padchest", {"labeler": "negbio"}, "--set labeler is for mimic-cxr"),
        ("padchest", {"day_first": True}, "--day-first is for --dataset folder"),
        ("padchest", {"views": ("PA", "XX")}, "'XX' is not a known view"),
        ("phantom-I", {"age_unit": "drop"}, "--set age_unit is for repositories"),
    ],
)
def test_ways_of_reading_without_effect_are_refused(dataset, reading, message):
    with pytest.raises(UsageError) as caught:
        check_options(dataset, given(), ReadOptions(**reading))
    assert caught.value.message == message


def test_files_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(MissingInputError, match="does not exist"):
        check_options("folder", given(), ReadOptions(table=tmp_path / "none.csv"))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"size": 7}, "--size is '7', it must be from 8 to 4096"),
        ({"size": 4097}, "--size is '4097', it must be from 8 to 4096"),
        ({"replicates": 0}, "--replicates is '0', it must be from 1 to 1000"),
        ({"per": "view"}, "--per needs --sample"),
    ],
)
def test_numbers_out_of_range_are_refused(numbers, message):
    fitting = {"size": None, "replicates": 1, "sample": None, "per": None}
    check_numbers(**fitting)
    with pytest.raises(UsageError) as caught:
        check_numbers(**{**fitting, **numbers})
    assert caught.value.message == message
