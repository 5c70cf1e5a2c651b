"""One member of CV19-Net, a DenseNet-121 with a head of two layers (Zhang et al. 2021).

CV19-Net is twenty of them, trained on different splits; see :mod:`cxrshort.models.ensemble`.
"""

from torch import nn
from torchvision.models import DenseNet121_Weights

from cxrshort.models.architecture import Architecture
from cxrshort.models.networks.densenet import DenseNet121

_HIDDEN = 64


def _build(outputs: int) -> nn.Module:
    network = DenseNet121(outputs)
    layers = [nn.Linear(network.classifier.in_features, _HIDDEN), nn.Linear(_HIDDEN, outputs)]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight)
    network.classifier = nn.Sequential(layers[0], nn.ReLU(), layers[1])
    return network


CV19_NET = Architecture(
    "cv19-net",
    _build,
    "classifier.2",
    imagenet=DenseNet121_Weights.IMAGENET1K_V1,
    input_size=224,
    tail="classifier",
)
