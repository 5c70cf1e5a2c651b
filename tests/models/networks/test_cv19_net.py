from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import densenet121

from cxrshort.models.architecture import initialise
from cxrshort.models.classifier import default_spec
from cxrshort.models.networks.cv19_net import CV19_NET
from cxrshort.models.sources.architectures import count_parameters


def test_cv19_net_has_the_parameters_of_densenet_and_its_own_head():
    assert count_parameters(CV19_NET, 15) == 6_953_856 + 1024 * 64 + 64 + 64 * 15 + 15


def test_head_is_the_published_one():
    layers = [*CV19_NET.build(2).classifier]
    assert [type(layer) for layer in layers] == [nn.Linear, nn.ReLU, nn.Linear]
    assert (layers[0].in_features, layers[0].out_features, layers[2].out_features) == (1024, 64, 2)


def test_weights_of_a_densenet_with_a_plain_head_start_the_backbone(tmp_path: Path):
    """ImageNet's and the NIH's weights have one layer where CV19-Net has two."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        published = densenet121(num_classes=1000).state_dict()
    save_file(published, tmp_path / "nih.safetensors")
    network = initialise(CV19_NET, 2, weights=str(tmp_path / "nih.safetensors"), seed=0).state_dict()
    fresh = initialise(CV19_NET, 2, weights="none", seed=0).state_dict()
    for name, value in network.items():
        assert torch.equal(value, (fresh if name.startswith("classifier.") else published)[name])


def test_cv19_net_takes_224_pixels_as_published():
    assert default_spec(CV19_NET, 512).size == 224
