"""Gradients of a score with respect to the images."""

import torch
from torch import nn

from cxrshort.attribution.gradient import explain


def test_gradient_of_a_linear_model_is_its_weights():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    images = torch.rand(3, 1, 2, 2)
    explained = explain(model, images, score=lambda logits: logits[:, 1])
    torch.testing.assert_close(explained.maps, model[1].weight[1].detach().view(1, 1, 2, 2).expand(3, 1, 2, 2))
    torch.testing.assert_close(explained.logits, model(images).detach())
    assert not explained.maps.requires_grad and not explained.logits.requires_grad


def test_gradient_can_be_learnt_from():
    weight = nn.Parameter(torch.tensor([3.0]))

    class Square(nn.Module):
        def forward(self, images):
            return (images.flatten(1) * weight) ** 2

    explained = explain(Square(), torch.full((1, 1, 1, 1), 2.0), score=lambda logits: logits[:, 0], create_graph=True)
    explained.maps.sum().backward()
    # d/dw of 2 x w^2 is 4 x w.
    assert explained.maps.item() == 36 and weight.grad.item() == 24
