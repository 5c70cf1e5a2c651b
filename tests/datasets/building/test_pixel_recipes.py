"""How papers make squares of films."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from cxrshort.datasets.building.image_source import of_files
from cxrshort.datasets.building.pixel_recipes import RECIPES, PixelRecipe, pixel_recipe
from cxrshort.datasets.cohorts import Candidates
from cxrshort.errors import UsageError
from cxrshort.images.cache import create_cache


def test_command_line_stands_over_the_recipe() -> None:
    assert pixel_recipe(None) == RECIPES["degrave2021"] == PixelRecipe("crop")
    assert pixel_recipe("tea2025") == PixelRecipe("squash", test_fit="pad", equalise=True)
    assert pixel_recipe("tea2025", fit="crop", test_fit="squash") == PixelRecipe("crop", "squash", equalise=True)
    assert pixel_recipe(None, equalise=True) == PixelRecipe("crop", equalise=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "tea"}, "'tea' is not a known pixel recipe"),
        ({"name": None, "fit": "crap"}, "'crap' is not a known fit"),
        ({"name": None, "test_fit": "pat"}, "'pat' is not a known fit"),
    ],
)
def test_unknown_words_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        pixel_recipe(**options)
    assert caught.value.message == message


def test_tea_pads_the_repositories_that_are_for_testing_alone(tmp_path: Path) -> None:
    """Films twice as wide as high: squashed in training, between black bands in the test, equalised in both."""
    film = np.random.default_rng(0).integers(100, 140, (40, 80), dtype=np.uint8)
    Image.fromarray(film).save(tmp_path / "film.png")
    rows = pd.DataFrame({"path": "film.png", "repository": ["brixia", "shenzhen", "chexpert"]})
    fractions = {"brixia": (0.0, 0.25), "shenzhen": (1.0, 0.0), "chexpert": (0.05, 0.05)}
    candidates = Candidates(rows, pd.DataFrame(), fractions, root=tmp_path)
    known, image_source = of_files(candidates, size=40, recipe=RECIPES["tea2025"])
    assert known.rows["cache_fit"].tolist() == ["squash", "pad", "squash"]
    cache = create_cache(tmp_path / "images.npy", (3, 40, 40))
    image_source.make({"images.npy": tmp_path / "images.npy"}, [0, 1, 2], [0, 1, 2], 1, lambda done: None)
    squashed, padded, other = np.array(cache)
    flat = ImageOps.equalize(Image.fromarray(film))
    expected = flat.resize((40, 40), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(squashed, np.asarray(expected))
    np.testing.assert_array_equal(squashed, other)
    assert not padded[:10].any() and not padded[-10:].any()
    np.testing.assert_array_equal(padded[10:30], np.asarray(flat.resize((40, 20), Image.Resampling.BILINEAR)))
