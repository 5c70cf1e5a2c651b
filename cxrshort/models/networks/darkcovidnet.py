"""DarkCovidNet, 17 convolutions and one linear layer (Ozturk et al. 2020)."""

import itertools

from torch import Tensor, nn

from cxrshort.models.architecture import Architecture

_SIZE = 256


class DarkCovidNet(nn.Module):
    """Map normalised images of one fixed size to logits.

    Args:
        outputs: number of logits.
        size: side of the images in pixels; the linear layer takes the whole last map, so its width depends on it.
    """

    def __init__(self, outputs: int, *, size: int = _SIZE) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_dark(3, 8, 3),
            nn.MaxPool2d(2),
            *_dark(8, 16, 3),
            nn.MaxPool2d(2),
            *itertools.chain.from_iterable((*_triple(before), nn.MaxPool2d(2)) for before in (16, 32, 64)),
            *_triple(128),
            *_dark(256, 128, 1),
            *_dark(128, 256, 3),
        )
        self.classifier = nn.Sequential(
            nn.Conv2d(256, outputs, 3, padding=1, bias=False),
            # In this order: fastai's conv_layer puts the norm behind the ReLU.
            nn.ReLU(inplace=True),
            nn.BatchNorm2d(outputs),
            nn.Flatten(),
            nn.Linear(outputs * _last_side(size) ** 2, outputs),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, outputs)."""
        logits: Tensor = self.classifier(self.features(images))
        return logits


def _dark(before: int, after: int, kernel: int) -> list[nn.Module]:
    # Padded by 1 also where the kernel is 1, as published: such a layer makes the map two pixels larger.
    convolution = nn.Conv2d(before, after, kernel, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(after), nn.LeakyReLU(0.1, inplace=True)]


def _triple(before: int) -> list[nn.Module]:
    return [*_dark(before, 2 * before, 3), *_dark(2 * before, before, 1), *_dark(before, 2 * before, 3)]


def _last_side(size: int) -> int:
    side = size // 2 // 2
    for _ in range(3):
        side = (side + 2) // 2
    return side + 2 + 2


DARKCOVIDNET = Architecture(
    "darkcovidnet", DarkCovidNet, "classifier.4", minimum_size=_SIZE, input_size=_SIZE, tail="classifier"
)
