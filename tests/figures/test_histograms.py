"""A number among random ones."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrshort.errors import DataError
from cxrshort.figures.histograms import draw_among
from cxrshort.figures.style import DATASET_COLOURS

RED = tuple(int(DATASET_COLOURS["I"][place : place + 2], 16) for place in (1, 3, 5))


def red_columns(path: Path) -> np.ndarray:
    """Return where the line of the observed number stands, as shares of the width: columns red over much height."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    return np.flatnonzero((np.abs(pixels - RED).sum(axis=2) < 30).mean(axis=0) > 0.4) / pixels.shape[1]


def test_observed_number_stands_among_the_random_ones_or_outside(tmp_path: Path) -> None:
    random = np.random.default_rng(0).normal(size=500)
    middle, outside = (
        red_columns(draw_among(value, random, tmp_path / f"{value}.png", title="t")).mean() for value in (0.0, 9.0)
    )
    assert 0.4 < middle < 0.65 and outside > 0.9


def test_equal_numbers_can_be_drawn(tmp_path: Path) -> None:
    assert len(red_columns(draw_among(1.0, [1.0, 1.0], tmp_path / "a.png", title="t")))


@pytest.mark.parametrize("random", [[], [np.nan]])
def test_numbers_that_cannot_be_drawn_are_refused(tmp_path: Path, random: list[float]) -> None:
    with pytest.raises(DataError, match=f"{len(random)} random numbers cannot be drawn: each must be finite"):
        draw_among(0.0, random, tmp_path / "a.png", title="t")
