"""Scores of several methods on several datasets, from rows, from columns or from predictions.

What would invalidate a consensus is refused here: a method without a dataset that the others have.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.auc import auc
from cxrshort.stats.midranks import Floats
from cxrshort.verbs.stats.scores import check_group_count, read_scores
from cxrshort.verbs.stats.source import Source


@dataclass(frozen=True, slots=True, eq=False)
class MethodScores:
    """Hold a score of each method on each dataset.

    Args:
        facts: what they are of: a label, or nothing.
        methods: what each method is called.
        datasets: what each dataset is called.
        scores: (datasets, methods) finite.
    """

    facts: Mapping[str, Any]
    methods: Sequence[str]
    datasets: Sequence[str]
    scores: Floats


def read_long(
    source: Source, *, value: str, group: str, dataset: str, label: str | None = None
) -> tuple[list[MethodScores], list[str]]:
    """Read a table with a row for each method on a dataset; several rows of both, such as replicates, are averaged.

    Args:
        source: the table.
        value: the column of scores.
        group: the column of methods.
        dataset: the column of datasets.
        label: one value of the column ``label``, whose values are ranked apart; None for all.

    Raises:
        DataError: no such column, or a method without a dataset.
    """
    by = "label" if label is not None or "label" in source.columns else None
    rows = source.read(numbers=[value], texts=[group, dataset, *([by] if by else [])])
    if label is not None:
        rows = rows[rows["label"] == label]
        if rows.empty:
            raise DataError(f"{source.name}: there is no label '{label}'", "--label names a value of column 'label'")
    empty = int(rows[value].isna().sum())
    notes = [f"{empty:,} of {len(rows):,} rows lack a score and are left out"] if empty else []
    rows = rows[rows[value].notna()]
    keys = [dataset, group, *([by] if by else [])]
    if rows.duplicated(keys).any():
        notes.append("rows of one method and dataset, such as replicates, are averaged")
    if by is None:
        return [_pivot({}, rows, value, group, dataset, source.name)], notes
    parts = list(rows.groupby(by, sort=False))
    check_group_count(len(parts), by, source.name)
    return [_pivot({"label": str(key)}, part, value, group, dataset, source.name) for key, part in parts], notes


def read_wide(source: Source, *, methods: Sequence[str], dataset: str) -> tuple[list[MethodScores], list[str]]:
    """Read a table with a row for each dataset and a column for each method.

    Args:
        source: the table.
        methods: the columns of scores.
        dataset: the column of datasets; rows are numbered where the table has none.

    Raises:
        DataError: no such column, or a score is missing.
        UsageError: a column twice.
    """
    named = dataset in source.columns
    repeated = [name for place, name in enumerate(methods) if name in methods[:place]]
    if repeated:
        raise UsageError(f"--method names '{repeated[0]}' twice", "name each column once")
    rows = source.read(numbers=list(methods), texts=[dataset] if named else [])
    names = rows[dataset].tolist() if named else [str(number + 1) for number in range(len(rows))]
    table = pd.DataFrame(rows[list(methods)].to_numpy(np.float64), index=names, columns=list(methods))
    return [_checked({}, table, source.name)], []


def read_predictions(source: Source, *, label: str | None) -> tuple[list[MethodScores], list[str]]:
    """Read predictions: the AUC of each training on each dataset, averaged over its replicates.

    Args:
        source: the table.
        label: one label; None for all.

    Raises:
        DataError: it is no table of predictions, or a training lacks a dataset.
    """
    scores = read_scores(source, target=None, score=None, person=None, label=label)
    if not scores.predictions:
        raise DataError(
            f"{source.name} does not tell its methods apart", "--value and --group, or --method name its columns"
        )
    rows = [
        {**{name: part.facts[name] for name in ("label", "training", "dataset")}, "auc": auc(part.targets, part.scores)}
        for part in scores.parts
    ]
    table = pd.DataFrame(rows)
    undefined = int(table["auc"].isna().sum())
    notes = [f"{undefined} AUCs are not defined, for lack of a class, and are left out"] if undefined else []
    table = table[table["auc"].notna()]
    parts = [
        _pivot({"label": str(key)}, part, "auc", "training", "dataset", source.name)
        for key, part in table.groupby("label", sort=False)
    ]
    return parts, [*notes, "scores are AUCs, averaged over replicates"]


def _pivot(
    facts: Mapping[str, Any], rows: pd.DataFrame, value: str, group: str, dataset: str, table: str
) -> MethodScores:
    wide = rows.pivot_table(index=dataset, columns=group, values=value, aggfunc="mean", sort=False)
    return _checked(facts, wide, table)


def _checked(facts: Mapping[str, Any], wide: pd.DataFrame, table: str) -> MethodScores:
    where = f"{table}: " + (f"{facts['label']}: " if facts else "")
    if wide.shape[0] < 2 or wide.shape[1] < 2:
        raise DataError(
            f"{where}{wide.shape[1]} methods on {wide.shape[0]} datasets: a consensus needs two of both at least",
            "evaluate more methods or datasets",
        )
    gaps = wide.isna()
    if count := int(gaps.to_numpy().sum()):
        place, column = np.argwhere(gaps.to_numpy())[0]
        row, method = wide.index[place], wide.columns[column]
        raise DataError(
            f"{where}{count} of {wide.size} scores are missing, such as '{method}' on '{row}': every method needs "
            "every dataset",
            "leave out what is not complete",
        )
    if wide.index.duplicated().any():
        raise DataError(f"{where}'{wide.index[wide.index.duplicated()][0]}' stands twice", "a row for each dataset")
    scores = wide.to_numpy(np.float64)
    if wrong := int((~np.isfinite(scores)).sum()):
        raise DataError(f"{where}{wrong} scores are infinite", "leave them out")
    return MethodScores(facts, [str(name) for name in wide.columns], [str(name) for name in wide.index], scores)
