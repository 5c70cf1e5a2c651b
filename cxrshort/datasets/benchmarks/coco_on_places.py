"""COCO-on-Places: objects of COCO pasted over scenes of Places (Ahmed et al., ICLR 2021).

As in the paper's generator: nine classes; of an image the largest object, of at least 10,000 pixels; 800, 100 and 100
images of a class for train, val and test; object, outline and scene are each resized and then blended. A training
object stands over its class's scene with the probability of the confounder strength, otherwise over one of four scenes
that belong to no class. Every test object stands over its class's scene (biased), over one of three scenes seen nowhere
else (unbiased), and over the scene of a class drawn among the eight others (deceiving).

Unlike the generator, an image with objects of two classes is used for the larger one only, so that it cannot be in two
folds; crowds are no objects; and no scene is used twice.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from cxrshort.datasets.benchmarks.photographs import Scene, assign_scenes, read_photograph, squash
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
    fold_sizes,
    make_plan,
    spawn_generators,
)
from cxrshort.datasets.repositories.parsing.layout import find_file
from cxrshort.errors import DataError
from cxrshort.images.raster import ImageError

NAME = "coco-on-places"
MASK_BITS = {"object": 1}
OWN_SCENE = {
    "boat": "beach",
    "airplane": "canyon",
    "truck": "building_facade",
    "dog": "staircase",
    "zebra": "desert/sand",
    "horse": "crevasse",
    "bird": "bamboo_forest",
    "train": "forest/broadleaf",
    "bus": "ball_pit",
}
LABELS = tuple(OWN_SCENE)
MINORITY_SCENES = ("kasbah", "lighthouse", "pagoda", "rock_arch")
UNSEEN_SCENES = ("water_tower", "waterfall", "zen_garden")
KINDS = {scene: (scene,) for scene in OWN_SCENE.values()} | {MINORITY: MINORITY_SCENES, UNBIASED: UNSEEN_SCENES}

LEAST_AREA = 10_000
"""Pixels of the outline."""
PER_CLASS = 1000
_FARTHEST = 100_000
"""Pixels; a corner beyond is an error of the file."""

_ANNOTATIONS = "annotations/instances_train2017.json"
_AGAIN = "download the annotations of COCO 2017 again"

Refused = tuple[str, str, str, str]


@dataclass(frozen=True)
class PlacedObject:
    """Name the files of one picture and outline its object.

    Args:
        photograph: the image of COCO.
        height: its rows, as the annotations say.
        width: its columns.
        outline: polygons as x0, y0, x1, y1, ... in pixels of the photograph.
        scene: what the object is pasted over.
    """

    photograph: Path
    height: int
    width: int
    outline: tuple[tuple[float, ...], ...]
    scene: Path


@dataclass(frozen=True)
class _Object:
    """Hold the largest object of an image."""

    file: str
    height: int
    width: int
    label: str
    area: float
    outline: tuple[tuple[float, ...], ...]

    @property
    def source(self) -> str:
        return self.file.rpartition(".")[0]


@dataclass(frozen=True)
class _Part:
    """Assign an object its fold, group and kind of scene."""

    item: _Object
    split: str
    group: str
    kind: str


def plan(root: Path, *, confounder_strength: float = STRENGTH, seed: int = 0) -> Plan:
    """Plan the objects and their scenes.

    Args:
        root: holds ``annotations/instances_train2017.json`` and ``train2017`` (or both in a folder), and Places365.
        confounder_strength: probability that a training object stands over its class's scene, 0 to 1.
        seed: draws folds and scenes.

    Raises:
        MissingInputError: the annotations or a kind of scene is not there.
        DataError: the annotations are damaged, or there are too few scenes.
        UsageError: a number is out of range.
    """
    folds, paint, scenery = spawn_generators(NAME, confounder_strength=confounder_strength, seed=seed, streams=3)
    annotations = find_file(
        root, _ANNOTATIONS, f"*/{_ANNOTATIONS}", hint="unpack COCO 2017 (train) there: annotations and images"
    )
    images = find_file(annotations.parent.parent, "train2017", "images/train2017", "images")
    prefix = images.relative_to(root).as_posix()
    items, refused = _usable(read_objects(annotations), {path.name for path in images.iterdir()}, prefix)
    chosen, spare = _choose(items, folds)
    refused += [(f"{prefix}/{item.file}", item.source, "more images than the class needs", "") for item in spare]
    parts = list(_assign_groups(chosen, paint, confounder_strength))
    scenes = assign_scenes(root, [part.kind for part in parts], categories=KINDS, generator=scenery)
    pairs = [_pair(part, scene, images=images, root=root) for part, scene in zip(parts, scenes, strict=True)]
    return make_plan(pairs, name=NAME, labels=LABELS, root=root, refused=refused, notes=_notes(chosen))


def draw(picture: PlacedObject, *, size: int) -> Drawing:
    """Resize object, outline and scene, then blend them along the outline's soft edge.

    Raises:
        ImageError: a file cannot be used, or is not the image that was annotated.
    """
    photograph = read_photograph(picture.photograph)
    if photograph.size != (picture.width, picture.height):
        actual = "{} x {}".format(*photograph.size)
        raise ImageError("image size differs", f"{actual}, annotated at {picture.width} x {picture.height}")
    outline = Image.new("L", photograph.size)
    for polygon in picture.outline:
        ImageDraw.Draw(outline).polygon(polygon, fill=255)
    alpha = squash(outline, size)
    share = alpha.astype(np.float32) / 255
    scene = squash(read_photograph(picture.scene), size)
    pixels = np.rint(squash(photograph, size) * share + scene * (1 - share)).astype(np.uint8)
    masks = np.where(alpha >= 128, MASK_BITS["object"], 0).astype(np.uint8)
    return Drawing(pixels, masks, picture.height, picture.width)


def read_objects(path: Path) -> list[_Object]:
    """Return the largest object of every image that shows one of the nine classes, by file name.

    Raises:
        DataError: the file is not COCO's.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            coco = json.load(stream, object_hook=_without_small_outlines)
        names = {category["id"]: category["name"] for category in coco["categories"] if category["name"] in OWN_SCENE}
        largest: dict[Any, dict[str, Any]] = {}
        for annotation in coco["annotations"]:
            if annotation["category_id"] in names and not annotation.get("iscrowd"):
                largest_so_far = largest.get(annotation["image_id"])
                if largest_so_far is None or annotation["area"] > largest_so_far["area"]:
                    largest[annotation["image_id"]] = annotation
        images = [image for image in coco["images"] if image["id"] in largest]
        objects = [_object(image, largest[image["id"]], names) for image in images]
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"[:100]
        raise DataError(f"'{path}' is not an instances file of COCO ({reason})", _AGAIN) from error
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}", _AGAIN) from error
    return sorted(objects, key=lambda item: item.file)


def _without_small_outlines(node: dict[str, Any]) -> dict[str, Any]:
    """Forget the outlines that no picture needs while the file is read: they are most of its 450 MB."""
    if "segmentation" in node and (node.get("iscrowd") or not node.get("area", 0) >= LEAST_AREA):
        del node["segmentation"]
    return node


def _object(image: Mapping[str, Any], annotation: Mapping[str, Any], names: Mapping[Any, str]) -> _Object:
    return _Object(
        file=str(image["file_name"]),
        height=int(image["height"]),
        width=int(image["width"]),
        label=names[annotation["category_id"]],
        area=float(annotation["area"]),
        outline=_polygons(annotation.get("segmentation")),
    )


def _polygons(segmentation: object) -> tuple[tuple[float, ...], ...]:
    """Return the polygons of an outline that have an area; none where it is run-length encoded."""
    if not isinstance(segmentation, list):
        return ()
    polygons = [tuple(map(float, corners)) for corners in segmentation if len(corners) >= 6 and len(corners) % 2 == 0]
    return tuple(polygon for polygon in polygons if all(abs(edge) <= _FARTHEST for edge in polygon))


def _usable(items: list[_Object], files: set[str], prefix: str) -> tuple[list[_Object], list[Refused]]:
    """Divide the objects into those that can be pasted and the refused ones."""
    usable, refused = [], []
    for item in items:
        if not item.area >= LEAST_AREA:
            reason, detail = "object too small", f"{item.label}, {item.area:.0f} pixels"
        elif not item.outline:
            reason, detail = "no outline", item.label
        elif item.file not in files:
            reason, detail = "missing file", item.label
        else:
            usable.append(item)
            continue
        refused.append((f"{prefix}/{item.file}", item.source, reason, detail))
    return usable, refused


def _choose(items: list[_Object], generator: np.random.Generator) -> tuple[list[tuple[_Object, str]], list[_Object]]:
    """Return up to `PER_CLASS` objects of each class with their folds, and the others."""
    chosen, spare = [], []
    for label in LABELS:
        of_class = [item for item in items if item.label == label]
        order = [of_class[position] for position in generator.permutation(len(of_class))]
        selected = order[:PER_CLASS]
        spare += order[PER_CLASS:]
        splits = [
            name
            for name, count in zip(("train", "val", "test"), fold_sizes(len(selected)), strict=True)
            for _ in range(count)
        ]
        chosen += list(zip(selected, splits, strict=True))
    return chosen, spare


def _assign_groups(
    chosen: list[tuple[_Object, str]], generator: np.random.Generator, strength: float
) -> Iterator[_Part]:
    for item, split in chosen:
        if split != "test":
            fits = bool(generator.random() < strength)
            yield _Part(item, split, *((MAJORITY, OWN_SCENE[item.label]) if fits else (MINORITY, MINORITY)))
            continue
        yield _Part(item, split, BIASED, OWN_SCENE[item.label])
        yield _Part(item, split, UNBIASED, UNBIASED)
        yield _Part(item, split, DECEIVING, OWN_SCENE[draw_other_class(LABELS, item.label, generator)])


def _pair(part: _Part, scene: Scene, *, images: Path, root: Path) -> tuple[Member, PlacedObject]:
    item, photograph = part.item, images / part.item.file
    member = Member(
        source=item.source,
        path=photograph.relative_to(root).as_posix(),
        label=item.label,
        split=part.split,
        group=part.group,
        confounder=scene.category,
        edit=f"scene {scene.path.relative_to(root).as_posix()}",
    )
    return member, PlacedObject(photograph, item.height, item.width, item.outline, scene.path)


def _notes(chosen: list[tuple[_Object, str]]) -> list[str]:
    counts = Counter(item.label for item, _ in chosen)
    return [
        f"{label}: {counts[label]} images, the paper has {PER_CLASS:,}" for label in LABELS if counts[label] < PER_CLASS
    ]


BENCHMARK = Benchmark(name=NAME, labels=LABELS, mask_bits=MASK_BITS, size=64, plan=plan, draw=draw)
