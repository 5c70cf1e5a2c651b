"""MobileNetV2: torchvision's, logit by logit."""

import torch
from torchvision import models

from cxrshort.models.networks.mobilenet import MOBILENET_V2


def test_mobilenet_computes_what_torchvisions_does():
    network, stock = MOBILENET_V2.build(3).eval(), models.mobilenet_v2(num_classes=3).eval()
    stock.load_state_dict(network.state_dict())
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(network(images), stock(images), rtol=0, atol=0)


def test_head_is_the_last_layer_behind_dropout():
    with torch.device("meta"):
        network = MOBILENET_V2.build(4)
    assert network.get_submodule(MOBILENET_V2.head).out_features == 4
    assert isinstance(network.get_submodule("classifier.0"), torch.nn.Dropout)
