"""Mask files: found by the names of their images, and read, or written into the masks of a dataset.

What would invalidate a mask: one of another image, which is why a name that fits several images is given to none.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort.dataset import Dataset
from cxrshort.datasets.building.pixel_recipes import FIT
from cxrshort.datasets.repositories.parsing.layout import index_images
from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.images.cache import Filling, create_cache, fill_rows, keep_rows
from cxrshort.masks.file import MaskFile
from cxrshort.masks.folder import read_folder, read_mask
from cxrshort.masks.packed import PackedMasks
from cxrshort.regions import MaskSource

PATTERNS = ("{stem}_mask.png", "{stem}_mask.png.png", "{stem}.png")
"""Names of mask files, ``{stem}`` being the image's name without its ending; the first that exists is taken."""

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
    matched = {
        image_id: mask
        for image_id, path in zip(rows["image_id"], rows["path"], strict=True)
        if (mask := _find_mask(str(path), files=files, unique=unique, patterns=patterns))
    }
    # Edits of one image share its path and its mask.
    pairs = {
        (matched[image_id], path)
        for image_id, path in zip(rows["image_id"], rows["path"], strict=True)
        if image_id in matched
    }
    claims = Counter(mask for mask, _ in pairs)
    notes = []
    if shared := sum(count > 1 for count in claims.values()):
        notes.append(f"{shared} masks fit the names of several images and were left out")
    if unclaimed := len(files - claims.keys()):
        notes.append(f"{unclaimed} masks are of no image of the dataset")
    return Masks({image_id: folder / mask for image_id, mask in matched.items() if claims[mask] == 1}, tuple(notes))


def read_masks(
    folder: Path, data: Dataset, *, root: Path | None = None, patterns: Sequence[str] = PATTERNS, jobs: int = 1
) -> tuple[PackedMasks, tuple[str, ...]]:
    """Read the lungs of a dataset's images from a folder of mask files, for whoever takes masks per row.

    Args:
        folder: where masks are looked for.
        data: the images, which know the size of their originals and how these lie in their squares.
        root: what the paths are relative to, see :func:`find_masks`.
        patterns: names of masks, see :func:`find_masks`.
        jobs: masks read at the same time.

    Returns:
        The masks, in the order of the rows, and what to tell people: files that fit no image, or that were refused.

    Raises:
        MissingInputError: there is no such folder.
        UsageError: a pattern is not a file name with ``{stem}``.
        DataError: an image that has a mask does not say how its original lies in its square.
    """
    rows = data.manifest if "path" in data.manifest else data.manifest.assign(path="")
    files = find_masks(folder, rows, root=root, patterns=patterns)
    fit = "" if data.recipe.get("test_fit") else str(data.recipe.get("fit", ""))
    masks, refused = read_folder(files.paths, rows, size=data.pixels.image_shape[-1], fit=fit, jobs=jobs)
    return masks, (*files.notes, *refusal_notes(refused))


def refusal_notes(refused: pd.DataFrame) -> list[str]:
    """Return how many mask files were refused for each reason, the most frequent first."""
    reasons = refused["reason"].value_counts(sort=True)
    return [f"{count} masks left out: {reason}" for reason, count in reasons.items()]


def _inside(folder: Path, paths: pd.Series, root: Path | None) -> set[str]:
    """Return the images that lie in the folder of the masks, relative to it."""
    home = folder.resolve()
    if root is None or not home.is_relative_to(root.resolve()):
        return set()
    prefix = (home.relative_to(root.resolve()).as_posix() + "/").removeprefix("./")
    return {str(path).removeprefix(prefix) for path in paths if str(path).startswith(prefix)}


def _find_mask(path: str, *, files: set[str], unique: Mapping[str, str], patterns: Sequence[str]) -> str:
    """Return the mask of an image, ``""`` when there is none; the longest common part of the paths decides."""
    *folders, name = path.split("/")
    names = [pattern.replace("{stem}", name.rpartition(".")[0] or name) for pattern in patterns]
    for start in range(len(folders) + 1):
        for mask_name in names:
            candidate = "/".join((*folders[start:], mask_name))
            if candidate in files:
                return candidate
    return next((unique[mask_name] for mask_name in names if mask_name in unique), "")


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
    masked = rows.loc[rows["image_id"].isin(masks), ["image_id", "source_height", "source_width", FIT]]
    columns = ["image_id", "path", "reason", "detail"]
    if masked.empty:
        return mask_rows(rows, masked.index, []), pd.DataFrame(columns=columns)
    temporary = target.with_name(f".partial.{target.name}")
    create_cache(temporary, (len(masked), size, size))
    files = [
        (masks[name], int(height), int(width), str(fit))
        for name, height, width, fit in masked.itertuples(index=False, name=None)
    ]
    results = fill_rows([temporary], files, partial(_read, size=size), rows=range(len(files)), jobs=jobs, chunk=_CHUNK)
    kept = [number for number, result in enumerate(results) if "reason" not in result]
    outcomes = zip(masked["image_id"], files, results, strict=True)
    refused = [
        (name, str(file[0]), result["reason"], result["detail"])
        for name, file, result in outcomes
        if "reason" in result
    ]
    if kept:
        keep_rows(temporary, kept, target)
    else:
        temporary.unlink()
    placed = mask_rows(rows, masked.index[kept], [results[number]["crc32"][0] for number in kept])
    return placed, pd.DataFrame(refused, columns=columns)


def mask_rows(rows: pd.DataFrame, having: "pd.Index[Any]", crc32: Sequence[int]) -> pd.DataFrame:
    """Return ``mask_row`` and ``mask_crc32`` of images, indexed like ``rows``, Int64, empty where there is no mask.

    Args:
        rows: images.
        having: the labels of those with a mask, in the order of ``masks.npy``.
        crc32: the checksums of these masks.
    """
    placed = pd.DataFrame({"mask_row": range(len(having)), "mask_crc32": crc32}, index=having, dtype="Int64")
    return placed.reindex(rows.index)


def _read(task: tuple[Path, int, int, str], *, size: int) -> Filling:
    path, height, width, fit = task
    return Filling((read_mask(path, source_height=height, source_width=width, size=size, fit=fit),), {})


def open_masks(path: Path, data: Dataset, *, jobs: int = 1) -> tuple[MaskSource, tuple[str, ...]]:
    """Open the lungs that a user gives for a dataset's images: a folder of mask files, or one file of masks.

    Args:
        path: a folder, see :func:`read_masks`, or a ``.npy`` file with a mask for each row of the dataset's cache.
        data: the images.
        jobs: mask files read at the same time.

    Returns:
        The masks, in the order of the rows, and what to tell people.

    Raises:
        MissingInputError: there is neither.
        DataError: a file is of another form, or no mask is of one of these images.
    """
    if path.is_file():
        file = MaskFile(path, data.manifest["cache_row"].to_numpy(dtype=np.int64), shape=data.pixels.cache_shape)
        _ = file.tally  # refuses other values than those of a mask
        return file, ()
    masks, notes = read_masks(path, data, jobs=jobs)
    if not masks.available.any():
        raise DataError(
            f"'{path}' holds no mask of any of these {len(masks)} images",
            "a mask is named as its image, or IMAGE_mask.png",
        )
    missing = int((~masks.available).sum())
    return masks, (*notes, *([f"{path.name} has no mask of {missing} of {len(masks)} images"] if missing else []))
