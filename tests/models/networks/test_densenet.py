import pytest
import torch
from torch import Tensor, nn
from torchvision.models import densenet121

from cxrshort.models.architecture import initialise
from cxrshort.models.networks.densenet import DENSENET121, DENSENET121_FROZEN, DenseNet121, FrozenDenseNet121
from cxrshort.models.sources.architectures import count_parameters


def images(side: int = 32) -> Tensor:
    return torch.rand(4, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", [DENSENET121, DENSENET121_FROZEN], ids=lambda architecture: architecture.name)
def test_densenet_has_the_published_number_of_parameters(name):
    assert count_parameters(name, 15) == 6_969_231  # 7,978,856 - 1000 * 1025 + 15 * 1025


def test_densenet_computes_what_torchvisions_does():
    stock, ours = densenet121(num_classes=3), DenseNet121(3)
    ours.load_state_dict(stock.state_dict())  # strict: the names are the same
    for mode in (True, False):
        assert torch.equal(ours.train(mode)(images()), stock.train(mode)(images()))


def test_embedding_is_what_the_head_takes():
    network = DenseNet121(3).eval()
    assert network.embed(images()).shape == (4, 1024)
    assert torch.equal(network.classifier(network.embed(images())), network(images()))


def test_frozen_densenet_trains_the_head_alone():
    network = initialise(DENSENET121_FROZEN, 15, weights="none", seed=1)
    trained = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert set(trained) == {"classifier.weight", "classifier.bias"}
    assert sum(value.numel() for value in trained.values()) == 15_375


def test_statistics_of_the_frozen_densenet_do_not_drift():
    network = initialise(DENSENET121_FROZEN, 2, weights="none", seed=1).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = torch.optim.SGD((parameter for parameter in network.parameters() if parameter.requires_grad), lr=0.1)
    network(images()).square().sum().backward()
    optimizer.step()
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"classifier.weight", "classifier.bias"}


def test_frozen_densenet_gives_each_image_the_same_features_in_any_mode_and_batch():
    network = FrozenDenseNet121(2)
    assert network.training
    in_training = network.train().embed(images())
    assert network.classifier.training
    assert not any(module.training for module in network.features.modules())
    assert torch.equal(network.eval().embed(images()), in_training)
    # 1e-4: the order of sums may differ between batches of 1 and 4
    torch.testing.assert_close(network.train().embed(images()[:1]), in_training[:1], rtol=1e-4, atol=1e-5)


def test_every_activation_of_densenet_is_a_module():
    assert (
        sum(isinstance(module, nn.ReLU) for module in DenseNet121(2).modules()) == 121
    )  # one a convolution, one at the end
