"""The vision transformer ViT-B/16, torchvision's network with its head replaced (Dosovitskiy et al. 2021).

Penalties on its gradients need attention with a second derivative: ``sdpa_kernel(SDPBackend.MATH)`` of
``torch.nn.attention`` around the step; the fused kernels that torch chooses otherwise have a first one only.
"""

from torch import nn
from torchvision.models import ViT_B_16_Weights, vit_b_16

from cxrshort.models.architecture import Architecture

_SIZE = 224


def _build(outputs: int) -> nn.Module:
    network: nn.Module = vit_b_16(num_classes=outputs)
    head = network.get_submodule("heads.head")
    if isinstance(head, nn.Linear):
        # torchvision starts it at zero: equal logits for every image, and no gradient to learn or to explain by.
        head.reset_parameters()
    return network


VIT_B_16 = Architecture(
    "vit_b_16",
    _build,
    "heads.head",
    minimum_size=_SIZE,
    imagenet=ViT_B_16_Weights.IMAGENET1K_V1,
    input_size=_SIZE,
)
