"""Grad-CAM++: Grad-CAM whose channels are weighted place by place (Chattopadhay et al. 2018).

The weight of channel c is the sum over places of alpha times relu(g), with g = d logit / d f_c and
alpha = g^2 / (2 g^2 + g^3 sum f_c), equation 19 for a score exp(logit). That score multiplies all weights of an image
by exp(logit), which is left out here, since it says nothing of places. Where g is positive, alpha g is
g / (2 + g sum f_c), which is how it is computed: nothing is divided by 0.

The map keeps the sum over pixels that it has at its own size, as that of grad-cam does. Captum has no Grad-CAM++.

What would invalidate it: by its definition it shows evidence in favour alone; a logit that a region argues against has
no map. Values rank places of one image; they do not add up to the logit.
"""

from typing import Any

import torch
from torch import Tensor, nn

from cxrshort.attribution.contract import AttributionMethod, Requirements, Resources
from cxrshort.attribution.grad_cam import LastMap, in_picture, refuse_ensemble
from cxrshort.attribution.passes import exact, explained_logits

_NAME = "grad-cam++"


def _maps(model: nn.Module, images: Tensor, outputs: Tensor, *, settings: Any, resources: Resources) -> Tensor:
    del settings, resources
    refuse_ensemble(model, method=_NAME)
    # A network whose parameters are frozen has a graph only from its images on.
    images = images.requires_grad_()
    with exact(images), LastMap() as last:
        logits: Tensor = model(images)
    activations = last.checked(_NAME)
    with exact(images):
        (slopes,) = torch.autograd.grad(explained_logits(logits, outputs).sum(), activations)
    activations = activations.detach()
    masses = activations.relu().sum((2, 3), keepdim=True)
    slopes = slopes.relu()
    weights = (slopes / (2 + slopes * masses)).sum((2, 3), keepdim=True)
    return in_picture((weights * activations).sum(1, keepdim=True), model, images)


GRAD_CAM_PLUS_PLUS = AttributionMethod(_NAME, _maps, requires=Requirements(gradients=True))
