"""Fixed deep features: what is computed once is what the network computes each time."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cxrshort.compute import choose_compute
from cxrshort.dataset import load_dataset
from cxrshort.models import factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.scoring import score
from cxrshort.models.sources.architectures import find_architecture
from cxrshort.training import recipes
from cxrshort.training.data.features import Features, compute_features, has_fixed_features, head, time_features

from ..tiny import tiny_dataset

FROZEN = find_architecture("densenet121-frozen")


@pytest.mark.parametrize(
    ("overrides", "fixed"),
    [
        ({}, True),
        ({"augment": "degrave"}, False),
        ({"method": "rrr"}, False),
        ({"background": "noise", "segmenter": "model"}, False),
        ({"epochs": 3, "crop": 0.75}, True),
    ],
)
def test_features_are_fixed_only_where_images_and_network_are(overrides: dict[str, object], fixed: bool) -> None:
    recipe = recipes.load_recipe("standard", overrides=overrides)
    assert has_fixed_features(FROZEN, recipe) == fixed
    assert not has_fixed_features(find_architecture("densenet121"), recipe)


def test_head_on_features_scores_as_the_whole_network_on_images(tmp_path: Path) -> None:
    data = load_dataset(str(tiny_dataset(tmp_path, people=36)))  # 72 images: two batches
    model = factory.build_model(Description("classifier", "densenet121-frozen", ("a", "b"), InputSpec(32)))
    compute = choose_compute("cpu", precision="fp32", threads=1)
    features = compute_features(model.train(), data.pixels, compute=compute)
    assert (features.image_shape, len(features)) == ((1024,), 72)
    actual = score(head(model, FROZEN), features, compute=compute)
    np.testing.assert_allclose(actual, score(model, data.pixels, compute=compute), rtol=1e-5, atol=1e-6)
    assert model.training


def test_head_shares_its_parameters_with_the_model() -> None:
    model = factory.build_model(Description("classifier", "densenet121-frozen", ("a",), InputSpec(32)))
    with torch.no_grad():
        next(head(model, FROZEN).parameters()).fill_(3.0)
    assert (model.network.classifier.weight == 3).all()


def test_features_are_taken_as_copies() -> None:
    features = Features(np.arange(6, dtype=np.float32).reshape(3, 2))
    taken = features.take(np.array([2, 0]))
    np.testing.assert_array_equal(taken, [[4, 5], [0, 1]])
    taken[:] = 0
    assert features.take(np.array([2]))[0, 1] == 5


def test_trial_computes_some_features_and_repeats_them(tmp_path: Path) -> None:
    data = load_dataset(str(tiny_dataset(tmp_path, people=36)))
    model = factory.build_model(Description("classifier", "densenet121-frozen", ("a",), InputSpec(32)))
    features, seconds = time_features(model, data.pixels, compute=choose_compute("cpu", precision="fp32", threads=1))
    assert (len(features), features.image_shape) == (64, (1024,))
    assert seconds > 0
    stand_in = features.repeated(130)
    assert len(stand_in) == 130
    np.testing.assert_array_equal(stand_in.take(np.array([1, 65, 129])), features.take(np.array([1, 1, 1])))
