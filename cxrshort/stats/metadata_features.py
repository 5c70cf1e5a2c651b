"""Columns of metadata as numbers that a learner takes.

What would invalidate them: columns that name persons or examinations, which say nothing of other persons; and columns
that state the label in other words.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cxrshort.stats.midranks import Floats

MOST_LEVELS = 20
"""Levels of a column that have a number of their own; rarer ones have none."""


def metadata_features(table: pd.DataFrame, columns: Sequence[str]) -> Floats:
    """Return numbers as they are, NaN where missing, and 0 or 1 for each level of a category.

    Columns that the table lacks, or that hold one value, are left out.

    Args:
        table: of metadata, empty text where missing.
        columns: their names.

    Returns:
        (N, F), where F may be 0.

    Example:
        >>> table = pd.DataFrame({"sex": ["F", "M", "", "M"], "age_years": [50.0, np.nan, 7, 60]})
        >>> metadata_features(table, ["sex", "age_years", "view"]).tolist()
        [[0.0, 1.0, 50.0], [1.0, 0.0, nan], [0.0, 0.0, 7.0], [1.0, 0.0, 60.0]]
    """
    parts = [np.empty((len(table), 0))]
    for name in columns:
        if name not in table:
            continue
        cells = table[name]
        if pd.api.types.is_numeric_dtype(cells):
            numbers = cells.to_numpy(dtype=np.float64, na_value=np.nan)
            parts += [numbers[:, None]] if pd.Series(numbers).nunique(dropna=False) > 1 else []
            continue
        texts = cells.where(cells.notna(), "").astype(str)
        levels = [level for level in texts.value_counts(sort=True).index[: MOST_LEVELS + 1] if level][:MOST_LEVELS]
        if texts.nunique() > 1:
            parts.append((texts.to_numpy()[:, None] == np.array(levels)).astype(np.float64))
    features: Floats = np.concatenate(parts, axis=1)
    return features
