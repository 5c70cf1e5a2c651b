"""Published annotations of radiographs, masks and boxes, converted to the pixels of the cache.

Known ones are found by themselves: lung masks of GitHub-COVID by V7 Labs and by lungVAE, its lung boxes by General
Blockchain, and the boxes of findings that came with ChestX-ray14. V7's masks are preferred to lungVAE's where an image
has both: they were drawn by hand and include the lung behind the heart, where findings lie too.

What would invalidate a mask or a box here: another version of the image. A mask must have the size of its image, and
a box's frame its shape; what does not fit is counted and left out.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort.columns import REGION_COLUMNS
from cxrshort.datasets.building.mask_files import Masks, find_masks
from cxrshort.datasets.building.pixel_recipes import FIT
from cxrshort.datasets.repositories.parsing.layout import find_optional_file
from cxrshort.errors import DataError
from cxrshort.images.placement import place
from cxrshort.tables import read_table

BOX_COLUMNS = (*REGION_COLUMNS, "height", "width")
"""A box in pixels of the original, and the size of the picture that it was drawn on."""
SHAPE_TOLERANCE = 0.02
"""Largest relative difference of aspect ratios that rounding of a reduced copy may cause."""

NIH_SIDE = 1024
"""ChestX-ray14 was published, and its boxes were drawn, at 1024 x 1024 pixels."""
_NIH_NAMES = {"Infiltrate": "Infiltration"}
_NIH_BOXES = ("labels/BBox_List_2017*.csv", "BBox_List_2017*.csv")
_NIH_COLUMNS = ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]")

_COVID_MASKS = (
    ("V7", ("masks/github-covid-v7labs", "github-covid-v7labs", "semantic_masks_v7labs_lungs")),
    ("lungVAE", ("annotations/lungVAE-masks",)),
)
_COVID_BOXES = "annotations/imageannotation_ai_lung_bounding_boxes.json"
_COVID_REGIONS = {"Right Lung": "lung_right", "Left Lung": "lung_left"}

Boxes = tuple[pd.DataFrame, tuple[str, ...]]


@dataclass(frozen=True)
class Annotations:
    """Hold the annotations of a repository's images.

    Args:
        masks: mask file by ``image_id``.
        boxes: `BOX_COLUMNS`; x0, y0, x1, y1 are edges in pixels of a picture of ``height`` by ``width`` pixels.
        notes: counted facts to show people.
    """

    masks: dict[str, Path]
    boxes: pd.DataFrame
    notes: tuple[str, ...] = ()


def annotations_for(repository: str, rows: pd.DataFrame, *, folder: Path, root: Path) -> Annotations:
    """Find the published annotations of a repository's images.

    Args:
        repository: its name, such as ``github-covid``.
        rows: its images: ``image_id`` and ``path``, relative to the root.
        folder: the repository's folder.
        root: the folder of the downloads; masks may lie beside the repository.

    Returns:
        What was found; nothing for a repository that has no known annotations.

    Raises:
        DataError: a table of boxes is damaged.
    """
    masks = Masks({})
    boxes: Boxes = (_table([]), ())
    if repository == "chestx-ray14":
        boxes = _boxes_of(folder, _NIH_BOXES, rows, read_nih_boxes)
    elif repository == "github-covid":
        masks = _covid_masks(rows, folder=folder, root=root)
        boxes = _boxes_of(folder, (_COVID_BOXES,), rows, read_lung_boxes)
    return Annotations(masks.paths, boxes[0], (*masks.notes, *boxes[1]))


def _covid_masks(rows: pd.DataFrame, *, folder: Path, root: Path) -> Masks:
    """Return V7's masks, and lungVAE's for the images that V7 left out."""
    paths: dict[str, Path] = {}
    notes: list[str] = []
    for maker, places in _COVID_MASKS:
        home = next((base / place for base in (folder, root) for place in places if (base / place).is_dir()), None)
        if home is not None:
            masks = find_masks(home, rows, root=root)
            new = {image_id: path for image_id, path in masks.paths.items() if image_id not in paths}
            paths |= new
            notes += [f"{len(new)} lung masks of {maker}", *(f"{maker}: {note}" for note in masks.notes)]
    return Masks(paths, tuple(notes))


def _boxes_of(
    folder: Path, names: tuple[str, ...], rows: pd.DataFrame, read: Callable[[Path, pd.DataFrame], Boxes]
) -> Boxes:
    path = find_optional_file(folder, *names)
    return (_table([]), ()) if path is None else read(path, rows)


def _table(boxes: Iterable[tuple[str, str, float, float, float, float, int, int]]) -> pd.DataFrame:
    table = pd.DataFrame(list(boxes), columns=list(BOX_COLUMNS))
    return table.astype(dict.fromkeys(BOX_COLUMNS[:2], str) | dict.fromkeys(BOX_COLUMNS[2:], np.float64))


def read_nih_boxes(path: Path, rows: pd.DataFrame) -> Boxes:
    """Read ``BBox_List_2017.csv`` of ChestX-ray14 (984 boxes of findings, drawn by a radiologist).

    Args:
        path: columns ``Image Index``, ``Finding Label`` and x, y, width and height in the 1024 pixel original.
        rows: ``image_id`` and ``path``; boxes of other images are counted.

    Returns:
        The boxes, the finding as region; and notes.

    Raises:
        DataError: the table is damaged.
    """
    table, notes = read_table(path, _NIH_COLUMNS)
    numbers = table[list(_NIH_COLUMNS[2:])].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    named = zip(table["Image Index"], table["Finding Label"].replace(_NIH_NAMES), numbers, strict=True)
    boxes, counted = _match(
        ((name, region, tuple(map(float, edges)), (NIH_SIDE, NIH_SIDE)) for name, region, edges in named), rows
    )
    return boxes, (*notes, *(f"{path.name}: {note}" for note in counted))


def read_lung_boxes(path: Path, rows: pd.DataFrame) -> Boxes:
    """Read the lung boxes of GitHub-COVID (General Blockchain, Inc.; 167 images in COCO's format).

    Args:
        path: a JSON file with ``images``, ``annotations`` and ``categories``.
        rows: ``image_id`` and ``path``; boxes of other images are counted.

    Returns:
        The boxes, in pixels of the picture whose size the file gives, with the regions ``lung_right`` and
        ``lung_left`` (the patient's); and notes.

    Raises:
        DataError: the file is of another format.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        regions = {
            category["id"]: _COVID_REGIONS.get(category["name"], str(category["name"]))
            for category in content["categories"]
        }
        images = {picture["id"]: picture for picture in content["images"]}
        named = []
        for annotation in content["annotations"]:
            image = images[annotation["image_id"]]
            box = tuple(math.nan if edge is None else float(edge) for edge in annotation["bbox"])
            frame = (int(image["height"]), int(image["width"]))
            named.append((str(image["file_name"]), regions[annotation["category_id"]], box, frame))
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"[:100]
        raise DataError(f"'{path}' is not a file of lung boxes ({reason})", "download it again") from error
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}", "check the file's permissions") from error
    boxes, counted = _match(named, rows)
    return boxes, tuple(f"{path.name}: {note}" for note in counted)


def _match(
    named: Iterable[tuple[str, str, tuple[float, ...], tuple[int, int]]], rows: pd.DataFrame
) -> tuple[pd.DataFrame, list[str]]:
    """Assign boxes (x, y, width, height) of files to the images of that name, and count the others."""
    identities = _by_name(rows)
    boxes = []
    skipped: Counter[str] = Counter()
    for name, region, box, (height, width) in named:
        if name not in identities:
            skipped["of images that are not in the dataset"] += 1
            continue
        if len(box) != 4 or not _is_box(box, height=height, width=width):
            skipped["without usable coordinates"] += 1
            continue
        x, y, across, down = box
        boxes.append((identities[name], region, x, y, x + across, y + down, height, width))
    notes = [f"{len(boxes)} boxes", *(f"{count} boxes {reason}" for reason, count in sorted(skipped.items()))]
    return _table(boxes), notes


def _is_box(box: tuple[float, ...], *, height: int, width: int) -> bool:
    x, y, across, down = box
    # Some published boxes exceed their picture by less than a pixel; they are clipped with the others.
    inside = x >= -1 and y >= -1 and x + across <= width + 1 and y + down <= height + 1
    return all(map(math.isfinite, box)) and across > 0 and down > 0 and inside


def _by_name(rows: pd.DataFrame) -> Mapping[str, str]:
    """Return ``image_id`` by file name."""
    names = [str(path).rpartition("/")[2] for path in rows["path"]]
    return dict(zip(names, rows["image_id"], strict=True))


def to_cache(boxes: pd.DataFrame, rows: pd.DataFrame, *, size: int) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Convert boxes to the pixels of the cache.

    Args:
        boxes: `BOX_COLUMNS`.
        rows: the images that were decoded: ``image_id``, ``source_height``, ``source_width``, ``cache_fit``. A box
            whose frame has another shape than the image is of another version of it and left out.
        size: side of the cached squares in pixels.

    Returns:
        ``REGION_COLUMNS``: half-open whole pixels, grown outwards and clipped to the square; and counted notes.
    """
    images = rows.drop_duplicates("image_id").set_index("image_id")
    sizes = images[["source_height", "source_width"]]
    in_dataset = boxes[boxes["image_id"].isin(sizes.index)]
    shapes = sizes.loc[in_dataset["image_id"]].to_numpy(dtype=np.float64)
    frames = in_dataset[["height", "width"]].to_numpy(dtype=np.float64)
    stretch = (shapes[:, 1] / shapes[:, 0]) / (frames[:, 1] / frames[:, 0])
    same_shape = np.abs(stretch - 1) <= SHAPE_TOLERANCE
    edges = in_dataset[["x0", "y0", "x1", "y1"]].to_numpy(dtype=np.float64)[same_shape]
    placed = _place(
        edges,
        frames[same_shape],
        size=size,
        fits=images.loc[in_dataset["image_id"], FIT].to_numpy()[same_shape].tolist(),
    )
    clipped = np.clip(np.column_stack([np.floor(placed[:, :2]), np.ceil(placed[:, 2:])]), 0, size).astype(np.int64)
    visible = (placed[:, :2] < size).all(axis=1) & (placed[:, 2:] > 0).all(axis=1)
    regions = in_dataset[same_shape][visible][["image_id", "region"]].reset_index(drop=True)
    regions[["x0", "y0", "x1", "y1"]] = clipped[visible]
    cut = ((placed < 0) | (placed > size)).any(axis=1) & visible
    counts = {
        "of another version of their image were left out": int((~same_shape).sum()),
        "fell outside the cached square": int((~visible).sum()),
        "were cut at its edge": int(cut.sum()),
    }
    return regions, tuple(f"{count} boxes {reason}" for reason, count in counts.items() if count)


def _place(
    edges: npt.NDArray[np.float64],
    frames: npt.NDArray[np.float64],
    *,
    size: int,
    fits: list[str],
) -> npt.NDArray[np.float64]:
    """Return edges (x0, y0, x1, y1) of (N, 4) boxes in cache pixels, unrounded."""
    placements = [
        place(int(height), int(width), size=size, fit=fit) for (height, width), fit in zip(frames, fits, strict=True)
    ]
    scale = np.array([[placement.scale_x, placement.scale_y] * 2 for placement in placements]).reshape(-1, 4)
    shift = np.array([[placement.left, placement.top] * 2 for placement in placements]).reshape(-1, 4)
    placed: npt.NDArray[np.float64] = edges * scale + shift
    return placed
