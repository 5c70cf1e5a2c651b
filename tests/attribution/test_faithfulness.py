"""Deletion and insertion: against composing each picture by hand, and with maps that are right, random and wrong."""

import numpy as np
import pytest
import torch
from torch import nn

from cxrshort.attribution.faithfulness import (
    STEPS,
    FaithfulnessCurves,
    area_under_curve,
    faithfulness_curves,
    judge_faithfulness,
)
from cxrshort.compute import seeded_generator
from cxrshort.errors import DataError


class Corner(nn.Module):
    """Sum up the upper left quarter; the second logit is its opposite."""

    def forward(self, images):
        total = images[:, :, :16, :16].sum(dim=(1, 2, 3)) / 10
        return torch.stack([total, -total], dim=1)


def setting(count=12):
    images = 0.2 * torch.rand(count, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    images[:, :, :16, :16] += 0.6
    right = torch.zeros(count, 32, 32)
    right[:, :16, :16] = 1
    return images, right, [seeded_generator(5, each) for each in range(count)]


def curves(maps=None, outputs=None, batch_size=64):
    images, right, generators = setting()
    outputs = torch.zeros(12, dtype=torch.int64) if outputs is None else outputs
    maps = right if maps is None else maps
    return faithfulness_curves(Corner(), images, outputs, maps=maps, generators=generators, batch_size=batch_size)


def test_curves_are_logits_of_pictures_composed_by_hand():
    images, _, _ = setting()
    maps = torch.rand(12, 32, 32, generator=torch.Generator().manual_seed(2)) - 0.5
    found = curves(maps, batch_size=7)
    for row in range(3):
        cells = maps[row].reshape(16, 2, 16, 2).sum(dim=(1, 3))
        order = cells.flatten().argsort(descending=True)
        for step in range(STEPS + 1):
            chosen = torch.zeros(256, dtype=torch.bool)
            chosen[order[: round(step * 256 / STEPS)]] = True
            chosen = chosen.reshape(16, 16).repeat_interleave(2, 0).repeat_interleave(2, 1)
            gone, come = images[row].clone(), images[row].mean().expand(1, 32, 32).clone()
            gone[0, chosen] = images[row].mean()
            come[0, chosen] = images[row, 0, chosen]
            assert found.deletion[row, step] == pytest.approx(float(Corner()(gone[None])[0, 0]), rel=1e-4)
            assert found.insertion[row, step] == pytest.approx(float(Corner()(come[None])[0, 0]), rel=1e-4)
    for deletion, insertion in (
        (found.deletion, found.insertion),
        (found.random_deletion, found.random_insertion),
    ):
        np.testing.assert_allclose(deletion[:, 0], insertion[:, -1], rtol=1e-5)
        np.testing.assert_allclose(deletion[:, -1], insertion[:, 0], rtol=1e-5)


def test_batches_do_not_matter():
    np.testing.assert_allclose(curves(batch_size=5).random_deletion, curves(batch_size=500).random_deletion, rtol=1e-6)


@pytest.mark.parametrize(("sign", "output", "passes"), [(1, 0, True), (-1, 1, True), (-1, 0, False), (1, 1, False)])
def test_the_right_map_passes_and_its_opposite_fails(sign, output, passes):
    _, right, _ = setting()
    found = curves(sign * right, torch.full((12,), output, dtype=torch.int64))
    check = judge_faithfulness(found, np.arange(12), rng=np.random.default_rng(0))
    assert check.passes is passes
    assert (check.deletion < 0 < check.insertion) is passes
    assert check.deletion_low <= check.deletion <= check.deletion_high
    assert "it must be below 0" in check.reason


def test_a_random_map_does_not_pass():
    maps = torch.rand(12, 32, 32, generator=torch.Generator().manual_seed(3))
    check = judge_faithfulness(curves(maps), np.arange(12), rng=np.random.default_rng(0))
    assert check.passes is False


def test_areas_are_integrals_of_straight_lines():
    np.testing.assert_allclose(area_under_curve([[1.0, 1.0, 1.0], [0.0, 2.0, 0.0]]), [1, 1])


def test_few_persons_and_broken_logits_have_no_verdict():
    flat = np.zeros((4, 5))
    check = judge_faithfulness(FaithfulnessCurves(flat, flat, flat, flat), list("aabb"), rng=np.random.default_rng(0))
    assert (check.passes, check.deletion_low, check.reason) == (None, None, "only 2 persons: no interval")
    with pytest.raises(DataError, match="not finite"):
        judge_faithfulness(
            FaithfulnessCurves(flat + np.nan, flat, flat, flat), list("aabb"), rng=np.random.default_rng(0)
        )
    images, right, generators = setting()
    with pytest.raises(DataError, match="11 generators do not fit"):
        faithfulness_curves(Corner(), images, torch.zeros(12, dtype=torch.int64), maps=right, generators=generators[1:])
