"""Headers of model files: the sizes that torch finds, and one sentence for what is no model file."""

import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from cxrshort.errors import DataError, MissingInputError
from cxrshort.models.factory import load_model
from cxrshort.verbs.stats.model_headers import read_tensor_sizes

from .studies import MODEL


def test_sizes_are_those_of_torch(study: Path) -> None:
    network, _ = load_model(study / MODEL / "model.safetensors")
    stored = {name: value.numel() for name, value in network.state_dict().items()}
    assert read_tensor_sizes(study / MODEL / "model.safetensors") == stored


def test_model_of_others_has_sizes_too(tmp_path: Path) -> None:
    save_file({"a": np.zeros((2, 3), np.float32), "b": np.zeros((), np.float32)}, tmp_path / "m.safetensors")
    assert read_tensor_sizes(tmp_path / "m.safetensors") == {"a": 6, "b": 1}


@pytest.mark.parametrize(
    "content",
    [b"", b"abc", struct.pack("<Q", 2**40) + b"{}", struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 9) + b"{}"],
)
def test_what_is_no_model_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(DataError, match="is not a model file"):
        read_tensor_sizes(tmp_path / "m")


def test_missing_model_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="cannot be read: no such file"):
        read_tensor_sizes(tmp_path / "m")
