"""What every intervention in boxes promises, whichever the table lists."""

import numpy as np
import pytest
import torch
from torch import Tensor

from cxrshort.errors import DataError, UsageError
from cxrshort.interventions import INTERVENTIONS
from cxrshort.interventions.boxes import slide_to_edge
from cxrshort.interventions.contract import Intervention, Places, present
from cxrshort.registry import load_entry

SIDE = 24
BOXES = torch.tensor([[3, 4, 9, 9], [0, 0, 6, 5], [18, 9, 24, 22], [2, 7, 3, 8], [0, 3, 24, 9]])
"""Inside, in a corner, at an edge, a column of one pixel, from side to side."""


@pytest.fixture(params=list(INTERVENTIONS))
def intervention(request: pytest.FixtureRequest) -> Intervention:
    actual: Intervention = load_entry(INTERVENTIONS, request.param, kind="intervention")
    return actual


def films(seed: int = 0, channels: int = 1) -> Tensor:
    return torch.rand(len(BOXES), channels, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def places(channels: int = 1) -> Places:
    """Return all that any intervention may require: partners' boxes of other sizes, destinations at the bottom."""
    return Places(BOXES, films(1, channels), BOXES.flip(0), slide_to_edge(BOXES, shape=(SIDE, SIDE), edge="bottom"))


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_stay_pictures_and_change_in_their_boxes_alone(intervention: Intervention, channels: int) -> None:
    images, where = films(channels=channels), places(channels)
    before = images.clone()
    edited = intervention(images, where)
    assert torch.equal(images, before) and edited.shape == images.shape and edited.dtype == torch.float32
    assert torch.isfinite(edited).all() and float(edited.min()) >= 0 and float(edited.max()) <= 1
    touched = intervention.touched(where, shape=(SIDE, SIDE))[:, None].expand_as(images)
    assert torch.equal(edited[~touched], images[~touched])
    changed = (edited != images).flatten(1).any(dim=1)
    assert changed[[0, 1, 2, 4]].all()


def test_touched_pixels_are_those_of_the_boxes(intervention: Intervention) -> None:
    where = places()
    expected = torch.zeros(len(BOXES), SIDE, SIDE, dtype=torch.bool)
    for number, (x0, y0, x1, y1) in enumerate(BOXES.tolist()):
        expected[number, y0:y1, x0:x1] = True
        if intervention.requires.destinations:
            expected[number, SIDE - (y1 - y0) :, x0:x1] = True
    assert torch.equal(intervention.touched(where, shape=(SIDE, SIDE)), expected)


def test_sham_changes_nothing(intervention: Intervention) -> None:
    """A box exchanged with itself or moved to its own place; without partners, a box of a picture without structure."""
    images = films()
    if not any(intervention.requires):
        images = torch.linspace(0, 1, len(BOXES))[:, None, None, None].expand_as(images).contiguous()
    edited = intervention(images, Places(BOXES, images, BOXES, BOXES))
    tolerance = 0 if any(intervention.requires) else 1e-6  # sums of equal numbers, rounded
    assert float((edited - images).abs().max()) <= tolerance


def test_batches_equal_single_images(intervention: Intervention) -> None:
    images, where = films(), places()
    together = intervention(images, where)
    alone = [intervention(images[[n]], where.at(torch.tensor([n])))[0] for n in range(len(images))]
    np.testing.assert_allclose(together, torch.stack(alone), atol=1e-6)


def test_one_image_expanded_equals_its_copies(intervention: Intervention) -> None:
    image, partner = films()[:1], films(1)[:1]
    corners = torch.tensor([[0, 0], [5, 7], [14, 19]])
    boxes = torch.cat([corners, corners + torch.tensor([8, 5])], dim=1)
    destinations = slide_to_edge(boxes, shape=(SIDE, SIDE), edge="corner")
    expanded = Places(boxes, partner.expand(3, -1, -1, -1), boxes.flip(0), destinations)
    edited = intervention(image.expand(3, -1, -1, -1), expanded)
    copies = expanded._replace(partners=partner.repeat(3, 1, 1, 1))
    assert torch.equal(edited, intervention(image.repeat(3, 1, 1, 1), copies))
    assert edited.is_contiguous()


def test_autocast_and_inference_mode_make_no_difference(intervention: Intervention) -> None:
    images, where = films(), places()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        edited = intervention(images, where)
    assert torch.equal(edited, intervention(images, where))


def test_changed_images_may_be_written_where_the_caller_says(intervention: Intervention) -> None:
    images, where = films(), places()
    expected, memory = intervention(images, where), torch.full_like(images, torch.nan)
    assert intervention(images, where, out=memory) is memory and torch.equal(memory, expected)
    assert intervention(images, where, out=images) is images and torch.equal(images, expected)


def test_no_images_are_no_error(intervention: Intervention) -> None:
    where = places().at(torch.zeros(0, dtype=torch.int64))
    assert intervention(films()[:0], where).shape == (0, 1, SIDE, SIDE)


def test_missing_parts_are_refused(intervention: Intervention) -> None:
    if any(intervention.requires):
        with pytest.raises(UsageError, match="the intervention needs (partners|destinations), and there are none"):
            intervention(films(), Places(BOXES))
    else:
        assert intervention(films(), Places(BOXES)).shape == (5, 1, SIDE, SIDE)


@pytest.mark.parametrize("box", [[-1, 0, 3, 3], [0, 0, 25, 3], [3, 3, 3, 5], [0, 20, 2, 25]])
def test_boxes_outside_the_image_are_refused(intervention: Intervention, box: list[int]) -> None:
    boxes = BOXES.clone()
    boxes[1] = torch.tensor(box)
    with pytest.raises(DataError, match=f"1 of 5 box edges are not within 24 x 24 pixels, the first is '{box[0]}, "):
        intervention(films(), places()._replace(boxes=boxes))


def test_what_does_not_fit_is_refused() -> None:
    swap: Intervention = load_entry(INTERVENTIONS, "swap", kind="intervention")
    with pytest.raises(UsageError, match=r"images of shape \(24, 24\) and type torch.float32 cannot be changed"):
        swap(films()[0, 0], places())
    with pytest.raises(UsageError, match=r"cannot be changed"):
        swap((films() * 255).byte(), places())
    with pytest.raises(UsageError, match=r"partners have the shape \(5, 1, 24, 12\), they must have"):
        swap(films(), places()._replace(partners=films()[..., :12]))
    with pytest.raises(UsageError, match=r"box edges of shape \(4, 4\) and type torch.int64 do not fit 5 images"):
        swap(films(), places()._replace(boxes=BOXES[:4]))
    with pytest.raises(DataError, match="1 of 5 partner box edges are not within"):
        swap(films(), places()._replace(partner_boxes=torch.cat([BOXES[:4], BOXES[4:] + 20])))
    move: Intervention = load_entry(INTERVENTIONS, "move", kind="intervention")
    with pytest.raises(DataError, match="5 of 5 destination edges are not within"):
        move(films(), places()._replace(destinations=BOXES + SIDE))


def test_present_returns_what_is_there() -> None:
    assert present(BOXES, "boxes") is BOXES
    with pytest.raises(UsageError, match="the intervention needs partner boxes, and there are none"):
        present(None, "partner boxes")
