"""Features: what enters the last layer, of every kind of model, while the logits stay the bytes that they were."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cxrshort.compute import Compute
from cxrshort.errors import UsageError
from cxrshort.models import ARCHITECTURES, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, default_spec
from cxrshort.models.embeddings import (
    capture_inputs,
    feature_count,
    last_layers,
    refuse_without_features,
    score_with_features,
)
from cxrshort.models.ensemble import merge_members
from cxrshort.models.pipeline import join_pipeline
from cxrshort.models.scoring import score
from cxrshort.models.sources.architectures import find_architecture
from cxrshort.models.sources.foreign import open_foreign
from cxrshort.models.sources.opening import Model, Reference

from .sources.own_network import INPUT, SOURCE

FP32 = Compute("cpu", "fp32", 1)
LARGE = ("multitask-unet", "covid-net-large")
"""Of 250 million parameters, and like a smaller one in all that matters here."""
CLASSIFIERS = [name for name in ARCHITECTURES if not name.startswith("unet") and name not in LARGE]


class Squares:
    """Hold a few random images."""

    def __init__(self, side: int, count: int = 3) -> None:
        self.images = np.random.default_rng(0).integers(0, 256, (count, side, side), dtype=np.uint8)
        self.image_shape = (side, side)

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: np.ndarray) -> np.ndarray:
        return self.images[indices]


def opened(classifier: Classifier, description: Description, name: str = "a model") -> Model:
    return Model(Reference(name, name, "0", description, {}), classifier.eval())


def build(architecture: str, *, seed: int = 0, kind: str = "classifier") -> tuple[Classifier, Description]:
    found = find_architecture(architecture)
    spec = default_spec(found, found.minimum_size)
    description = Description(kind, architecture, ("COVID-19", "Edema"), spec)
    return factory.build_model(description, seed=seed).eval(), description


@pytest.mark.parametrize("architecture", CLASSIFIERS)
def test_last_layer_makes_the_logits_of_the_features(architecture: str) -> None:
    model = opened(*build(architecture))
    (layer,), pixels = last_layers(model), Squares(model.classifier.spec.size, 2)
    logits, features = score_with_features(model.classifier, [layer], pixels, compute=FP32)
    assert (logits.dtype, features.dtype) == (np.float32, np.float32)
    assert features.shape == (2, layer.in_features)
    with torch.inference_mode():
        again = layer(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(again, logits, rtol=1e-4, atol=1e-5)  # fp32, in another order of sums
    np.testing.assert_array_equal(logits, score(model.classifier, pixels, compute=FP32))


def test_frozen_features_are_those_that_training_caches() -> None:
    classifier, description = build("densenet121-frozen")
    pixels = Squares(classifier.spec.size)
    model = opened(classifier, description)
    features = score_with_features(classifier, last_layers(model), pixels, compute=FP32)[1]
    with torch.inference_mode():
        images = torch.from_numpy(pixels.images[:, None] / np.float32(255))
        expected = classifier.network.embed(classifier.normalise(images)).numpy()
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)


def test_members_of_an_ensemble_stand_side_by_side() -> None:
    members = [build("small-cnn", seed=seed) for seed in (0, 1)]
    model, pixels = opened(*merge_members(members)), Squares(16)
    layers = last_layers(model)
    assert feature_count(layers) == 256
    features = score_with_features(model.classifier, layers, pixels, compute=FP32)[1]
    for place, member in enumerate(members):
        alone = score_with_features(member[0], last_layers(opened(*member)), pixels, compute=FP32)[1]
        np.testing.assert_array_equal(features[:, 128 * place : 128 * (place + 1)], alone)


def test_pipeline_has_the_features_of_its_classifier() -> None:
    segmenter, description = build("unet-small", kind="segmenter")
    segmenter_description = replace(description, labels=("lungs",), recipe={"task": "masks"})
    segmenter = factory.build_model(segmenter_description, seed=0).eval()
    joined = join_pipeline(
        (segmenter, segmenter_description), build("small-cnn"), background="black", threshold=0.5, size=32
    )
    model, pixels = opened(*joined), Squares(32)
    logits, features = score_with_features(model.classifier, last_layers(model), pixels, compute=FP32)
    with torch.inference_mode():
        again = last_layers(model)[0](torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(again, logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("factory_name", ["plain", "sure"], ids=["logits", "probabilities"])
def test_network_of_the_user_is_searched_for_its_last_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factory_name: str
) -> None:
    (tmp_path / f"own_{factory_name}.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    output = "probabilities" if factory_name == "sure" else "logits"
    name = f"py:own_{factory_name}:{factory_name}?{INPUT}&output={output}"
    model = opened(*open_foreign(name), name)
    (layer,) = last_layers(model)
    logits, features = score_with_features(model.classifier, [layer], Squares(16), compute=FP32)
    assert features.shape == (3, 4)
    with torch.inference_mode():
        again = layer(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(again, logits, rtol=1e-4, atol=1e-5)


def test_network_without_a_last_linear_layer_has_no_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_grey.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    name = "py:own_grey:grey?labels=A,B&size=16&range=0..1&channels=1"
    with pytest.raises(UsageError) as caught:
        last_layers(opened(*open_foreign(name), name))
    assert caught.value.message == f"'{name}' has no linear layer whose outputs are those of the network: no features"


def test_network_of_timm_has_features(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    from safetensors.torch import save_file

    save_file(timm.create_model("test_resnet", num_classes=2).state_dict(), tmp_path / "w.safetensors")
    name = f"timm:test_resnet?labels=A,B&weights={tmp_path / 'w.safetensors'}"
    model = opened(*open_foreign(name), name)
    (layer,) = last_layers(model)
    logits, features = score_with_features(model.classifier, [layer], Squares(64), compute=FP32)
    with torch.inference_mode():
        again = layer(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(again, logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("lungs", "segmenter", "'lungs' is a segmenter: its outputs are masks, without features"),
        (
            "a.onnx?labels=A",
            "classifier",
            "'a.onnx?labels=A' is an ONNX file, which shows its outputs alone: it has no features",
        ),
    ],
)
def test_models_without_features_are_refused(name: str, kind: str, message: str) -> None:
    description = replace(build("small-cnn")[1], kind=kind)
    with pytest.raises(UsageError) as caught:
        refuse_without_features([Reference(name, name, "0", description, {})])
    assert (caught.value.message, caught.value.hint) == (message, "evaluate it without --features")


def test_no_hook_is_left_after_an_error() -> None:
    layer = nn.Linear(2, 2)
    with pytest.raises(RuntimeError), capture_inputs([layer]):
        raise RuntimeError
    assert not layer._forward_pre_hooks


def test_no_image_has_no_features() -> None:
    model = opened(*build("small-cnn"))
    logits, features = score_with_features(model.classifier, last_layers(model), Squares(16, 0), compute=FP32)
    assert (logits.shape, features.shape) == ((0, 2), (0, 128))
