import torch
from torch import nn
from torchvision.models import mobilenet_v2

from cxrshort.models.networks.densenet import DenseNet121
from cxrshort.models.networks.rewrite import without_inplace


def test_no_layer_stays_in_place():
    network = mobilenet_v2()
    assert any(getattr(module, "inplace", False) for module in network.modules())
    assert without_inplace(network) is network
    assert not any(getattr(module, "inplace", False) for module in network.modules())


def test_backward_hooks_work_on_every_layer_and_nothing_else_changes():
    network = DenseNet121(2).eval()
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)).requires_grad_()
    expected = network(images)
    without_inplace(network)
    called: list[nn.Module] = []
    layers = [module for module in network.modules() if not [*module.children()]]
    for layer in layers:
        layer.register_full_backward_hook(lambda module, before, after: called.append(module))
    logits = network(images)
    assert torch.equal(logits, expected)
    logits[:, 0].sum().backward()
    assert set(called) == set(layers)
