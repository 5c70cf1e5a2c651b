"""Masks in a folder of pictures: how one is read, and all that belong to the rows of a dataset.

A mask is a picture of the size of its image: lungs 255 or 1, background 0. V7 Labs also marks printed text, arrows and
devices with 127. What would invalidate a mask: one of another image, which is why a size that differs is refused. Which
file belongs to which image is found by :mod:`cxrshort.datasets.building.mask_files`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from cxrshort.columns import MASK_BITS
from cxrshort.errors import DataError
from cxrshort.images.placement import FITS, fit_image
from cxrshort.images.raster import ImageError, open_file, read_bitmap
from cxrshort.masks.bits import select_bits
from cxrshort.masks.packed import PackedMasks, pack

TEXT_BIT = MASK_BITS["text"]
"""The bit ``text``: printed text, arrows and devices; not ``marker``, which is the side marker of the phantom."""

_LUNGS_BIT = MASK_BITS["lungs"]
_TEXT_LEVEL = 127
_V7_LEVELS = frozenset((0, _TEXT_LEVEL, 255))
_LUNG_LEVEL = 128
_WHOLE = 1 << 20
_REFUSED = ("image_id", "path", "reason", "detail")


def read_mask(
    path: Path, *, source_height: int, source_width: int, size: int, fit: str = "crop"
) -> npt.NDArray[np.uint8]:
    """Read a mask as bits, resampled like its image but by nearest neighbour.

    Grey levels: 127 in a mask that otherwise holds 0 and 255 only is text; in a mask that stays below 127 all that is
    not 0 is lung (masks of 0 and 1); in every other mask lung begins at 128.

    Args:
        path: a PNG or JPEG file.
        source_height: rows of the image, upright.
        source_width: columns of the image, upright.
        size: side of the cached square in pixels.
        fit: as in `cxrshort.images.placement.place`.

    Returns:
        (size, size) uint8: the bit of ``lungs`` and `TEXT_BIT`.

    Raises:
        ImageError: the file cannot be used, is of another size than the image ("mask size differs"), or marks nothing
            ("empty mask").
    """
    with open_file(path) as file:
        try:
            levels = np.asarray(read_bitmap(file, mode="L", size=_WHOLE).image)
        except ImageError:
            raise
        except Exception as error:  # decoders of damaged files raise anything, down to struct.error
            raise ImageError("unreadable", f"{type(error).__name__}: {error}") from error
    if levels.shape != (source_height, source_width):
        height, width = levels.shape
        raise ImageError("mask size differs", f"{width} x {height}, the image is {source_width} x {source_height}")
    bits = Image.fromarray(_to_bits(levels))
    return np.asarray(fit_image(bits, size=size, fit=fit, resample=Image.Resampling.NEAREST))


def _to_bits(levels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    levels_present = np.flatnonzero(np.bincount(levels.ravel(), minlength=256)).tolist()
    if levels_present == [0]:
        raise ImageError("empty mask", "no pixel is marked")
    lungs = levels >= (1 if levels_present[-1] < _TEXT_LEVEL else _LUNG_LEVEL)
    bits = np.where(lungs, _LUNGS_BIT, 0).astype(np.uint8)
    if _V7_LEVELS.issuperset(levels_present):
        bits[levels == _TEXT_LEVEL] = TEXT_BIT
    return bits


def read_folder(
    paths: Mapping[str, Path], rows: pd.DataFrame, *, size: int, fit: str = "", jobs: int = 1
) -> tuple[PackedMasks, pd.DataFrame]:
    """Read the lungs of a folder of mask files, a mask for each row that has one.

    Args:
        paths: mask file by ``image_id``.
        rows: a manifest: ``image_id``, ``source_height``, ``source_width``, and ``cache_fit`` unless ``fit`` says it.
        size: side of the cached squares in pixels.
        fit: how all originals lie in their squares, where the rows do not say it: datasets of earlier versions.
        jobs: masks read at the same time.

    Returns:
        The masks, in the order of the rows; and the files that were refused: image_id, path, reason, detail.

    Raises:
        DataError: a row that has a mask file does not say how large its original is, or how it lies in its square.
    """
    with_file = np.flatnonzero(rows["image_id"].isin(paths))
    tasks = [_task(rows.iloc[row], paths, fit) for row in with_file]
    read = joblib.delayed(_read_lungs)
    packed = np.zeros((len(rows), -(-size * size // 8)), np.uint8)
    has_mask, refused = np.zeros(len(rows), bool), []
    results = joblib.Parallel(n_jobs=jobs, prefer="threads", return_as="generator")(read(*task, size) for task in tasks)
    for row, task, result in zip(with_file, tasks, results, strict=True):
        if isinstance(result, ImageError):
            refused.append((rows["image_id"].iloc[row], str(task[0]), result.reason, result.detail))
        else:
            packed[row], has_mask[row] = result, True
    return PackedMasks((size, size), packed=packed, available=has_mask), pd.DataFrame(refused, columns=list(_REFUSED))


def _task(row: "pd.Series[Any]", paths: Mapping[str, Path], fit: str) -> tuple[Path, int, int, str]:
    name, fit = str(row["image_id"]), str(row.get("cache_fit") or fit)
    height, width = pd.to_numeric(row.reindex(["source_height", "source_width"]), errors="coerce").tolist()
    if fit not in FITS or not (height > 0 and width > 0):
        raise DataError(
            f"image '{name}' does not say how its original lies in its square (source_height, source_width, cache_fit)",
            "run build-dataset again, with --masks",
        )
    return paths[name], int(height), int(width), fit


def _read_lungs(path: Path, height: int, width: int, fit: str, size: int) -> "npt.NDArray[np.uint8] | ImageError":
    try:
        field = read_mask(path, source_height=height, source_width=width, size=size, fit=fit)
    except ImageError as error:
        return error
    packed: npt.NDArray[np.uint8] = pack(select_bits(field, _LUNGS_BIT)[None])[0]
    return packed
