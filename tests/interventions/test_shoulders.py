"""The finder of shoulders, on lungs drawn as rectangles and on edges of the image."""

import numpy as np

from cxrshort.columns import REGION_COLUMNS
from cxrshort.interventions.shoulders import find_shoulders, shoulder_boxes


def lungs(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    areas = np.zeros((100, 100), bool)
    for x0, y0, x1, y1 in boxes:
        areas[y0:y1, x0:x1] = True
    return areas


def test_each_box_follows_the_apex_of_its_own_lung() -> None:
    found = shoulder_boxes(lungs((20, 30, 40, 80), (60, 20, 84, 70)))
    assert found == {"shoulder_right": (10, 22, 52, 41), "shoulder_left": (52, 12, 94, 31)}


def test_boxes_stay_within_the_image() -> None:
    found = shoulder_boxes(lungs((2, 3, 40, 100), (60, 0, 100, 90)))
    assert found == {"shoulder_right": (0, 0, 51, 24), "shoulder_left": (51, 0, 100, 20)}


def test_table_leaves_out_images_without_lungs() -> None:
    areas = np.stack([lungs(), lungs((20, 20, 40, 70), (60, 20, 80, 70))])
    table = find_shoulders(np.zeros((2, 100, 100), np.float32), areas, image_ids=["x/0", "x/1"])
    assert list(table) == list(REGION_COLUMNS)
    assert table.values.tolist() == [
        ["x/1", "shoulder_right", 10, 12, 50, 31],
        ["x/1", "shoulder_left", 50, 12, 90, 31],
    ]
    assert find_shoulders(np.zeros((1, 100, 100), np.float32), areas[:1], image_ids=["x/0"]).empty
