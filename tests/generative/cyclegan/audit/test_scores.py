"""Scores of parts against pictures pasted by hand, for a model that counts brightness by place."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cxrshort.generative.cyclegan.audit.edits import Edits
from cxrshort.generative.cyclegan.audit.regions import PackedRegions
from cxrshort.generative.cyclegan.audit.scores import PartScorer, PixelStack, forward_passes, move_shape, score_parts
from cxrshort.masks.bits import select_bits
from cxrshort.models.foreground import Foreground

from .audited import COMPUTE

SIDE, COUNT = 8, 5
NAMES = ("left", "empty", "unknown", "right")


class Weighted(nn.Module):
    """Return the sum of an image under fixed weights, which are not the same anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.arange(SIDE * SIDE).reshape(SIDE, SIDE) / 100)

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, 1)."""
        return (images * self.weights).sum(dim=(1, 2, 3))[:, None]


def weigh(pixels: np.ndarray) -> np.ndarray:
    weights = np.arange(SIDE * SIDE).reshape(SIDE, SIDE) / 100
    return (pixels / 255 * weights).sum(axis=(-2, -1))


def cut() -> PackedRegions:
    areas = np.zeros((COUNT, 4, SIDE, SIDE), bool)
    areas[:, 0, :, :3] = True
    areas[:, 2, :, 3:5] = True
    areas[:, 3, :4, 6:] = True
    available = np.ones((COUNT, 4), bool)
    available[:, 2] = False
    return PackedRegions(NAMES, np.packbits(areas, axis=-1), available, SIDE)


@pytest.fixture
def edits() -> Edits:
    rng = np.random.default_rng(0)
    before = rng.integers(0, 200, (COUNT, SIDE, SIDE)).astype(np.uint8)
    after = before.copy()
    after[:, :, :6] += rng.integers(1, 50, (COUNT, SIDE, 6)).astype(np.uint8)  # nothing changes in region right
    return Edits("to", np.arange(COUNT), before, after)


def scorer(visible: object = None) -> PartScorer:
    return PartScorer(Weighted(), visible or PixelStack(np.zeros((COUNT, SIDE, SIDE), np.uint8)), COMPUTE)  # type: ignore[arg-type]


def test_scores_are_those_of_pictures_pasted_by_hand(edits: Edits) -> None:
    scores = score_parts(scorer(), edits, cut(), compared=("left",), seed=0, places=3)
    left = cut().region(0)
    assert np.allclose(scores.before, weigh(edits.before), rtol=1e-5)
    assert np.allclose(scores.after, weigh(edits.after), rtol=1e-5)
    assert np.allclose(scores.only[:, 0], weigh(np.where(left, edits.after, edits.before)), rtol=1e-5)
    assert np.allclose(scores.rest[:, 0], weigh(np.where(left, edits.before, edits.after)), rtol=1e-5)
    assert np.isfinite(scores.elsewhere[:, 0]).all() and scores.elsewhere.shape == (COUNT, 4, 3)


def test_region_in_which_nothing_differs_has_exactly_the_scores_of_the_whole(edits: Edits) -> None:
    scores = score_parts(scorer(), edits, cut(), compared=NAMES, seed=0, places=2)
    assert (scores.only[:, 3] == scores.before).all() and (scores.rest[:, 3] == scores.after).all()


def test_empty_and_unknown_regions_are_not_scored(edits: Edits) -> None:
    scores = score_parts(scorer(), edits, cut(), compared=NAMES, seed=0)
    for part in (scores.only, scores.rest, scores.elsewhere):
        assert np.isnan(part[:, 1:3]).all() and np.isfinite(part[:, [0, 3]]).all()
    uncompared = score_parts(scorer(), edits, cut(), compared=("left",), seed=0)
    assert np.isfinite(uncompared.only[:, 3]).all() and np.isnan(uncompared.elsewhere[:, 3]).all()


def test_places_are_those_of_the_seed_and_of_the_image(edits: Edits) -> None:
    first, again, other = (
        score_parts(scorer(), edits, cut(), compared=NAMES, seed=seed).elsewhere for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again, equal_nan=True) and not np.array_equal(first, other, equal_nan=True)
    one = Edits("to", edits.rows[2:3], edits.before[2:3], edits.after[2:3])
    areas = cut()
    alone = PackedRegions(NAMES, np.packbits(areas.image(2)[None], axis=-1), areas.available[2:3], SIDE)
    scores = score_parts(scorer(), one, alone, compared=NAMES, seed=0).elsewhere
    assert np.allclose(scores[0], first[2], equal_nan=True, rtol=1e-5)


def test_classifier_of_the_foreground_sees_edits_behind_its_masks(edits: Edits) -> None:
    masks = np.zeros((COUNT, SIDE, SIDE), np.uint8)
    masks[:, 2:5, 2:5] = 1
    field = np.full((1, SIDE, SIDE), 90, np.uint8)
    visible = Foreground(PixelStack(edits.before), PixelStack(masks), bit=1, field=field)
    scores = score_parts(scorer(visible), edits, cut(), compared=(), seed=0)
    shown = np.where(select_bits(masks, 1), edits.after, 90)
    assert np.allclose(scores.after, weigh(shown), rtol=1e-5)
    assert np.array_equal(visible.take(np.array([1]))[0, 0], np.where(masks[1] > 0, edits.before[1], 90))


def test_number_of_passes_is_that_of_the_pictures(edits: Edits) -> None:
    passes = []

    class Counting(Weighted):
        def forward(self, images: Tensor) -> Tensor:
            passes.append(len(images))
            return super().forward(images)

    changed = Edits("to", edits.rows, edits.before, edits.before + np.uint8(1))
    areas = np.random.default_rng(0).random((COUNT, 2, SIDE, SIDE)) < 0.5
    regions = PackedRegions(("a", "b"), np.packbits(areas, axis=-1), np.ones((COUNT, 2), bool), SIDE)
    stack = PixelStack(edits.before)
    score_parts(PartScorer(Counting(), stack, COMPUTE), changed, regions, compared=("a",), seed=0, places=3)  # type: ignore[arg-type]
    assert sum(passes) == forward_passes(COUNT, regions=2, compared=1, places=3)


def test_shape_is_moved_and_kept_whole_and_mostly_elsewhere() -> None:
    area = np.zeros((16, 16), bool)
    area[2:5, 9:15] = True
    moved = move_shape(area, 20, rng=np.random.default_rng(1))
    assert moved.shape == (20, 16, 16) and (moved.sum(axis=(1, 2)) == 18).all()
    assert ((moved & area).sum(axis=(1, 2)) <= 0.25 * 18).all()
    assert len({shape.tobytes() for shape in moved}) > 10


def test_shape_without_room_covers_itself_as_little_as_it_can() -> None:
    area = np.ones((6, 6), bool)
    area[0, 0] = False
    moved = move_shape(area, 3, rng=np.random.default_rng(0))
    assert (moved.sum(axis=(1, 2)) == 35).all()


def test_stack_is_a_source() -> None:
    stack = PixelStack(np.arange(12, dtype=np.uint8).reshape(3, 2, 2))
    assert (stack.image_shape, len(stack)) == ((2, 2), 3)
    assert stack.take(np.array([2])).tolist() == [[[8, 9], [10, 11]]]
