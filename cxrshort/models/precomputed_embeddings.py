"""Embeddings that were computed elsewhere, by the names of the images that they are of.

Three forms: a ``.npz`` archive with the names (``image_id``, N texts) and one array of numbers (N, D) under any other
name; a ``.csv`` table with a column ``image_id`` and a number in all others; and the ``features.csv`` that
``evaluate --features`` writes, or the folder that it lies in. What would invalidate a join: rows matched by their
places, so names are required; nothing is unpickled.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort.errors import DataError, MissingInputError
from cxrshort.images.cache import open_array
from cxrshort.models.feature_files import FEATURES, FILE, ROW
from cxrshort.tables import read_header, read_table, sniff_separator

IMAGE_ID = "image_id"
SUFFIXES = (".npz", ".csv")
_NAMED = 3
_FORM = f"a .npz file with {IMAGE_ID} and an array (images, numbers), or a .csv table with {IMAGE_ID} and numbers"
_MISSING = f"name {_FORM}"


@dataclass(frozen=True, slots=True, eq=False)
class PrecomputedEmbeddings:
    """Hold embeddings by image.

    Args:
        names: of the images, each once.
        values: (N, D) float32.
        source: the files, for messages.
    """

    names: pd.Index
    values: npt.NDArray[np.float32]
    source: str

    def take(self, names: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the embeddings of images, (n, D).

        Raises:
            DataError: there is none of an image, or it is not finite.
        """
        places = self.names.get_indexer(pd.Index(names))
        missing = [name for name, place in zip(names, places.tolist(), strict=True) if place < 0]
        if missing:
            listed = ", ".join(f"'{name}'" for name in missing[:_NAMED])
            more = f" and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
            other = " holds embeddings of other images:" if len(missing) == len(names) else ":"
            raise DataError(
                f"{self.source}{other} {len(missing):,} of {len(names):,} images have none, {listed}{more}",
                f"embed originals, edits and follow-ups, under their {IMAGE_ID}",
            )
        values = self.values[places]
        wrong = ~np.isfinite(values).all(axis=1)
        if wrong.any():
            name = names[int(np.argmax(wrong))]
            raise DataError(f"{self.source}: {int(wrong.sum()):,} embeddings are not finite, such as that of '{name}'")
        return values


def is_precomputed(name: str) -> bool:
    """Return whether a name is of a file of embeddings, or of a folder of ``evaluate --features``.

    Example:
        >>> is_precomputed("clip.npz"), is_precomputed("runs/I/densenet121")
        (True, False)
    """
    path = Path(name)
    return path.suffix.lower() in SUFFIXES or (path.is_dir() and (path / FEATURES).is_file())


def read_precomputed(paths: Sequence[Path]) -> PrecomputedEmbeddings:
    """Read the embeddings of one network from one or more files.

    Raises:
        MissingInputError: a file is not there.
        DataError: a file holds something else, an image stands twice, or the files differ in width.
    """
    parts = [_read_file(path / FEATURES if path.is_dir() else path) for path in paths]
    source = ", ".join(path.name for path in paths)
    widths = {values.shape[1] for _, values in parts}
    if len(widths) > 1:
        listed = " and ".join(map(str, sorted(widths)))
        raise DataError(f"{source}: embeddings of {listed} numbers are not of one network", "name each network apart")
    names = pd.Index(np.concatenate([part for part, _ in parts]))
    repeated = names[names.duplicated()].unique()
    if len(repeated):
        raise DataError(
            f"{source}: {len(repeated):,} images stand more than once, such as '{repeated[0]}'",
            "keep one embedding of each image",
        )
    return PrecomputedEmbeddings(names, np.concatenate([values for _, values in parts]), source)


_Part = tuple[npt.NDArray[np.object_], npt.NDArray[np.float32]]


def check_present(path: Path) -> None:
    """Refuse a file of embeddings that is not there.

    Raises:
        MissingInputError: it is not there.
    """
    if not path.exists():
        raise MissingInputError(f"'{path}' does not exist", _MISSING)


def _read_file(path: Path) -> _Part:
    check_present(path)
    if path.suffix.lower() == ".npz":
        return _read_archive(path)
    separator = sniff_separator(path)
    header = read_header(path, separator=separator)
    if {IMAGE_ID, FILE, ROW} <= set(header):
        return _read_features(path)
    numbers = [name for name in header if name and name != IMAGE_ID]
    if not numbers:
        raise DataError(f"{path.name}: there is no column of numbers", _MISSING)
    table, _ = read_table(path, [IMAGE_ID, *numbers], separator=separator)
    values = table[numbers].apply(pd.to_numeric, errors="coerce")
    wrong = values.isna() & ~table[numbers].isin(["", "nan", "NaN"])
    if wrong.any(axis=None):
        column = str(wrong.any().idxmax())
        raise DataError(
            f"{path.name}: column '{column}' holds '{table[column][wrong[column]].iloc[0]}', not a number",
            f"keep {IMAGE_ID} and the numbers of the embedding alone",
        )
    return table[IMAGE_ID].to_numpy(dtype=object), values.to_numpy(dtype=np.float32)


def _read_archive(path: Path) -> _Part:
    """Return the names and the one other array of an archive."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        reason = "it holds Python objects" if "allow_pickle" in str(error) else "it is damaged"
        raise DataError(f"'{path}' is not a readable archive of arrays: {reason}", _FORM) from error
    names = arrays.pop(IMAGE_ID, None)
    if names is None or names.ndim != 1 or names.dtype.kind != "U":
        raise DataError(f"'{path}' has no texts '{IMAGE_ID}', which say whose each row is", _FORM)
    if len(arrays) != 1:
        listed = ", ".join(f"'{name}'" for name in arrays) or "none"
        raise DataError(f"'{path}' must hold one array beside '{IMAGE_ID}', and holds {listed}", _FORM)
    ((name, values),) = arrays.items()
    if values.ndim != 2 or values.dtype.kind not in "fiu" or len(values) != len(names) or not values.size:
        raise DataError(f"'{path}': '{name}' is {values.dtype} {values.shape}, not numbers ({len(names)}, D)", _FORM)
    return names.astype(object), values.astype(np.float32)


def _read_features(path: Path) -> _Part:
    """Return the features that ``evaluate --features`` wrote of one model.

    Raises:
        DataError: they are of several models, or the array beside the table is not theirs.
    """
    table, _ = read_table(path, [IMAGE_ID, FILE, ROW], optional=["model"])
    names = table[FILE].unique().tolist()
    if len(names) > 1:
        raise DataError(
            f"'{path}' holds features of {len(names)} models ({', '.join(table['model'].unique()[:_NAMED])})",
            "evaluate one model with --features, or name the model itself",
        )
    if Path(names[0]).name != names[0]:
        raise DataError(f"'{path}': '{names[0]}' is not a file beside it", "evaluate again")
    array = open_array(path.with_name(names[0]), kind="a whole .npy array", missing="evaluate again", damaged="again")
    rows = pd.to_numeric(table[ROW], errors="coerce").to_numpy(dtype=np.float64)
    if array.ndim != 2 or not (np.isfinite(rows).all() and rows.min() >= 0 and rows.max() < len(array)):
        raise DataError(f"'{path}' does not fit '{names[0]}', which is {array.shape}", "evaluate again")
    return table[IMAGE_ID].to_numpy(dtype=object), np.asarray(array[rows.astype(np.int64)], np.float32)
