"""Waterbirds: birds of CUB-200-2011 pasted over land and water of Places (Sagawa et al., ICLR 2020).

As in the paper's script: 17 species words make a waterbird; a fifth of CUB's training birds is that paper's validation
fold; scenes are cut to the shape of the bird's photograph, and the bird's outline parts the two. In training the given
share of each class stands over its own kind of scene; of each class of test birds one half does (biased), the other
half stands over the other kind (deceiving). Bassi et al. 2025 validate on a tenth of the training birds, confounded
like them, and leave the balanced validation fold aside; so does this plan: 4,315, 480 and 2 x 2,897 birds. There is no
unbiased group, since every scene is land or water.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from cxrshort.datasets.benchmarks.photographs import Scene, assign_scenes, read_photograph, squash
from cxrshort.datasets.benchmarks.plan import (
    BIASED,
    DECEIVING,
    MAJORITY,
    MINORITY,
    STRENGTH,
    Benchmark,
    Drawing,
    Member,
    Plan,
    make_plan,
    spawn_generators,
)
from cxrshort.datasets.repositories.parsing.layout import find_file, leaves_folder
from cxrshort.errors import DataError
from cxrshort.images.raster import ImageError
from cxrshort.tables import read_list

NAME = "waterbirds"
LABELS = ("landbird", "waterbird")
MASK_BITS = {"bird": 1}
SCENES = {"land": ("bamboo_forest", "forest/broadleaf"), "water": ("ocean", "lake/natural")}
OWN_SCENE = {"landbird": "land", "waterbird": "water"}
OPPOSITE_SCENE = {"landbird": "water", "waterbird": "land"}
SEABIRDS = (
    "albatross",
    "auklet",
    "cormorant",
    "frigatebird",
    "fulmar",
    "gull",
    "jaeger",
    "kittiwake",
    "pelican",
    "puffin",
    "tern",
)
WATERFOWL = ("gadwall", "grebe", "mallard", "merganser", "guillemot", "pacific_loon")

_ORIGINAL_VALIDATION = "validation fold of Sagawa et al. 2020"
_HINT = "unpack CUB_200_2011 there, with its segmentations"


@dataclass(frozen=True)
class PlacedBird:
    """Name the files of one picture.

    Args:
        photograph: the bird.
        outline: its segmentation, white on black.
        scene: what it is pasted over.
    """

    photograph: Path
    outline: Path
    scene: Path


@dataclass(frozen=True)
class _Bird:
    """Hold one line of CUB's lists; ``name`` is its path below ``images`` without the ending."""

    name: str
    path: str
    label: str
    in_train: bool


def plan(root: Path, *, confounder_strength: float = STRENGTH, seed: int = 0) -> Plan:
    """Plan the birds and their scenes.

    Args:
        root: holds ``CUB_200_2011`` (with ``segmentations`` in or beside it) and Places365.
        confounder_strength: share of the training birds of each class over their own kind of scene, 0 to 1.
        seed: draws folds and scenes.

    Raises:
        MissingInputError: a list, the outlines or a kind of scene is not there.
        DataError: a list is damaged, or there are too few scenes.
        UsageError: a number is out of range.
    """
    folds, scenery = spawn_generators(NAME, confounder_strength=confounder_strength, seed=seed, streams=2)
    images_list = find_file(root, "CUB_200_2011/images.txt", "CUB*/images.txt", "images.txt", hint=_HINT)
    home = images_list.parent
    outlines = find_file(home, "segmentations", "../segmentations", hint=_HINT)
    prefix = home.relative_to(root).as_posix() + "/images/"
    birds, refused = _usable(_read_birds(home), home, outlines, prefix=prefix)
    aside, members = _assign_folds(birds, folds, confounder_strength)
    kinds = [OWN_SCENE[bird.label] if fits else OPPOSITE_SCENE[bird.label] for bird, _, fits in members]
    scenes = assign_scenes(root, kinds, categories=SCENES, generator=scenery)
    pairs = []
    for (bird, split, fits), kind, scene in zip(members, kinds, scenes, strict=True):
        member = _describe(bird, split, fits, prefix=prefix, kind=kind, scene=_edit(scene, root))
        pairs.append((member, PlacedBird(home / "images" / bird.path, outlines / f"{bird.name}.png", scene.path)))
    refused += [(prefix + bird.path, bird.name, _ORIGINAL_VALIDATION, "") for bird in aside]
    notes = ["no unbiased test group: every scene is land or water"]
    return make_plan(pairs, name=NAME, labels=LABELS, root=root, refused=refused, notes=notes)


def draw(picture: PlacedBird, *, size: int) -> Drawing:
    """Paste one bird over its scene at the size of its photograph, then resize.

    Raises:
        ImageError: a file cannot be used, or the outline is not of this photograph.
    """
    bird = read_photograph(picture.photograph)
    outline = read_photograph(picture.outline, "L")
    if outline.size != bird.size:
        raise ImageError("mask size differs", "{} x {}, the photograph is {} x {}".format(*outline.size, *bird.size))
    scene = ImageOps.fit(read_photograph(picture.scene), bird.size, Image.Resampling.LANCZOS)
    pixels = squash(Image.composite(bird, scene, outline), size)
    masks = np.where(squash(outline, size) >= 128, MASK_BITS["bird"], 0).astype(np.uint8)
    return Drawing(pixels, masks, bird.height, bird.width)


def classify(species: str) -> str:
    """Return the class of a species such as ``001.Black_footed_Albatross``."""
    name = species.partition(".")[2].lower()
    return "waterbird" if any(word in name for word in (*SEABIRDS, *WATERFOWL)) else "landbird"


def _read_birds(home: Path) -> list[_Bird]:
    paths = _read_numbered(home / "images.txt")
    in_train = _read_numbered(find_file(home, "train_test_split.txt", hint=_HINT))
    lost = sorted(paths.keys() ^ in_train.keys(), key=int)
    if lost:
        raise DataError(
            f"image '{lost[0]}' is only in one of images.txt and train_test_split.txt", "download CUB_200_2011 again"
        )
    return [
        _Bird(path.rpartition(".")[0], path, classify(path.partition("/")[0]), in_train[number] == "1")
        for number, path in paths.items()
    ]


def _read_numbered(path: Path) -> dict[str, str]:
    """Return the second word of each line by the number that is the first."""
    words = [line.split() for line in read_list(path)]
    wrong = next((line for line in words if len(line) != 2 or not line[0].isdecimal()), None)
    if wrong is not None:
        raise DataError(f"{path.name}: '{' '.join(wrong)[:80]}' is not a number and a word", "download it again")
    return {number: word for number, word in words}


def _usable(
    birds: Sequence[_Bird], home: Path, outlines: Path, *, prefix: str
) -> tuple[list[_Bird], list[tuple[str, str, str, str]]]:
    """Divide the birds into those whose files exist and the refused ones."""
    usable, refused = [], []
    for bird in birds:
        if leaves_folder(bird.path):
            reason = "path leaves root"
        elif not (home / "images" / bird.path).is_file():
            reason = "missing file"
        elif not (outlines / f"{bird.name}.png").is_file():
            reason = "missing mask"
        else:
            usable.append(bird)
            continue
        refused.append((prefix + bird.path, bird.name, reason, ""))
    return usable, refused


def _assign_folds(
    birds: Sequence[_Bird], generator: np.random.Generator, strength: float
) -> tuple[list[_Bird], list[tuple[_Bird, str, bool]]]:
    """Return the birds left aside, and fold and whether the scene fits for the others, in the order of CUB."""
    train = [number for number, bird in enumerate(birds) if bird.in_train]
    order = [train[position] for position in generator.permutation(len(train))]
    aside = round(len(order) / 5)
    in_val = aside + round((len(order) - aside) / 10)
    fold = dict.fromkeys(range(len(birds)), "test") | dict.fromkeys(train, "train")
    fold |= dict.fromkeys(order[aside:in_val], "val") | dict.fromkeys(order[:aside], "")
    fits: set[int] = set()
    for split, share in (("train", strength), ("val", strength), ("test", 0.5)):
        for label in LABELS:
            of_class = [number for number, bird in enumerate(birds) if fold[number] == split and bird.label == label]
            fits |= {
                of_class[position] for position in generator.permutation(len(of_class))[: round(share * len(of_class))]
            }
    members = [(bird, fold[number], number in fits) for number, bird in enumerate(birds) if fold[number]]
    return [bird for number, bird in enumerate(birds) if not fold[number]], members


def _describe(bird: _Bird, split: str, fits: bool, *, prefix: str, kind: str, scene: str) -> Member:
    fitting, contrary = (BIASED, DECEIVING) if split == "test" else (MAJORITY, MINORITY)
    path = prefix + bird.path
    return Member(bird.name, path, bird.label, split, fitting if fits else contrary, kind, scene)


def _edit(scene: Scene, root: Path) -> str:
    return f"scene {scene.path.relative_to(root).as_posix()}"


BENCHMARK = Benchmark(name=NAME, labels=LABELS, mask_bits=MASK_BITS, size=64, plan=plan, draw=draw)
