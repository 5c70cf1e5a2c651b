"""Shards: every candidate in one of them, and none merged before all are there."""

import pytest

from cxrshort.datasets.building import shards
from cxrshort.datasets.building.image_source import ImageSource
from cxrshort.datasets.building.shards import SHARDS, Shard
from cxrshort.errors import DataError, MissingInputError, OutputError, UsageError

MATERIAL = ImageSource(["a"], {}, lambda *arguments: None)


@pytest.mark.parametrize("count", [0, 1, 7, 8])
def test_shards_hold_every_candidate_once(count):
    rows = [row for number in (1, 2, 3) for row in Shard(number, 3).rows(count)]
    assert sorted(rows) == list(range(count))


def test_shard_is_read_as_it_is_written():
    assert shards.parse_shard(" 2/4 ") == Shard(2, 4) and str(Shard(2, 4)) == "2/4"


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/0", "-1/2", "1/2/3", "a/b", ""])
def test_other_texts_are_no_shard(text):
    with pytest.raises(UsageError, match="it must be I/N with I from 1 to N"):
        shards.parse_shard(text)


def test_merge_without_shards_or_of_several_cuts_is_refused(tmp_path):
    with pytest.raises(MissingInputError, match="holds no shards"):
        shards.read_shards(tmp_path, image_source=MATERIAL, count=1)
    for name in ("1-of-2", "1-of-3"):
        (tmp_path / SHARDS / name).mkdir(parents=True)
    with pytest.raises(DataError, match="cut in several ways, into 2 and 3 shards"):
        shards.read_shards(tmp_path, image_source=MATERIAL, count=1)


def test_merge_names_the_shards_that_are_not_begun(tmp_path):
    Shard(1, 2).folder(tmp_path).mkdir(parents=True)
    with pytest.raises(MissingInputError, match=r"1/2 \(not begun\), 2/2 \(not begun\)"):
        shards.read_shards(tmp_path, image_source=MATERIAL, count=2)


def test_unmerged_shards_are_kept_from_a_build_from_scratch(tmp_path):
    shards.refuse_unmerged(tmp_path)
    Shard(1, 2).folder(tmp_path).mkdir(parents=True)
    with pytest.raises(OutputError, match="holds shards"):
        shards.refuse_unmerged(tmp_path)
    shards.discard(tmp_path)
    shards.refuse_unmerged(tmp_path)
