"""Heads in full precision, seeded starts, and files of weights that fit or are refused."""

import pytest
import torch
from torch import nn

from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.models.architecture import FullPrecisionLinear, initialise, load_backbone, read_tensors
from cxrshort.models.networks.small_cnn import SMALL_CNN


def start(outputs=2, *, weights="none", seed=0):
    return initialise(SMALL_CNN, outputs, weights=weights, seed=seed)


def test_full_precision_head_shares_parameters_and_ignores_autocast():
    layer = nn.Linear(3, 2)
    head = FullPrecisionLinear.like(layer)
    assert head.weight is layer.weight and head.bias is layer.bias
    images = torch.rand(4, 3)
    expected = images @ layer.weight.T + layer.bias
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(images).dtype == torch.bfloat16
        torch.testing.assert_close(head(images), expected)
    with pytest.raises(TypeError, match="ReLU is not a linear layer"):
        FullPrecisionLinear.like(nn.ReLU())


def test_start_is_a_function_of_the_seed_and_leaves_the_generator_alone():
    before = torch.get_rng_state()
    first, again, other = (start(seed=seed).state_dict()["0.weight"] for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_of_another_head_are_taken_up_to_it(tmp_path):
    source, path = start(5, seed=1), tmp_path / "weights.pt"
    torch.save(source.state_dict(), path)
    network, fresh = start(2, weights=str(path), seed=2), start(2, seed=2)
    assert torch.equal(network.state_dict()["0.weight"], source.state_dict()["0.weight"])
    head = f"{SMALL_CNN.head}.weight"
    assert torch.equal(network.state_dict()[head], fresh.state_dict()[head])


def test_weights_of_another_architecture_are_refused():
    state = {**start().state_dict(), "0.weight": torch.zeros(1)}
    del state["3.weight"]
    with pytest.raises(DataError, match=r"'x\.pt' does not fit small-cnn: 2 tensors differ, such as '0\.weight'"):
        load_backbone(start(), state, architecture=SMALL_CNN, source="x.pt")


def test_absent_weights_are_refused(tmp_path):
    with pytest.raises(MissingInputError, match="does not exist"):
        start(weights=str(tmp_path / "none.pt"))
    with pytest.raises(UsageError, match="'small-cnn' has no ImageNet weights"):
        start(weights="imagenet")


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_damaged_weights_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"damaged")
    with pytest.raises(DataError, match="is not a file of weights"):
        read_tensors(tmp_path / name)


def test_file_that_holds_more_than_tensors_is_refused(tmp_path):
    torch.save({"model": {"0.weight": torch.zeros(1)}}, tmp_path / "a.pt")
    with pytest.raises(DataError, match="holds more than a state_dict"):
        read_tensors(tmp_path / "a.pt")
