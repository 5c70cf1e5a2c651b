"""Transformed images: differences in grey values, there and back, and generators that make one image of all."""

from pathlib import Path

import numpy as np
import pytest

from cxrshort.errors import DataError
from cxrshort.generative.cyclegan.audit.edits import check_collapse, transform_images

from ....training.tiny import tiny_dataset
from .audited import COMPUTE, choose

OPTIONS = {"compute": COMPUTE, "batch_size": 4}


class Shift:
    """Add 2 grey values to images in one direction, and take 1 in the other."""

    size = 32

    def transform_pixels(self, pixels: np.ndarray, direction: str) -> np.ndarray:
        """Return the shifted images."""
        return pixels + np.uint8(2) if direction == "to" else pixels - np.uint8(1)


class Constant(Shift):
    """Return one image whatever is given."""

    def transform_pixels(self, pixels: np.ndarray, direction: str) -> np.ndarray:
        """Return grey."""
        return np.full_like(pixels, 127)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("edits")
    tiny_dataset(folder / "tiny", people=24)
    return folder


def test_differences_and_cycle_errors_are_in_grey_values_of_one(home: Path) -> None:
    images = choose(home)
    rows = images.started("to")
    edits = transform_images(Shift(), images, "to", rows=rows, **OPTIONS)
    assert np.array_equal(edits.before, images.data.pixels.take(rows))
    assert edits.differences.shape == (6, 32, 32) and np.allclose(edits.differences, 2 / 255)
    assert np.allclose(edits.changes, 2 / 255) and np.allclose(edits.cycle_errors, 1 / 255)


def test_without_the_way_back_there_is_no_cycle_error(home: Path) -> None:
    images = choose(home)
    edits = transform_images(Shift(), images, "from", rows=images.started("from"), cycle=False, **OPTIONS)
    assert np.allclose(edits.differences, -1 / 255)
    with pytest.raises(DataError, match="images were not transformed back"):
        _ = edits.cycle_errors


def test_collapsed_generator_is_refused(home: Path) -> None:
    images = choose(home)
    with pytest.raises(DataError) as caught:
        transform_images(Constant(), images, "to", rows=images.started("to"), **OPTIONS)
    assert caught.value.message == "the generator to 'COVID-19 == 1' has collapsed: it makes one image of all 6"


def test_images_that_are_the_same_before_are_no_collapse() -> None:
    same = np.full((3, 4, 4), 9, np.uint8)
    check_collapse(same, same, goal="x == 1")
    check_collapse(same[:1], same[:1], goal="x == 1")
