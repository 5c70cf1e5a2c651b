"""Batches of two sides: order, shares of processes, augmentation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cxrshort.generative.cyclegan.networks import to_unit
from cxrshort.generative.cyclegan.pairs import augment

from .small import CPU, batches_of, small_recipe


def test_epoch_shows_every_image_of_from_and_draws_those_of_to(tmp_path: Path) -> None:
    batches = batches_of(tmp_path, batch_size=5)
    order, rows = batches.order(0), batches.sides.rows
    assert len(batches) == 3 and all(len(positions) == 15 for positions in order.values())
    assert sorted(order["from"][:12]) == sorted(rows["from"])
    assert set(order["to"]) <= set(rows["to"]) and len(set(order["to"])) < 12
    assert not np.array_equal(order["from"], batches.order(1)["from"])
    assert not np.array_equal(order["from"], batches_of(tmp_path / "other", batch_size=5, seed=1).order(0)["from"])


def test_batches_hold_the_images_of_the_order(tmp_path: Path) -> None:
    batches = batches_of(tmp_path)
    order, pixels = batches.order(3), batches.sides.data.pixels
    for step, batch in enumerate(batches.epoch(3)):
        assert (batch.epoch, batch.step, batch.first, batch.images) == (3, step, 0, 4)
        for side, pictures in batch.pictures.items():
            expected = pixels.take(order[side][4 * step : 4 * step + 4])
            assert pictures.shape == (4, 1, 32, 32)
            np.testing.assert_allclose(to_unit(pictures)[:, 0].numpy() * 255, expected, atol=1e-3)
    assert step == 2


def test_epoch_begun_at_a_later_step_continues_exactly(tmp_path: Path) -> None:
    batches = batches_of(tmp_path, flip=True, zoom=1.25)
    whole, rest = list(batches.epoch(1)), list(batches.epoch(1, first_step=1))
    for first, second in zip(whole[1:], rest, strict=True):
        assert all(torch.equal(first.pictures[side], second.pictures[side]) for side in ("from", "to"))


@pytest.mark.parametrize("processes", [2, 3])
def test_shares_of_processes_are_the_batches_of_one(tmp_path: Path, processes: int) -> None:
    whole = list(batches_of(tmp_path, flip=True, zoom=1.25).epoch(0))
    places = [replace(CPU, rank=rank, processes=processes) for rank in range(processes)]
    shares = [
        list(batches_of(tmp_path / str(place.rank), compute=place, flip=True, zoom=1.25).epoch(0)) for place in places
    ]
    for step, batch in enumerate(whole):
        for side in ("from", "to"):
            joined = torch.cat([share[step].pictures[side] for share in shares])
            torch.testing.assert_close(joined, batch.pictures[side], rtol=0, atol=1e-6)
        assert [share[step].first for share in shares] == {2: [0, 2], 3: [0, 2, 3]}[processes]
        assert all(share[step].images == 4 for share in shares)


def test_three_channels_are_copies(tmp_path: Path) -> None:
    batch = next(iter(batches_of(tmp_path, channels=3).epoch(0)))
    pictures = batch.pictures["to"]
    assert pictures.shape == (4, 3, 32, 32) and torch.equal(pictures[:, 0], pictures[:, 2])


def test_images_are_left_as_they_are_by_default() -> None:
    images = torch.rand(8, 1, 32, 32)
    assert torch.equal(augment(images, small_recipe(), torch.Generator().manual_seed(0)), images)


def test_half_of_the_images_are_mirrored() -> None:
    images = torch.rand(400, 1, 8, 8)
    changed = augment(images, small_recipe(flip=True, batch_size=200), torch.Generator().manual_seed(0))
    mirrored = torch.tensor([torch.equal(new, old.flip(-1)) for new, old in zip(changed, images, strict=True)])
    kept = torch.tensor([torch.equal(new, old) for new, old in zip(changed, images, strict=True)])
    assert bool((mirrored ^ kept).all()) and 160 < int(mirrored.sum()) < 240


def test_crops_are_parts_of_the_enlarged_image() -> None:
    ramp = torch.linspace(0, 1, 32).expand(1, 1, 32, 32).repeat(8, 1, 1, 1)
    changed = augment(ramp, small_recipe(zoom=1.5), torch.Generator().manual_seed(0))
    assert changed.shape == ramp.shape
    slope = (changed[:, 0, 0, 16] - changed[:, 0, 0, 8]) / 8
    torch.testing.assert_close(slope, torch.full((8,), 1 / 31 / 1.5), rtol=0.02, atol=0)
    assert len({round(float(value), 4) for value in changed[:, 0, 0, 0]}) > 1
