import sys

import pytest
import torch

from cxrshort.errors import MissingInputError, UsageError
from cxrshort.models.architecture import FullPrecisionLinear, initialise
from cxrshort.models.classifier import Classifier, default_spec
from cxrshort.models.sources.architectures import find_architecture


def refused(name: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        find_architecture(name)
    return caught.value


def test_missing_timm_is_refused_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    error = refused("timm:resnet10t")
    assert error.message == "'timm:resnet10t' needs timm, which is not installed"
    assert error.hint == "pip install timm"


def test_network_of_timm_keeps_the_contract():
    pytest.importorskip("timm")
    architecture = find_architecture("timm:test_resnet")
    spec = default_spec(architecture, 64)
    assert (architecture.name, spec.size) == ("timm:test_resnet", 64)
    network = initialise(architecture, 3, weights="none", seed=1)
    assert isinstance(network.get_submodule(architecture.head), FullPrecisionLinear)
    model = Classifier(network, labels=("a", "b", "c"), spec=spec).eval()
    assert model(torch.rand(2, 1, 50, 70)).shape == (2, 3)


def test_size_and_normalisation_are_those_that_timm_states():
    pytest.importorskip("timm")
    architecture = find_architecture("timm:test_vit")
    assert architecture.mean == architecture.std == (0.5, 0.5, 0.5)
    assert default_spec(architecture, 64).size == architecture.minimum_size == 160


def test_unknown_network_of_timm_is_refused():
    pytest.importorskip("timm")
    error = refused("timm:resnett18")
    assert (error.message, error.hint) == ("'resnett18' is not a network of timm", "did you mean 'timm:resnet18'?")
    assert refused("timm:xxxxxxxx").hint == "timm.list_models() in Python lists them"


def test_network_with_two_heads_is_refused():
    pytest.importorskip("timm")
    error = refused("timm:deit_tiny_distilled_patch16_224")
    assert error.message == "'timm:deit_tiny_distilled_patch16_224' has no single linear head"


def test_pretrained_weights_without_a_network_name_the_way_round(monkeypatch: pytest.MonkeyPatch, tmp_path):
    pytest.importorskip("timm")
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingInputError) as caught:
        initialise(find_architecture("timm:resnet18"), 2, weights="imagenet", seed=0)
    assert caught.value.message.startswith("the ImageNet weights of 'timm:resnet18' could not be fetched (")
    assert caught.value.hint == (
        "fetch https://huggingface.co/timm/resnet18.a1_in1k elsewhere and give it as --weights FILE"
    )
