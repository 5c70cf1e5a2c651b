"""The files of features beside ``predictions.csv``: an array for each model, and whose image each of its rows is.

What would invalidate a join: rows matched by their places. They are matched by model, dataset and image, so that a
table of predictions stays valid when it is cut or sorted.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort import files
from cxrshort.images.cache import create_cache

FEATURES = "features.csv"
FILE, ROW = "file", "row"
IDENTITY = ("model_id", "dataset_id", "image_id")
"""Columns that say what a row of features is of."""


def feature_files(models: int) -> list[str]:
    """Return the name of each model's array.

    Example:
        >>> feature_files(1), feature_files(2)
        (['features.npy'], ['features-0.npy', 'features-1.npy'])
    """
    return ["features.npy"] if models == 1 else [f"features-{number}.npy" for number in range(models)]


def feature_rows(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of ``features.csv``: model, dataset and image, and where its features stand."""
    return predictions[["model", "model_id", "dataset", "dataset_id", "image_id", FILE, ROW]]


def write_features(path: Path, parts: Sequence[npt.NDArray[np.float32]]) -> None:
    """Write features (N, D) as one .npy file that can be mapped; it appears whole or not at all.

    Args:
        path: the file.
        parts: of each fold, in order.

    Raises:
        OutputError: the file cannot be written.
    """
    count, width = sum(len(part) for part in parts), parts[0].shape[1]
    with files.atomic(path) as temporary:
        array = create_cache(temporary, (count, width), np.float32)
        start = 0
        for part in parts:
            array[start : start + len(part)] = part
            start += len(part)
        array.flush()
