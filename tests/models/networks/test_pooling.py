import pytest
import torch
from torch import nn

from cxrshort.models.networks.pooling import AveragePool


@pytest.mark.parametrize("shape", [(6, 6), (13, 13), (7, 11), (1, 1), (2, 5), (12, 18), (30, 6)])
@pytest.mark.parametrize("side", [1, 6, 7])
def test_average_pool_computes_what_adaptive_pooling_does(shape, side):
    maps = torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    # float64: 1e-12 is the order of the sums
    torch.testing.assert_close(AveragePool(side)(maps), nn.AdaptiveAvgPool2d(side)(maps), rtol=1e-12, atol=1e-12)


def test_map_of_the_right_size_passes_as_it_is():
    maps = torch.randn(1, 2, 6, 6)
    assert AveragePool(6)(maps) is maps
