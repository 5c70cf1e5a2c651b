from collections import Counter

import numpy as np
import pytest
import torch

from cxrshort.interventions.trials import (
    RegionTest,
    RegionTrial,
    has_room,
    lung_trials,
    nearest_boxes,
    region_trials,
    regions_without_room,
    with_places,
)

SHAPE = (20, 20)
BOXES = {row: np.array([[row, 0, row + 4, 4]]) for row in range(6)} | {9: np.array([[12, 12, 16, 16]])}
PAIRS = [(0, 1), (2, 3), (4, 5)]


def made(region: str = "tag", intervention: str = "replace", *, pairs: list[tuple[int, int]] = PAIRS):
    return region_trials(RegionTest(region, intervention, pairs), BOXES, shape=SHAPE, edge="corner")


def of(trials: list[RegionTrial], purpose: str) -> list[RegionTrial]:
    return [trial for trial in trials if trial.purpose == purpose]


def test_both_images_of_a_pair_take_the_others_region() -> None:
    tested = of(made(), "test")
    assert [(trial.row, trial.partner, trial.pair) for trial in tested[:4]] == [
        (0, 1, 0),
        (1, 0, 0),
        (2, 3, 1),
        (3, 2, 1),
    ]
    assert [(trial.positive, trial.direction) for trial in tested[:2]] == [(True, "decrease"), (False, "increase")]


@pytest.mark.parametrize(
    ("region", "intervention", "purposes"),
    [
        ("tag", "replace", {"test": 6, "sham": 6, "same class": 2}),
        ("marker", "replace", {"test": 6, "published": 6, "sham": 6, "same class": 2}),
        ("marker", "swap", {"test": 6, "sham": 6, "same class": 2}),
        ("shoulders", "replace", {"test": 6, "published": 3, "sham": 6, "same class": 2}),
        ("shoulders", "move", {"test": 3}),
        ("border", "blur", {"test": 6}),
    ],
)
def test_trials_of_each_purpose(region: str, intervention: str, purposes: dict[str, int]) -> None:
    assert Counter(trial.purpose for trial in made(region, intervention)) == purposes


def test_moves_are_of_negatives_and_should_rise() -> None:
    moves = of(made("shoulders"), "published")
    assert {trial.intervention for trial in moves} == {"move"} and {trial.direction for trial in moves} == {"increase"}
    assert [trial.row for trial in moves] == [1, 3, 5] and not any(trial.positive for trial in moves)
    assert moves[0].destinations is not None and moves[0].destinations.tolist() == [[0, 0, 4, 4]]
    assert moves[0].partner is None


def test_blur_predicts_no_direction() -> None:
    assert {trial.direction for trial in made("border", "blur")} == {"either"}


def test_shams_are_images_with_themselves_and_one_class_stays_one_class() -> None:
    trials = made()
    assert all(trial.row == trial.partner for trial in of(trials, "sham"))
    assert [(trial.row, trial.partner, trial.positive) for trial in of(trials, "same class")] == [
        (0, 2, True),
        (1, 3, False),
    ]


def test_marker_comes_with_its_place() -> None:
    first, second = made(pairs=[(0, 9)])[:2]
    assert first.boxes.tolist() == [[0, 0, 4, 4], [12, 12, 16, 16]]
    assert second.boxes.tolist() == [[12, 12, 16, 16], [0, 0, 4, 4]]
    assert made("marker", "swap", pairs=[(0, 9)])[0].boxes.tolist() == [[0, 0, 4, 4]]


def test_boxes_at_the_same_place_are_not_taken_twice() -> None:
    own = np.array([[0, 0, 4, 4]])
    assert len(with_places(own, np.array([[1, 0, 5, 4]]))) == 1  # an IoU of 12 / 20
    assert len(with_places(own, np.array([[3, 0, 7, 4]]))) == 2  # of 4 / 28


def test_swap_takes_the_nearest_box_of_the_partner() -> None:
    own, theirs = np.array([[0, 0, 2, 2], [9, 9, 11, 11]]), np.array([[8, 8, 12, 12], [1, 0, 3, 4]])
    assert nearest_boxes(own, theirs).tolist() == [[1, 0, 3, 4], [8, 8, 12, 12]]


def test_of_boxes_around_one_centre_the_one_of_the_same_size_is_taken() -> None:
    boxes = np.array([[0, 0, 8, 8], [2, 2, 6, 6], [3, 1, 5, 7]])
    assert nearest_boxes(boxes, boxes).tolist() == boxes.tolist()
    assert nearest_boxes(boxes, boxes[::-1]).tolist() == boxes.tolist()
    # A nearer centre comes first, whatever the size.
    assert nearest_boxes(boxes[1:2], np.array([[3, 2, 7, 6], [0, 0, 8, 8]])).tolist() == [[0, 0, 8, 8]]


def test_sham_of_a_swap_takes_its_own_boxes() -> None:
    """Of boxes around one centre, the nearest by the centre alone would be the first for all."""
    own = np.array([[0, 2, 8, 4], [2, 0, 6, 6], [0, 2, 8, 4]])
    test = RegionTest("tag", "swap", [(0, 1)])
    shams = of(region_trials(test, {0: own, 1: own}, shape=SHAPE, edge="corner"), "sham")
    assert [trial.partner_boxes.tolist() for trial in shams] == [own.tolist()] * 2  # type: ignore[union-attr]


def test_lungs_are_replaced_in_the_images_own_boxes() -> None:
    assert [trial.boxes.tolist() for trial in lung_trials([(0, 9)], BOXES)] == [BOXES[0].tolist(), BOXES[9].tolist()]


def test_room_is_there_where_random_patches_find_some() -> None:
    rng = np.random.default_rng(0)
    answers = set()
    for _ in range(60):
        x0, y0 = rng.integers(0, 9, 2)
        box = np.array([[x0, y0, x0 + rng.integers(6, 12), y0 + rng.integers(6, 12)]])
        trial = RegionTrial("tag", "replace", "test", 0, True, 0, box, partner=1)
        x0, y0, x1, y1 = box[0].tolist()
        h, w = y1 - y0, x1 - x0
        places = ((x, y) for x in range(SHAPE[1] - w + 1) for y in range(SHAPE[0] - h + 1))
        expected = any(x + w <= x0 or x1 <= x or y + h <= y0 or y1 <= y for x, y in places)
        assert has_room(trial, shape=SHAPE) == expected
        answers.add(expected)
    assert answers == {True, False}


def test_region_is_without_room_when_one_image_is() -> None:
    small = RegionTrial("tag", "replace", "test", 0, True, 0, np.array([[0, 0, 4, 4]]), partner=1)
    large = RegionTrial("tag", "replace", "test", 1, True, 0, np.array([[0, 0, 20, 15]]), partner=1)
    assert regions_without_room([small], shape=SHAPE) == set()
    assert regions_without_room([small, large], shape=SHAPE) == {("tag", "replace")}


def test_patches_of_a_trial_depend_on_seed_region_and_image_alone() -> None:
    def draws(trial: RegionTrial, seed: int = 0) -> list[int]:
        return torch.randint(10**6, (3,), generator=trial.generator(seed)).tolist()

    first, second = made()[:2]
    assert draws(first) == draws(made(pairs=[(0, 5)])[0])
    assert len({tuple(draws(trial)) for trial in (first, second, made("other")[0])}) == 3
    assert draws(first) != draws(first, seed=1)
