"""The vision transformer: its head, its input, and gradients of gradients."""

import torch
from torch import Tensor

from cxrshort.models import factory
from cxrshort.models.architecture import Architecture
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec, default_spec
from cxrshort.models.networks.alexnet import ALEXNET
from cxrshort.models.networks.vision_transformer import VIT_B_16
from cxrshort.training.data.batches import Batch
from cxrshort.training.objectives.rrr import RRR


def test_rrr_learns_from_a_transformer() -> None:
    model = factory.build_model(Description("classifier", "vit_b_16", ("COVID-19",), InputSpec(size=224))).train()
    images, masks = torch.rand(1, 1, 224, 224), torch.zeros(1, 1, 224, 224)
    targets = torch.ones(1, 1)
    loss = RRR()(model, Batch(images, targets, torch.arange(1).numpy(), masks=masks))
    loss.backward()
    assert torch.isfinite(loss) and all(
        parameter.grad is None or bool(torch.isfinite(parameter.grad).all()) for parameter in model.parameters()
    )


def images(architecture: Architecture, side: int) -> Tensor:
    return torch.rand(2, architecture.channels, side, side, generator=torch.Generator().manual_seed(0))


def test_vision_transformer_starts_with_a_head_that_tells_images_apart():
    network = VIT_B_16.build(3).eval()
    assert network.get_submodule(VIT_B_16.head).weight.abs().min() > 0
    batch = images(VIT_B_16, 224).requires_grad_()
    logits = network(batch)
    assert logits.shape == (2, 3)
    assert not torch.equal(logits[0], logits[1])
    logits.sum().backward()
    assert (batch.grad.flatten(1).abs().amax(dim=1) > 0).all()


def test_vision_transformer_takes_its_own_size_whatever_the_dataset_has():
    assert default_spec(VIT_B_16, 64).size == default_spec(VIT_B_16, 512).size == 224
    assert default_spec(ALEXNET, 96).size == 96
