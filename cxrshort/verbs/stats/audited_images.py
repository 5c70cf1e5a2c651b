"""The images of a dataset as audits of data read them: those that have a label, with persons and features of pixels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxrshort import columns, registry
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import DataError
from cxrshort.images.grey_values import Images, to_grey
from cxrshort.stats.midranks import Floats, Integers, is_exact, number_persons
from cxrshort.verbs.stats.source import Source

_BLOCK = 256
"""Images that are read at once: 13 MB at 224 x 224 pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class AuditedImages:
    """Hold the images of a dataset that have a label of exactly 0 or 1.

    Args:
        data: the dataset.
        label: the label.
        positions: (N,) rows of its manifest.
        rows: (N, ...) of the manifest.
        targets: (N,) 0 or 1.
        codes: (N,) numbers of persons.
        source: the manifest, as outputs name what was read.
    """

    data: Dataset
    label: str
    positions: Integers
    rows: pd.DataFrame
    targets: Floats
    codes: Integers
    source: Source

    @property
    def notes(self) -> list[str]:
        """Return what was left out, and what is unsure of the pixels."""
        left_out = len(self.data.manifest) - len(self.rows)
        lacking = f"images without an exact label of {self.label} are left out: {left_out:,}"
        return [*([lacking] if left_out else []), *self.data.notes]


def choose_label(data: Dataset, label: str | None) -> str:
    """Return the label, or COVID-19, or the first one that has both classes.

    Raises:
        DataError: there is no such label, or none at all.
    """
    names = data.labels
    if label is not None and label not in names:
        hint = registry.propose_name(names, label, otherwise=f"one of: {', '.join(names)}")
        raise DataError(f"{data.name}: there is no label '{label}'", hint)
    usable = [name for name in names if {0.0, 1.0} <= set(data.manifest[name].dropna())]
    chosen = label or (columns.COVID if columns.COVID in usable else next(iter(usable or names), None))
    if chosen is None:
        raise DataError(f"{data.name}: the manifest has no label", "a label is a column of 0 and 1")
    return chosen


def open_images(dataset: str, label: str | None) -> AuditedImages:
    """Read the manifest of a dataset, and which images have the label.

    Args:
        dataset: as :func:`cxrshort.dataset.load_dataset` takes it.
        label: None for COVID-19, else the first with both classes.

    Raises:
        DataError: the manifest breaks a rule, has no such label, or no cached images.
        MissingInputError: there is no such dataset.
    """
    data = load_dataset(dataset)
    chosen = choose_label(data, label)
    _ = data.pixels  # refuses early
    targets = data.manifest[chosen].to_numpy(dtype=np.float64, na_value=np.nan)
    positions = np.flatnonzero(is_exact(targets))
    rows = data.manifest.iloc[positions].reset_index(drop=True)
    codes = number_persons(rows["person_id"], len(rows))
    name = data.path.name if data.path is not None else "standard input"
    source = Source(name, data.path, tuple(map(str, rows.columns)))
    return AuditedImages(data, chosen, positions, rows, targets[positions], codes, source)


def pixel_features(
    data: Dataset, positions: Integers, extractors: Mapping[str, Callable[[Images], Floats]]
) -> dict[str, Floats]:
    """Return features of the pixels of some images, (N, F) by name.

    Args:
        data: the dataset.
        positions: (N,) rows of its manifest.
        extractors: turn (N, H, W) grey images into (N, F).
    """
    parts: dict[str, list[Floats]] = {name: [] for name in extractors}
    for start in range(0, len(positions), _BLOCK):
        grey = to_grey(data.pixels.take(positions[start : start + _BLOCK]))
        for name, extract in extractors.items():
            parts[name].append(extract(grey))
    return {name: np.concatenate(blocks) for name, blocks in parts.items()}


def small_p_text(p: float | None) -> str:
    """Return a p-value with two digits, or that it is below 0.0001.

    Example:
        >>> small_p_text(0.01234), small_p_text(0.0), small_p_text(None)
        ('0.012', '<0.0001', 'none')
    """
    if p is None:
        return "none"
    return "<0.0001" if p < 1e-4 else f"{p:.2g}"
