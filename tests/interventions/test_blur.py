"""Blurred boxes, against SciPy's Gaussian."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from cxrshort.errors import UsageError
from cxrshort.interventions.blur import BLUR, BlurSettings
from cxrshort.interventions.contract import Places


@pytest.mark.parametrize("box", [(10, 12, 22, 20), (0, 0, 12, 8), (20, 24, 32, 32)])
def test_box_holds_scipys_gaussian_of_the_image(box: tuple[int, int, int, int]) -> None:
    images = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    x0, y0, x1, y1 = box
    edited = BLUR(images, Places(torch.tensor([box])), settings=BlurSettings(0.25))
    expected = gaussian_filter(images[0, 0].double().numpy(), 2.0, mode="nearest", radius=6)
    np.testing.assert_allclose(edited[0, 0, y0:y1, x0:x1], expected[y0:y1, x0:x1], atol=1e-6)


@pytest.mark.parametrize("width", [0.0, -1.0, 1.5, float("nan")])
def test_width_out_of_range_is_refused(width: float) -> None:
    with pytest.raises(UsageError, match=f"the width of blur is '{width:g}', it must be above 0 and at most 1"):
        BlurSettings(width)
