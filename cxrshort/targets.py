"""What a model is to predict of the rows of a manifest: labels, numbers, and the columns that probes read."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort import columns, registry
from cxrshort import manifest as manifests

PROBES = {"sex": ("M", "F"), "view": ("AP", "PA")}
"""Columns that a probe predicts, with the values that read 1 and 0 (DeGrave et al. 2021, Fig. 5)."""


def read_targets(manifest: pd.DataFrame, label: str) -> npt.NDArray[np.float32]:
    """Return what is to be predicted, (N,) float32, NaN where it is empty.

    Args:
        manifest: rows of a dataset.
        label: a label column, ``"sex"`` (M = 1), ``"view"`` (AP = 1), or a column of numbers such as ``"age_years"``
            or a score.

    Raises:
        UsageError: there is no such label.
    """
    if label in PROBES and label in manifest:
        positive, negative = PROBES[label]
        return manifest[label].map({positive: 1.0, negative: 0.0}).to_numpy(dtype=np.float32, na_value=np.nan)
    if _is_of_numbers(manifest, label):
        return pd.to_numeric(manifest[label].replace("", None)).to_numpy(dtype=np.float32, na_value=np.nan)
    if not manifests.has_label(manifest, label):
        registry.check_name(_predictable(manifest), label, kind="label")
    return manifest[label].to_numpy(dtype=np.float32, na_value=np.nan)


def _predictable(manifest: pd.DataFrame) -> list[str]:
    """Return what a model can be trained to predict: the labels, then the columns that :func:`read_targets` takes."""
    names = [str(name) for name in manifest.columns]
    columns_too = [name for name in names if name in PROBES or _is_of_numbers(manifest, name)]
    return [*manifests.label_columns(manifest), *columns_too]


def _is_of_numbers(manifest: pd.DataFrame, name: str) -> bool:
    """Return whether a column holds numbers: a described one such as an age, or one outside [0, 1] such as a score.

    It looks at this column alone, since a manifest may have thousands, each of them a label.
    """
    if name not in manifest or manifests.is_split(name):
        return False
    described = columns.BY_NAME.get(name)
    if described is not None:
        return described.kind == "number" and _holds_numbers(manifest[name])
    return not manifests.has_label(manifest, name) and _holds_numbers(manifest[name])


def _holds_numbers(column: "pd.Series[Any]") -> bool:
    text = column.astype(str)
    filled = text[text != ""]
    return bool(len(filled)) and bool(pd.to_numeric(filled, errors="coerce").notna().all())


def label_matrix(
    manifest: pd.DataFrame, labels: Sequence[str], *, empty_as: float = float("nan")
) -> npt.NDArray[np.float32]:
    """Return the targets of several labels, (N, L) float32, with ``empty_as`` where a label is empty.

    Raises:
        UsageError: there is no such label.
    """
    matrix = np.stack([read_targets(manifest, label) for label in labels], axis=1)
    return np.where(np.isnan(matrix), np.float32(empty_as), matrix)
