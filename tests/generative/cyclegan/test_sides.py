"""The sides of a CycleGAN: which images they hold, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cxrshort.errors import DataError, UsageError
from cxrshort.generative.cyclegan.sides import choose_sides

from .small import SIDES, dataset, sides_of


def test_sides_are_rows_of_the_training_fold_alone(tmp_path: Path) -> None:
    sides = sides_of(tmp_path)
    manifest = sides.data.manifest
    assert set(manifest["split_0"]) == {"train"}
    for direction, value in (("from", 0), ("to", 1)):
        assert set(manifest["COVID-19"].iloc[sides.rows[direction]]) == {value}
    assert sides.counts == sides.available == {"from": 12, "to": 12}
    assert sides.persons == sorted(set(manifest["person_id"]))


def test_larger_side_is_drawn_down_to_the_smaller_one(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    expressions = {"from": "COVID-19 == 0", "to": 'COVID-19 == 1 and view == "AP"'}
    sides = choose_sides(data, expressions, replicate=0)
    assert sides.available["from"] == 12 and sides.counts["from"] == sides.counts["to"] == sides.available["to"] < 12


def test_draw_depends_on_the_seed_alone(tmp_path: Path) -> None:
    drawn = [sides_of(tmp_path / name, per_class=5, seed=seed).rows for name, seed in (("a", 1), ("b", 1), ("c", 2))]
    assert [len(rows["to"]) for rows in drawn] == [5, 5, 5]
    assert np.array_equal(drawn[0]["to"], drawn[1]["to"]) and not np.array_equal(drawn[0]["to"], drawn[2]["to"])
    assert np.all(np.diff(drawn[0]["to"]) > 0)


def test_side_without_images_is_refused(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    with pytest.raises(UsageError) as caught:
        choose_sides(data, {**SIDES, "to": "COVID-19 == 0.5"}, replicate=0)
    assert caught.value.message == ("--to 'COVID-19 == 0.5' holds for none of the 24 training images of tiny (split_0)")
    assert caught.value.hint == f"see the columns of {data.path}, and write an expression that holds for some rows"


def test_image_on_both_sides_is_refused(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    with pytest.raises(DataError) as caught:
        choose_sides(data, {"from": 'view == "PA"', "to": "COVID-19 == 1"}, replicate=0)
    assert caught.value.message.startswith("tiny: 8 images are on both sides, first 'tiny/")
    assert caught.value.hint == "write expressions that exclude each other"


def test_one_film_under_two_names_on_both_sides_is_refused(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    manifest = data.manifest.assign(pixels_crc32=range(len(data.manifest)))
    manifest.loc[1, "pixels_crc32"] = 0
    with pytest.raises(DataError) as caught:
        choose_sides(replace(data, manifest=manifest), SIDES, replicate=0)
    assert caught.value.message == ("tiny: 1 images are on both sides under two names, first 'tiny/000' and 'tiny/001'")
    assert caught.value.hint == 'leave one of them out: ... and image_id != "tiny/000"'


def test_unknown_replicate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no column 'split_7' for replicate 7"):
        choose_sides(dataset(tmp_path), SIDES, replicate=7)
