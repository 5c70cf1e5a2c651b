import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from cxrshort.errors import DataError, UsageError
from cxrshort.models import checkpoint
from cxrshort.models.sources.foreign import is_foreign, open_foreign

from .own_network import INPUT, refused


def images() -> Tensor:
    return torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("py:a.b:c", True),
        ("txrv:all", True),
        ("clip:models/b?labels=A,B&prompt=a: {class}", True),
        ("models/a.onnx", True),
        ("a.onnx?labels=A", True),
        ("runs/I", False),
        ("model.safetensors", False),
        ("onnx", False),
    ],
)
def test_external_names_are_told_from_files(text, expected):
    assert is_foreign(text) is expected


def test_network_of_the_user_becomes_a_classifier(name: str, tmp_path: Path):
    model, description = open_foreign(f"py:{name}:plain?{INPUT}")
    assert not model.training
    assert (description.kind, description.architecture) == ("classifier", f"py:{name}:plain")
    assert model.labels == description.labels == ("COVID-19", "Edema")
    assert model.spec == description.spec
    assert description.spec.size == 16
    assert checkpoint.trained_on(description, ["nih/1"]) == 0
    assert model(images()).shape == model(torch.rand(2, 3, 40, 30)).shape == (2, 2)


def test_probabilities_become_log_odds(name: str):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, _ = open_foreign(f"py:{name}:sure?{INPUT}&output=probabilities")
    probabilities = model.network.network(model.normalise(images()))
    assert ((probabilities > 0) & (probabilities < 1)).all()
    torch.testing.assert_close(model(images()), torch.log(probabilities / (1 - probabilities)))


def test_logits_of_a_softmax_become_log_odds(name: str):
    model, _ = open_foreign(f"py:{name}:plain?{INPUT}&output=softmax")
    probabilities = torch.softmax(model.network.network(model.normalise(images())).double(), dim=1)
    # 1e-5: the model computes in fp32
    torch.testing.assert_close(
        model(images()).double(), torch.log(probabilities / (1 - probabilities)), rtol=1e-5, atol=1e-5
    )


def test_network_of_the_user_keeps_fp32_and_gradients(name: str):
    model, _ = open_foreign(f"py:{name}:plain?{INPUT}")
    batch = images().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(batch)
    assert torch.equal(logits, model(batch))
    logits[:, 0].sum().backward()
    assert batch.grad.abs().max() > 0


def test_text_that_is_no_foreign_model_is_refused():
    error = refused("runs/I")
    assert isinstance(error, UsageError)
    assert error.message == "'runs/I' is not a foreign model"
    assert error.hint == (
        "a factory of yours: py:package.module:factory?..., an ONNX file: FILE.onnx?..., "
        "a network of timm: timm:NAME?..., published by TorchXRayVision: txrv:NAME, "
        "a CLIP model of transformers: clip:FOLDER?..."
    )


def test_images_that_the_network_cannot_take_are_refused(name: str):
    error = refused(f"py:{name}:plain?{INPUT.replace('size=16', 'size=2')}")
    assert isinstance(error, DataError)
    assert error.message.startswith(f"'py:{name}:plain' cannot take images (2, 3, 2, 2): RuntimeError: Calculated pad")
    assert error.hint == "set size= and channels= as in training"


@pytest.mark.parametrize(
    ("factory", "channels", "rule", "hint"),
    [
        ("plain", 1, "takes images of 3 channels, not of 1", "set channels=3"),
        ("grey", 3, "takes images of 1 channel, not of 3", "set channels=1"),
    ],
)
def test_network_of_other_channels_is_said_to_be_one(name: str, factory: str, channels: int, rule: str, hint: str):
    error = refused(f"py:{name}:{factory}?{INPUT}&channels={channels}")
    assert isinstance(error, DataError)
    assert (error.message, error.hint) == (f"'py:{name}:{factory}' {rule}", hint)


def test_outputs_that_are_no_probabilities_are_refused(name: str, tmp_path: Path):
    state = open_foreign(f"py:{name}:plain?{INPUT}")[0].network.network.state_dict()
    save_file({key: value + 5 for key, value in state.items()}, tmp_path / "w.safetensors")
    error = refused(f"py:{name}:plain?{INPUT}&output=probabilities&weights=w.safetensors")
    assert isinstance(error, DataError)
    assert error.message == f"'py:{name}:plain' returns numbers outside [0, 1], which are no probabilities"
    assert error.hint == "output=logits"


def test_softmax_of_one_output_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "single_output_network.py").write_text(
        "from torch import nn\ndef build():\n    return nn.Sequential(nn.Flatten(), nn.LazyLinear(1))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    error = refused("py:single_output_network:build?labels=A&size=4&range=0..1&output=softmax")
    assert isinstance(error, UsageError)
    assert error.message == "'py:single_output_network:build' has one output, and a softmax of one is always 1"
    assert error.hint == "output=logits"
