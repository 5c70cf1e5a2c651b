"""Coloured MNIST: digits painted in a colour that gives the class away (Ahmed et al., ICLR 2021).

As in the paper's generator: digits are cut at half intensity and painted in one flat colour on black; a training digit
has its class's colour with the probability of the confounder strength, otherwise one of ten minority colours. Every
test digit is painted three times: in its class's colour, in one of ten colours that are far from all others, and in
the colour of a class drawn among the nine others. The fold sizes are those of Bassi et al. 2025 (54,000, 6,000 and
10,000 digits; the generator of Ahmed et al. leaves the digit 0 out and has no colour for it).
"""

import gzip
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from cxrshort.datasets.benchmarks.plan import (
    BIASED,
    DECEIVING,
    MAJORITY,
    MINORITY,
    STRENGTH,
    UNBIASED,
    Benchmark,
    Drawing,
    Member,
    Plan,
    draw_other_class,
    make_plan,
    spawn_generators,
)
from cxrshort.datasets.repositories.parsing.layout import find_file
from cxrshort.errors import DataError
from cxrshort.images.placement import fit_image

NAME = "coloured-mnist"
LABELS = tuple(f"digit_{digit}" for digit in range(10))
MASK_BITS = {"digit": 1}

Colour = tuple[int, int, int]

# The colour of 0 is our own: nobody published one. Plain orange (255, 165, 0) is exactly at the limit from gold.
PALETTE: dict[str, tuple[str, Colour]] = {
    "digit_0": ("dark orange", (255, 140, 0)),
    "digit_1": ("dark green", (0, 100, 0)),
    "digit_2": ("rosy brown", (188, 143, 143)),
    "digit_3": ("red", (255, 0, 0)),
    "digit_4": ("gold", (255, 215, 0)),
    "digit_5": ("green", (0, 255, 0)),
    "digit_6": ("royal blue", (65, 105, 225)),
    "digit_7": ("turquoise", (0, 225, 225)),
    "digit_8": ("blue", (0, 0, 255)),
    "digit_9": ("deep pink", (255, 20, 147)),
}
FAR = 2500
"""Squared RGB distance that random colours keep, more than: from each other set of colours and from the ground."""
BLACK: Colour = (0, 0, 0)
COLOURS = 10
"""Size of each set of random colours."""

_FOLDERS = ("MNIST/raw/", "MNIST/", "raw/", "")
_CUT = 128
"""First grey level that belongs to a digit: above half of 255."""


@dataclass(frozen=True, eq=False)
class ColouredDigit:
    """Hold a digit and its colour.

    Args:
        levels: (H, W) grey levels, 0 to 255.
        colour: red, green and blue, 0 to 255.
    """

    levels: npt.NDArray[np.uint8]
    colour: Colour


@dataclass(frozen=True)
class _Digits:
    """Hold one half of MNIST; ``source`` numbers are positions in its file."""

    half: str
    path: str
    images: npt.NDArray[np.uint8]
    labels: list[str]

    def pair(self, number: int, split: str, group: str, named: tuple[str, Colour]) -> tuple[Member, ColouredDigit]:
        source, label = f"{self.half}/{number:05d}", self.labels[number]
        edit = "colour #{:02x}{:02x}{:02x}".format(*named[1])
        return Member(source, self.path, label, split, group, named[0], edit), ColouredDigit(
            self.images[number], named[1]
        )


def plan(root: Path, *, confounder_strength: float = STRENGTH, seed: int = 0) -> Plan:
    """Plan the digits and their colours.

    Args:
        root: holds ``MNIST/raw/train-images-idx3-ubyte`` and its three companions, plain or gzipped.
        confounder_strength: probability that a training digit has its class's colour, 0 to 1.
        seed: draws the validation tenth, the random colours and who is painted how.

    Raises:
        MissingInputError: a file is not there.
        DataError: a file is not what its name says.
        UsageError: a number is out of range.
    """
    folds, paint, tests, colours = spawn_generators(NAME, confounder_strength=confounder_strength, seed=seed, streams=4)
    train, test = _read_half(root, "train", "train"), _read_half(root, "t10k", "test")
    class_colours = [colour for _, colour in PALETTE.values()]
    minority = draw_far_colours(colours, far_from=[BLACK, *class_colours])
    unseen = draw_far_colours(colours, far_from=[BLACK, *class_colours, *minority])
    count = len(train.labels)
    in_val = set(folds.permutation(count)[: round(count / 10)].tolist())
    majority = paint.random(count) < confounder_strength
    strays = paint.integers(COLOURS, size=count)
    pairs = []
    for number, label in enumerate(train.labels):
        split = "val" if number in in_val else "train"
        named = PALETTE[label] if majority[number] else _named(minority[strays[number]])
        pairs.append(train.pair(number, split, MAJORITY if majority[number] else MINORITY, named))
    for number, label in enumerate(test.labels):
        pairs.append(test.pair(number, "test", BIASED, PALETTE[label]))
        pairs.append(test.pair(number, "test", UNBIASED, _named(unseen[int(tests.integers(COLOURS))])))
        pairs.append(test.pair(number, "test", DECEIVING, PALETTE[draw_other_class(LABELS, label, tests)]))
    return make_plan(pairs, name=NAME, labels=LABELS, root=root)


def draw(picture: ColouredDigit, *, size: int) -> Drawing:
    """Paint one digit; resized by nearest neighbour, so that it has one colour at any size."""
    shape = Image.fromarray((picture.levels >= _CUT).astype(np.uint8))
    masks = np.asarray(fit_image(shape, size=size, fit="squash", resample=Image.Resampling.NEAREST))
    height, width = picture.levels.shape
    pixels = masks[None] * np.array(picture.colour, np.uint8)[:, None, None]
    return Drawing(pixels, masks * np.uint8(MASK_BITS["digit"]), height, width)


def draw_far_colours(generator: np.random.Generator, *, far_from: Sequence[Colour]) -> list[Colour]:
    """Draw `COLOURS` colours whose squared RGB distance from each given colour is above `FAR`.

    The ground is among the given ones, unlike in the paper's code: a black digit on black has no shape.
    """
    avoided = np.array(far_from, dtype=np.int64)
    colours: list[Colour] = []
    while len(colours) < COLOURS:
        red, green, blue = (int(level) for level in generator.integers(256, size=3))
        if int(((avoided - (red, green, blue)) ** 2).sum(axis=1).min()) > FAR:
            colours.append((red, green, blue))
    return colours


def _named(colour: Colour) -> tuple[str, Colour]:
    return "#{:02x}{:02x}{:02x}".format(*colour), colour


def _read_half(root: Path, prefix: str, half: str) -> _Digits:
    files = [
        find_file(root, *_places(f"{prefix}-{kind}-ubyte"), hint="put the four files of MNIST into MNIST/raw")
        for kind in ("images*idx3", "labels*idx1")
    ]
    images, labels = read_idx(files[0], dimensions=3), read_idx(files[1], dimensions=1)
    if len(images) != len(labels):
        raise DataError(
            f"{files[0].name} has {len(images)} digits and {files[1].name} {len(labels)} labels", "download both again"
        )
    if labels.size and labels.max() > 9:
        raise DataError(f"{files[1].name}: label '{labels.max()}' is not a digit", "download it again")
    return _Digits(half, files[0].relative_to(root).as_posix(), images, [LABELS[label] for label in labels])


def _places(name: str) -> list[str]:
    """Return where a file may lie; some copies have it in a folder of its own name."""
    return [f"{folder}{file}" for folder in _FOLDERS for file in (f"{name}/{name}", name)]


def read_idx(path: Path, *, dimensions: int) -> npt.NDArray[np.uint8]:
    """Read an IDX file of bytes (LeCun's format), plain or gzipped.

    Args:
        path: the file.
        dimensions: 3 for images, 1 for labels.

    Raises:
        DataError: it is of another kind, or cut short.
    """
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror or error}", "download it again") from error
    except (EOFError, zlib.error) as error:
        raise DataError(f"'{path}' is a damaged gzip file", "download it again") from error
    if data[:4] != bytes((0, 0, 8, dimensions)) or len(data) < 4 + 4 * dimensions:
        raise DataError(f"'{path}' is not an IDX file of {dimensions} dimensions", "download it again")
    shape = tuple(int(side) for side in np.frombuffer(data, ">u4", count=dimensions, offset=4))
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions)
    if len(values) != math.prod(shape) or min(shape) < 1:
        raise DataError(f"'{path}' has {len(values)} values, its header says {shape}", "download it again")
    return values.reshape(shape)


BENCHMARK = Benchmark(name=NAME, labels=LABELS, mask_bits=MASK_BITS, size=28, plan=plan, draw=draw)
