"""MobileNetV2, torchvision's network with its head replaced (Sandler et al. 2018)."""

from torch import nn
from torchvision.models import MobileNet_V2_Weights, mobilenet_v2

from cxrshort.models.architecture import Architecture


def _build(outputs: int) -> nn.Module:
    network: nn.Module = mobilenet_v2(num_classes=outputs)
    return network


MOBILENET_V2 = Architecture("mobilenet_v2", _build, "classifier.1", imagenet=MobileNet_V2_Weights.IMAGENET1K_V1)
