"""Filled boxes, against Gauss-Seidel iteration."""

import numpy as np
import pytest
import torch

from cxrshort.errors import DataError
from cxrshort.interventions.contract import Places
from cxrshort.interventions.inpaint import INPAINT


def relaxed(image: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """Return an image whose pixels in a box are the mean of those of their four neighbours that there are."""
    x0, y0, x1, y1 = box
    filled = image.astype(np.float64)
    for _ in range(800):
        for y in range(y0, y1):
            for x in range(x0, x1):
                near = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
                filled[y, x] = np.mean([filled[p] for p in near if 0 <= p[0] < len(image) and 0 <= p[1] < len(image)])
    return filled


@pytest.mark.parametrize("box", [(3, 4, 8, 8), (0, 0, 4, 3), (7, 5, 12, 9), (0, 6, 12, 9), (4, 9, 9, 12)])
def test_each_pixel_is_the_mean_of_its_neighbours(box: tuple[int, int, int, int]) -> None:
    image = torch.rand(12, 12, generator=torch.Generator().manual_seed(0))
    filled = INPAINT(image[None, None], Places(torch.tensor([box])))
    np.testing.assert_allclose(filled[0, 0], relaxed(image.numpy(), box), atol=2e-5)


def test_ramp_goes_on_through_a_large_box() -> None:
    ramp = torch.linspace(0, 1, 224).expand(1, 1, 224, 224)
    filled = INPAINT(ramp, Places(torch.tensor([[20, 30, 200, 190]])))
    assert float((filled - ramp).abs().max()) < 1e-4  # float32 through sums of 180 products


def test_box_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="a box covers its whole image: there is nothing to fill it from"):
        INPAINT(torch.rand(1, 1, 8, 8), Places(torch.tensor([[0, 0, 8, 8]])))
