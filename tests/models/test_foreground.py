"""What masks leave of images."""

import numpy as np
import pandas as pd
import pytest

from cxrshort.dataset import Dataset
from cxrshort.errors import DataError
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.foreground import visible_pixels

IMAGES = np.arange(1, 2 * 4 + 1, dtype=np.uint8).reshape(2, 2, 2)
FIELDS = np.array([[[0, 1], [2, 3]], [[4, 16], [0, 6]]], np.uint8)


@pytest.fixture
def data(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    np.save(tmp_path / "masks.npy", FIELDS)
    rows = {"image_id": ["a", "b"], "cache": str(tmp_path), "cache_row": [0, 1], "mask_row": [0, 1]}
    return Dataset("d", pd.DataFrame(rows))


def described(mask_bit: str, *, background: str = "black") -> Description:
    spec = InputSpec(2, channels=1, mean=(0.0,), std=(1.0,))
    recipe = {"mask_bit": mask_bit}
    return Description("classifier", "small-cnn", ("COVID-19",), spec, recipe=recipe, background=background)


@pytest.mark.parametrize(("mask_bit", "bits"), [("lungs", 1), ("heart", 2), ("lungs+heart", 3)])
def test_foreground_leaves_the_structures_of_the_model(data, mask_bit, bits):
    expected = [[pixel if field & bits else 0 for pixel, field in zip(*pair, strict=True)] for pair in flat(data)]
    seen = visible_pixels(described(mask_bit), data).take([0, 1])
    assert seen.shape == (2, 1, 2, 2) and seen.reshape(2, 4).tolist() == expected


def flat(data):
    return zip(IMAGES.reshape(2, 4).tolist(), FIELDS.reshape(2, 4).tolist(), strict=True)


def test_model_without_background_sees_the_whole_image(data):
    assert visible_pixels(described("lungs", background=""), data) is data.pixels


@pytest.mark.parametrize("without", [[0], [0, 1]])
def test_foreground_needs_a_mask_for_every_image(data, without):
    data.manifest["mask_row"] = data.manifest["mask_row"].astype("Int64").mask(data.manifest.index.isin(without))
    with pytest.raises(DataError, match=f"the foreground alone, and {len(without)} of the 2 images have no mask"):
        visible_pixels(described("lungs"), data)
