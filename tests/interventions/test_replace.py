"""Replacing a box by another image's, against plain slices."""

import torch

from cxrshort.interventions.contract import Places
from cxrshort.interventions.replace import REPLACE


def test_box_holds_what_the_partner_shows_there() -> None:
    image, partner = torch.rand(2, 1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    edited = REPLACE(image, Places(torch.tensor([[3, 4, 8, 11]]), partner))
    expected = image.clone()
    expected[..., 4:11, 3:8] = partner[..., 4:11, 3:8]
    assert torch.equal(edited, expected)
