"""Masks of a segmenter: computed once, measured against true ones."""

import numpy as np
import pandas as pd
import pytest
from torch import Tensor, nn

from cxrshort.compute import choose_compute
from cxrshort.dataset import Dataset
from cxrshort.errors import DataError
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.outlines import draw_outlines, measure_outlines

COUNT, SIDE = 70, 20


class Bright(nn.Module):
    """Draw what is brighter than one half."""

    def forward(self, images: Tensor) -> Tensor:
        return images[:, :1] - 0.5


def bright_segmenter() -> Classifier:
    return Classifier(Bright(), labels=("lungs",), spec=InputSpec(SIDE, channels=1, mean=(0.0,), std=(1.0,)))


@pytest.fixture
def data(tmp_path) -> Dataset:
    images = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "masks.npy", (images > 127).astype(np.uint8) | 2)
    rows = {"image_id": [f"i{number}" for number in range(COUNT)], "person_id": "p", "cache": str(tmp_path)}
    return Dataset("d", pd.DataFrame({**rows, "cache_row": range(COUNT), "mask_row": range(COUNT)}))


def test_outlines_are_those_of_the_segmenter_for_more_than_one_batch(data: Dataset) -> None:
    outlines = draw_outlines(bright_segmenter(), data.pixels, compute=choose_compute("cpu", precision="fp32"))
    picked = np.array([69, 0, 33])
    np.testing.assert_array_equal(outlines.take(picked) > 0, data.pixels.take(picked) > 127)


def test_perfect_segmenter_overlaps_fully_where_there_is_a_mask(data: Dataset) -> None:
    data.manifest["mask_row"] = data.manifest["mask_row"].astype("Int64").mask(data.manifest.index < 10)
    compute = choose_compute("cpu", precision="fp32")
    table = measure_outlines(bright_segmenter(), data, structure="lungs", compute=compute)
    assert table["dice"].isna().sum() == 10
    assert (table["dice"][10:] == 1).all() and (table["iou"][10:] == 1).all()
    heart = measure_outlines(bright_segmenter(), data, structure="heart", compute=compute)
    assert heart["dice"][10:].between(0.5, 0.8).all()  # every pixel is heart, half of them are drawn


def test_dataset_without_masks_is_refused(data: Dataset) -> None:
    bare = Dataset("d", data.manifest.drop(columns="mask_row"))
    with pytest.raises(DataError) as caught:
        measure_outlines(bright_segmenter(), bare, structure="lungs", compute=choose_compute("cpu"))
    assert caught.value.message == "d: no image of this fold has a mask"
