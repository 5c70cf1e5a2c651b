"""Targets and scores of a table, cut into what may be computed at once: one model on one test set, for one label.

What would invalidate a number is refused or counted here: rows of several models pooled into one AUC, targets that are
neither 0 nor 1, images that stand twice, rows without a target or a score.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort import registry
from cxrshort.errors import DataError, UsageError
from cxrshort.stats.midranks import Sample, number_persons
from cxrshort.stats.predictions import KEY, LOGIT, TARGET, disambiguate_names
from cxrshort.verbs.stats.source import Source, open_source

PERSON = "person_id"
MOST_GROUPS = 50
"""Values of a column that is grouped by; a column of more is one of numbers or names."""
_OF_PREDICTIONS = ("model", "model_id", *KEY, "replicate", "image_id", PERSON)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Hold one model's scores on one test set for one label; rows without a target or a score are left out.

    Args:
        facts: label, and of predictions training, dataset, role and replicate.
        targets: (N,) 0 or 1; of predictions also soft values between them, which no AUC counts.
        scores: (N,) finite or infinite.
        persons: (N,) numbers of persons; None where every row is a person of its own.
        columns: (N, ...) further columns of text.
    """

    facts: Mapping[str, Any]
    targets: np.ndarray[Any, np.dtype[np.float64]]
    scores: np.ndarray[Any, np.dtype[np.float64]]
    persons: np.ndarray[Any, np.dtype[np.int64]] | None
    columns: pd.DataFrame

    @property
    def sample(self) -> Sample:
        """Return what statistics take."""
        return Sample(self.targets, self.scores, self.persons)

    def take(self, rows: Any) -> "Scores":
        """Return some of the rows."""
        persons = None if self.persons is None else self.persons[rows]
        return Scores(self.facts, self.targets[rows], self.scores[rows], persons, self.columns.iloc[rows])

    def by(self, column: str | None) -> Iterator[tuple[str, "Scores"]]:
        """Yield the rows of each value of a column, in the order of the values; all rows where there is no column."""
        if column is None:
            yield "", self
            return
        values = self.columns[column]
        for value in sorted(set(values)):
            yield value or "(empty)", self.take((values == value).to_numpy())


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTable:
    """Hold everything that is read from a table of scores.

    Args:
        source: the table.
        parts: one for each label, model and test set.
        notes: what was left out and what was taken for granted.
        predictions: whether it is a table of predictions, which tells its models and test sets apart.
    """

    source: Source
    parts: list[Scores]
    notes: list[str]
    predictions: bool


def read_scores(
    table: str | Path | Source,
    *,
    target: str | None,
    score: str | None,
    person: str | None,
    label: str | None,
    columns: Sequence[str] = (),
    optional: Sequence[str] = (),
) -> ScoreTable:
    """Read targets, scores and persons.

    Args:
        table: as :func:`~cxrshort.verbs.stats.source.open_source` takes it, or what that has returned.
        target: its column; None for the labels of a table of predictions.
        score: likewise.
        person: the column of persons; None for ``person_id``, if there is one.
        label: the label of a table of predictions; None for all.
        columns: further columns to be read, as text.
        optional: likewise, where the table has them.

    Raises:
        DataError: no such column or label, a target that is neither 0 nor 1, an image twice, nothing left.
        UsageError: a target without a score, or with a label.
    """
    if (target is None) != (score is None):
        missing = "--score" if score is None else "--target"
        raise UsageError(f"{missing} is missing: --target and --score name two columns", f"{missing} COLUMN")
    if target is not None and label is not None:
        raise UsageError("--label names a label of predictions, --target and --score name columns", "give one of them")
    source = table if isinstance(table, Source) else open_source(table)
    named = [name for name in (target, score, person, *columns) if name is not None]
    source.check(*named)
    columns = [*columns, *(name for name in optional if name in source.columns and name not in columns)]
    predictions = set(_OF_PREDICTIONS) <= set(source.columns)
    labels = {score: (target, score)} if target is not None and score is not None else _labels(source, label)
    person = person or (PERSON if PERSON in source.columns else None)
    texts = [*(_OF_PREDICTIONS if predictions else ()), *columns, *([person] if person else [])]
    rows = source.read(numbers=[name for pair in labels.values() for name in pair], texts=list(dict.fromkeys(texts)))
    tests = list(_tests(rows, source.name)) if predictions else [({}, np.arange(len(rows)))]
    # Numbered once: to look through the names again for every label and statistic takes longer than the statistics.
    numbers = None if person is None else number_column(rows, person, source.name)
    left_out: dict[str, dict[str, int]] = {"target": {}, "score": {}}
    parts = []
    for name, pair in labels.items():
        clean = _clean(rows, pair, source.name, soft=predictions and target is None)
        for kind, count in clean[2].items():
            left_out[kind] |= {name: count} if count else {}
        for facts, places in tests:
            kept = places[clean[1][places]]
            persons = None if numbers is None else numbers[kept]
            if len(kept):
                values = clean[0][kept], rows[pair[1]].to_numpy()[kept]
                parts.append(Scores({"label": name, **facts}, *values, persons, rows[list(columns)].iloc[kept]))
    if not parts:
        raise DataError(f"{source.name}: no row has both a target and a score", "name columns that are filled")
    assumed = person is not None and person not in named and not predictions
    return ScoreTable(source, parts, _notes(left_out, len(rows), person, assumed=assumed), predictions)


def number_column(rows: pd.DataFrame, person: str, table: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Number the persons of a table.

    Args:
        rows: with the column of persons, as text.
        person: its name.
        table: as messages call it.

    Raises:
        DataError: a row names nobody.
    """
    try:
        return number_persons(rows[person], len(rows))
    except DataError as error:
        raise DataError(f"{table}: {error.message}", f"fill the column '{person}'") from error


def _labels(source: Source, label: str | None) -> dict[str, tuple[str, str]]:
    """Return the columns of target and logit of each label of a table of predictions."""
    names = [name.removeprefix(LOGIT) for name in source.columns if name.startswith(LOGIT)]
    names = [name for name in names if TARGET + name in source.columns]
    if not names:
        raise DataError(
            f"{source.name} is no table of predictions: it has no columns '{TARGET}LABEL' and '{LOGIT}LABEL'",
            f"name two of its columns by --target and --score: {source.list_columns()}",
        )
    if label is not None and label not in names:
        hint = registry.propose_name(names, label, otherwise=f"one of: {', '.join(names)}")
        raise DataError(f"{source.name}: there is no label '{label}'", hint)
    return {name: (TARGET + name, LOGIT + name) for name in names if label in (None, name)}


def _clean(
    rows: pd.DataFrame, pair: tuple[str, str], table: str, *, soft: bool
) -> tuple[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.bool_]], dict[str, int]]:
    """Return the targets of a label, which rows have target and score, and how many have not.

    Raises:
        DataError: a target is neither 0 nor 1; where soft ones are allowed, outside [0, 1].
    """
    targets, scores = (rows[name].to_numpy() for name in pair)
    empty, without = np.isnan(targets), np.isnan(scores)
    allowed = (targets >= 0) & (targets <= 1) if soft else (targets == 0) | (targets == 1)
    wrong = targets[~allowed & ~empty]
    if len(wrong):
        raise DataError(
            f"{table}: column '{pair[0]}' holds {len(wrong)} targets that are neither 0 nor 1, such as '{wrong[0]:g}'",
            "code the targets as 0 and 1",
        )
    return targets, ~(empty | without), {"target": int(empty.sum()), "score": int((without & ~empty).sum())}


def _tests(rows: pd.DataFrame, table: str) -> Iterator[tuple[dict[str, Any], np.ndarray[Any, np.dtype[np.int64]]]]:
    """Yield what each model and test set of a table of predictions is called, and where its rows stand.

    Raises:
        DataError: an image stands twice in one of them, or a replicate is no number.
    """
    named = disambiguate_names(rows[list(_OF_PREDICTIONS)])
    groups: Mapping[Any, Any] = named.groupby([*KEY, "replicate"], sort=False).indices
    for key, places in groups.items():
        facts = dict(zip([*KEY, "replicate"], key, strict=True))
        images = named["image_id"].iloc[places]
        twice = images[images.duplicated()]
        if len(twice):
            raise DataError(
                f"{table}: '{twice.iloc[0]}' stands twice for one model and dataset", "evaluate each dataset once"
            )
        try:
            facts["replicate"] = int(float(facts["replicate"] or 0))
        except ValueError as error:
            raise DataError(f"{table}: replicate '{facts['replicate']}' is not a number", "evaluate again") from error
        yield facts, places


def _notes(left_out: Mapping[str, Mapping[str, int]], rows: int, person: str | None, *, assumed: bool) -> list[str]:
    notes = []
    for kind, counts in left_out.items():
        if counts:
            listed = ", ".join(f"{label} {count:,}" for label, count in counts.items())
            notes.append(f"rows without a {kind} are left out, of {rows:,}: {listed}")
    if person is None:
        notes.append("every row counts as a person of its own; --person COLUMN says which rows are of one person")
    elif assumed:
        notes.append(f"rows of one person: those with the same '{person}'")
    return notes


def check_groups(table: ScoreTable, column: str | None) -> None:
    """Refuse a column of too many values to group by.

    Raises:
        DataError: it has more than `MOST_GROUPS`.
    """
    if column is None:
        return
    values = {value for part in table.parts for value in set(part.columns[column])}
    check_group_count(len(values), column, table.source.name)


def check_group_count(count: int, column: str, table: str) -> None:
    """Refuse more values of a column than are grouped by.

    Raises:
        DataError: there are more than `MOST_GROUPS`.
    """
    if count > MOST_GROUPS:
        raise DataError(
            f"{table}: column '{column}' has {count:,} values, and --by takes at most {MOST_GROUPS}",
            "group its values in a column of their own",
        )
