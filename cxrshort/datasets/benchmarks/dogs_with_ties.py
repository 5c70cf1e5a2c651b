"""DogsWithTies: two breeds of Stanford Dogs, each with its own tie (Bassi et al. 2025, appendix D.5).

Tibetan mastiffs wear a red necktie and Pekingese a purple bow tie, scaled to a mark on the dog's neck. Folds are those
of Stanford Dogs, a tenth of the training dogs validates: 180, 20 and 101 dogs. Every test dog is shown with its breed's
tie (biased), without one (unbiased) and with the other breed's (deceiving).

Decisions where the paper is silent: training dogs of the minority wear no tie; both sides are resized to the square,
since a centre crop would cut ties off; Stanford Dogs has boxes and no outlines, so that the bit ``dog`` is a box.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from cxrshort.datasets.benchmarks.photographs import read_photograph, squash
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
    make_plan,
    spawn_generators,
)
from cxrshort.datasets.benchmarks.ties import BOW_TIE, NECKTIE, draw_tie, tie_box
from cxrshort.datasets.repositories.parsing.layout import find_file, find_optional_file
from cxrshort.errors import DataError, MissingInputError
from cxrshort.images.placement import place
from cxrshort.images.raster import ImageError
from cxrshort.tables import read_table

NAME = "dogs-with-ties"
BREEDS = {"Pekingese": "n02086079-Pekinese", "Tibetan_Mastiff": "n02108551-Tibetan_mastiff"}
LABELS = tuple(BREEDS)
OWN_TIE = {"Pekingese": BOW_TIE, "Tibetan_Mastiff": NECKTIE}
OPPOSITE_TIE = {"Pekingese": NECKTIE, "Tibetan_Mastiff": BOW_TIE}
NO_TIE = "no tie"
MASK_BITS = {"dog": 1, "tie": 2}
MARKS = "marks.csv"

_COLUMNS = ("image", "x", "y", "width", "height")
_HINT = "unpack Images, Annotation and lists of Stanford Dogs there"
_BOX = re.compile(
    r"<bndbox>\s*" + r"\s*".join(rf"<{edge}>\s*(\d{{1,6}})\s*</{edge}>" for edge in ("xmin", "ymin", "xmax", "ymax"))
)

Box = tuple[float, float, float, float]
Refused = tuple[str, str, str, str]


@dataclass(frozen=True)
class DressedDog:
    """Name one photograph, its dogs and what is worn.

    Args:
        photograph: the file.
        dogs: boxes x0, y0, x1, y1 in pixels of the photograph.
        mark: x, y, width and height of the neck.
        tie: a tie's name or ``no tie``.
    """

    photograph: Path
    dogs: tuple[Box, ...]
    mark: Box
    tie: str


@dataclass(frozen=True)
class _Dog:
    """Hold one image of the official lists."""

    file: str
    label: str
    in_train: bool
    dogs: tuple[Box, ...] = ()
    mark: Box | None = None

    @property
    def source(self) -> str:
        return self.file.rpartition("/")[2].rpartition(".")[0]


def plan(root: Path, *, confounder_strength: float = STRENGTH, seed: int = 0) -> Plan:
    """Plan the dogs and their ties.

    Args:
        root: holds ``Images``, ``Annotation`` and ``lists`` of Stanford Dogs (or a folder with them) and ``marks.csv``.
        confounder_strength: probability that a training dog wears its breed's tie, 0 to 1; otherwise it wears none.
        seed: draws the validation tenth and the minority.

    Raises:
        MissingInputError: the marks, the images or the lists are not there.
        DataError: a list is damaged.
        UsageError: a number is out of range.
    """
    folds, paint = spawn_generators(NAME, confounder_strength=confounder_strength, seed=seed, streams=2)
    images = find_file(root, "Images", "*/Images", hint=_HINT)
    home = images.parent
    marks = find_optional_file(root, MARKS) or find_optional_file(home, MARKS)
    if marks is None:
        raise MissingInputError(
            f"the dog neck marks are a CSV that you supply: '{root / MARKS}' does not exist",
            "a line per image: image,x,y,width,height in pixels of the photograph (the authors' marks are unpublished)",
        )
    prefix = images.relative_to(root).as_posix()
    necks, notes = read_marks(marks)
    dogs, refused = _usable(list(_read_lists(home)), home, necks=necks, prefix=prefix)
    unmatched = len(necks.keys() - {dog.source for dog in dogs} - {source for _, source, _, _ in refused})
    if unmatched:
        notes.append(f"{unmatched} marks are of no image of the two breeds")
    pairs = [
        (_describe(dog, split, group, tie, prefix=prefix), DressedDog(images / dog.file, dog.dogs, dog.mark, tie))
        for dog, split, group, tie in _assign_ties(dogs, folds, paint, strength=confounder_strength)
        if dog.mark is not None
    ]
    return make_plan(pairs, name=NAME, labels=LABELS, root=root, refused=refused, notes=notes)


def draw(picture: DressedDog, *, size: int) -> Drawing:
    """Put the tie on the photograph, then resize.

    Raises:
        ImageError: the file cannot be used, or the mark is not on it.
    """
    photograph = read_photograph(picture.photograph)
    x, y, width, height = picture.mark
    if x + width > photograph.width or y + height > photograph.height:
        raise ImageError("neck mark outside the image", f"{x:g}, {y:g}, {width:g}, {height:g}")
    tie = Image.new("L", photograph.size)
    if picture.tie != NO_TIE:
        left, top, right, bottom = tie_box(picture.tie, picture.mark)
        worn = draw_tie(picture.tie, right - left, bottom - top)
        photograph.paste(worn, (left, top), worn)
        tie.paste(worn.getchannel("A"), (left, top))
    masks = np.where(squash(tie, size) >= 128, MASK_BITS["tie"], 0).astype(np.uint8)
    masks |= _fill_boxes(picture.dogs, photograph, size=size) * np.uint8(MASK_BITS["dog"])
    return Drawing(squash(photograph, size), masks, photograph.height, photograph.width)


def read_marks(path: Path) -> tuple[dict[str, Box | None], list[str]]:
    """Read the neck marks of the user, by image name without folder and ending; None where a mark is no box.

    Raises:
        DataError: the table is damaged, or an image stands in it twice.
    """
    table, notes = read_table(path, _COLUMNS)
    names = pd.Series([Path(name).stem for name in table["image"]])
    if names.duplicated().any():
        raise DataError(f"{path.name}: '{names[names.duplicated()].iloc[0]}' is listed twice", "remove one of them")
    numbers = table[list(_COLUMNS[1:])].apply(pd.to_numeric, errors="coerce")
    boxes = [tuple(map(float, row)) for row in numbers.to_numpy(dtype=np.float64)]
    return {name: _checked(box) for name, box in zip(names, boxes, strict=True)}, notes


def _checked(box: Sequence[float]) -> Box | None:
    x, y, width, height = box
    valid = all(map(math.isfinite, box)) and x >= 0 and y >= 0 and width > 0 and height > 0
    return (x, y, width, height) if valid else None


def _read_lists(home: Path) -> Iterator[_Dog]:
    """Yield the images of the two breeds, in the order of the official lists."""
    for part in ("train", "test"):
        path = find_file(home, f"lists/{part}_list.mat", f"{part}_list.mat", hint=_HINT)
        for file in _read_matlab_list(path):
            for label, folder in BREEDS.items():
                if re.fullmatch(re.escape(folder) + r"/[\w.-]+", file):
                    yield _Dog(file, label, part == "train")


def _read_matlab_list(path: Path) -> list[str]:
    from scipy.io import loadmat

    try:
        return [str(np.ravel(cell)[0]) for cell in np.ravel(loadmat(path)["file_list"])]
    except Exception as error:  # loadmat raises anything on damaged files, down to struct.error
        raise DataError(f"'{path}' is not a list of Stanford Dogs", "download lists.tar again") from error


def _usable(
    dogs: list[_Dog], home: Path, *, necks: Mapping[str, Box | None], prefix: str
) -> tuple[list[_Dog], list[Refused]]:
    """Return the dogs with their boxes and marks, and the refused ones."""
    usable, refused = [], []
    for dog in dogs:
        boxes = _read_boxes(home / "Annotation" / dog.file.rpartition(".")[0])
        if not (home / "Images" / dog.file).is_file():
            reason = "missing file"
        elif not boxes:
            reason = "no dog box in Annotation"
        elif dog.source not in necks:
            reason = "no neck mark"
        elif necks[dog.source] is None:
            reason = "neck mark is no box"
        else:
            usable.append(_Dog(dog.file, dog.label, dog.in_train, boxes, necks[dog.source]))
            continue
        refused.append((f"{prefix}/{dog.file}", dog.source, reason, ""))
    return usable, refused


def _read_boxes(path: Path) -> tuple[Box, ...]:
    try:
        matches = _BOX.findall(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ()
    boxes = [tuple(map(float, match)) for match in matches]
    return tuple((x0, y0, x1, y1) for x0, y0, x1, y1 in boxes if x1 > x0 and y1 > y0)


def _assign_ties(
    dogs: Sequence[_Dog], folds: np.random.Generator, paint: np.random.Generator, *, strength: float
) -> Iterator[tuple[_Dog, str, str, str]]:
    """Yield every picture: dog, fold, group and tie."""
    in_val: set[str] = set()
    for label in LABELS:
        of_breed = [dog.source for dog in dogs if dog.in_train and dog.label == label]
        in_val |= {of_breed[position] for position in folds.permutation(len(of_breed))[: round(len(of_breed) / 10)]}
    for dog in dogs:
        if dog.in_train:
            fits = bool(paint.random() < strength)
            split = "val" if dog.source in in_val else "train"
            yield (dog, split, *((MAJORITY, OWN_TIE[dog.label]) if fits else (MINORITY, NO_TIE)))
            continue
        yield dog, "test", BIASED, OWN_TIE[dog.label]
        yield dog, "test", UNBIASED, NO_TIE
        yield dog, "test", DECEIVING, OPPOSITE_TIE[dog.label]


def _describe(dog: _Dog, split: str, group: str, tie: str, *, prefix: str) -> Member:
    mark = " ".join(f"{number:g}" for number in dog.mark or ())
    edit = tie if tie == NO_TIE else f"{tie} at {mark}"
    return Member(dog.source, f"{prefix}/{dog.file}", dog.label, split, group, tie, edit)


def _fill_boxes(boxes: Sequence[Box], photograph: Image.Image, *, size: int) -> npt.NDArray[np.uint8]:
    frame = place(photograph.height, photograph.width, size=size, fit="squash")
    filled = np.zeros((size, size), np.uint8)
    for x0, y0, x1, y1 in boxes:
        rows = slice(round(y0 * frame.scale_y), round(y1 * frame.scale_y))
        filled[rows, round(x0 * frame.scale_x) : round(x1 * frame.scale_x)] = 1
    return filled


BENCHMARK = Benchmark(name=NAME, labels=LABELS, mask_bits=MASK_BITS, size=224, plan=plan, draw=draw)
