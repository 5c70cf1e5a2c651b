"""Scores of originals and of their edits, from predictions that anybody may have made.

A table has ``image_id`` and a ``logit.LABEL`` for each finding, or a ``probability.LABEL``, which is turned into its
log-odds; edits have ``source_image_id`` and ``edit`` too. Further columns of ``evaluate`` are used where they are
there: ``model_id`` and ``model`` tell models apart, ``person_id`` (else ``patient_id``) says whose image it is,
``target.LABEL`` what is in it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import logit as log_odds

from cxrshort import places, tables
from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.quantities import quantity
from cxrshort.stats.calibration import EDGE
from cxrshort.stats.percentiles import as_scores
from cxrshort.stats.predictions import LOGIT, TARGET, disambiguate

PREDICTIONS = "predictions.csv"
PARQUET = ".parquet"
TEXTS = ("model", "model_id", "image_id", "source_image_id", "edit", "person_id", "patient_id")
"""Columns of text, empty where a table does not have them; all others that are read are numbers."""
_NAMED = 3
"""Images that a message names."""
PROBABILITY = "probability."
_FORM = f"cxrshort evaluate writes one; a table of one's own needs image_id and {LOGIT}LABEL, or {PROBABILITY}LABEL"


@dataclass(frozen=True, slots=True, eq=False)
class ScoreRows:
    """Hold the scores of one or more models on some images.

    Args:
        name: as messages call it.
        rows: :data:`TEXTS`, and ``logit.LABEL`` and ``target.LABEL`` as numbers.
        path: the table; None where models were scored.
        notes: what must be known of its numbers.
    """

    name: str
    rows: pd.DataFrame
    path: Path | None = None
    notes: Sequence[str] = ()

    @property
    def models(self) -> dict[str, str]:
        """Return what each model is called by what tells it apart; several of one name are told apart."""
        pairs = self.rows[["model", "model_id"]].drop_duplicates()
        names = disambiguate(pairs["model"], pairs["model_id"])
        return dict(zip(_keys(pairs), names.astype(str), strict=True))

    def of_model(self, key: str) -> "ScoreRows":
        """Return the rows of one model; all of them where the table does not tell models apart."""
        if self.models.keys() == {""}:
            return self
        return ScoreRows(self.name, self.rows[_keys(self.rows) == key].reset_index(drop=True), self.path, self.notes)

    def where(self, rows: "pd.Series[bool]") -> "ScoreRows":
        """Return some of the rows."""
        return ScoreRows(self.name, self.rows[rows].reset_index(drop=True), self.path, self.notes)

    def labels(self) -> list[str]:
        """Return the labels that have a logit in some row."""
        names = [str(name) for name in self.rows if str(name).startswith(LOGIT)]
        return [name.removeprefix(LOGIT) for name in names if self.rows[name].notna().any()]

    def logits(self, labels: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Return the logits of some labels, (N, L), with the precision that tables keep of them."""
        return as_scores(self.rows[[LOGIT + label for label in labels]].to_numpy(dtype=np.float64))

    def targets(self, labels: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Return the truth of some labels, (N, L); NaN where it is not known."""
        empty = pd.Series(np.nan, self.rows.index)
        columns = [self.rows.get(TARGET + label, empty) for label in labels]
        return np.stack([column.to_numpy(dtype=np.float64) for column in columns], axis=1)


def _keys(rows: pd.DataFrame) -> "pd.Series[str]":
    """Return what tells models apart: the identity, else the name."""
    return rows["model_id"].where(rows["model_id"] != "", rows["model"])


def is_scores(name: str) -> bool:
    """Return whether a name is of a table of predictions, and not of a dataset.

    Args:
        name: a file, a folder of evaluate, or the name of a dataset.
    """
    path = Path(name)
    if places.exists(path) and path.is_dir():
        return places.exists(path / PREDICTIONS)
    if not places.exists(path) or path.suffix == PARQUET:
        return path.suffix == PARQUET and places.exists(path) and _has_logits(_parquet(path).columns)
    return _has_logits(tables.read_header(path, separator=tables.sniff_separator(path)))


def _has_logits(columns: Iterable[object]) -> bool:
    return any(str(name).startswith((LOGIT, PROBABILITY)) for name in columns)


def read_score_rows(table: str | Path) -> ScoreRows:
    """Read a table of predictions.

    Args:
        table: a CSV or Parquet file, or a folder of evaluate.

    Raises:
        MissingInputError: there is no such file.
        DataError: it is no table of predictions, a logit is no number, or a probability lies outside [0, 1].
    """
    path = Path(table)
    if not places.exists(path):
        raise MissingInputError(f"'{table}' does not exist", _FORM)
    if path.is_dir():
        if not places.exists(path / PREDICTIONS):
            raise MissingInputError(f"'{table}' holds no {PREDICTIONS}", _FORM)
        path = path / PREDICTIONS
    rows = _parquet(path) if path.suffix == PARQUET else _csv(path)
    if "image_id" not in rows or not _has_logits(rows.columns):
        raise DataError(f"{path.name} is no table of predictions: it has no columns image_id and {LOGIT}LABEL", _FORM)
    if rows.empty:
        raise DataError(f"{path.name}: the table is empty", _FORM)
    rows, notes = _from_probabilities(rows, path.name)
    scores = ScoreRows(path.name, tidy(rows, path.name), path, notes)
    values = scores.logits(scores.labels())
    if not notes and np.isfinite(values).any() and bool(((values >= 0) & (values <= 1))[np.isfinite(values)].all()):
        note = f"{path.name}: all logits are in [0, 1], like probabilities; if they are, call them {PROBABILITY}LABEL"
        return replace(scores, notes=[note])
    return scores


def _from_probabilities(rows: pd.DataFrame, name: str) -> tuple[pd.DataFrame, list[str]]:
    """Return a table whose probabilities are logits, and a note on them; a label that has both keeps its logit.

    Raises:
        DataError: one lies outside [0, 1].
    """
    columns = [str(column) for column in rows if str(column).startswith(PROBABILITY)]
    logits: dict[str, pd.Series[float]] = {}
    moved = 0
    for column in columns:
        values = _numbers(rows[column], name)
        wrong = values[(values < 0) | (values > 1)]
        if len(wrong):
            raise DataError(
                f"{name}: column '{column}' holds {quantity(len(wrong), 'value')} outside [0, 1], such as "
                f"'{wrong.iloc[0]:g}': no {'probability' if len(wrong) == 1 else 'probabilities'}",
                f"call the column {LOGIT}{column.removeprefix(PROBABILITY)} where it holds logits",
            )
        target = LOGIT + column.removeprefix(PROBABILITY)
        if target not in rows:
            moved += int(((values < EDGE) | (values > 1 - EDGE)).sum())
            logits[target] = pd.Series(log_odds(values.clip(EDGE, 1 - EDGE)), rows.index)
    if not logits:
        return rows, []
    note = f"{name}: probabilities of {quantity(len(logits), 'finding')} are taken as their log-odds"
    note += f", {moved:,} of them moved to {EDGE:g} from 0 or 1" if moved else ""
    return rows.drop(columns=columns).assign(**logits), [note]


def _csv(path: Path) -> pd.DataFrame:
    separator = tables.sniff_separator(path)
    wanted = [name for name in tables.read_header(path, separator=separator) if _is_wanted(name)]
    try:
        return pd.read_csv(path, sep=separator, usecols=wanted, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except ValueError as error:
        reason = str(error).strip().rpartition("C error: ")[2].partition("\n")[0].lower()
        raise DataError(f"{path.name}: not a table of comma-separated values ({reason})", "mend the file") from error


def _parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise UsageError(
            f"'{path}' needs the optional package pyarrow", "pip install 'cxrshort[parquet]', or use .csv"
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"'{path}' is not a Parquet table", "use .csv") from error


def _is_wanted(name: str) -> bool:
    return name in TEXTS or name.startswith((LOGIT, TARGET, PROBABILITY))


def tidy(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the columns of predictions that a stress test reads, texts as texts and numbers as numbers.

    Args:
        rows: of a table or of scored models.
        name: as messages call them.

    Raises:
        DataError: a logit or target is no number.
    """
    numbers = [str(column) for column in rows if str(column).startswith((LOGIT, TARGET))]
    texts: dict[str, object] = {
        column: rows[column].astype(object).where(rows[column].notna(), "").astype(str) if column in rows else ""
        for column in TEXTS
    }
    values = {column: _numbers(rows[column], name) for column in numbers}
    return pd.DataFrame({**texts, **values}, index=rows.index).reset_index(drop=True)


def _numbers(column: "pd.Series[str]", name: str) -> "pd.Series[float]":
    numbers = pd.to_numeric(column, errors="coerce").astype("float64")
    wrong = column[numbers.isna() & column.notna() & ~column.astype(str).isin(["", "nan", "NaN", "NA"])]
    if len(wrong):
        further = f", and {len(wrong) - 1} more like it" if len(wrong) > 1 else ""
        raise DataError(f"{name}: column '{column.name}' holds '{wrong.iloc[0]}', not a number{further}", "mend it")
    return numbers


def list_names(names: Sequence[str]) -> str:
    """Return the first names of many for a message.

    Example:
        >>> list_names(["a", "b", "c", "d"])
        "'a', 'b', 'c' and 1 more"
    """
    shown = ", ".join(f"'{name}'" for name in names[:_NAMED])
    return shown + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")
