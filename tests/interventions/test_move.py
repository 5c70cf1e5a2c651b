"""Moved boxes, against plain slices."""

import pytest
import torch

from cxrshort.errors import UsageError
from cxrshort.interventions.contract import Places
from cxrshort.interventions.inpaint import INPAINT
from cxrshort.interventions.move import MOVE, MoveSettings

BOX, THERE = torch.tensor([[3, 9, 8, 12]]), torch.tensor([[11, 0, 16, 3]])


def film() -> torch.Tensor:
    return torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def test_box_lies_at_its_destination_and_is_filled_behind() -> None:
    image = film()
    edited = MOVE(image, Places(BOX, destinations=THERE))
    expected = INPAINT(image, Places(BOX))
    expected[..., 0:3, 11:16] = image[..., 9:12, 3:8]
    assert torch.equal(edited, expected)


def test_box_may_stay_behind() -> None:
    image = film()
    edited = MOVE(image, Places(BOX, destinations=THERE), settings=MoveSettings("keep"))
    expected = image.clone()
    expected[..., 0:3, 11:16] = image[..., 9:12, 3:8]
    assert torch.equal(edited, expected)


def test_destination_that_overlaps_its_box_holds_the_whole_patch() -> None:
    image, there = film(), torch.tensor([[4, 8, 9, 11]])
    edited = MOVE(image, Places(BOX, destinations=there))
    assert torch.equal(edited[..., 8:11, 4:9], image[..., 9:12, 3:8])


def test_unknown_filling_is_refused() -> None:
    with pytest.raises(UsageError, match="'smoth' is not a known filling behind a moved box"):
        MoveSettings("smoth")
