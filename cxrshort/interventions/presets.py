"""Where the tested boxes come from: presets with their finders, or all that the dataset itself knows.

Without a preset the regions of a dataset are tested in which no finding lies, so that a model that reacts to one leans
on something else: markers and text, shoulders, borders, corners. Lungs, heart, mediastinum and diaphragm are no such
regions, nor are the boxes of findings that came with ChestX-ray14; a table of boxes tests those too.

What would invalidate a verdict: a box that holds lung, as boxes of shoulders by average anatomy may.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

from cxrshort import columns, regions
from cxrshort.columns import REGION_COLUMNS
from cxrshort.dataset import Dataset
from cxrshort.interventions import FINDERS
from cxrshort.masks.bits import select_bits
from cxrshort.registry import check_name, load_entry

PRESETS = {
    "markers": "laterality markers and printed text, found as sharp bright components outside the lungs",
    "shoulders": "lung apices and clavicles, from the lungs",
    "borders": "strips along the four edges of the image",
}
"""What ``--preset`` takes."""
_BORDER, _CORNERS = "border", "corners"
"""Regions of geometry: the four strips, and the four corners between them, of an image."""
LUNGS = "lungs"

WHOLE = {"lung_right": LUNGS, "lung_left": LUNGS, "shoulder_right": "shoulders", "shoulder_left": "shoulders"}
"""Boxes that together are one region."""
WITH_FINDINGS = frozenset({LUNGS, "heart", "mediastinum", "diaphragm", "clavicles", *columns.LABELS})
"""Regions that are not tested unless a table of boxes names them: findings lie there, or may."""
_OF_TEXT = ("marker", "text")
_MOST_BOXES = 6
"""Boxes of one structure of a mask, the largest; as many as the finder of markers proposes."""
_IMAGES_AT_ONCE = 64

Areas = npt.NDArray[np.bool_]
Boxes = npt.NDArray[np.int64]
BoxesByRow = Mapping[int, Boxes]
"""The boxes (K, 4) of one region by position of the image."""
Rows = list[tuple[str, str, int, int, int, int]]


def presets_of(texts: Sequence[str]) -> list[str]:
    """Return the presets that the command line names, joined by commas or repeated.

    Raises:
        UsageError: a preset is unknown.

    Example:
        >>> presets_of(["markers,borders", "markers"])
        ['markers', 'borders']
    """
    names = [name.strip() for text in texts for name in text.split(",")]
    for name in names:
        check_name(PRESETS, name, kind="preset")
    return list(dict.fromkeys(names))


def draw_lungs(outlines: regions.Regions) -> tuple[Areas, Areas]:
    """Return the lungs of all images, (N, H, W), and whether they are those of the image, (N,): not of the average.

    Args:
        outlines: the dataset's regions, with the average anatomy as the last resort or without it.
    """
    place = outlines.names.index(LUNGS)
    areas = np.zeros((len(outlines), *outlines.image_shape), bool)
    own = np.zeros(len(outlines), bool)
    for start in range(0, len(outlines), _IMAGES_AT_ONCE):
        batch = outlines.take(np.arange(start, min(start + _IMAGES_AT_ONCE, len(outlines))))
        areas[start : start + len(batch.areas)] = batch.areas[:, place]
        own[start : start + len(batch.areas)] = batch.available[:, place]
    return areas, own


def grey_pixels(data: Dataset, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return images in [0, 1], (N, H, W); the mean of the colours where there are some."""
    pixels = data.pixels.take(rows).astype(np.float32) / np.float32(255)
    grey: npt.NDArray[np.float32] = pixels if pixels.ndim == 3 else pixels.mean(axis=1)
    return grey


def preset_boxes(names: Sequence[str], data: Dataset, lungs: Areas) -> pd.DataFrame:
    """Return the boxes of presets, as ``regions.csv`` has them, for the user to look at and to correct.

    Args:
        names: of `PRESETS`.
        data: the images.
        lungs: (N, H, W); empty where unknown.
    """
    ids = data.manifest["image_id"].astype(str).tolist()
    parts = []
    for name in names:
        if name == "borders":
            parts.append(_strips(ids, data.pixels.image_shape[-2:], {_BORDER: regions.EDGES}))
            continue
        find = load_entry(FINDERS, name, kind="finder")
        for start in range(0, len(ids), _IMAGES_AT_ONCE):
            rows = np.arange(start, min(start + _IMAGES_AT_ONCE, len(ids)))
            parts.append(find(grey_pixels(data, rows), lungs[rows], image_ids=[ids[int(row)] for row in rows]))
    return pd.concat(parts, ignore_index=True)


def dataset_boxes(data: Dataset, lungs: Areas, *, label: str) -> pd.DataFrame:
    """Return the boxes of all regions of a dataset in which no finding lies, as ``regions.csv`` has them.

    Boxes of the dataset's ``regions.csv`` come first, then those around its masks of text; shoulders follow from the
    lungs where no box names them, and borders and corners from geometry.

    Args:
        data: the images.
        lungs: (N, H, W); empty where unknown.
        label: the finding; its own region, if it has boxes, is not tested.
    """
    listed = regions.boxes_of(data)[list(REGION_COLUMNS)]
    whole = listed["region"].replace(WHOLE)
    listed = listed[~whole.isin(WITH_FINDINGS | {label})]
    ids = data.manifest["image_id"].astype(str).tolist()
    parts = [listed]
    own_regions = set(whole)
    parts += [
        _structure_boxes(data, name, ids) for name in _OF_TEXT if name in data.structures and name not in own_regions
    ]
    if "shoulders" not in own_regions and lungs.any():
        parts.append(preset_boxes(["shoulders"], data, lungs))
    shape = data.pixels.image_shape[-2:]
    parts.append(_strips(ids, shape, {_BORDER: regions.EDGES, _CORNERS: regions.CORNERS}))
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def _structure_boxes(data: Dataset, name: str, ids: Sequence[str]) -> pd.DataFrame:
    """Return boxes around the components of a structure of the dataset's masks, the largest first."""
    rows: Rows = []
    bits = data.structures[name]
    for row in np.flatnonzero(bits).tolist():
        if data.masks is not None:
            area = select_bits(data.masks.take(np.array([row])), int(bits[row]))[0]
            rows += [(ids[row], name, *box) for box in _around(area)[:_MOST_BOXES]]
    return pd.DataFrame(rows, columns=list(REGION_COLUMNS))


def _around(area: Areas) -> list[tuple[int, int, int, int]]:
    """Return half-open boxes around the components of an area (H, W), the largest first."""
    places = ndimage.find_objects(ndimage.label(area, structure=np.ones((3, 3)))[0])
    boxes = [(int(across.start), int(down.start), int(across.stop), int(down.stop)) for down, across in places]
    return sorted(boxes, key=lambda box: (box[0] - box[2]) * (box[3] - box[1]))


def _strips(ids: Sequence[str], shape: Sequence[int], parts: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return a row for each strip or corner of each image."""
    areas = regions.geometry((int(shape[0]), int(shape[1])))
    boxes = [(region, *_around(areas[part])[0]) for region, named in parts.items() for part in named]
    rows = [(name, *box) for name in ids for box in boxes]
    return pd.DataFrame(rows, columns=list(REGION_COLUMNS))


def lung_boxes(lungs: Areas) -> Boxes:
    """Return the box around each lung of one image, (K, 4): on either side of the middle of their extent.

    Example:
        >>> lungs = np.zeros((10, 10), bool)
        >>> lungs[2:8, 1:4] = lungs[3:8, 6:9] = True
        >>> lung_boxes(lungs).tolist()
        [[1, 2, 4, 8], [6, 3, 9, 8]]
    """
    columns_with_lung = np.flatnonzero(lungs.any(axis=0))
    if not len(columns_with_lung):
        return np.zeros((0, 4), np.int64)
    middle = (int(columns_with_lung[0]) + int(columns_with_lung[-1]) + 1) // 2
    boxes = []
    for start, half in ((0, lungs[:, :middle]), (middle, lungs[:, middle:])):
        rows, across = np.flatnonzero(half.any(axis=1)), np.flatnonzero(half.any(axis=0))
        if len(rows):
            boxes.append((start + across[0], rows[0], start + across[-1] + 1, rows[-1] + 1))
    return np.array(boxes, np.int64).reshape(-1, 4)


def box_areas(boxes: Boxes) -> Boxes:
    """Return the area of each box (K, 4), in pixels, (K,)."""
    areas: Boxes = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return areas


def shared_areas(first: Boxes, second: Boxes) -> Boxes:
    """Return how many pixels each box (K, 4) shares with each other box (M, 4), (K, M).

    Example:
        >>> shared_areas(np.array([[0, 0, 4, 4]]), np.array([[2, 2, 6, 6], [4, 0, 6, 6]])).tolist()
        [[4, 0]]
    """
    start, end = np.maximum(first[:, None, :2], second[:, :2]), np.minimum(first[:, None, 2:], second[:, 2:])
    shared: Boxes = (end - start).clip(0).prod(axis=2)
    return shared


def group_boxes(table: pd.DataFrame, data: Dataset) -> dict[str, dict[int, Boxes]]:
    """Return the boxes of each region by position of the image; right and left parts are joined to one region.

    Args:
        table: `REGION_COLUMNS`, of images of the data alone; regions keep the order in which they come.
        data: the images.
    """
    position = {str(name): row for row, name in enumerate(data.manifest["image_id"])}
    listed: dict[str, dict[int, list[tuple[int, ...]]]] = {}
    for name, region, *edges in table[list(REGION_COLUMNS)].itertuples(index=False, name=None):
        rows = listed.setdefault(WHOLE.get(str(region), str(region)), {})
        rows.setdefault(position[str(name)], []).append(tuple(map(int, edges)))
    return {region: {row: np.array(boxes, np.int64) for row, boxes in rows.items()} for region, rows in listed.items()}
