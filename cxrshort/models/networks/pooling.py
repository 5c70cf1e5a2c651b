"""Average pooling to a fixed number of cells."""

import torch
from torch import Tensor, nn


class AveragePool(nn.Module):
    """Compute what ``nn.AdaptiveAvgPool2d(side)`` computes, as two products with constant matrices.

    torch has no deterministic backward pass for the original on GPUs, and training refuses what is not deterministic.

    Args:
        side: cells per row and column.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, maps: Tensor) -> Tensor:
        """Return (N, C, side, side) of (N, C, H, W)."""
        height, width = maps.shape[-2:]
        if (height, width) == (self.side, self.side):
            return maps
        return self._weights(height, maps) @ maps @ self._weights(width, maps).T

    def _weights(self, length: int, like: Tensor) -> Tensor:
        """Return the matrix (side, length) whose rows average the pixels that each cell touches."""
        cells = torch.arange(self.side, device=like.device).unsqueeze(1)
        pixels = torch.arange(length, device=like.device)
        touched = (pixels >= cells * length // self.side) & (pixels * self.side < (cells + 1) * length)
        weights = touched.to(like.dtype)
        return weights / weights.sum(dim=1, keepdim=True)
