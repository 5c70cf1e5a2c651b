"""Last layers other than one linear layer, and the files that hold them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from cxrshort.attribution.lrp import relevance
from cxrshort.errors import DataError
from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.heads import ReactiveHead, replace_head

REACTIVE = Description("classifier", "small-cnn", ("COVID-19", "Edema"), InputSpec(16), head="reactive")


def test_detector_chooses_the_layer_of_each_image() -> None:
    torch.manual_seed(0)
    head = ReactiveHead(3, 2)
    features = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    detected = head.detector(features)[:, 0] > 0
    assert 0 < detected.sum() < 40
    logits = head(features)
    torch.testing.assert_close(logits[detected], head.projected(features)[detected])
    torch.testing.assert_close(logits[~detected], head.plain(features)[~detected])


def test_file_is_read_back_and_a_linear_one_says_nothing(tmp_path: Path) -> None:
    model = factory.build_model(REACTIVE, seed=1).eval()
    assert isinstance(list(model.network.children())[-1], ReactiveHead)
    checkpoint.save_model(model, tmp_path / "model.safetensors", description=REACTIVE)
    loaded, description = factory.load_model(tmp_path / "model.safetensors")
    assert description == REACTIVE
    images = torch.rand(4, 1, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(images), model(images))
    assert json.loads(REACTIVE.to_json())["head"] == "reactive"
    assert "head" not in json.loads(replace(REACTIVE, head="linear").to_json())


def test_lrp_sees_the_layer_that_was_chosen() -> None:
    model = factory.build_model(REACTIVE, seed=1).eval()
    head = list(model.network.children())[-1]
    assert isinstance(head, ReactiveHead)
    images = torch.rand(2, 1, 16, 16)
    maps = []
    for bias in (-1e6, 1e6):
        with torch.no_grad():
            head.detector.bias.fill_(bias)
        maps.append(relevance(model, images, outputs=torch.zeros(2, dtype=torch.int64)))
    assert not torch.allclose(*maps)
    plain = factory.build_model(replace(REACTIVE, head="linear"), seed=1).eval()
    plain.load_state_dict(
        {
            name.replace("projected.", ""): value
            for name, value in model.state_dict().items()
            if ".plain." not in name and ".detector." not in name
        }
    )
    torch.testing.assert_close(maps[1], relevance(plain, images, outputs=torch.zeros(2, dtype=torch.int64)))


def test_head_of_a_description_is_checked() -> None:
    for changes, message in (
        ({"head": "quadratic"}, "field 'head' is 'quadratic', it must be one of: linear, reactive"),
        (
            {"head": "reactive", "kind": "ensemble", "members": 2},
            "field 'head' is 'reactive', it must be linear where 'kind' is not classifier",
        ),
    ):
        text = json.dumps({**json.loads(REACTIVE.to_json()), **changes})
        with pytest.raises(DataError) as caught:
            Description.from_json(text, source="model")
        assert caught.value.message == f"'model': {message}"


def test_only_a_linear_layer_is_replaced() -> None:
    network = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    replace_head(network, "0", kind="linear")
    assert isinstance(network[0], nn.Linear)
    with pytest.raises(TypeError, match="ReLU is not a linear layer"):
        replace_head(network, "1", kind="reactive")
