"""COVID-Net as its PyTorch port had it when DeGrave et al. (2021) used it (Wang et al. 2020; variant A).

The port's forward pass adds block 2 of stage 3 twice into stage 4 and leaves block 3 out; here each block enters once.
"""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from cxrshort.models.architecture import Architecture

_SIZE = 224
_WIDTHS = (64, 256, 512, 1024, 2048)
_BLOCKS = (3, 4, 6, 3)


def _pepx(before: int, after: int) -> nn.Sequential:
    """Return projection, expansion, depthwise 3x3, projection, extension: a linear block, as in the port."""
    narrow, wide = before // 2, 3 * before // 4
    return nn.Sequential(
        nn.Conv2d(before, narrow, 1),
        nn.Conv2d(narrow, wide, 1),
        nn.Conv2d(wide, wide, 3, padding=1, groups=wide),
        nn.Conv2d(wide, narrow, 1),
        nn.Conv2d(narrow, after, 1),
    )


class CovidNet(nn.Module):
    """Map normalised images (N, 3, 224, 224) to logits.

    Every block of a stage takes the sum of all that the stage made before it, and a stage takes the sum of all that the
    stage before made, pooled. The large network adds to each of these sums one long skip past the stage.

    Args:
        outputs: number of logits.
        large: with the long skips.
    """

    def __init__(self, outputs: int, *, large: bool) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, _WIDTHS[0], 7, stride=2, padding=3), nn.ReLU(inplace=True), nn.MaxPool2d(2)
        )
        self.stages = nn.ModuleList(
            nn.ModuleList(_pepx(before if block == 0 else after, after) for block in range(blocks))
            for before, after, blocks in zip(_WIDTHS, _WIDTHS[1:], _BLOCKS, strict=False)
        )
        skips = zip(_WIDTHS, _WIDTHS[1:], strict=False) if large else ()
        self.skips = nn.ModuleList(nn.Conv2d(before, after, 1) for before, after in skips)
        self.pool = nn.MaxPool2d(2)
        side = _SIZE // 32
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(_WIDTHS[-1] * side * side, 1024),
            nn.ReLU(inplace=True),
            nn.Linear(1024, 256),
            nn.ReLU(inplace=True),
            nn.Linear(256, outputs),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, outputs)."""
        made: list[Tensor] = [self.stem(images)]
        for number in range(len(self.stages)):
            made = self._stage(number, made)
        logits: Tensor = self.classifier(_sum(made))
        return logits

    def _stage(self, number: int, before: Sequence[Tensor]) -> list[Tensor]:
        """Return the maps that a stage makes, its long skip first, from those that the stage before made."""
        first = number == 0  # the stem has pooled already
        made = []
        if self.skips:
            skip = self.skips[number](_sum(before))
            made.append(skip if first else self.pool(skip))
        start = before[0] if first else _sum([self.pool(stage_map) for stage_map in before])
        for place, block in enumerate(self.stages[number].children()):
            made.append(block(start if place == 0 else _sum(made)))
        return made


def _sum(maps: Sequence[Tensor]) -> Tensor:
    return sum(maps[1:], start=maps[0])


def _architecture(name: str, *, large: bool) -> Architecture:
    build = partial(CovidNet, large=large)
    return Architecture(name, build, "classifier.5", minimum_size=_SIZE, input_size=_SIZE)


COVID_NET_SMALL = _architecture("covid-net-small", large=False)
COVID_NET_LARGE = _architecture("covid-net-large", large=True)
