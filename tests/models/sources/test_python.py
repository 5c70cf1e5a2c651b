"""Networks that a Python function of the user's returns."""

import hashlib
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.models.sources.foreign import open_foreign
from cxrshort.models.sources.python import load_weights, make_network, open_python_segmenter

from .own_network import INPUT, refused


def test_weights_of_the_user_are_loaded(name: str, tmp_path: Path):
    state = {f"layers.{key}": torch.full(shape, 0.5) for key, shape in
             {"0.weight": (4, 3, 3, 3), "0.bias": (4,), "3.weight": (2, 4), "3.bias": (2,)}.items()}  # fmt: skip
    save_file(state, tmp_path / "w.safetensors")
    model, description = open_foreign(f"py:{name}:plain?{INPUT}&weights=w.safetensors")
    white = model(torch.ones(1, 1, 16, 16))
    assert white.tolist() == [[28.5, 28.5]]  # 4 * ((27 * 0.5 + 0.5) * 0.5) + 0.5
    assert description.recipe["weights"] == f"sha256:{hashlib.sha256(Path('w.safetensors').read_bytes()).hexdigest()}"


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
        (":plane", "labels=A", UsageError, "'plane' is not a known factory in 'NAME'", "did you mean 'plain'?"),
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


def test_factory_is_called_anew_for_each_network(name: str):
    first, second = make_network(f"py:{name}:plain"), make_network(f"py:{name}:plain")
    assert isinstance(first, nn.Module) and first is not second


def test_weights_are_copied_into_the_network(tmp_path: Path):
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    load_weights(target, tmp_path / "w.safetensors", name="py:a:b")
    assert all(torch.equal(target.state_dict()[key], value) for key, value in source.state_dict().items())
    with pytest.raises(DataError, match="1 tensors differ, such as 'bias'"):
        load_weights(nn.Linear(3, 2, bias=False), tmp_path / "w.safetensors", name="py:a:b")


SEGMENTERS = """
from torch import nn

def drawing():
    return nn.Conv2d(3, 1, 1)

def two_maps():
    return nn.Conv2d(3, 2, 1)

def hard():
    class Hard(nn.Module):
        def forward(self, images):
            return (images[:, :1] > 0).long()
    return Hard()
"""


@pytest.fixture
def segmenters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    module = f"segmenters_{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}"
    (tmp_path / f"{module}.py").write_text(SEGMENTERS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return f"py:{module}"


def test_segmenter_of_the_user_returns_one_map_of_log_odds(segmenters: str):
    model, description = open_python_segmenter(f"{segmenters}:drawing?size=16&range=0..1")
    assert (description.kind, description.labels) == ("segmenter", ("mask",))
    assert description.architecture == f"{segmenters}:drawing"
    assert not model.training and model(torch.rand(2, 1, 16, 16)).shape == (2, 1, 16, 16)


@pytest.mark.parametrize(("factory", "returned"), [("two_maps", "(2, 2, 16, 16)"), ("hard", "(2, 1, 16, 16)")])
def test_segmenter_of_other_outputs_is_refused(segmenters: str, factory: str, returned: str):
    with pytest.raises(DataError) as caught:
        open_python_segmenter(f"{segmenters}:{factory}?size=16&range=0..1")
    assert caught.value.message == (
        f"'{segmenters}:{factory}' returns {returned} for 2 images, not (2, 1, height, width)"
    )
    assert caught.value.hint == "a segmenter returns one map of log-odds"
