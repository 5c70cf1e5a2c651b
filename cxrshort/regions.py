"""Named regions of any image: lungs, heart, borders, corners, marker ..., as masks (N, R, H, W).

What would invalidate a result by region: a region that nobody has outlined, taken as empty. A region without a source
for an image is therefore unknown there, not empty, and every answer says which. Left and right are those of the
picture. Regions may overlap, except that borders do not hold corners.

Each region has the first of these sources that knows the image: boxes that the user gives; masks that the user gives;
the dataset's masks; a segmenter; the dataset's ``regions.csv``; derivation from the lungs (`derived`); the average
anatomy, where it is asked for. Borders and corners are geometry: strips of `BORDER` and squares of `CORNER` of a side.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort.columns import REGION_COLUMNS
from cxrshort.dataset import REGIONS, Dataset
from cxrshort.errors import DataError
from cxrshort.masks.bits import select_bits
from cxrshort.tables import read_table

Areas = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

BORDER = 1 / 16
"""Width of a border, as a share of the side of the image: 14 of 224 pixels."""
CORNER = 1 / 8
"""Side of a corner's square, as a share of the side of the image: 28 of 224 pixels."""
ANATOMY = ("lungs", "heart", "mediastinum", "shoulders", "diaphragm")
EDGES = tuple(f"border_{side}" for side in ("top", "bottom", "left", "right"))
CORNERS = tuple(f"corner_{place}" for place in ("top_left", "top_right", "bottom_left", "bottom_right"))
NAMES = (*ANATOMY, "marker", *EDGES, *CORNERS)
"""The regions that every answer has, known or not; structures of masks and boxes of other names follow."""

ATLAS = "average_anatomy.csv"
ATLAS_SIDE = 64
_PARTS = {"lungs": (("lung_right", "lung_left"), 2), "shoulders": (("shoulder_right", "shoulder_left"), 1)}
"""Boxes that together are a region, and how many of them it needs."""


class MaskSource(Protocol):
    """Hold a mask field for some or all images of a dataset, as :class:`cxrshort.dataset.Pixels` does."""

    @property
    def available(self) -> Areas:
        """Return which images have a mask, (N,)."""

    def take(self, indices: Indices) -> npt.NDArray[np.uint8]:
        """Return the fields of these images, (N, H, W), uint8."""


class RegionBatch(NamedTuple):
    """Hold the regions of some images.

    Args:
        areas: (N, R, H, W), where each region lies; False everywhere for an unknown one.
        available: (N, R), whether the region of this image has a source. A known region may be empty: no marker.
    """

    areas: Areas
    available: Areas


class _Layer(NamedTuple):
    """Draw one region from one source.

    Args:
        source: its name, for people.
        available: (N,) the images that it knows.
        draw: takes positions of known images, (n,), and returns their areas, (n, H, W).
    """

    source: str
    available: Areas
    draw: Callable[[Indices], Areas]


class Regions:
    """Cut the regions of images, batch by batch.

    Args:
        shape: (H, W) of the images.
        count: number of images.
        layers: the sources of each region, the first that knows an image is taken.
    """

    def __init__(self, shape: tuple[int, int], count: int, layers: Mapping[str, Sequence[_Layer]]) -> None:
        self.image_shape, self._count, self._layers = shape, count, dict(layers)
        self.names = tuple(layers)

    def __len__(self) -> int:
        """Return the number of images."""
        return self._count

    @functools.cached_property
    def available(self) -> Areas:
        """Return which regions have a source, (N, R), before any mask is read."""
        empty = np.zeros(self._count, bool)
        return np.stack(
            [
                functools.reduce(np.logical_or, (layer.available for layer in self._layers[name]), empty)
                for name in self.names
            ],
            axis=1,
        )

    def take(self, indices: Sequence[int] | Indices) -> RegionBatch:
        """Return the regions of these images; memory is that of R masks of one byte per pixel for each."""
        positions = np.asarray(indices, dtype=np.int64)
        areas = np.zeros((len(positions), len(self.names), *self.image_shape), bool)
        available = np.zeros(areas.shape[:2], bool)
        for number, name in enumerate(self.names):
            for layer in self._layers[name]:
                matching = np.flatnonzero(~available[:, number] & layer.available[positions])
                if len(matching):
                    areas[matching, number] = layer.draw(positions[matching])
                    # Nothing follows from lungs that are empty, and lungs of which nothing is seen are no lungs.
                    needs_area = name in ANATOMY
                    available[matching, number] = areas[matching, number].any(axis=(1, 2)) if needs_area else True
        return RegionBatch(areas, available)

    def sources(self) -> pd.DataFrame:
        """Return how many images each region has from each source: ``region``, ``source``, ``images``.

        Images for which a region is unknown are listed with the source ``none``.
        """
        rows = []
        for name in self.names:
            remaining = np.ones(self._count, bool)
            for layer in self._layers[name]:
                from_layer = remaining & layer.available
                remaining &= ~from_layer
                rows.append((name, layer.source, int(from_layer.sum())))
            rows.append((name, "none", int(remaining.sum())))
        table = pd.DataFrame(rows, columns=["region", "source", "images"])
        return table[table["images"] > 0].reset_index(drop=True)


def of(
    data: Dataset,
    *,
    boxes: pd.DataFrame | None = None,
    masks: MaskSource | None = None,
    segmenter: MaskSource | None = None,
    average: bool = False,
) -> Regions:
    """Return the named regions of a dataset's images.

    Args:
        data: the images, with their own masks and ``regions.csv`` where they have these.
        boxes: `REGION_COLUMNS` in cache pixels, as `read_boxes` returns; they come before all else.
        masks: lungs from elsewhere, before the dataset's own: a folder's (:mod:`cxrshort.masks.folder`) or a file's.
        segmenter: lungs as a segmenter draws them, for images without a mask.
        average: take the average anatomy of the phantom where nothing else knows lungs, heart or mediastinum.

    Raises:
        DataError: the dataset's ``regions.csv`` is damaged, or masks have another shape than the images.
    """
    count = len(data.manifest)
    height, width = data.pixels.image_shape[-2:]
    shape = (height, width)
    user_boxes = _box_layers(boxes, data, shape, "given boxes") if boxes is not None else {}
    dataset_boxes = _box_layers(boxes_of(data), data, shape, "regions.csv")
    structures = _structure_layers(data)
    extra = dict.fromkeys([*structures, *user_boxes, *dataset_boxes])
    layers: dict[str, list[_Layer]] = {
        name: [] for name in (*NAMES, *(region for region in extra if region not in NAMES))
    }
    for name in layers:
        layers[name] += user_boxes.get(name, [])
        if name == "lungs" and masks is not None:
            layers[name].append(_Layer("given masks", _fitting(masks, count), _mask_drawer(masks, 255)))
        layers[name] += structures.get(name, [])
        if name == "lungs" and segmenter is not None:
            layers[name].append(_Layer("segmenter", _fitting(segmenter, count), _mask_drawer(segmenter, 255)))
        layers[name] += dataset_boxes.get(name, [])
    if average:
        everywhere = np.ones(count, bool)
        for name, area in atlas(shape).items():
            if name != "mediastinum":  # derived from the lungs, whatever these come from
                layers[name].append(_Layer("average anatomy", everywhere, _same_area(area)))
    _add_derived(layers, shape, count)
    for name, area in geometry(shape).items():
        layers[name].append(_Layer("geometry", np.ones(count, bool), _same_area(area)))
    return Regions(shape, count, layers)


def _fitting(masks: MaskSource, count: int) -> Areas:
    """Return which images a source of masks knows, once it is of these images.

    Raises:
        DataError: it is of another number of images.
    """
    if len(masks.available) != count:
        raise DataError(f"{len(masks.available)} masks were given for {count} images", "give one for each image")
    return masks.available


def _mask_drawer(masks: MaskSource, bits: int) -> Callable[[Indices], Areas]:
    return lambda indices: select_bits(masks.take(indices), bits)


def _same_area(area: Areas) -> Callable[[Indices], Areas]:
    return lambda indices: np.broadcast_to(area, (len(indices), *area.shape))


def _structure_layers(data: Dataset) -> dict[str, list[_Layer]]:
    """Return a layer for each structure of the dataset's masks; one bit per layer, since caches may differ in bits."""
    masks = data.masks
    if masks is None:
        return {}
    return {
        name: [_Layer("masks", bits == bit, _mask_drawer(masks, int(bit))) for bit in sorted(set(bits.tolist()) - {0})]
        for name, bits in data.structures.items()
    }


def read_boxes(path: Path, *, shape: tuple[int, int]) -> pd.DataFrame:
    """Read boxes of regions, as build-dataset writes them into ``regions.csv``.

    Args:
        path: a table with `REGION_COLUMNS`; edges are whole cache pixels, half-open, the origin top left.
        shape: (H, W) of the images that the boxes are of.

    Raises:
        DataError: a column is missing, or a box is not a box within the images.
    """
    table, _ = read_table(path, REGION_COLUMNS)
    edges = table[list(REGION_COLUMNS[2:])].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    x0, y0, x1, y1 = edges.T
    height, width = shape
    with np.errstate(invalid="ignore"):
        right = (edges % 1 == 0).all(axis=1) & (0 <= x0) & (x0 < x1) & (x1 <= width) & (0 <= y0) & (y0 < y1)
    right &= (y1 <= height) & (table["image_id"] != "").to_numpy() & (table["region"] != "").to_numpy()
    if not right.all():
        line = int(np.flatnonzero(~right)[0])
        shown = ", ".join(map(str, table.iloc[line]))
        raise DataError(
            f"'{path}': box {line + 1} ({shown[:100]}) is not a box of whole pixels within {width} x {height}",
            "x0 < x1 and y0 < y1 in pixels of the cached square",
        )
    return table.assign(**dict(zip(REGION_COLUMNS[2:], edges.T.astype(np.int64), strict=True)))


def boxes_of(data: Dataset) -> pd.DataFrame:
    """Return the boxes in the ``regions.csv`` of the folders that a dataset's rows lie in, of these rows alone."""
    height, width = data.pixels.image_shape[-2:]
    parts = [pd.DataFrame(columns=list(REGION_COLUMNS))]
    for folder, rows in data.manifest.groupby("cache", sort=True):
        path = Path(str(folder)) / REGIONS
        if path.is_file():
            boxes = read_boxes(path, shape=(height, width))
            parts.append(boxes[boxes["image_id"].isin(rows["image_id"])])
    return pd.concat(parts[1:] or parts, ignore_index=True)


def _box_layers(boxes: pd.DataFrame, data: Dataset, shape: tuple[int, int], source: str) -> dict[str, list[_Layer]]:
    """Return a layer for each region that has boxes, and for each that is made of several."""
    position = {name: number for number, name in enumerate(data.manifest["image_id"])}
    boxes_by_region: dict[str, dict[int, list[tuple[int, ...]]]] = {}
    for name, region, *edges in boxes[list(REGION_COLUMNS)].itertuples(index=False, name=None):
        if name in position:
            boxes_by_region.setdefault(str(region), {}).setdefault(position[name], []).append(tuple(map(int, edges)))
    for whole, (parts, least) in _PARTS.items():
        listed = [boxes_by_region[part] for part in parts if part in boxes_by_region]
        for row in sorted({row for rows_of_part in listed for row in rows_of_part}):
            outlined = [rows_of_part[row] for rows_of_part in listed if row in rows_of_part]
            if len(outlined) >= least and row not in boxes_by_region.get(whole, {}):
                boxes_by_region.setdefault(whole, {})[row] = [box for part in outlined for box in part]
    return {
        name: [_Layer(source, _at(rows, len(position)), _box_drawer(rows, shape))]
        for name, rows in boxes_by_region.items()
    }


def _at(rows: Mapping[int, object], count: int) -> Areas:
    available = np.zeros(count, bool)
    available[list(rows)] = True
    return available


def _box_drawer(rows: Mapping[int, Sequence[tuple[int, ...]]], shape: tuple[int, int]) -> Callable[[Indices], Areas]:
    def draw(indices: Indices) -> Areas:
        areas = np.zeros((len(indices), *shape), bool)
        for area, index in zip(areas, indices.tolist(), strict=True):
            for x0, y0, x1, y1 in rows[index]:
                area[y0:y1, x0:x1] = True
        return areas

    return draw


def _add_derived(layers: dict[str, list[_Layer]], shape: tuple[int, int], count: int) -> None:
    """Add mediastinum, shoulders and diaphragm as they follow from the lungs, where nothing else knows them."""
    basis = Regions(shape, count, {name: list(layers[name]) for name in ("lungs", "heart")})
    lungs_available = basis.available[:, 0]

    def drawer(name: str) -> Callable[[Indices], Areas]:
        def draw(indices: Indices) -> Areas:
            areas = basis.take(indices).areas
            return derived(areas[:, 0], areas[:, 1])[name]

        return draw

    for name in ("mediastinum", "shoulders", "diaphragm"):
        layers[name].append(_Layer("derived from lungs", lungs_available, drawer(name)))


def derived(lungs: Areas, heart: Areas) -> dict[str, Areas]:
    """Return regions that follow from the lungs, each (N, H, W); empty where the lungs are.

    The mediastinum is what lies between lung and lung on a line, without the heart and what is under a lung (Dice with
    the phantom's own: 0.81). The shoulders are a band from 8 % of the image above the apices to 16 % of the lungs'
    height below them, 10 % of the image wider than the lungs on either side, without lungs: clavicles and soft tissue
    (Dice with the phantom's boxes, which reach the edges of the film: 0.67). The diaphragm is a band from each column's
    lowest lung pixel to 6 % of the image below it.

    Args:
        lungs: (N, H, W).
        heart: (N, H, W); empty where unknown.
    """
    count, height, width = lungs.shape
    regions = {name: np.zeros(lungs.shape, bool) for name in ("mediastinum", "shoulders", "diaphragm")}
    below = _filled(lungs, axis=1) & ~_filled(lungs[:, ::-1], axis=1)[:, ::-1]
    for step in range(1, max(1, round(0.06 * height)) + 1):
        regions["diaphragm"][:, step:] |= lungs[:, :-step]
    regions["diaphragm"] &= below
    between = _filled(lungs, axis=2) & _filled(lungs[:, :, ::-1], axis=2)[:, :, ::-1]
    regions["mediastinum"] = between & ~lungs & ~heart & ~below
    for index in range(count):
        rows, columns = np.flatnonzero(lungs[index].any(axis=1)), np.flatnonzero(lungs[index].any(axis=0))
        if len(rows):
            top = max(0, rows[0] - round(0.08 * height))
            end = rows[0] + max(1, round(0.16 * (rows[-1] + 1 - rows[0])))
            aside = round(0.10 * width)
            regions["shoulders"][index, top:end, max(0, columns[0] - aside) : columns[-1] + 1 + aside] = True
    regions["shoulders"] &= ~lungs
    return regions


def _filled(areas: Areas, *, axis: int) -> Areas:
    """Return areas that go on to the end of an axis from where they begin."""
    filled: Areas = np.logical_or.accumulate(areas, axis=axis)
    return filled


@functools.cache
def geometry(shape: tuple[int, int]) -> dict[str, Areas]:
    """Return borders and corners of an image, each (H, W).

    Example:
        >>> {name: int(area.sum()) for name, area in geometry((32, 32)).items()}["border_top"]
        48
    """
    height, width = shape
    down, across = max(1, round(BORDER * height)), max(1, round(BORDER * width))
    high, wide = max(1, round(CORNER * height)), max(1, round(CORNER * width))
    boxes = {
        "border_top": (slice(0, down), slice(wide, width - wide)),
        "border_bottom": (slice(height - down, height), slice(wide, width - wide)),
        "border_left": (slice(high, height - high), slice(0, across)),
        "border_right": (slice(high, height - high), slice(width - across, width)),
        "corner_top_left": (slice(0, high), slice(0, wide)),
        "corner_top_right": (slice(0, high), slice(width - wide, width)),
        "corner_bottom_left": (slice(height - high, height), slice(0, wide)),
        "corner_bottom_right": (slice(height - high, height), slice(width - wide, width)),
    }
    areas = {name: np.zeros(shape, bool) for name in boxes}
    for name, box in boxes.items():
        areas[name][box] = True
        areas[name].setflags(write=False)
    return areas


@functools.cache
def atlas(shape: tuple[int, int]) -> dict[str, Areas]:
    """Return where lungs, heart and mediastinum lie on average, each (H, W): the last resort.

    A pixel belongs to a structure where at least half of 1,000 phantoms have it (``tests/studies/average_anatomy.py``).
    On 288 real films of GitHub-COVID its lungs overlap with V7's masks by a Dice of 0.64 on average, 0.35 at worst.
    """
    with resources.as_file(resources.files(__package__) / ATLAS) as path:
        runs = pd.read_csv(path)
    rows, columns = (np.arange(side) * ATLAS_SIDE // side for side in shape)
    areas = {}
    for name, part in runs.groupby("region", sort=False):
        coarse = np.zeros((ATLAS_SIDE, ATLAS_SIDE), bool)
        for y, x0, x1 in part[["y", "x0", "x1"]].itertuples(index=False):
            coarse[y, x0:x1] = True
        areas[str(name)] = coarse[rows][:, columns]
        areas[str(name)].setflags(write=False)
    return areas
