"""Swaps between images, against plain slices."""

import torch

from cxrshort.interventions.contract import Places
from cxrshort.interventions.swap import SWAP


def test_patches_change_places_both_ways() -> None:
    first, second = torch.rand(2, 1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    here, there = torch.tensor([[1, 2, 5, 8]]), torch.tensor([[10, 9, 14, 15]])
    after_first = SWAP(first, Places(here, second, there))
    after_second = SWAP(second, Places(there, first, here))
    assert torch.equal(after_first[..., 2:8, 1:5], second[..., 9:15, 10:14])
    assert torch.equal(after_second[..., 9:15, 10:14], first[..., 2:8, 1:5])


def test_patch_of_another_size_fills_the_own_box() -> None:
    """A ramp across the partner's box is a ramp across the image's own, twice as wide."""
    partner = torch.linspace(0, 1, 16).expand(1, 1, 16, 16)
    edited = SWAP(
        torch.zeros(1, 1, 16, 16), Places(torch.tensor([[2, 3, 10, 7]]), partner, torch.tensor([[4, 4, 8, 12]]))
    )
    inside = edited[0, 0, 3:7, 2:10]
    assert torch.equal(edited.nonzero().amin(0)[2:], torch.tensor([3, 2]))
    assert torch.equal(edited.nonzero().amax(0)[2:], torch.tensor([6, 9]))
    assert (inside.diff(dim=1) >= 0).all() and float(inside.mean() - partner[..., 4:8].mean()) < 1e-6
