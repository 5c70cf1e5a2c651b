"""Confusion matrices of a table: of scores at a threshold, of a column of decisions, or written down already.

What would invalidate a matrix is refused or counted here: a matrix whose rows and columns are of other classes, rows
without a target or a decision, decisions of several models in one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.confusion import confusion_matrix
from cxrshort.stats.midranks import Floats, count_distinct, is_exact
from cxrshort.verbs.stats.probabilities import scale_notes, score_scale
from cxrshort.verbs.stats.scores import PERSON, check_group_count, check_groups, number_column, read_scores
from cxrshort.verbs.stats.source import Source, open_source

BINARY = ("0", "1")
MOST_CLASSES = 50
"""Classes of a matrix; a column of more is one of numbers or names."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassCounts:
    """Hold one confusion matrix.

    Args:
        facts: of predictions label, training, dataset, role and replicate; the group where there are groups.
        classes: names, K.
        counts: (K, K) images by true class (rows) and decision (columns).
        persons: how many the images are of; None where that is not known.
    """

    facts: Mapping[str, Any]
    classes: tuple[str, ...]
    counts: Floats
    persons: int | None

    @property
    def images(self) -> int:
        """Return how many images are counted."""
        return int(self.counts.sum())

    @property
    def sizes(self) -> list[int]:
        """Return how many images each class has."""
        return [int(size) for size in self.counts.sum(axis=1)]


@dataclass(frozen=True, slots=True, eq=False)
class DecisionTable:
    """Hold the confusion matrices of a table.

    Args:
        source: the table.
        cases: one for each label, model, test set and group.
        notes: what was left out and what was taken for granted.
    """

    source: Source
    cases: list[ClassCounts]
    notes: list[str]


def read_scored_decisions(
    table: str | Path,
    *,
    target: str | None,
    score: str | None,
    logits: bool,
    threshold: float,
    person: str | None,
    label: str | None,
    by: str | None,
) -> DecisionTable:
    """Read scores, and count who is positive from a threshold on.

    Args:
        table: as :func:`~cxrshort.verbs.stats.scores.read_scores` takes it.
        target: likewise.
        score: likewise; probabilities, or logits.
        logits: ``score`` holds logits.
        threshold: a probability.
        person: as for ``table``.
        label: likewise.
        by: a column of groups.

    Raises:
        DataError: the table breaks a rule, scores are no probabilities, or a matrix has one class alone.
        UsageError: options that exclude each other, or a threshold outside (0, 1).
    """
    if not 0 < threshold < 1:
        raise UsageError(f"threshold '{threshold:g}' is not between 0 and 1", "it is a probability, try 0.5")
    columns = [] if by is None else [by]
    scores = read_scores(table, target=target, score=score, person=person, label=label, columns=columns)
    check_groups(scores, by)
    scale = score_scale(scores, score, logits=logits)
    cut = scale.score(threshold)
    cases, left_out = [], []
    for whole in scores.parts:
        for group, part in whole.by(by):
            exact = is_exact(part.targets)
            if not exact.any():
                names = (part.facts["label"], part.facts.get("dataset"), group)
                left_out.append(", ".join(filter(None, names)))
                continue
            decided = (part.scores >= cut).astype(np.float64)
            counts = confusion_matrix(part.targets[exact], decided[exact], classes=2)
            persons = None if part.persons is None else count_distinct(part.persons[exact])
            cases.append(ClassCounts({**part.facts, **_group(group)}, BINARY, counts, persons))
    _check_classes(cases, scores.source.name)
    soft = sum(int((~is_exact(part.targets)).sum()) for part in scores.parts)
    notes = [*scores.notes, *scale_notes(scores, score, logits=logits)]
    notes += [f"soft targets, between 0 and 1, are left out: {soft:,}"] if soft else []
    notes += [f"no target is 0 or 1, so that there is no matrix: {'; '.join(left_out)}"] if left_out else []
    return DecisionTable(scores.source, cases, notes)


def read_decisions(
    table: str | Path, *, target: str | None, decision: str, person: str | None, by: str | None
) -> DecisionTable:
    """Read two columns of classes, and count them.

    Args:
        table: any CSV or Parquet table, or ``-`` for standard input.
        target: the column of true classes.
        decision: the column of decided classes.
        person: the column that says whose image a row is; None for ``person_id``, if there is one.
        by: a column of groups.

    Raises:
        DataError: no such column, no row with both, one class alone, or too many classes.
        UsageError: no target, or one column for both.
    """
    if target is None:
        raise UsageError("--target is missing: --target and --decision name two columns", "--target COLUMN")
    if target == decision:
        raise UsageError(
            f"--target and --decision both name '{target}'", "name a column of true classes and one of decided ones"
        )
    source = open_source(table)
    source.check(*filter(None, (target, decision, person, by)))
    person = person or (PERSON if PERSON in source.columns else None)
    rows = source.read(texts=list(filter(None, (target, decision, person, by))))
    rows[[target, decision]] = rows[[target, decision]].apply(lambda column: column.map(_class_name))
    filled = (rows[target] != "") & (rows[decision] != "")
    if not filled.any():
        raise DataError(f"{source.name}: no row has both a target and a decision", "name columns that are filled")
    notes = (
        [f"rows without a class are left out: {int((~filled).sum()):,} of {len(rows):,}"] if not filled.all() else []
    )
    rows = rows[filled]
    classes = tuple(sorted({*rows[target], *rows[decision]}, key=_order))
    if len(classes) > MOST_CLASSES:
        raise DataError(
            f"{source.name}: columns '{target}' and '{decision}' hold {len(classes):,} classes, and at most "
            f"{MOST_CLASSES} are counted",
            "--score names a column of scores",
        )
    codes = {name: number for number, name in enumerate(classes)}
    cases = []
    for group, part in _groups(rows, by, source.name):
        truth, decided = ([codes[name] for name in part[column]] for column in (target, decision))
        counts = confusion_matrix(truth, decided, classes=len(classes))
        persons = None if person is None else count_distinct(number_column(part, person, source.name))
        cases.append(ClassCounts(_group(group), classes, counts, persons))
    _check_classes(cases, source.name)
    return DecisionTable(source, cases, [*notes, *_person_notes(person)])


def read_matrix(table: str | Path) -> DecisionTable:
    """Read a confusion matrix: a row for each true class, its name first, then the images of each decision.

    Args:
        table: a CSV or Parquet table, or ``-`` for standard input.

    Raises:
        DataError: rows and columns are of other classes, a count is no whole number, or there are no images.
    """
    source = open_source(table)
    first, *classes = source.columns
    if len(classes) < 2:
        raise DataError(
            f"{source.name}: a confusion matrix has a column of true classes and two or more of decisions",
            f"its columns are: {source.list_columns()}",
        )
    rows = source.read(numbers=classes, texts=[first])
    names = [name.strip() for name in rows[first]]
    if sorted(names) != sorted(name.strip() for name in classes):
        raise DataError(
            f"{source.name}: the rows are of {_listed(names)} and the columns of {_listed(classes)}: a confusion "
            "matrix has the same classes in both",
            "rows are true classes, columns decisions",
        )
    order = [names.index(name.strip()) for name in classes]
    counts = rows[classes].to_numpy(np.float64)[order]
    case = ClassCounts({}, tuple(name.strip() for name in classes), counts, None)
    if not np.isfinite(counts).all() or (counts < 0).any() or (counts != np.floor(counts)).any():
        raise DataError(
            f"{source.name}: numbers that are no counts: each must be whole and not negative", "count images"
        )
    _check_classes([case], source.name)
    return DecisionTable(source, [case], _person_notes(None))


def _person_notes(person: str | None) -> list[str]:
    return [] if person else ["every image counts as of a person of its own"]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:6])


def _class_name(value: str) -> str:
    """Return a class as people write it: 1.0 of a column with gaps is 1."""
    text = value.strip()
    return text[:-2] if text.endswith(".0") and text[:-2].lstrip("-").isdigit() else text


def _order(name: str) -> tuple[bool, float, str]:
    """Return what sorts classes: numbers by size, then names."""
    is_number = name.lstrip("-").isdigit()
    return not is_number, float(name) if is_number else 0.0, name


def _group(group: str) -> dict[str, str]:
    return {"group": group} if group else {}


def _groups(rows: pd.DataFrame, by: str | None, table: str) -> Iterator[tuple[str, pd.DataFrame]]:
    if by is None:
        yield "", rows
        return
    groups = [(str(value) or "(empty)", part) for value, part in rows.groupby(by, sort=True)]
    check_group_count(len(groups), by, table)
    yield from groups


def _check_classes(cases: Sequence[ClassCounts], table: str) -> None:
    """Refuse matrices all of which have images of one true class alone.

    Raises:
        DataError: no matrix has two true classes.
    """
    present = [[name for name, size in zip(case.classes, case.sizes, strict=True) if size] for case in cases]
    if all(len(names) < 2 for names in present):
        only = ", ".join(dict.fromkeys(f"'{name}'" for names in present for name in names)) or "none"
        raise DataError(
            f"{table}: targets of one class alone ({only})", "a confusion matrix needs images of two classes"
        )
