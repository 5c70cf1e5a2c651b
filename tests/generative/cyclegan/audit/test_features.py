"""Features of classifiers and of Inception-v3, whose weights come from a file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import inception_v3

from cxrshort.errors import DataError, MissingInputError
from cxrshort.generative.cyclegan.audit.features import (
    classifier_features,
    has_features,
    inception_features,
    load_inception,
)
from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.sources.opening import Model, open_model

from .audited import COMPUTE

MODEL = Description("classifier", "small-cnn", ("COVID-19", "Edema"), InputSpec(16), dataset="other")
PIXELS = np.random.default_rng(0).integers(0, 255, (3, 16, 16)).astype(np.uint8)


def saved(folder: Path, description: Description) -> Model:
    checkpoint.save_model(factory.build_model(MODEL, seed=2), folder / "model.safetensors", description=description)
    return open_model(str(folder), COMPUTE)


def test_features_are_what_enters_the_last_layer(tmp_path: Path) -> None:
    model = saved(tmp_path, MODEL)
    features = classifier_features(model, PIXELS, compute=COMPUTE)
    layer = next(module for module in reversed(list(model.classifier.modules())) if isinstance(module, torch.nn.Linear))
    with torch.inference_mode():
        logits = model.classifier(torch.from_numpy(PIXELS[:, None].astype(np.float32) / 255))
        again = torch.nn.functional.linear(torch.from_numpy(features), layer.weight, layer.bias)
    assert has_features(model) and features.shape == (3, layer.in_features)
    assert torch.allclose(again, logits, atol=1e-5)


def test_classifier_that_needs_masks_has_none_of_pictures_alone(tmp_path: Path) -> None:
    record = MODEL.__class__(
        **{**{name: getattr(MODEL, name) for name in ("kind", "architecture", "labels", "spec")}},
        background="black",
        recipe={"mask_bit": "lungs"},
    )
    assert not has_features(saved(tmp_path, record))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = inception_v3(weights=None, aux_logits=True, init_weights=False)
    path = tmp_path_factory.mktemp("inception") / "inception.safetensors"
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)
    return path


def test_inception_gives_its_pooled_features(weights: Path) -> None:
    network, name = load_inception(weights)
    assert name.startswith("Inception-v3 (inception.safetensors, sha256 ")
    features = inception_features(network, PIXELS[:2], compute=COMPUTE)
    whole = inception_v3(weights=None, aux_logits=False, transform_input=False, init_weights=False)
    whole.load_state_dict({key: value for key, value in network.network.state_dict().items()}, strict=False)
    pooled: list[torch.Tensor] = []
    whole.avgpool.register_forward_hook(lambda module, inputs, output: pooled.append(output.flatten(1)))
    images = torch.from_numpy(PIXELS[:2, None].astype(np.float32) / 255)
    resized = torch.nn.functional.interpolate(images, (299, 299), mode="bilinear", antialias=True)
    with torch.inference_mode():
        whole.eval()((2 * resized - 1).expand(-1, 3, -1, -1))
    assert features.shape == (2, 2048) and np.allclose(features, pooled[0].numpy(), atol=1e-4)


def test_files_of_other_networks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="does not exist"):
        load_inception(tmp_path / "none.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"no tensors")
    with pytest.raises(DataError, match="is not a safetensors file"):
        load_inception(tmp_path / "broken.safetensors")
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match="does not hold Inception-v3"):
        load_inception(tmp_path / "other.safetensors")
