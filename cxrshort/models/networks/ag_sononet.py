"""Attention-gated Sononet, for the baseline that learns where to look (Schlemper et al. 2019)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrshort.models.architecture import Architecture

_WIDTHS = (16, 32, 64, 128, 128)  # 64 to 512 channels, divided by the feature scale of 4
_CONVOLUTIONS = (3, 3, 3, 2, 2)
_GATED = (2, 3)
_SMALL = 1e-6


class AttentionGate(nn.Module):
    """Sum a map over the places that a coarser map calls relevant.

    The compatibility of each place, less the smallest, is divided by the sum over the places ("mean flow").

    Args:
        channels: of the map.
        gating: channels of the coarser map.
    """

    def __init__(self, channels: int, gating: int) -> None:
        super().__init__()
        self.theta = nn.Conv2d(channels, gating, 1, bias=False)
        self.phi = nn.Conv2d(gating, gating, 1, bias=False)
        self.relu = nn.ReLU()
        self.psi = nn.Conv2d(gating, 1, 1)

    def attend(self, maps: Tensor, gate: Tensor) -> Tensor:
        """Return the attention (N, 1, H, W), at least 0 with sum 1, of maps (N, C, H, W)."""
        coarse = functional.interpolate(self.phi(gate), maps.shape[-2:], mode="bilinear", align_corners=False)
        score = self.psi(self.relu(self.theta(maps) + coarse))
        score = score.to(torch.promote_types(score.dtype, torch.float32))  # in bf16 a sum over places loses its ends
        # The small number attends evenly where every place is alike, instead of dividing 0 by 0.
        above = score - score.amin(dim=(-2, -1), keepdim=True) + _SMALL
        attention: Tensor = above / above.sum(dim=(-2, -1), keepdim=True)
        return attention

    def forward(self, maps: Tensor, gate: Tensor) -> Tensor:
        """Return (N, C), the attended sum of maps (N, C, H, W)."""
        return (self.attend(maps, gate) * maps).sum(dim=(-2, -1))


class AgSononet(nn.Module):
    """Map normalised images (N, 3, H, W) to logits, from two attended maps and the last one, concatenated.

    Args:
        outputs: number of logits.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        befores = (3, *_WIDTHS[:-1])
        self.blocks = nn.ModuleList(
            _block(before, after, convolutions)
            for before, after, convolutions in zip(befores, _WIDTHS, _CONVOLUTIONS, strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        self.gates = nn.ModuleList(AttentionGate(_WIDTHS[level], _WIDTHS[-1]) for level in _GATED)
        self.classifier = nn.Linear(sum(_WIDTHS[level] for level in _GATED) + _WIDTHS[-1], outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, outputs)."""
        maps: list[Tensor] = []
        for block in self.blocks:
            maps.append(block(self.pool(maps[-1]) if maps else images))
        attended = [gate(maps[level], maps[-1]) for gate, level in zip(self.gates, _GATED, strict=True)]
        logits: Tensor = self.classifier(torch.cat([*attended, maps[-1].mean(dim=(-2, -1))], dim=1))
        return logits


def _block(before: int, after: int, convolutions: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number in range(convolutions):
        layers += [
            nn.Conv2d(before if number == 0 else after, after, 3, padding=1),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


AG_SONONET = Architecture("ag-sononet", AgSononet, "classifier")
