"""What is shared between folds or datasets: persons, studies, images, and later studies of persons.

What would invalidate the counts:

- Rows without an identifier. They are left out of its comparison, and the number of rows compared is stated.
- Identifiers that mean something else in another dataset: patient "12" of two hospitals is two patients. Ours carry
  the name of the repository; others must be made unique before two datasets are compared.
- Folds whose names do not say what they are for. Names that begin with train, val, dev or tun are development, names
  that begin with test, hold or ext are test; every other fold may be either.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cxrshort.errors import DataError

LEAK, SUSPICIOUS, NO_EVIDENCE, NOT_TESTABLE = "leak", "suspicious", "no evidence", "not testable"
VERDICTS = (LEAK, SUSPICIOUS, NO_EVIDENCE, NOT_TESTABLE)
"""From the worst on."""

WHOLE = "all rows"
"""What a dataset without folds is called as one."""

_DEVELOPMENT = re.compile(r"(train|val|dev|tun)", re.IGNORECASE)
_TEST = re.compile(r"(test|hold|ext)", re.IGNORECASE)
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """Hold the images of one dataset, as far as leaks show in a table.

    Args:
        name: of the dataset.
        rows: (N, ...) text, "" where unknown, by what they identify: ``person``, ``study``, ``image``.
        folds: the fold of each row, "" for none, by the column that it comes from; empty where there are no folds.
        dates: (N, 2) the earliest and the latest day that each study may be of, NaN where unknown; None without dates.
    """

    name: str
    rows: pd.DataFrame
    folds: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    dates: Floats | None = None

    def roles(self, column: str) -> tuple[Bools, Bools]:
        """Return which rows may be of development and which may be of a test, by the folds of one column."""
        if column == WHOLE:
            everywhere = np.ones(len(self.rows), dtype=np.bool_)
            return everywhere, everywhere
        names, codes = np.unique(self.folds[column], return_inverse=True)
        development = np.array([bool(name) and not _TEST.match(name) for name in names])
        test = np.array([bool(name) and not _DEVELOPMENT.match(name) for name in names])
        return development[codes], test[codes]


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """Hold what two folds, or two datasets, have in common.

    Args:
        table: a row for each identifier and pair of folds: ``id, folds, first, second, images_first, images_second,
            crosses``, the last of which says whether development and test are on two sides.
        compared: number of identifiers that were compared.
    """

    table: pd.DataFrame
    compared: int

    @property
    def count(self) -> int:
        """Return the number of identifiers that are shared."""
        return int(self.table["id"].nunique())

    @property
    def crossing(self) -> int:
        """Return the number of those that are in development on one side and in a test on the other."""
        return int(self.table["id"][self.table["crosses"]].nunique())


_COLUMNS = ("id", "folds", "first", "second", "images_first", "images_second", "crosses")


def share_within(cohort: Cohort, kind: str) -> Shared:
    """Return the identifiers that are in two folds of one dataset.

    Any two folds count: a model that is chosen on persons of its training fold is chosen wrongly too.

    Args:
        cohort: with folds.
        kind: a column of its rows.

    Example:
        >>> rows = pd.DataFrame({"person": ["A", "A", "B"]})
        >>> cohort = Cohort("I", rows, {"split_0": np.array(["train", "test", "test"])})
        >>> share_within(cohort, "person").table[["id", "first", "second"]].values.tolist()
        [['A', 'train', 'test']]
    """
    codes, names = pd.factorize(cohort.rows[kind].mask(cohort.rows[kind] == ""))
    parts = [_in_two_folds(codes, names, column, folds) for column, folds in cohort.folds.items()]
    used = np.zeros(len(codes), dtype=np.bool_)
    for folds in cohort.folds.values():
        used |= folds != ""
    return Shared(_join(parts), len(np.unique(codes[used & (codes >= 0)])))


def _in_two_folds(codes: NDArray[Any], names: Any, column: str, folds: NDArray[Any]) -> pd.DataFrame:
    fold_names = sorted({str(fold) for fold in folds} - {""}, key=_fold_order)
    kept = (codes >= 0) & (folds != "")
    place = {name: number for number, name in enumerate(fold_names)}
    cells = codes[kept] * len(fold_names) + np.array([place[fold] for fold in folds[kept]], dtype=np.int64)
    counts = np.bincount(cells, minlength=len(names) * len(fold_names)).reshape(len(names), len(fold_names))
    parts = []
    for first, second in combinations(range(len(fold_names)), 2):
        both = np.flatnonzero((counts[:, first] > 0) & (counts[:, second] > 0))
        values = (fold_names[first], fold_names[second], counts[both, first], counts[both, second], True)
        parts.append(pd.DataFrame({"id": names[both], "folds": column, **dict(zip(_COLUMNS[2:], values, strict=True))}))
    return _join(parts)


def _fold_order(name: str) -> tuple[int, str]:
    return (0 if name.lower().startswith("train") else 1 if _DEVELOPMENT.match(name) else 2), name


def share_between(first: Cohort, second: Cohort, kind: str) -> Shared:
    """Return the identifiers that are in both of two datasets.

    Args:
        first: one dataset.
        second: the other one. Folds are compared by columns of the same name, since a model of one replicate is tested
            on the test fold of the same replicate; all with all where no name is common.
        kind: a column of their rows.

    Example:
        >>> train = Cohort("I", pd.DataFrame({"person": ["A", "B"]}), {"split": np.array(["train", "test"])})
        >>> external = Cohort("II", pd.DataFrame({"person": ["A", "B", "C"]}), {"split": np.array(["test"] * 3)})
        >>> share_between(train, external, "person").table[["id", "crosses"]].values.tolist()
        [['A', True], ['B', False]]
    """
    both = pd.concat([first.rows[kind], second.rows[kind]], ignore_index=True)
    codes, names = pd.factorize(both.mask(both == ""))
    sides = codes[: len(first.rows)], codes[len(first.rows) :]
    counts = [np.bincount(side[side >= 0], minlength=len(names)) for side in sides]
    common = np.flatnonzero((counts[0] > 0) & (counts[1] > 0))
    crosses = np.zeros(len(names), dtype=np.bool_)
    for columns in paired_columns(first, second):
        seen = [
            [np.bincount(side[role & (side >= 0)], minlength=len(names)) > 0 for role in cohort.roles(column)]
            for cohort, column, side in zip((first, second), columns, sides, strict=True)
        ]
        crosses |= (seen[0][0] & seen[1][1]) | (seen[0][1] & seen[1][0])
    values = (names[common], "", first.name, second.name, counts[0][common], counts[1][common], crosses[common])
    table = _join([pd.DataFrame(dict(zip(_COLUMNS, values, strict=True)))])
    return Shared(table, int((counts[0] > 0).sum() + (counts[1] > 0).sum() - len(common)))


def paired_columns(first: Cohort, second: Cohort) -> list[tuple[str, str]]:
    """Return which columns of folds of two datasets belong together; `WHOLE` stands for a dataset without folds."""
    own, other = (list(cohort.folds) or [WHOLE] for cohort in (first, second))
    common = [(column, column) for column in own if column in other and column != WHOLE]
    return common or [(column, opposite) for column in own for opposite in other]


def follow_ups(cohorts: Sequence[Cohort], shared: Shared) -> pd.DataFrame:
    """Return the persons of whom one side holds an earlier study and the other side a later one.

    Args:
        cohorts: the dataset whose folds share persons, or the two datasets that do.
        shared: the persons.

    Returns:
        A row for each person, column of folds and order: ``id, folds, earlier, later, days``; ``days`` is the least
        time from the earliest study of the one side to the latest one of the other. Studies of days that overlap, such
        as one of "2020" and one of "2020-03", are not ordered.
    """
    wanted = set(shared.table["id"])
    parts = [part for cohort in cohorts for part in _studies(cohort, wanted, len(cohorts) == 1)]
    if not parts:
        return pd.DataFrame(columns=["id", "folds", "earlier", "later", "days"])
    studies = pd.concat(parts)
    ends = studies.groupby(["id", "folds", "side"], sort=False).agg(begins=("last", "min"), ends=("first", "max"))
    ends = ends.reset_index()
    pairs = ends.merge(ends, on=["id", "folds"], suffixes=("_1", "_2"))
    ordered = pairs[(pairs["side_1"] != pairs["side_2"]) & (pairs["begins_1"] < pairs["ends_2"])]
    columns = {"side_1": "earlier", "side_2": "later"}
    table = ordered.assign(days=ordered["ends_2"] - ordered["begins_1"]).rename(columns=columns)
    return table[["id", "folds", "earlier", "later", "days"]].reset_index(drop=True)


def _studies(cohort: Cohort, wanted: set[str], by_fold: bool) -> Iterator[pd.DataFrame]:
    if cohort.dates is None:
        return
    for column, folds in cohort.folds.items() if by_fold else [("", np.full(len(cohort.rows), cohort.name))]:
        kept = cohort.rows["person"].isin(wanted).to_numpy() & (folds != "") & ~np.isnan(cohort.dates[:, 0])
        days = cohort.dates[kept]
        yield pd.DataFrame(
            {
                "id": cohort.rows["person"].to_numpy()[kept],
                "folds": column,
                "side": folds[kept],
                "first": days[:, 0],
                "last": days[:, 1],
            }
        )


def read_days(cells: ArrayLike, *, name: str) -> Floats:
    """Return the earliest and the latest day that each cell may mean, (N, 2); NaN where it is empty.

    Args:
        cells: (N,) text: YYYY-MM-DD, YYYY-MM or YYYY; or numbers that grow with time, such as days or visits.
        name: the column, for messages.

    A cell that cannot be read is NaN too.

    Raises:
        DataError: no cell can be read.

    Example:
        >>> read_days(["1970-01-02", "1970-02", ""], name="study_date").tolist()
        [[1.0, 1.0], [31.0, 58.0], [nan, nan]]
        >>> read_days(["3", "12"], name="visit").tolist()
        [[3.0, 3.0], [12.0, 12.0]]
    """
    text = pd.Series(np.asarray(cells, dtype=object))
    filled = [cell for cell in text.unique() if cell]
    numbers = pd.to_numeric(pd.Series(filled, dtype=object), errors="coerce").to_numpy(dtype=np.float64)
    spans = [_span(cell) for cell in filled]
    if sum(span is not None for span in spans) < np.isfinite(numbers).sum():
        spans = [(float(number), float(number)) if np.isfinite(number) else None for number in numbers]
    unknown = (np.nan, np.nan)
    days = {cell: span or unknown for cell, span in zip(filled, spans, strict=True)}
    if filled and not any(spans):
        raise DataError(
            f"column '{name}' holds '{filled[0]}', not a date",
            "dates are YYYY-MM-DD, YYYY-MM or YYYY; or numbers that grow with time",
        )
    return np.array([days.get(cell, unknown) for cell in text], dtype=np.float64).reshape(-1, 2)


def _span(cell: str) -> tuple[float, float] | None:
    """Return the first and the last day that a date may mean; None where it is none."""
    match = _DATE.fullmatch(cell)
    if match is None:
        return None
    unit: Any = "D" if match[3] else "M" if match[2] else "Y"
    try:
        begin = np.datetime64(cell, unit)
    except ValueError:
        return None
    first, after = (moment.astype("datetime64[D]").astype(np.int64) for moment in (begin, begin + 1))
    return float(first), float(after - 1)


def _join(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    if not filled:
        return pd.DataFrame({name: pd.Series(dtype=bool if name == "crosses" else object) for name in _COLUMNS})
    return pd.concat(filled, ignore_index=True)


def crossing_pairs(first: Cohort, second: Cohort, rows: NDArray[np.int64]) -> Bools:
    """Return which pairs of images have development on one side and a test on the other, or two folds of one dataset.

    Args:
        first: the dataset of the first images.
        second: of the second ones; the same object for pairs within one dataset.
        rows: (M, 2) their rows.
    """
    if first is second:
        apart = np.zeros(len(rows), dtype=np.bool_)
        for folds in first.folds.values():
            sides = folds[rows[:, 0]], folds[rows[:, 1]]
            apart |= (sides[0] != sides[1]) & (sides[0] != "") & (sides[1] != "")
        return apart
    crosses = np.zeros(len(rows), dtype=np.bool_)
    for own, other in paired_columns(first, second):
        development, test = first.roles(own)
        other_development, other_test = second.roles(other)
        crosses |= development[rows[:, 0]] & other_test[rows[:, 1]]
        crosses |= test[rows[:, 0]] & other_development[rows[:, 1]]
    return crosses
