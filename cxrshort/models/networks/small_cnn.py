"""A network of four convolutions, for demonstrations and tests that must end in a minute."""

from torch import nn

from cxrshort.models.architecture import Architecture

_WIDTHS = (16, 32, 64, 128)


def _build(outputs: int) -> nn.Module:
    layers: list[nn.Module] = []
    before = 3
    for width in _WIDTHS:
        layers += [nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, outputs))


SMALL_CNN = Architecture("small-cnn", _build, str(3 * len(_WIDTHS) + 2), minimum_size=16)
