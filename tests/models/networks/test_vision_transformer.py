"""A transformer can be asked for gradients of gradients, by its users and not only by its own tests."""

import torch

from cxrshort.models import factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.training.data.batches import Batch
from cxrshort.training.objectives.rrr import RRR


def test_rrr_learns_from_a_transformer() -> None:
    model = factory.build(Description("classifier", "vit_b_16", ("COVID-19",), InputSpec(size=224))).train()
    images, masks = torch.rand(1, 1, 224, 224), torch.zeros(1, 1, 224, 224)
    targets = torch.ones(1, 1)
    loss = RRR()(model, Batch(images, targets, torch.arange(1).numpy(), masks=masks))
    loss.backward()
    assert torch.isfinite(loss) and all(
        each.grad is None or bool(torch.isfinite(each.grad).all()) for each in model.parameters()
    )
