"""The label columns of CheXpert and MIMIC-CXR: 1 present, 0 absent, -1 uncertain, empty not mentioned."""

from collections import Counter

import numpy as np
import pandas as pd

from cxrshort.columns import COVID
from cxrshort.datasets.repositories.parsing.fields import list_words, read_distinct
from cxrshort.datasets.repositories.parsing.label_maps import CHEXPERT_LABELS, UNCERTAIN
from cxrshort.registry import check_name

OBSERVATIONS = tuple(CHEXPERT_LABELS)


def read_observations(table: pd.DataFrame, *, uncertain: str, labelled: pd.Series) -> tuple[pd.DataFrame, list[str]]:
    """Return the labels of a table with the columns `OBSERVATIONS`, and notes.

    A finding that a report does not mention is absent, as in the papers that use these labels. Both archives end
    before COVID-19, so that label is 0.

    Args:
        table: the observations as text.
        uncertain: ``empty``, ``negative`` or ``positive``.
        labelled: whether an image has labels at all; where not, all but COVID-19 are empty.

    Raises:
        UsageError: ``uncertain`` is none of these.
    """
    check_name(UNCERTAIN, uncertain, kind="reading of uncertain labels")
    odd: Counter[str] = Counter()

    def value(text: str) -> float:
        try:
            number = float(text or 0)
        except ValueError:
            number = np.nan
        if number == -1:
            return UNCERTAIN[uncertain]
        return number if number in (0, 1) else np.inf

    columns = {}
    for name, label in CHEXPERT_LABELS.items():
        values = pd.Series(read_distinct(table[name], value), index=table.index, dtype=np.float32)
        odd.update(table.loc[np.isinf(values) & labelled, name])
        columns[label] = values.where(labelled & ~np.isinf(values))
    labels = pd.DataFrame({**columns, COVID: np.float32(0)}, index=table.index, dtype=np.float32)
    return labels, [list_words("unreadable label values emptied", odd)] if odd else []
