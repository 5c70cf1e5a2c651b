"""A dataset as verbs see it: a checked manifest, and the pixels that its rows point to."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort import columns, places, runs
from cxrshort import manifest as manifests
from cxrshort.errors import DataError
from cxrshort.images.cache import checksum, open_array
from cxrshort.json_files import read_record
from cxrshort.masks.bits import EVERY_BIT
from cxrshort.masks.file import MaskFile
from cxrshort.quantities import quantity

MANIFEST = places.MANIFEST
IMAGES = "images.npy"
MASKS = "masks.npy"
REGIONS = "regions.csv"
EXCLUDED = "excluded.csv"
_COLOURS = 3
_LOCATION_COLUMNS = ("cache", "cache_row", "mask_row")
"""Columns that say where pixels lie, not what they show."""
_IDENTITY_DIGITS = 32
_RECORD: Mapping[str, type] = {"name": str, "dataset_id": str, "folder": str, "recipe": dict}
"""Fields of run.json that say what a dataset is, with their types."""


class Pixels:
    """Cut batches from the memory maps that the rows of a manifest point to.

    What would invalidate a batch: a dataset that was built again since its rows were copied, so that a row of the map
    is another film. Rows therefore carry a checksum of their pixels, which is compared when they are first read:
    about 30 microseconds for 224 x 224 pixels, once.

    Args:
        manifest: with the columns ``cache`` and ``row``.
        file: the name of the map in each dataset folder.
        row: the column that says which row of the map belongs to an image.
        checksums: the column with the CRC-32 of each image's row; rows of earlier versions have none.
    """

    def __init__(
        self,
        manifest: pd.DataFrame,
        *,
        file: str = IMAGES,
        row: str = "cache_row",
        checksums: str = "pixels_crc32",
    ) -> None:
        without_pixels = manifest["image_id"][manifest["cache_row"].isna() | (manifest["cache"] == "")]
        if len(without_pixels):
            raise DataError(
                f"{quantity(len(without_pixels), 'image has', 'images have')} no pixels, first "
                f"'{without_pixels.iloc[0]}'",
                "run build-dataset again",
            )
        self.available: npt.NDArray[np.bool_] = manifest[row].notna().to_numpy(dtype=bool)
        self._names = manifest["image_id"].tolist()
        folders, numbers = np.unique(manifest["cache"].to_numpy(dtype=str)[self.available], return_inverse=True)
        self._map_of_row = np.full(len(manifest), -1)
        self._map_of_row[self.available] = numbers
        self._rows = _integers(manifest[row])
        self._files = [Path(folder) / file for folder in folders]
        self._maps = [_open(path) for path in self._files]
        self._crc32 = _integers(manifest[checksums] if checksums in manifest else pd.Series(pd.NA, manifest.index))
        self._unread = self.available & (self._crc32 >= 0)
        self._check(folders)

    def _check(self, folders: npt.NDArray[Any]) -> None:
        shapes = {cache.shape[1:] for cache in self._maps}
        if len(shapes) > 1:
            listed = " and ".join(sorted("x".join(map(str, shape)) for shape in shapes))
            raise DataError(
                f"images of different sizes in one dataset ({listed})", "build the parts with the same --size"
            )
        for number, folder in enumerate(folders):
            rows = self._rows[self._map_of_row == number]
            outside = rows[(rows < 0) | (rows >= len(self._maps[number]))]
            if len(outside):
                raise DataError(f"'{folder}': cache_row {outside[0]} is outside the cache", "run build-dataset again")

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Return the shape of one image: (H, W), or (3, H, W) for colour."""
        return tuple(self._maps[0].shape[1:])

    @property
    def cache_shape(self) -> tuple[int, ...]:
        """Return the shape of the cache that all rows lie in, without colours: (R, H, W).

        Raises:
            DataError: the rows lie in several.
        """
        if len(self._maps) > 1:
            raise DataError(
                f"the rows lie in {len(self._maps)} caches, and a mask file is of one", "build them as one dataset"
            )
        shape = self._maps[0].shape
        return (shape[0], *shape[-2:])

    @property
    def unverifiable(self) -> int:
        """Return how many rows have no checksum, so that nobody can tell whether the pixels are theirs."""
        return int((self.available & (self._crc32 < 0)).sum())

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._rows)

    def take(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Return a copy of the images at these positions of the manifest, (N, H, W) or (N, 3, H, W), uint8.

        Raises:
            DataError: an image has no row in the map; or its row holds something else than when the dataset was built.
        """
        positions = np.asarray(indices, dtype=np.int64)
        if not self.available[positions].all():
            name = self._names[positions[~self.available[positions]][0]]
            raise DataError(f"image '{name}' has no mask", "select the images that have one")
        if len(self._maps) == 1:
            batch = np.asarray(self._maps[0][self._rows[positions]])
        else:
            batch = np.empty((len(positions), *self.image_shape), np.uint8)
            for number, cache in enumerate(self._maps):
                in_cache = self._map_of_row[positions] == number
                batch[in_cache] = cache[self._rows[positions[in_cache]]]
        self._verify(positions, batch)
        return batch

    def _verify(self, positions: npt.NDArray[np.int64], batch: npt.NDArray[np.uint8]) -> None:
        """Compare the rows that are read for the first time with their checksums."""
        for place in np.flatnonzero(self._unread[positions]):
            position = positions[place]
            if checksum(batch[place]) != self._crc32[position]:
                raise DataError(
                    f"'{self._files[self._map_of_row[position]]}' holds something else than the row of "
                    f"'{self._names[position]}' says",
                    "the dataset was built again or changed; take the rows from its new manifest.csv",
                )
            self._unread[position] = False


def _integers(column: "pd.Series[Any]") -> npt.NDArray[np.int64]:
    """Return whole numbers, -1 where there is none."""
    numbers: npt.NDArray[np.int64] = np.asarray(column.astype("Int64").fillna(-1), dtype=np.int64)
    return numbers


def _open(path: Path) -> npt.NDArray[np.uint8]:
    kind, rebuild = "a cache of images", "run build-dataset again with --force"
    missing = "run build-dataset again, or keep the folder where it was"
    cache = open_array(path, kind=kind, missing=missing, damaged=rebuild)
    if cache.dtype != np.uint8 or cache.ndim not in (3, 4) or (cache.ndim == 4 and cache.shape[1] != _COLOURS):
        raise DataError(f"'{path}' is not {kind}", rebuild)
    return cache


@dataclass(frozen=True)
class Dataset:
    """Hold a manifest, its name and how its pixels were made.

    Args:
        name: ``"I"``, ``"phantom-III"``: what models and tables call it.
        manifest: checked rows.
        path: the file that was read; None for standard input.
        recipe: how the pixels were made (size, fit, equalisation), as run.json has it.
        mask_file: takes the place of the dataset's own masks; see :meth:`with_mask_file`.
        dataset_id: the identity of its content, see :func:`content_id`; a subset of rows has that of its dataset.
        made_from: the datasets whose images were edited into these, the name of each by its identity.
        synthetic: where real and synthetic images were composed for a training, the dataset of the latter.
    """

    name: str
    manifest: pd.DataFrame
    path: Path | None = None
    recipe: dict[str, Any] = field(default_factory=dict)
    mask_file: Path | None = None
    dataset_id: str = ""
    made_from: Mapping[str, str] = field(default_factory=dict)
    synthetic: "Dataset | None" = None

    @property
    def is_synthetic(self) -> npt.NDArray[np.bool_]:
        """Return whether each row is of the synthetic part, (N,)."""
        if self.synthetic is None:
            return np.zeros(len(self.manifest), bool)
        return self.manifest["image_id"].isin(self.synthetic.manifest["image_id"]).to_numpy(dtype=bool)

    @cached_property
    def pixels(self) -> Pixels:
        """Open the images of every row."""
        if "cache" not in self.manifest or "cache_row" not in self.manifest:
            raise DataError(f"{self.name}: the manifest has no cached images", "build-dataset without --metadata-only")
        return Pixels(self.manifest)

    @property
    def has_mask(self) -> npt.NDArray[np.bool_]:
        """Return whether each row has a mask, (N,)."""
        if "mask_row" not in self.manifest:
            return np.zeros(len(self.manifest), bool)
        return self.manifest["mask_row"].notna().to_numpy(dtype=bool)

    @cached_property
    def masks(self) -> Pixels | MaskFile | None:
        """Open the masks of the rows that have one, which ``known`` tells; None where no row has."""
        if self.mask_file is not None:
            shape = self.pixels.cache_shape
            return MaskFile(self.mask_file, self.manifest["cache_row"].to_numpy(dtype=np.int64), shape=shape)
        if not self.has_mask.any():
            return None
        return Pixels(self.manifest, file=MASKS, row="mask_row", checksums="mask_crc32")

    @cached_property
    def structures(self) -> dict[str, npt.NDArray[np.uint8]]:
        """Return, for each structure that masks show, the bit that shows it in each row's mask, (N,); 0 for none.

        Datasets of several caches, whose masks may show different structures, are told apart by row. Masks of a file
        are of one structure, called ``foreground``.
        """
        if self.mask_file is not None:
            return {"foreground": np.full(len(self.manifest), EVERY_BIT, np.uint8)}
        bits: dict[str, npt.NDArray[np.uint8]] = {}
        for folder in sorted(set(self.manifest["cache"][self.has_mask])) if self.has_mask.any() else []:
            in_folder = self.has_mask & (self.manifest["cache"] == folder).to_numpy(dtype=bool)
            for name, bit in _structures(Path(folder)).items():
                bits.setdefault(name, np.zeros(len(self.manifest), np.uint8))[in_folder] = bit
        return bits

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what a user of the dataset should know."""
        count = self.pixels.unverifiable
        if not count:
            return ()
        return (
            f"{self.name}: {count} rows carry no checksum of their pixels (written by an earlier version or by "
            "hand), so that a changed cache would go unnoticed",
        )

    @property
    def labels(self) -> list[str]:
        """Return the label columns."""
        return manifests.label_columns(self.manifest)

    def with_mask_file(self, path: Path) -> "Dataset":
        """Return the dataset with the masks of a file in place of its own, one for each row of its cache.

        Raises:
            MissingInputError: there is no such file.
            DataError: it does not fit the cache, or there are several caches.
        """
        _ = replace(self, mask_file=path).masks  # refuses early
        return replace(self, manifest=self.manifest.assign(mask_row=self.manifest["cache_row"]), mask_file=path)

    def fold(self, split: str, *, replicate: int) -> "Dataset":
        """Return the rows of one fold of one replicate as a dataset of its own."""
        chosen = manifests.select_fold(self.manifest, split, replicate=replicate, name=self.name)
        return replace(self, manifest=chosen.reset_index(drop=True))


def load_dataset(name: str) -> Dataset:
    """Read a dataset that the command line names.

    Args:
        name: a dataset folder, a manifest file, ``-`` for standard input, or a name below ``$CXRSHORT_DATASETS``.

    Raises:
        MissingInputError: it is not built yet; the hint gives the command that builds it.
        DataError: the manifest breaks a rule, or its images were made in different ways.
    """
    path = None if name == "-" else places.locate_dataset(name)
    table = manifests.read_manifest(manifests.standard_input() if path is None else path)
    if path is not None:
        table = beside_own_images(table, path.parent)
    record = _record(table, path)
    recipe = dict(record.get("recipe", {}))
    identity = str(record.get("dataset_id") or content_id(table, recipe))
    name = str(record.get("name", _fallback_name(path)))
    made_from = record.get("made_from")
    return Dataset(
        name, table, path, recipe, dataset_id=identity, made_from=made_from if isinstance(made_from, dict) else {}
    )


def _fallback_name(path: Path | None) -> str:
    """Return the name of a dataset whose rows do not say which it is: of its folder, or of its own file."""
    if path is None:
        return "standard-input"
    return path.resolve().parent.name if path.name == MANIFEST else path.stem


def content_id(manifest: pd.DataFrame, recipe: Mapping[str, Any]) -> str:
    """Return the identity of a dataset: of its rows, and of how their pixels were made.

    It depends neither on the order of rows and columns, nor on where the pixels lie, nor on the splits, which are drawn
    from a dataset. The same radiographs, persons and labels, made in the same way, are one dataset wherever and however
    often it is built.

    Args:
        manifest: checked rows, as :func:`cxrshort.manifest.read_manifest` returns them.
        recipe: how the pixels were made.

    Returns:
        32 hexadecimal digits.
    """
    splits = manifests.split_columns(manifest)
    names = sorted(str(name) for name in manifest.columns if name not in (*_LOCATION_COLUMNS, *splits))
    rows = manifest[names].sort_values("image_id", kind="stable").reset_index(drop=True)
    text = json.dumps([names, dict(recipe)], sort_keys=True, default=str)
    values = pd.util.hash_pandas_object(rows.astype(str), index=False).to_numpy()
    return hashlib.sha256(text.encode() + values.astype("<u8").tobytes()).hexdigest()[:_IDENTITY_DIGITS]


def beside_own_images(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Point the rows of a moved dataset folder at the images that lie beside the manifest."""
    if "cache" not in table or not (folder / IMAGES).exists() or not (folder / runs.DONE).exists():
        return table
    home = str(_run_record(folder).get("folder", ""))
    return table.assign(cache=table["cache"].where(table["cache"] != home, str(folder.resolve())))


def _record(table: pd.DataFrame, path: Path | None) -> dict[str, Any]:
    """Return what run.json says of the dataset that the rows are of.

    A manifest in a dataset folder is that dataset; a subset elsewhere is the dataset whose cache all its rows share.
    """
    own = _run_record(path.parent) if path is not None else {}
    if path is not None and "name" in own:
        return own if path.name == MANIFEST else _with_identity(own, path.parent)
    caches = sorted(set(table["cache"]) - {""}) if "cache" in table else []
    records = [record for record in map(_run_record, map(Path, caches)) if record]
    if len(caches) == 1 and records:
        return _with_identity(records[0], Path(caches[0]))
    recipes = list(dict.fromkeys(json.dumps(record.get("recipe", {}), sort_keys=True) for record in records))
    if len(recipes) > 1:
        raise DataError(
            f"images made in different ways in one dataset ({recipes[0]} and {recipes[1]})",
            "build the parts with the same --size and --fit",
        )
    return {"recipe": records[0].get("recipe", {})} if records else {}


def _structures(folder: Path) -> dict[str, int]:
    """Return the bits of a folder's masks by structure, as its run.json has them.

    Raises:
        DataError: they are no bits.
    """
    listed = _run_record(folder).get("masks") or {"lungs": columns.MASK_BITS["lungs"]}
    if not isinstance(listed, dict) or not all(type(bit) is int and 0 < bit <= EVERY_BIT for bit in listed.values()):
        raise DataError(f"'{folder / runs.DONE}': masks are '{listed}', not bits by name", "run build-dataset again")
    return {str(name): bit for name, bit in listed.items()}


def _with_identity(record: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the record of a dataset with its identity, which older builds did not write down."""
    if "dataset_id" in record or not (folder / MANIFEST).is_file():
        return record
    return record | {"dataset_id": content_id(manifests.read_manifest(folder / MANIFEST), record.get("recipe", {}))}


def _run_record(folder: Path) -> dict[str, Any]:
    path = folder / runs.DONE
    return read_record(path, _RECORD, hint="run build-dataset again") if places.is_file(path) else {}
