"""Mask files: found by the names of their images, and resampled exactly as the images.

A mask is a picture of the size of its image: lungs 255 or 1, background 0. V7 Labs also marks printed text, arrows and
devices with 127. What would invalidate a mask: one of another image, which is why a name that fits several images is
given to none, and a size that differs is refused.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from cxrshort.columns import MASK_BITS
from cxrshort.datasets.building.pixel_recipes import FIT
from cxrshort.datasets.repositories.parsing.layout import index_images
from cxrshort.errors import MissingInputError, UsageError
from cxrshort.images.cache import Filling, create_cache, fill_rows, keep_rows
from cxrshort.images.placement import fit_image
from cxrshort.images.raster import ImageError, open_file, read_bitmap

PATTERNS = ("{stem}_mask.png", "{stem}_mask.png.png", "{stem}.png")
"""Names of mask files, ``{stem}`` being the image's name without its ending; the first that exists is taken."""

TEXT_BIT = MASK_BITS["text"]
"""The bit ``text``: printed text, arrows and devices; not ``marker``, which is the side marker of the phantom."""

_LUNGS_BIT = MASK_BITS["lungs"]
_TEXT_LEVEL = 127
_V7_LEVELS = frozenset((0, _TEXT_LEVEL, 255))
_LUNG_LEVEL = 128
_WHOLE = 1 << 20
_CHUNK = 64


@dataclass(frozen=True)
class Masks:
    """Name the mask files of images.

    Args:
        paths: mask file by ``image_id``.
        notes: counted facts to show people.
    """

    paths: dict[str, Path]
    notes: tuple[str, ...] = ()


def find_masks(
    folder: Path, rows: pd.DataFrame, *, root: Path | None = None, patterns: Sequence[str] = PATTERNS
) -> Masks:
    """Find the mask of each image by its name.

    A mask may lie in the subfolders that its image has (``DIR/patient1/study1/view1_mask.png``), in ``folder`` itself,
    or in any subfolder when its name is unique there.

    Args:
        folder: where masks are looked for.
        rows: images: ``image_id`` and ``path``.
        root: what the paths are relative to; with it, an image is never taken for its own mask.
        patterns: names of masks, with ``{stem}`` for the image's name without its ending.

    Raises:
        MissingInputError: there is no such folder.
        UsageError: a pattern is not a file name with ``{stem}``.
    """
    if not folder.is_dir():
        raise MissingInputError(f"'{folder}' is not a folder of masks", "give the folder of the masks with --masks")
    for pattern in patterns:
        if "{stem}" not in pattern or "/" in pattern:
            raise UsageError(f"'{pattern}' is not a file name with {{stem}}", "such as '{stem}_mask.png'")
    index = index_images(folder, relative_to=folder, suffixes=(".png",))
    files = set(index.paths) - _inside(folder, rows["path"], root)
    named = Counter(path.rpartition("/")[2] for path in files)
    unique = {path.rpartition("/")[2]: path for path in files if named[path.rpartition("/")[2]] == 1}
    found = {
        image_id: mask
        for image_id, path in zip(rows["image_id"], rows["path"], strict=True)
        if (mask := _find_one(str(path), files=files, unique=unique, patterns=patterns))
    }
    claims = Counter(found.values())
    notes = []
    if shared := sum(count > 1 for count in claims.values()):
        notes.append(f"{shared} masks fit the names of several images and were left out")
    if unclaimed := len(files - claims.keys()):
        notes.append(f"{unclaimed} masks are of no image of the dataset")
    return Masks({image_id: folder / mask for image_id, mask in found.items() if claims[mask] == 1}, tuple(notes))


def _inside(folder: Path, paths: pd.Series, root: Path | None) -> set[str]:
    """Return the images that lie in the folder of the masks, relative to it."""
    home = folder.resolve()
    if root is None or not home.is_relative_to(root.resolve()):
        return set()
    prefix = (home.relative_to(root.resolve()).as_posix() + "/").removeprefix("./")
    return {str(path).removeprefix(prefix) for path in paths if str(path).startswith(prefix)}


def _find_one(path: str, *, files: set[str], unique: Mapping[str, str], patterns: Sequence[str]) -> str:
    """Return the mask of an image, ``""`` when there is none; the longest common part of the paths decides."""
    *folders, name = path.split("/")
    names = [pattern.replace("{stem}", name.rpartition(".")[0] or name) for pattern in patterns]
    for start in range(len(folders) + 1):
        for each in names:
            candidate = "/".join((*folders[start:], each))
            if candidate in files:
                return candidate
    return next((unique[each] for each in names if each in unique), "")


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
    found = np.flatnonzero(np.bincount(levels.ravel(), minlength=256)).tolist()
    if found == [0]:
        raise ImageError("empty mask", "no pixel is marked")
    lungs = levels >= (1 if found[-1] < _TEXT_LEVEL else _LUNG_LEVEL)
    bits = np.where(lungs, _LUNGS_BIT, 0).astype(np.uint8)
    if _V7_LEVELS.issuperset(found):
        bits[levels == _TEXT_LEVEL] = TEXT_BIT
    return bits


def fill_masks(
    target: Path, masks: Mapping[str, Path], rows: pd.DataFrame, *, size: int, jobs: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write ``masks.npy`` with a row for every image that has a mask; without one, nothing is written.

    Args:
        target: the file.
        masks: mask file by ``image_id``.
        rows: decoded images: ``image_id``, ``source_height``, ``source_width``, `FIT`.
        size: side of the squares in pixels.
        jobs: masks read at the same time; the bytes do not depend on it.

    Returns:
        ``mask_row``, the row of each image in the file, and ``mask_crc32``, its checksum (Int64, empty where there is
        no mask), indexed like ``rows``; and the masks that were refused: image_id, path, reason, detail.
    """
    wanted = rows.loc[rows["image_id"].isin(masks), ["image_id", "source_height", "source_width", FIT]]
    columns = ["image_id", "path", "reason", "detail"]
    empty = pd.Series(pd.NA, index=rows.index, dtype="Int64")
    placed = pd.DataFrame({"mask_row": empty, "mask_crc32": empty})
    if wanted.empty:
        return placed, pd.DataFrame(columns=columns)
    growing = target.with_name(f".partial.{target.name}")
    create_cache(growing, (len(wanted), size, size))
    files = [
        (masks[name], int(height), int(width), str(fit))
        for name, height, width, fit in wanted.itertuples(index=False, name=None)
    ]
    results = fill_rows([growing], files, partial(_read, size=size), rows=range(len(files)), jobs=jobs, chunk=_CHUNK)
    kept = [number for number, result in enumerate(results) if "reason" not in result]
    outcomes = zip(wanted["image_id"], files, results, strict=True)
    refused = [
        (name, str(file[0]), result["reason"], result["detail"])
        for name, file, result in outcomes
        if "reason" in result
    ]
    if kept:
        keep_rows(growing, kept, target)
        placed.loc[wanted.index[kept], "mask_row"] = np.arange(len(kept))
        placed.loc[wanted.index[kept], "mask_crc32"] = [results[number]["crc32"][0] for number in kept]
    else:
        growing.unlink()
    return placed, pd.DataFrame(refused, columns=columns)


def _read(task: tuple[Path, int, int, str], *, size: int) -> Filling:
    path, height, width, fit = task
    return Filling((read_mask(path, source_height=height, source_width=width, size=size, fit=fit),), {})
