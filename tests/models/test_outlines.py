"""Masks of a segmenter: computed once, measured against true ones."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from cxrshort.compute import choose_compute
from cxrshort.dataset import Dataset
from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.outlines import draw_outlines, load_segmenter, measure_outlines, segmenter_files

from ..training.teacher_files import PIXELS, classifier, pipeline_of, save, segmenter

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


def test_outlines_are_drawn_in_smaller_batches_where_memory_runs_out(data: Dataset) -> None:
    sizes: list[int] = []

    class Crowded(Bright):
        """Have memory for nine images."""

        def forward(self, images: Tensor) -> Tensor:
            sizes.append(len(images))
            if len(images) > 9:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().forward(images)

    segmenter, compute = bright_segmenter(), choose_compute("cpu", precision="fp32")
    expected = draw_outlines(segmenter, data.pixels, compute=compute).take(np.arange(COUNT))
    segmenter.network = Crowded()
    outlines = draw_outlines(segmenter, data.pixels, compute=compute, batch_size=14, shrink=True)
    np.testing.assert_array_equal(outlines.take(np.arange(COUNT)), expected)
    assert sizes == [14, *[7] * 10]
    with pytest.raises(torch.OutOfMemoryError):
        draw_outlines(segmenter, data.pixels, compute=compute, batch_size=14)


def test_segmenter_of_a_pipeline_is_taken_out_of_it(tmp_path: Path) -> None:
    classes, outlines = classifier(), segmenter()
    name = save(pipeline_of(classes), tmp_path / "pipeline")
    model, description = load_segmenter(name, dataset="d", pixels=PIXELS)
    images = torch.rand(2, 1, 32, 32)
    assert torch.equal(model(images), outlines[0](images))
    assert (description.kind, description.labels) == ("segmenter", ("lungs",))
    with pytest.raises(UsageError) as caught:
        load_segmenter(save(classes, tmp_path / "classifier"), dataset="d", pixels=PIXELS)
    assert caught.value.message == f"'{tmp_path / 'classifier'}' is a classifier, --segmenter takes a segmenter"
    with pytest.raises(DataError) as refused:
        load_segmenter(name, dataset="d", pixels={"size": 32, "fit": "pad"})
    assert refused.value.message == f"'{name}' was trained on images made with fit 'crop', d has fit 'pad'"


def test_files_of_a_segmenter_are_its_model_or_its_weights(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    model, weights = tmp_path / "run" / "model.safetensors", tmp_path / "weights.pt"
    model.touch()
    weights.touch()
    assert segmenter_files(None) == {}
    assert segmenter_files(str(model)) == segmenter_files(str(tmp_path / "run")) == {"segmenter": model}
    assert segmenter_files(f"py:lungs:make?weights={weights}") == {str(weights): weights}
    assert segmenter_files("py:lungs:make") == {}
    with pytest.raises(MissingInputError):
        segmenter_files(str(tmp_path / "nowhere"))


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
