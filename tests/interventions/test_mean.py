"""Boxes of their mean grey."""

import torch

from cxrshort.interventions.contract import Places
from cxrshort.interventions.mean import MEAN


def test_box_holds_its_mean_channel_by_channel() -> None:
    images = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    inside = MEAN(images, Places(torch.tensor([[3, 4, 8, 11]])))[0, :, 4:11, 3:8]
    for channel in range(3):
        expected = sum(images[0, channel, 4:11, 3:8].flatten().tolist()) / 35
        assert float((inside[channel] - expected).abs().max()) < 1e-6
