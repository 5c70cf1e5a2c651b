"""The features of the rows of a table: those that ``evaluate --features`` wrote, or any array with a row for each.

What would invalidate everything that follows: features of other images. Those of evaluate are matched by model, dataset
and image; an array alone must have as many rows as the table, in the same order.
"""

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.images.cache import open_array
from cxrshort.models.feature_files import FEATURES, FILE, IDENTITY, ROW
from cxrshort.stats.midranks import Integers
from cxrshort.verbs.stats.scores import Scores
from cxrshort.verbs.stats.source import Source, open_source

_HINT = "cxrshort evaluate MODEL --dataset D --features writes them"


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """Hold where the features of rows are.

    Args:
        path: the array, or the table that says which array and which row.
        arrays: memory maps by name.
        places: the name of the array and the row of each image, by its identity; None where an array has the rows of
            the table.
    """

    path: Path
    arrays: dict[str, npt.NDArray[Any]]
    places: pd.DataFrame | None

    def take(self, part: Scores) -> "EmbeddingRows":
        """Return the features (N, D) of the rows of a part, which are read when they are needed.

        Raises:
            DataError: a row has none, or models of several arrays stand in one part.
        """
        if self.places is None:
            (array,) = self.arrays.values()
            return EmbeddingRows(array, part.columns.index.to_numpy())
        wanted = part.columns[list(IDENTITY)]
        joined = wanted.merge(self.places, how="left", on=list(IDENTITY))
        missing = joined[FILE].isna()
        if missing.any():
            raise DataError(
                f"{self.path.name}: {int(missing.sum()):,} of {len(joined):,} rows have no features, such as "
                f"'{wanted['image_id'].iloc[int(np.argmax(missing.to_numpy()))]}'",
                _HINT,
            )
        names = joined[FILE].unique()
        if len(names) > 1:
            raise DataError(f"{self.path.name}: one model has features in '{names[0]}' and '{names[1]}'", _HINT)
        return EmbeddingRows(self.arrays[names[0]], joined[ROW].to_numpy(np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingRows:
    """Hold rows of a file, of which only those that are asked for are in memory.

    Args:
        array: memory map (M, D).
        rows: (N,) which of them.
    """

    array: npt.NDArray[Any]
    rows: Integers

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (N, D)."""
        return len(self.rows), self.array.shape[1]

    def __getitem__(self, places: Integers) -> npt.NDArray[np.float32]:
        """Return the features of some of the rows."""
        values: npt.NDArray[np.float32] = np.asarray(self.array[self.rows[places]], np.float32)
        if isinstance(self.array.base, mmap.mmap):
            # Pages that were read would stay in memory until the end: 400 MB for 100,000 images of 1,024 features.
            self.array.base.madvise(mmap.MADV_DONTNEED)
        return values


def open_embeddings(features: str | None, source: Source) -> Embeddings:
    """Open the features of a table.

    Args:
        features: a ``.npy`` array, or ``features.csv``; None for the one beside the table.
        source: the table.

    Raises:
        MissingInputError: there is no such file.
        DataError: it is no array of numbers (N, D), or has another number of rows.
        UsageError: the table is standard input and nothing is named, or it is no table of predictions.
    """
    if features is None and source.path is None:
        raise UsageError("standard input has no features beside it", "--features FILE names them")
    path = Path(features) if features is not None else Path(str(source.path)).with_name(FEATURES)
    if path.is_dir():
        path = path / FEATURES
    if path.suffix == ".npy":
        array, count = _open(path), len(source.read(texts=source.columns[:1]))
        if len(array) != count:
            raise DataError(
                f"'{path}' has {len(array):,} rows and {source.name} {count:,}: they must be as many", _HINT
            )
        return Embeddings(path, {path.name: array}, None)
    if not set(IDENTITY) <= set(source.columns):
        raise UsageError(
            f"{source.name} is no table of predictions, and '{path.name}' is for those",
            "--features FILE.npy takes an array with a row for each row of the table",
        )
    places = _places(path)
    arrays = {name: _open(path.with_name(name)) for name in places[FILE].unique()}
    for name, array in arrays.items():
        rows = places.loc[places[FILE] == name, ROW]
        if rows.min() < 0 or rows.max() >= len(array):
            raise DataError(f"'{path}': row {rows.max()} is outside '{name}', which has {len(array):,}", _HINT)
    return Embeddings(path, arrays, places)


def _places(path: Path) -> pd.DataFrame:
    if not path.exists():
        raise MissingInputError(f"'{path}' does not exist", _HINT)
    places = open_source(path).read(numbers=[ROW], texts=[*IDENTITY, FILE])
    outside = places[FILE][places[FILE].map(lambda name: Path(name).name) != places[FILE]]
    if len(outside):
        raise DataError(f"'{path}': '{outside.iloc[0]}' is not a file beside it", _HINT)
    if places[ROW].isna().any() or places.duplicated(list(IDENTITY)).any():
        raise DataError(f"'{path}' is damaged: a row has no number, or an image stands twice", _HINT)
    return places.assign(**{ROW: places[ROW].astype(np.int64)})


def _open(path: Path) -> npt.NDArray[Any]:
    array = open_array(path, kind="a whole .npy array", missing=_HINT, damaged=_HINT)
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not array.size:
        raise DataError(f"'{path}' holds {array.dtype} {array.shape}, not numbers (images, features)", _HINT)
    return array
