"""Photographs: opened upright or refused, and scenes of Places used once."""

import os

import numpy as np
import pytest
from PIL import Image

from cxrshort.datasets.benchmarks.photographs import assign_scenes, read_photograph, squash
from cxrshort.errors import DataError, MissingInputError
from cxrshort.images.raster import ImageError

POOLS = {"water": ("ocean", "lake/natural"), "land": ("forest",)}


def places(root):
    home = root / "places365" / "data_large"
    for category, count in (("o/ocean", 3), ("l/lake/natural", 2), ("f/forest", 2)):
        (home / category).mkdir(parents=True)
        for number in range(count):
            (home / category / f"{number}.jpg").touch()
    return home


def draw(root, kinds, seed=0):
    return assign_scenes(root, kinds, categories=POOLS, generator=np.random.default_rng(seed))


def test_scenes_are_of_the_wanted_kind_and_used_once(tmp_path):
    places(tmp_path)
    kinds = ["water", "land", "water", "water", "land", "water", "water"]
    scenes = draw(tmp_path, kinds)
    assert [scene.category in POOLS[kind] for scene, kind in zip(scenes, kinds, strict=True)] == [True] * 7
    assert len({scene.path for scene in scenes}) == 7
    assert scenes == draw(tmp_path, kinds)


def test_too_few_scenes_and_absent_categories_are_refused(tmp_path):
    with pytest.raises(MissingInputError, match="has no scenes 'ocean' of Places"):
        draw(tmp_path, ["water"])
    places(tmp_path)
    with pytest.raises(DataError, match="Places has 2 images of forest, 3 are needed"):
        draw(tmp_path, ["land"] * 3)


def test_scenes_whose_names_fit_in_no_manifest_are_left_alone(tmp_path):
    (places(tmp_path) / "f" / "forest" / os.fsdecode(b"\xe9.jpg")).touch()
    assert {scene.path.name for scene in draw(tmp_path, ["land"] * 2)} == {"0.jpg", "1.jpg"}


def test_photograph_is_read_at_its_full_size_and_squashed(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = read_photograph(tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(image), pixels)
    assert squash(image, 8).shape == (3, 8, 8) and squash(image.convert("L"), 8).shape == (8, 8)


def test_damaged_photograph_is_refused(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0damaged")
    with pytest.raises(ImageError):
        read_photograph(tmp_path / "a.jpg")
