import io
import os
import pickle
import sys
import types
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from cxrshort.errors import DataError
from cxrshort.models.sources.pickled import read_pickled_module


class Network(nn.Module):
    """Stands for a class that whoever reads the file does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU())
        self.head = nn.Linear(2, 3, bias=False)
        self.register_buffer("thresholds", torch.arange(3.0))
        self.note = "kept by pickle, of no use here"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """Return a network whose class lies in a package that can be removed."""
    package = types.ModuleType("nowhere_to_be_found")
    monkeypatch.setitem(sys.modules, package.__name__, package)
    monkeypatch.setattr(Network, "__module__", package.__name__)
    package.Network = Network  # type: ignore[attr-defined]
    return Network()


@pytest.mark.parametrize("zipped", [True, False], ids=["today", "before-2020"])
def test_state_comes_out_of_a_module_whose_class_is_not_there(module, zipped, tmp_path: Path, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the old format wants the source of the class
        torch.save(module, tmp_path / "model.pt", _use_new_zipfile_serialization=zipped)
    monkeypatch.delitem(sys.modules, "nowhere_to_be_found")
    state = read_pickled_module(tmp_path / "model.pt")
    expected = module.state_dict()
    assert set(state) == set(expected)
    assert all(torch.equal(state[name], value) for name, value in expected.items())


class Bomb:
    """Unpickles by making a folder, as a malicious model would run its code."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_the_file_does_not_run(zipped, tmp_path: Path):
    module = nn.Linear(2, 1)
    module.bomb = Bomb(tmp_path / "exploded")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(module, tmp_path / "model.pt", _use_new_zipfile_serialization=zipped)
    assert set(read_pickled_module(tmp_path / "model.pt")) == {"weight", "bias"}
    assert not (tmp_path / "exploded").exists()
    pickle.loads(pickle.dumps(module.bomb))  # the bomb is live where pickle has its way
    assert (tmp_path / "exploded").exists()


def refused(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        read_pickled_module(path)
    return caught.value


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut short", b"\x80\x02\x8a\xff", b"\x80\x02j\x04:"])
def test_damaged_file_is_refused(content, tmp_path: Path):
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    error = refused(path)
    assert (error.message, error.hint) == (f"'{path}' is not a file of weights", "fetch it again")


def test_module_that_is_cut_short_is_refused(tmp_path: Path):
    stream = io.BytesIO()
    torch.save(nn.Linear(100, 100), stream)
    (tmp_path / "model.pt").write_bytes(stream.getvalue()[:-500])
    assert refused(tmp_path / "model.pt").message == f"'{tmp_path / 'model.pt'}' is not a file of weights"


@pytest.mark.parametrize("value", [[1, 2], {"weight": torch.zeros(2)}, nn.ReLU()], ids=["list", "state", "empty"])
def test_file_without_a_module_is_refused(value, tmp_path: Path):
    torch.save(value, tmp_path / "model.pt")
    error = refused(tmp_path / "model.pt")
    assert error.message == f"'{tmp_path / 'model.pt'}' holds no module"
    assert error.hint == "give a file that torch.save(model, FILE) wrote"
