"""How well a column of metadata alone predicts a label: the confounding of a dataset, measured on the spot.

A classifier can see the repository, the view, the sex or the scanner in a radiograph. Whatever these predict about a
label, it can learn instead of the disease.

What would invalidate these numbers:

- Many pairs. Where nothing is confounded, one pair of twenty still reads "weak" by chance.
- Missing cells. Images without the label or without the column are left out, and ``images`` says how many remain; a
  column that is known for one class only shows in the table of characteristics, not here.
- A label that one repository alone can express has no other class elsewhere; then nothing can be measured.

Two measures stand side by side. The AUC says how well the column ranks the label; it and its intervals are explained in
``association.py``. The utility is the share of the label's entropy that the column explains, 0 to 1, corrected for
chance whatever the number of categories (``mutual_information.py``). It is the first axis of ``stats attributes``.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrshort import columns as described
from cxrshort import registry
from cxrshort.stats.association import Association, category_auc, number_auc
from cxrshort.stats.auc import check_level
from cxrshort.stats.midranks import Floats, Integers, is_exact
from cxrshort.stats.mutual_information import Information, draw_one_row, label_information
from cxrshort.stats.named_draws import named_generator

UTILITY = (
    *("utility", "utility_low", "utility_high", "utility_error", "utility_p", "utility_smallest"),
    *("persons", "utility_reason"),
)
"""Columns of the table with the share of the label's entropy that a column explains, ordered as ``Information`` is."""
COLUMNS = ("repository", "view", "sex", "age_years", "manufacturer")
VERDICTS = ("worst-case confounded", "strong", "weak", "none shown", "not measurable")
"""The beginnings of all verdicts, worst first."""
WORST, STRONG, WEAK, NONE, UNKNOWN = VERDICTS
CONFOUNDING_HEADER = ("label", "predicted by", "AUC [interval]", "images", "verdict")

NUMBER_GROUPS = 5
"""Groups of equal size into which a number is cut where a category is needed."""
STRONG_AUC = 0.64
"""Cohen's medium effect (Statistical Power Analysis, 1988): d = 0.5, which is an AUC of 0.64."""


def confounding(
    manifest: pd.DataFrame,
    labels: Sequence[str],
    *,
    columns: Sequence[str] = COLUMNS,
    rng: np.random.Generator,
    level: float = 0.95,
) -> pd.DataFrame:
    """Measure how well each column of metadata alone predicts each label, worst first.

    The verdict on an AUC is

    - "worst-case confounded" where each repository holds images of one class only, and both classes are there
      (DeGrave et al. 2021, dataset I): a fact about the dataset, whatever its size;
    - "none shown" where the interval holds independence, with the smallest value that this many images would have
      shown with a chance of 80 %;
    - else "strong" from Cohen's medium effect on (0.64 and more, or 0.36 and less), and "weak" below, with a caution
      where few errors are expected of an AUC (see ``auc_limits.py``);
    - "not measurable", with the reason.

    Args:
        manifest: with ``person_id`` and the labels.
        labels: whose confounding to measure.
        columns: names of metadata; described ones that the manifest lacks are listed as not measurable.
        rng: draws the halves of the persons.
        level: coverage of the intervals, in (0, 1).

    Returns:
        A row per label and column: ``label, column, auc, low, high, images, verdict``, then ``utility, utility_low,
        utility_high, utility_error, utility_p, utility_smallest, persons, utility_reason`` (see
        :class:`~cxrshort.stats.mutual_information.Information`), of one image of each person.

    Raises:
        UsageError: an unknown label or column, a level outside (0, 1).

    Example:
        >>> manifest = pd.DataFrame(
        ...     {"person_id": list("abcdef"), "repository": list("xxxyyy"), "COVID-19": [0.0, 0, 0, 1, 1, 1]}
        ... )
        >>> table = confounding(manifest, ["COVID-19"], columns=["repository"], rng=np.random.default_rng(0))
        >>> table[["column", "auc", "verdict"]].values.tolist()
        [['repository', 1.0, 'worst-case confounded']]
    """
    check_level(level)
    persons = pd.factorize(manifest["person_id"])[0]
    values = {column: as_numbers(manifest, column) for column in columns}
    seed = int(rng.spawn(1)[0].integers(2**63))  # the halves are those that they would be without the utility
    measured: list[tuple[str, str, Association, str, Information]] = []
    for label in labels:
        registry.check_name(map(str, manifest.columns), label, kind="label")
        targets = manifest[label].to_numpy(dtype=np.float64, na_value=np.nan)
        for column in columns:
            worst = column == "repository" and _is_perfect(targets, values[column])
            association = _association(values[column], targets, persons=persons, rng=rng, level=level)
            tables = named_generator(seed, label, column)  # whatever other columns are asked for
            information = _information(values[column], targets, persons=persons, rng=tables, level=level)
            measured.append((label, column, association, WORST if worst else _verdict(association), information))
    measured.sort(key=lambda row: (_rank(row[3]), -row[2].strength))
    return _table(measured)


def _table(measured: Sequence[tuple[str, str, Association, str, Information]]) -> pd.DataFrame:
    """Return what was measured as a table."""
    rows = [
        (label, column, auc.value, auc.low, auc.high, auc.images, verdict, *astuple(information))
        for label, column, auc, verdict, information in measured
    ]
    numbers = ("auc", "low", "high", *UTILITY[:-2])
    names = ["label", "column", "auc", "low", "high", "images", "verdict", *UTILITY]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(numbers, np.float64))


def _rank(verdict: str) -> int:
    return next(rank for rank, beginning in enumerate(VERDICTS) if verdict.startswith(beginning))


@dataclass(frozen=True, slots=True, eq=False)
class ColumnValues:
    """Hold a column as numbers: its own, or one for each category; NaN where missing."""

    cells: Floats
    numeric: bool
    absent: bool = False

    @property
    def is_present(self) -> NDArray[np.bool_]:
        """Return which rows have a value, (N,)."""
        present: NDArray[np.bool_] = ~np.isnan(self.cells)
        return present

    def levels(self, rows: Integers) -> Integers:
        """Return the categories of some rows, or the fifth of their numbers in which each of them lies, from 0.

        Args:
            rows: positions of rows that have a value.
        """
        cells = self.cells[rows]
        if self.numeric and len(np.unique(cells)) > NUMBER_GROUPS:
            edges = np.quantile(cells, np.arange(1, NUMBER_GROUPS) / NUMBER_GROUPS)
            cells = np.searchsorted(edges, cells, side="right").astype(np.float64)
        numbers: Integers = np.unique(cells, return_inverse=True)[1].astype(np.int64)
        return numbers


def as_numbers(manifest: pd.DataFrame, column: str) -> ColumnValues:
    """Return a column of metadata as numbers, or as one number for each category.

    Raises:
        UsageError: the manifest has no such column, and no table describes it.
    """
    if column not in manifest:
        registry.check_name([*map(str, manifest.columns), *described.BY_NAME], column, kind="column")
        return ColumnValues(np.full(len(manifest), np.nan), numeric=False, absent=True)
    cells = manifest[column]
    if pd.api.types.is_numeric_dtype(cells):
        return ColumnValues(cells.to_numpy(dtype=np.float64, na_value=np.nan), numeric=True)
    codes = pd.factorize(cells.mask(cells == ""))[0]
    return ColumnValues(np.where(codes < 0, np.nan, codes.astype(np.float64)), numeric=False)


def _is_perfect(targets: Floats, repositories: ColumnValues) -> bool:
    used = is_exact(targets) & ~np.isnan(repositories.cells)
    classes = pd.Series(targets[used]).groupby(repositories.cells[used]).nunique()
    return len(np.unique(targets[used])) == 2 and bool((classes == 1).all())


def _association(
    values: ColumnValues, targets: Floats, *, persons: Integers, rng: np.random.Generator, level: float
) -> Association:
    if values.absent:
        return Association(None, None, None, 0, reason="the manifest has no such column")
    if values.numeric:
        return number_auc(targets, values.cells, clusters=persons, level=level)
    return category_auc(targets, values.cells, clusters=persons, rng=rng, level=level)


def _information(
    values: ColumnValues, targets: Floats, *, persons: Integers, rng: np.random.Generator, level: float
) -> Information:
    rows = draw_one_row(targets, is_exact(targets) & values.is_present, persons, rng=rng)
    if values.absent:
        return Information(None, reason="the manifest has no such column")
    return label_information(targets[rows], values.levels(rows), rng=rng, level=level)


def _verdict(association: Association) -> str:
    if association.value is None or association.low is None or association.high is None:
        return f"{UNKNOWN}: {association.reason}"
    if association.low <= 0.5 <= association.high:
        smallest = association.smallest or 1.0
        return f"{NONE} (would have shown AUC {smallest:.2f})" if smallest < 1 else f"{NONE} (too few images)"
    verdict = STRONG if association.strength >= 2 * STRONG_AUC - 1 else WEAK
    return f"{verdict} ({association.reason})" if association.reason else verdict


def confounding_rows(table: pd.DataFrame) -> list[list[str]]:
    """Return what :func:`confounding` could measure as cells of text, under :data:`CONFOUNDING_HEADER`.

    Example:
        >>> row = ("COVID-19", "view", 0.5, 0.45, 0.55, 1200, "none shown (would have shown AUC 0.57)")
        >>> names = ["label", "column", "auc", "low", "high", "images", "verdict"]
        >>> confounding_rows(pd.DataFrame([row], columns=names))
        [['COVID-19', 'view', '0.500 [0.450, 0.550]', '1,200', 'none shown (would have shown AUC 0.57)']]
    """
    return [
        [row["label"], row["column"], _interval(row), f"{row['images']:,}", row["verdict"]]
        for row in table.to_dict("records")
        if not row["verdict"].startswith(UNKNOWN)
    ]


def list_unmeasured(table: pd.DataFrame) -> str:
    """Return one line on the columns that could not be measured, with what all labels share as the reason; or "".

    Example:
        >>> row = ("COVID-19", "view", None, None, None, 0, "not measurable: only one category")
        >>> names = ["label", "column", "auc", "low", "high", "images", "verdict"]
        >>> list_unmeasured(pd.DataFrame([row], columns=names))
        'not measurable: view (only one category)'
    """
    labels = table["label"].nunique()
    unmeasured = table[table["verdict"].str.startswith(UNKNOWN)]
    parts = []
    for column, part in unmeasured.groupby("column", sort=False):
        reasons, count = part["verdict"].unique(), part["label"].nunique()
        if count == labels and len(reasons) == 1:
            parts.append(f"{column} ({str(reasons[0]).removeprefix(f'{UNKNOWN}: ')})")
        else:
            parts.append(f"{column} ({count} of {labels} labels)")
    where = "; reasons in confounding.csv" if any(part.endswith("labels)") for part in parts) else ""
    return f"{UNKNOWN}: {', '.join(parts)}{where}" if parts else ""


def _interval(row: Mapping[Hashable, Any]) -> str:
    if pd.isna(row["auc"]):
        return "none"
    limits = "no interval" if pd.isna(row["low"]) else f"{row['low']:.3f}, {row['high']:.3f}"
    return f"{row['auc']:.3f} [{limits}]"
