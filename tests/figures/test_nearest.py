from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrshort.errors import DataError
from cxrshort.figures.nearest import DistancePanel, draw_nearest_distances
from cxrshort.figures.style import DATASET_COLOURS

RED = tuple(int(DATASET_COLOURS["I"][place : place + 2], 16) for place in (1, 3, 5))


def red_centre(path: Path, *, right_of: float = 0.0, left_of: float = 1.0) -> float:
    """Return where the synthetic distances stand, as a share of the width, below the legend."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)[130:]
    columns = np.flatnonzero((np.abs(pixels - RED).sum(axis=2) < 30).any(axis=0)) / pixels.shape[1]
    return float(np.median(columns[(columns > right_of) & (columns < left_of)]))


def test_each_measure_has_a_panel_and_smaller_distances_stand_at_the_left(tmp_path: Path) -> None:
    real = np.random.default_rng(0).uniform(0.5, 1, 200)
    panels = [DistancePanel("hash", real / 5, real), DistancePanel("pixels", real, real)]
    path = draw_nearest_distances(panels, tmp_path / "a.png", title="t")
    near, far = red_centre(path, left_of=0.5), red_centre(path, right_of=0.5) - 0.5
    assert near < 0.2 and far > 0.3


def test_distances_without_a_yardstick_are_drawn_and_none_are_refused(tmp_path: Path) -> None:
    draw_nearest_distances([DistancePanel("hash", [0.1, 0.2], [])], tmp_path / "a.png", title="t")
    with pytest.raises(DataError, match="there is no distance to draw"):
        draw_nearest_distances([], tmp_path / "b.png", title="t")
    with pytest.raises(DataError, match="1 distances cannot be drawn"):
        draw_nearest_distances([DistancePanel("hash", [np.inf], [1.0])], tmp_path / "b.png", title="t")
