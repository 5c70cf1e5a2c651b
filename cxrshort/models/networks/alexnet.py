"""AlexNet, torchvision's network with its head replaced (Krizhevsky 2014)."""

from torch import nn
from torchvision.models import AlexNet_Weights, alexnet

from cxrshort.models.architecture import Architecture
from cxrshort.models.networks.pooling import AveragePool


def _build(outputs: int) -> nn.Module:
    network: nn.Module = alexnet(num_classes=outputs)
    network.avgpool = AveragePool(6)
    return network


# 63 px is the smallest side that leaves the last pool one pixel.
ALEXNET = Architecture("alexnet", _build, "classifier.6", minimum_size=63, imagenet=AlexNet_Weights.IMAGENET1K_V1)
