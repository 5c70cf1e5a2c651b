"""Reference images: which, how many, and what is said of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cxrshort.attribution.background import choose_background
from cxrshort.dataset import load_dataset
from cxrshort.errors import DataError
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.sources.opening import Reference

from ..training.tiny import tiny_manifest, write_dataset

DESCRIPTION = Description("classifier", "small-cnn", ("Edema", "COVID-19"), InputSpec(32))
MODEL = Reference("run", "run", "id", DESCRIPTION, {})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("data")
    return load_dataset(str(write_dataset(folder, tiny_manifest(folder, people=40))))


def test_references_are_training_images_without_the_label(data):
    background = choose_background(MODEL, data, "COVID-19", count=10)
    assert background.note == "references: 10 images without COVID-19 of the training fold of tiny"
    training = data.manifest[(data.manifest["split_0"] == "train") & (data.manifest["COVID-19"] == 0)]
    allowed = {pixels.tobytes() for pixels in data.pixels.take(training.index.to_numpy())}
    images = background.images()
    assert images.shape == (10, 1, 32, 32) and images.dtype == torch.float32 and len(background) == 10
    assert {np.round(255 * image.numpy()[0]).astype(np.uint8).tobytes() for image in images} <= allowed


def test_draw_depends_on_the_seed_alone_and_fewer_are_said(data):
    first, again, other = (choose_background(MODEL, data, "Edema", count=9, seed=seed).images() for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    few = choose_background(MODEL, data, "COVID-19", count=200)
    assert few.note == "references: 20 images without COVID-19 of the training fold of tiny, 200 were asked for"


def test_dataset_without_splits_gives_of_all_its_rows(data):
    unsplit = replace(data, manifest=data.manifest.drop(columns=["split_0", "split_1"]))
    background = choose_background(MODEL, unsplit, "COVID-19", count=200)
    assert background.note == "references: 40 images without COVID-19 of tiny, 200 were asked for"


def test_regression_takes_any_training_image(data):
    model = replace(MODEL, description=replace(DESCRIPTION, labels=("age_years",), recipe={"task": "regression"}))
    assert choose_background(model, data, "age_years").note.startswith("references: 40 images of the training fold")


def test_nothing_without_the_label_other_sizes_and_other_pixels_are_refused(data):
    sick = replace(data, manifest=data.manifest.assign(**{"COVID-19": 1.0}))
    with pytest.raises(DataError) as caught:
        choose_background(MODEL, sick, "COVID-19")
    assert caught.value.message == "no image of the training fold of tiny is known to be without 'COVID-19'"
    assert caught.value.hint == "name a --background that has such images"
    with pytest.raises(DataError) as caught:
        choose_background(MODEL, data, "COVID-19", shape=(64, 64))
    assert caught.value.message == "the references of tiny are 32 x 32 pixels, the explained images 64 x 64"
    padded = replace(MODEL, description=replace(DESCRIPTION, pixels={"fit": "pad"}))
    with pytest.raises(DataError, match="fit 'pad'"):
        choose_background(padded, data, "COVID-19")
