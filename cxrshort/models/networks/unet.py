"""The U-Net, which outlines the lungs, and the U-Net that also classifies (Ronneberger et al. 2015)."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrshort.models.architecture import Architecture
from cxrshort.models.networks.pooling import AveragePool

_DEPTH = 5
_STEP = 2 ** (_DEPTH - 1)
_HIDDEN = 4096
_CELLS = 7


class UNet(nn.Module):
    """Map normalised images (N, C, H, W) of any size to logits of masks (N, M, H, W).

    As published, but with batch norm and with borders padded by zeros, so that the masks are as large as the image.

    Args:
        outputs: number M of masks.
        channels: of the images.
        width: channels of the first level; each of the four levels below has twice as many.
    """

    def __init__(self, outputs: int, *, channels: int = 3, width: int = 64) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(_DEPTH)]
        self.bottleneck = widths[-1]
        befores = [channels, *widths[:-1]]
        self.down = nn.ModuleList(_block(before, after) for before, after in zip(befores, widths, strict=True))
        self.pool = nn.MaxPool2d(2)
        ups = [(below, above) for above, below in zip(widths, widths[1:], strict=False)][::-1]
        self.up = nn.ModuleList(nn.ConvTranspose2d(below, above, 2, stride=2) for below, above in ups)
        self.merge = nn.ModuleList(_block(below, above) for below, above in ups)
        # Applied to each pixel: a convolution of one pixel, in the form that is kept in full precision.
        self.head = nn.Linear(width, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits of masks (N, M, H, W)."""
        return self.decode(self.encode(images), size=images.shape[-2:])

    def encode(self, images: Tensor) -> list[Tensor]:
        """Return the maps of the five levels, the largest first, of images padded to a multiple of 16 pixels."""
        height, width = images.shape[-2:]
        maps: list[Tensor] = []
        level = functional.pad(images, (0, -width % _STEP, 0, -height % _STEP))
        for block in self.down:
            level = block(self.pool(level) if maps else level)
            maps.append(level)
        return maps

    def decode(self, maps: Sequence[Tensor], *, size: Sequence[int]) -> Tensor:
        """Return logits of masks (N, M, H, W), cut to the size (H, W), of what :meth:`encode` returned."""
        level = maps[-1]
        for up, merge, beside in zip(self.up, self.merge, reversed(maps[:-1]), strict=True):
            level = merge(torch.cat([up(level), beside], dim=1))
        logits: Tensor = self.head(level.movedim(1, -1)).movedim(-1, 1)
        return logits[..., : size[0], : size[1]]


class MultitaskUNet(nn.Module):
    """Classify from the bottleneck of a U-Net, which learns to outline the lungs at the same time (Bassi et al. 2024).

    The head is the published one; it holds 222 of the 254 million parameters.

    Args:
        outputs: number of logits.
        masks: number of masks.
        width: channels of the U-Net's first level.
        hidden: width of both hidden layers of the head.
    """

    def __init__(self, outputs: int, *, masks: int = 1, width: int = 64, hidden: int = _HIDDEN) -> None:
        super().__init__()
        self.unet = UNet(masks, width=width)
        self.classifier = nn.Sequential(
            AveragePool(_CELLS),
            nn.Flatten(),
            nn.Linear(self.unet.bottleneck * _CELLS**2, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(hidden, outputs),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, outputs) of normalised images (N, 3, H, W); the masks are not computed."""
        logits: Tensor = self.classifier(self.unet.encode(images)[-1])
        return logits

    def with_masks(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (N, outputs) and logits of masks (N, masks, H, W), which share the encoder."""
        maps = self.unet.encode(images)
        return self.classifier(maps[-1]), self.unet.decode(maps, size=images.shape[-2:])


def _block(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


UNET = Architecture("unet", UNet, "head", output="masks")
UNET_SMALL = Architecture("unet-small", partial(UNet, width=16), "head", output="masks")
MULTITASK_UNET = Architecture("multitask-unet", MultitaskUNet, "classifier.8", input_size=224, with_masks=True)
MULTITASK_UNET_SMALL = Architecture(
    "multitask-unet-small", partial(MultitaskUNet, width=16, hidden=128), "classifier.8", with_masks=True
)
