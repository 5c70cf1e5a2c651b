import hashlib
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from cxrshort.errors import CxrshortError, DataError, MissingInputError, UsageError
from cxrshort.models import checkpoint
from cxrshort.models.sources.foreign import is_foreign, open_foreign

SOURCE = """
import torch
from torch import nn

class Network(nn.Module):
    def __init__(self, last):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2), last)

    def forward(self, images):
        return self.layers(images)

def plain():
    return Network(nn.Identity())

def sure():
    return Network(nn.Sigmoid())

def broken():
    raise KeyError("no weights here")

def pair():
    class Pair(nn.Module):
        def forward(self, images):
            return images, images
    return Pair()

def text():
    return "a network"

constant = 3
"""
INPUT = "labels=COVID-19,Edema&size=16&range=0..1"


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the module of a network that lies in the present folder."""
    module = f"network_{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}"
    (tmp_path / f"{module}.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return module


def images() -> Tensor:
    return torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def refused(text: str) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        open_foreign(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("py:a.b:c", True),
        ("txrv:all", True),
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


def test_weights_of_the_user_are_loaded(name: str, tmp_path: Path):
    state = {f"layers.{key}": torch.full(shape, 0.5) for key, shape in
             {"0.weight": (4, 3, 3, 3), "0.bias": (4,), "3.weight": (2, 4), "3.bias": (2,)}.items()}  # fmt: skip
    save_file(state, tmp_path / "w.safetensors")
    model, description = open_foreign(f"py:{name}:plain?{INPUT}&weights=w.safetensors")
    white = model(torch.ones(1, 1, 16, 16))
    assert white.tolist() == [[28.5, 28.5]]  # 4 * ((27 * 0.5 + 0.5) * 0.5) + 0.5
    assert description.recipe["weights"] == f"sha256:{hashlib.sha256(Path('w.safetensors').read_bytes()).hexdigest()}"


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
        "a network of timm: timm:NAME?..., published by TorchXRayVision: txrv:NAME"
    )


@pytest.mark.parametrize(
    ("factory", "options", "kind", "message", "hint"),
    [
        (":broken", INPUT, DataError, "'py:NAME:broken' failed: KeyError: 'no weights here'",
         "the factory is called without arguments"),
        (":Network", INPUT, DataError,
         "'py:NAME:Network' failed: TypeError: Network.__init__() missing 1 required positional argument: 'last'",
         "the factory is called without arguments"),
        (":text", INPUT, UsageError, "'py:NAME:text' made a str, not a torch.nn.Module", "return the network"),
        (":plane", INPUT, UsageError, "'plane' is not a known factory in 'NAME'", "did you mean 'plain'?"),
        ("", INPUT, UsageError, "'py:NAME' names no factory", "py:package.module:factory"),
        (":plain", "labels=A&size=16&range=0..1", DataError,
         "'py:NAME:plain' returns (2, 2) for 2 images, not (2, 1)", "labels= names every output, in order"),
        (":pair", INPUT, DataError, "'py:NAME:pair' returns tuple for 2 images, not (2, 2)",
         "labels= names every output, in order"),
        (":plain", f"{INPUT}&weights=no.pt", MissingInputError, "'no.pt' does not exist", "weights= takes a file"),
        (":plain", "size=16&range=0..1", UsageError, "'py:NAME:plain' does not say what its outputs are",
         "add labels=NAME,NAME"),
        (":plain", f"{INPUT}&download=yes", UsageError, "'download' is not a known option of 'py:NAME:plain'",
         "one of: weights, labels, size, mean, std, range, channels, output, trained-on"),
    ],
)  # fmt: skip
def test_misuse_of_a_network_of_the_user_is_refused(name: str, factory, options, kind, message, hint):
    error = refused(f"py:{name}{factory}?{options}")
    assert isinstance(error, kind)
    assert (error.message.replace(name, "NAME"), error.hint) == (message, hint)


def test_constant_is_no_factory(name: str):
    assert refused(f"py:{name}:constant?{INPUT}").message == f"'constant' is not a known factory in '{name}'"


def test_images_that_the_network_cannot_take_are_refused(name: str):
    error = refused(f"py:{name}:plain?{INPUT}&channels=1")
    assert isinstance(error, DataError)
    assert error.message.startswith(
        f"'py:{name}:plain' cannot take images (2, 1, 16, 16): RuntimeError: Given groups=1"
    )
    assert error.hint == "set size= and channels= as in training"


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


def test_weights_that_do_not_fit_are_refused(name: str, tmp_path: Path):
    save_file({"layers.0.weight": torch.zeros(4, 3, 3, 3), "extra": torch.zeros(1)}, tmp_path / "w.safetensors")
    error = refused(f"py:{name}:plain?{INPUT}&weights=w.safetensors")
    assert isinstance(error, DataError)
    assert error.message == f"'w.safetensors' does not fit 'py:{name}:plain': 4 tensors differ, such as 'layers.0.bias'"
    assert error.hint == "give the weights of this network"


@pytest.mark.parametrize(
    ("source", "reason"),
    [(None, "ModuleNotFoundError: No module named 'MODULE'"), ("1 / 0", "ZeroDivisionError: division by zero")],
)
def test_module_that_cannot_be_imported_is_refused(source, reason, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    module = "module_without_a_file" if source is None else "module_that_divides_by_zero"
    if source is not None:
        (tmp_path / f"{module}.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    error = refused(f"py:{module}:build?{INPUT}")
    assert isinstance(error, MissingInputError)
    assert error.message == f"'{module}' cannot be imported: {reason.replace('MODULE', module)}"
    assert error.hint == "run cxrshort in the folder that holds it, or install it"


def test_file_of_the_user_shadows_no_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "colorsys.py").write_text("raise RuntimeError('shadowed')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    assert refused(f"py:colorsys:rgb?{INPUT}").message == "'rgb' is not a known factory in 'colorsys'"
