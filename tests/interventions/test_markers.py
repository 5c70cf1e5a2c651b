"""The finder of markers on drawn scenes, and on phantoms whose markers are known."""

import numpy as np
import pytest

from cxrshort.columns import REGION_COLUMNS
from cxrshort.interventions import FINDERS
from cxrshort.interventions.markers import MOST, find_markers, marker_boxes
from cxrshort.registry import load_entry

SIDE = 128
NO_LUNGS = np.zeros((SIDE, SIDE), bool)
LETTER = (
    np.array([[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]], bool).repeat(2, 0).repeat(2, 1)
)


def film() -> np.ndarray:
    """Return a film whose grey changes slowly, (128, 128), with a soft bright band as a bone is."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    return (0.3 + 0.2 * y + 0.25 * np.exp(-(((y - x / 2 - 0.3) / 0.03) ** 2))).astype(np.float32)


def write(image: np.ndarray, x0: int, y0: int, *, grey: float = 0.95) -> tuple[int, int, int, int]:
    """Write a letter in place, and return its box."""
    height, width = LETTER.shape
    image[y0 : y0 + height, x0 : x0 + width][LETTER] = grey
    return x0, y0, x0 + width, y0 + height


def test_letter_is_found_to_the_pixel_and_bone_is_not() -> None:
    assert marker_boxes(film(), NO_LUNGS) == []
    image = film()
    box = write(image, 100, 12)
    assert marker_boxes(image, NO_LUNGS) == [box]


def test_letter_on_bone_is_found() -> None:
    image = film()
    x0, y0, x1, y1 = write(image, 60, 62, grey=1.0)
    (found,) = marker_boxes(image, NO_LUNGS)
    assert abs(np.array(found) - [x0, y0, x1, y1]).max() <= 2


def test_letter_that_touches_a_soft_bright_ridge_has_its_own_box() -> None:
    """At the lowest contrast letter and ridge are one component of a word's size, most of whose outline is soft."""
    image, (y, x) = film(), np.mgrid[:SIDE, :SIDE]
    image += 0.35 * np.exp(-(((y - 8) / 5) ** 2) - ((x - 80) / 18) ** 2).astype(np.float32)
    x0, y0, x1, y1 = write(image, 70, 12, grey=1.3)
    (box,) = marker_boxes(image, NO_LUNGS)
    assert abs(np.array(box) - [x0, y0, x1, y1]).max() <= 2


def test_soft_spot_is_no_marker_and_a_sharp_one_is() -> None:
    y, x = np.mgrid[:SIDE, :SIDE]
    distance = np.hypot(y - 30, x - 100)
    soft = film() + 0.5 * np.exp(-((distance / 5) ** 2)).astype(np.float32)
    assert marker_boxes(soft, NO_LUNGS) == []
    assert marker_boxes(np.where(distance < 5, 0.95, film()).astype(np.float32), NO_LUNGS) == [(96, 26, 105, 35)]


def test_dark_disc_with_a_letter_and_dark_text_are_found() -> None:
    image = film()
    y, x = np.mgrid[:SIDE, :SIDE]
    image[np.hypot(y - 30, x - 100) < 7] = 0.02
    image[26:35, 98:100] = image[33:35, 98:103] = 0.9
    image[80:90, 10:18][LETTER] = 0.02
    assert set(marker_boxes(image, NO_LUNGS)) == {(94, 24, 107, 37), (10, 80, 18, 90)}


def test_areas_larger_than_a_letter_are_none() -> None:
    """A gap between arm and chest is dark and sharp."""
    image = np.full((SIDE, SIDE), 0.6, np.float32)
    image[60:100, 20:32] = 0.02
    assert marker_boxes(image, NO_LUNGS) == []
    image[85:100, 20:32] = 0.6
    assert marker_boxes(image, NO_LUNGS) == [(20, 60, 32, 85)]


def test_plate_with_a_letter_is_one_box() -> None:
    image = film()
    image[10:26, 8:20] = 0.9
    image[13:23, 10:18][LETTER] = 0.35
    assert marker_boxes(image, NO_LUNGS) == [(8, 10, 20, 26)]


def test_letters_near_each_other_are_a_word_and_others_are_not() -> None:
    image = film()
    first, second, third = write(image, 90, 10), write(image, 100, 10), write(image, 10, 100)
    assert set(marker_boxes(image, NO_LUNGS)) == {(*first[:2], *second[2:]), third}


def test_lungs_and_strips_of_film_hold_no_text() -> None:
    image, lungs = film(), NO_LUNGS.copy()
    write(image, 30, 60)
    lungs[50:80, 20:50] = True
    assert marker_boxes(image, lungs) == []
    shutter = np.zeros((SIDE, SIDE), np.float32)
    shutter[100:106, 20:60] = 0.8
    assert marker_boxes(shutter, NO_LUNGS) == []


def test_boxes_are_the_strongest_and_a_few() -> None:
    image = np.full((SIDE, SIDE), 0.1, np.float32)
    boxes = [write(image, 4 + 18 * number, 20, grey=0.4 + 0.08 * number) for number in range(7)]
    found = marker_boxes(image, NO_LUNGS)
    assert len(found) == MOST and found[0] == boxes[-1] and boxes[0] not in found


def test_table_is_that_of_regions() -> None:
    image = film()
    box = write(image, 100, 12)
    table = find_markers(np.stack([film(), image]), np.stack([NO_LUNGS] * 2), image_ids=["x/0", "x/1"])
    assert list(table) == list(REGION_COLUMNS)
    assert table.values.tolist() == [["x/1", "marker", *box]]
    assert len(find_markers(image[None], ~NO_LUNGS[None], image_ids=["x/0"])) == 0


@pytest.mark.parametrize("name", list(FINDERS))
def test_every_finder_makes_a_table_of_regions_within_the_image(name: str) -> None:
    """The contract of whatever the table of finders lists."""
    finder, image, lungs = load_entry(FINDERS, name, kind="finder"), film(), NO_LUNGS.copy()
    write(image, 100, 12)
    lungs[40:100, 20:50] = lungs[40:100, 70:100] = True
    table = finder(np.stack([image] * 2), np.stack([lungs] * 2), image_ids=["x/0", "x/1"])
    assert list(table) == list(REGION_COLUMNS) and set(table["image_id"]) == {"x/0", "x/1"}
    x0, y0, x1, y1 = table[["x0", "y0", "x1", "y1"]].to_numpy(np.int64).T
    assert (x0 >= 0).all() and (x0 < x1).all() and (x1 <= SIDE).all()
    assert (y0 >= 0).all() and (y0 < y1).all() and (y1 <= SIDE).all()
