"""Boxes that the user gives: read, brought into the pixels of the cache, and matched with the images of a fold.

What would invalidate them: boxes of other images, or in pixels of another picture. Boxes must therefore lie within
their images, and a note always counts those that belong to images of the fold.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort import regions
from cxrshort.columns import REGION_COLUMNS
from cxrshort.dataset import Dataset
from cxrshort.datasets.building.annotations import to_cache
from cxrshort.errors import DataError
from cxrshort.tables import read_table

_EDGES = list(REGION_COLUMNS[2:])


def read_box_file(path: Path, data: Dataset, *, whole: Dataset, original: bool) -> tuple[pd.DataFrame, list[str]]:
    """Read the boxes of the images of a fold.

    Args:
        path: a table with ``image_id, region, x0, y0, x1, y1``; half-open edges, the origin top left.
        data: the images that can be tested.
        whole: all images of the dataset, so that boxes of other folds are told from those of other datasets.
        original: edges are in pixels of the original films; otherwise in those of the cached squares.

    Returns:
        `REGION_COLUMNS` in cache pixels, of images of the data alone; and counted notes.

    Raises:
        DataError: a column is missing, a box is not one within its image, or none is of these images.
    """
    height, width = data.pixels.image_shape[-2:]
    boxes = _as_numbers(path) if original else regions.read_boxes(path, shape=(height, width))
    ids = data.manifest["image_id"].astype(str)
    matching = boxes["image_id"].isin(ids).to_numpy(dtype=bool)
    if not matching.any():
        raise DataError(f"'{path}': {_nothing_matches(boxes, whole)}", "image_id must be as in manifest.csv")
    notes = [_how_many(path, boxes, matching, images=len(ids))]
    chosen = boxes[matching].reset_index(drop=True)
    if not original:
        return chosen, notes
    lines = np.flatnonzero(matching) + 1
    chosen = _with_frames(path, chosen, data, lines=lines)
    converted, counted = to_cache(chosen, data.manifest, size=width)
    return converted, [*notes, *counted]


def _nothing_matches(boxes: pd.DataFrame, whole: Dataset) -> str:
    elsewhere = int(boxes["image_id"].isin(whole.manifest["image_id"].astype(str)).sum())
    text = f"none of its {len(boxes):,} boxes is of an image that can be tested, the first is of "
    text += f"'{boxes['image_id'].iloc[0]}'"
    return text + (f"; {elsewhere:,} are of other images of {whole.name}" if elsewhere else "")


def _how_many(path: Path, boxes: pd.DataFrame, matching: npt.NDArray[np.bool_], *, images: int) -> str:
    count = boxes["image_id"][matching].nunique()
    text = f"{path.name}: {int(matching.sum()):,} boxes match {count:,} of {images:,} images"
    return text + (f", {int((~matching).sum()):,} boxes are of other images" if not matching.all() else "")


def _as_numbers(path: Path) -> pd.DataFrame:
    """Read boxes whose edges may be any finite numbers."""
    table, _ = read_table(path, REGION_COLUMNS)
    edges = table[_EDGES].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    right = np.isfinite(edges).all(axis=1) & (table["image_id"] != "").to_numpy() & (table["region"] != "").to_numpy()
    _refuse(path, table, right, lines=np.arange(1, len(table) + 1), rule="is not a name, a region and four numbers")
    return table.assign(**dict(zip(_EDGES, edges.T, strict=True)))


def _with_frames(path: Path, boxes: pd.DataFrame, data: Dataset, *, lines: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Return boxes with the size of their originals, once they lie within these."""
    needed = ("source_height", "source_width", "cache_fit")
    if missing := [name for name in needed if name not in data.manifest]:
        raise DataError(
            f"{data.name}: the manifest has no column '{missing[0]}', so that nothing says how originals lie in their "
            "squares",
            "give boxes in cache pixels, without --original-pixels",
        )
    sizes = data.manifest.set_index("image_id").loc[boxes["image_id"], ["source_height", "source_width"]]
    frames = sizes.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    x0, y0, x1, y1 = boxes[_EDGES].to_numpy(dtype=np.float64).T
    with np.errstate(invalid="ignore"):
        right = (x0 >= 0) & (y0 >= 0) & (x0 < x1) & (y0 < y1) & (x1 <= frames[:, 1]) & (y1 <= frames[:, 0])
    _refuse(path, boxes, right, lines=lines, rule="is not a box within its original", frames=frames)
    return boxes.assign(height=frames[:, 0], width=frames[:, 1])


def _refuse(
    path: Path,
    boxes: pd.DataFrame,
    right: npt.NDArray[np.bool_],
    *,
    lines: npt.NDArray[np.int64],
    rule: str,
    frames: npt.NDArray[np.float64] | None = None,
) -> None:
    if right.all():
        return
    row = int(np.flatnonzero(~right)[0])
    shown = ", ".join(
        f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in boxes[list(REGION_COLUMNS)].iloc[row]
    )
    size = "" if frames is None else f" of {frames[row][1]:g} x {frames[row][0]:g} pixels"
    raise DataError(
        f"'{path}': box {lines[row]} ({shown[:100]}) {rule}{size}", "x0 < x1 and y0 < y1 in pixels of the original film"
    )
