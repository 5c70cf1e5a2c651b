"""Two methods on the same images: the columns of one table, two of its trainings, or two tables.

What would invalidate a comparison is refused here: images that only one method has scored, targets that differ between
two tables, more methods than two without a choice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort.errors import DataError, UsageError
from cxrshort.quantities import quantity
from cxrshort.stats.comparisons import align_images
from cxrshort.stats.midranks import Floats, Integers
from cxrshort.stats.predictions import LOGIT, TARGET
from cxrshort.verbs.stats.scores import Scores, ScoreTable, check_group_count, read_scores
from cxrshort.verbs.stats.source import Source, open_source, open_sources
from cxrshort.verbs.stats.trainings import (
    choose_training,
    choose_two,
    list_trainings,
    parts_at_level,
    parts_of_training,
    pool_seeds,
)

IMAGE = "image_id"
Run = tuple[int, int]
"""Replicate and number of the seed: several models of one training and replicate differ in their seeds."""


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Hold the scores of two models on the same images, row by row.

    Args:
        facts: label, and of predictions the test set and the replicate.
        targets: (N,) 0 or 1; of predictions also soft values between them.
        before: (N,) scores of the first model.
        after: (N,) scores of the second model.
        persons: (N,) numbers of persons; None where every row is a person of its own.
        columns: (N, ...) further columns of text.
    """

    facts: Mapping[str, Any]
    targets: Floats
    before: Floats
    after: Floats
    persons: Integers | None
    columns: pd.DataFrame

    def by(self, column: str | None) -> list[tuple[str, "Pair"]]:
        """Return the rows of each value of a column, in the order of the values; all rows where there is no column."""
        if column is None:
            return [("", self)]
        values = self.columns[column]
        return [(value or "(empty)", self.take((values == value).to_numpy())) for value in sorted(set(values))]

    def take(self, rows: Any) -> "Pair":
        """Return some of the rows."""
        persons = None if self.persons is None else self.persons[rows]
        return Pair(
            self.facts, self.targets[rows], self.before[rows], self.after[rows], persons, self.columns.iloc[rows]
        )


@dataclass(frozen=True, slots=True, eq=False)
class Contest:
    """Hold two methods on one test set, for one label.

    Args:
        facts: label, and of predictions the test set.
        before: the first method's scores by replicate and seed.
        after: the second method's scores by replicate and seed.
        pairs: a pair for each replicate and seed that both have.
    """

    facts: Mapping[str, Any]
    before: Mapping[Run, Scores]
    after: Mapping[Run, Scores]
    pairs: Sequence[Pair]


@dataclass(frozen=True, slots=True, eq=False)
class PairTable:
    """Hold everything that is read of two methods.

    Args:
        sources: the table or tables.
        names: what the first and the second method are called.
        contests: one for each label and test set.
        notes: what was left out and what was taken for granted.
        predictions: whether the tables are predictions, which tell their methods and test sets apart.
    """

    sources: tuple[Source, ...]
    names: tuple[str, str]
    contests: list[Contest]
    notes: list[str]
    predictions: bool


def read_pairs(
    table: str | Path,
    second: str | Path | None = None,
    *,
    target: str | None = None,
    score: str | None = None,
    before: str | None = None,
    after: str | None = None,
    image: str | None = None,
    person: str | None = None,
    label: str | None = None,
    by: str | None = None,
) -> PairTable:
    """Read two methods that are to be compared.

    Args:
        table: predictions, any CSV or Parquet table, or ``-`` for standard input.
        second: another table of the same images; None where one table holds both methods.
        target: the column of targets; None for the labels of predictions.
        score: the column of scores in both of two tables.
        before: the first method: a training of predictions, or a column of scores where one table has a target.
        after: the second method, likewise.
        image: the column by which the rows of two tables are joined; None for ``image_id``.
        person: the column that says whose image a row is; None for ``person_id``, if there is one.
        label: one label of predictions; None for all.
        by: a column of subgroups.

    Raises:
        DataError: a table breaks a rule, images or targets differ, or it is not clear which methods are meant.
        UsageError: options that exclude each other.
    """
    columns = [] if by is None else [by]
    if second is None and target is not None:
        return _two_columns(
            table, target, score=score, before=before, after=after, person=person, label=label, columns=columns
        )
    sources = open_sources(table, second)
    if target is None:
        _check_predictions(sources)
    joined = [*columns, image or IMAGE]
    options: dict[str, Any] = {"target": target, "score": score, "person": person, "label": label, "columns": joined}
    tables = [read_scores(source, **options) for source in sources]
    if len({part.predictions for part in tables}) > 1:
        raise DataError(f"{sources[0].name} and {sources[1].name}: one alone is a table of predictions", "give two")
    if by is not None:
        check_group_count(len({value for part in tables[0].parts for value in part.columns[by]}), by, sources[0].name)
    names, sides = _sides(tables, sources, before=before, after=after)
    contests, notes = _contests(*sides, names=names, image=image or IMAGE)
    if not contests:
        raise DataError(
            f"no label and test set has both '{names[0]}' and '{names[1]}'", "evaluate both methods on one dataset"
        )
    noted = list(dict.fromkeys(note for part in tables for note in part.notes))
    return PairTable(tuple(sources), names, contests, [*noted, *notes], tables[0].predictions)


def _check_predictions(sources: Sequence[Source]) -> None:
    """Refuse tables without labels where no columns are named."""
    for source in sources:
        if not any(name.startswith(LOGIT) for name in source.columns):
            wanted = "--target and --score name" if len(sources) > 1 else "--target, --before and --after name"
            raise DataError(
                f"{source.name} is no table of predictions: it has no columns '{TARGET}LABEL' and '{LOGIT}LABEL'",
                f"{wanted} its columns: {source.list_columns()}",
            )


def _two_columns(
    table: str | Path,
    target: str,
    *,
    score: str | None,
    before: str | None,
    after: str | None,
    person: str | None,
    label: str | None,
    columns: Sequence[str],
) -> PairTable:
    """Return two columns of scores of one table; rows that lack one of them are left out."""
    if score is not None:
        raise UsageError("--score names the scores of two tables", "--before and --after name two columns of one table")
    if before is None or after is None:
        raise UsageError(
            "a comparison needs two columns of scores", "--target COLUMN --before COLUMN --after COLUMN, or two tables"
        )
    source = open_source(table)
    source.check(target, before, after)
    options: dict[str, Any] = {"target": target, "person": person, "label": label, "columns": columns}
    tables = [read_scores(source, score=name, **options) for name in (before, after)]
    for column in columns:
        check_group_count(len(set(tables[0].parts[0].columns[column])), column, source.name)
    # A plain table with the columns of predictions may hold several models: their rows are told apart.
    facts = {"label": target}
    first, last = (_stack(part.parts) for part in tables)
    pair = _align(facts, first, last, image=None)
    if not len(pair.targets):
        raise DataError(f"{source.name}: no row has a target and both scores", "name columns that are filled")
    notes = list(dict.fromkeys(note for part in tables for note in part.notes))
    return PairTable(
        (source,), (before, after), [Contest(facts, {(0, 0): first}, {(0, 0): last}, [pair])], notes, False
    )


def _stack(parts: Sequence[Scores]) -> Scores:
    """Return all rows of parts as one, in the order of the table."""
    if len(parts) == 1:
        return parts[0]
    whole = Scores(
        parts[0].facts,
        np.concatenate([part.targets for part in parts]),
        np.concatenate([part.scores for part in parts]),
        None
        if parts[0].persons is None
        else np.concatenate([part.persons for part in parts if part.persons is not None]),
        pd.concat([part.columns for part in parts]),
    )
    return whole.take(np.argsort(whole.columns.index, kind="stable"))


def _sides(
    tables: Sequence[ScoreTable], sources: Sequence[Source], *, before: str | None, after: str | None
) -> tuple[tuple[str, str], list[list[Scores]]]:
    """Return what the two methods are called, and the parts of each."""
    if not tables[0].predictions:
        if before is not None or after is not None:
            raise UsageError(
                "--before and --after name trainings of predictions, or columns of one table", "leave them out"
            )
        if len(tables) == 1:
            raise UsageError(
                f"{sources[0].name} is one table without trainings: a comparison needs two methods",
                "--target COLUMN --before COLUMN --after COLUMN, or a second table",
            )
        return _names_of_tables(sources), [table.parts for table in tables]
    pooled = [pool_seeds(table.parts) for table in tables]
    if len(tables) == 1:
        parts = parts_at_level(before, after, pooled[0], tables[0].parts)
        names = choose_two(list_trainings(parts), before, after, sources[0].name)
        return names, [parts_of_training(parts, name) for name in names]
    levels = [
        parts_at_level(name, None, parts, table.parts)
        for name, parts, table in zip((before, after), pooled, tables, strict=True)
    ]
    wanted = [
        choose_training(list_trainings(parts), name, option, source.name)
        for parts, name, option, source in zip(levels, (before, after), ("--before", "--after"), sources, strict=True)
    ]
    sides = [parts_of_training(parts, name) for parts, name in zip(levels, wanted, strict=True)]
    if wanted[0] == wanted[1]:
        wanted = [f"{name} ({place})" for name, place in zip(wanted, _names_of_tables(sources), strict=True)]
    return (wanted[0], wanted[1]), sides


def _names_of_tables(sources: Sequence[Source]) -> tuple[str, str]:
    first, second = (source.name.rpartition(".")[0] or source.name for source in sources)
    if first == second:
        first, second = (str(source.path.parent if source.path else source.name) for source in sources)
    return first, second


def _contests(
    first: Sequence[Scores], second: Sequence[Scores], *, names: tuple[str, str], image: str
) -> tuple[list[Contest], list[str]]:
    """Return the test sets that both methods have, and what one alone has."""
    cells: list[dict[Any, dict[Run, Scores]]] = [{}, {}]
    for side, parts in zip(cells, (first, second), strict=True):
        for part in parts:
            key = part.facts["label"], part.facts.get("dataset_id", "")
            side.setdefault(key, {})[part.facts.get("replicate", 0), part.facts.get("seed", 0)] = part
    contests, notes = [], []
    for key in cells[0]:
        if key not in cells[1]:
            continue
        before, after = cells[0][key], cells[1][key]
        facts = {name: value for name, value in next(iter(before.values())).facts.items() if name in _SHARED}
        matches = [(run, run) for run in before if run in after]
        if not matches and len(before) == len(after) == 1:
            matches = [(next(iter(before)), next(iter(after)))]
        pairs = [
            _align(_with_run(facts, before[own]), before[own], after[other], image=image) for own, other in matches
        ]
        contests.append(Contest(facts, before, after, pairs))
        if lonely := sorted((set(before) ^ set(after)) - {run for match in matches for run in match}):
            count = quantity(len(lonely), "run of one method alone is", "runs of one method alone are")
            notes.append(f"{_name(facts)}: {count} not paired: {_run_names(lonely)}")
    for name, own, other in ((names[0], *cells), (names[1], *reversed(cells))):
        if left_out := [key for key in own if key not in other]:
            notes.append(f"{len(left_out)} labels and test sets of '{name}' alone are left out")
    return contests, notes


_SHARED = ("label", "dataset", "dataset_id", "role")


def _with_run(facts: Mapping[str, Any], part: Scores) -> dict[str, Any]:
    return {**facts, **{name: part.facts[name] for name in ("replicate", "seed") if name in part.facts}}


def _run_names(runs: Sequence[Run]) -> str:
    has_seeds = any(seed for _, seed in runs)
    return ", ".join(f"replicate {run[0]}" + (f" seed {run[1]}" if has_seeds else "") for run in runs)


def _name(facts: Mapping[str, Any]) -> str:
    return " on ".join(filter(None, [str(facts["label"]), str(facts.get("dataset", ""))]))


def _align(facts: Mapping[str, Any], before: Scores, after: Scores, *, image: str | None) -> Pair:
    """Return two scores of each image, joined by image, or by row where both are of one table."""
    if image is None:
        rows = before.columns.index.intersection(after.columns.index)
        before = before.take(before.columns.index.get_indexer(rows))
        after = after.take(after.columns.index.get_indexer(rows))
    else:
        try:
            after = after.take(align_images(before.columns[image], after.columns[image]))
        except DataError as error:
            raise DataError(f"{_name(facts)}: {error.message}", error.hint) from error
    if differing := int((before.targets != after.targets).sum()):
        raise DataError(
            f"{_name(facts)}: {differing:,} of {len(before.targets):,} images have different targets in the two tables",
            "compare scores of one truth",
        )
    return Pair(facts, before.targets, before.scores, after.scores, before.persons, before.columns)


def same_images(pairs: Sequence[Pair], image: str) -> list[Pair] | None:
    """Return pairs with their rows in one order where all are of the same images; else None.

    Args:
        pairs: of one label and test set.
        image: the column of images.
    """
    if len(pairs) < 2:
        return list(pairs)
    first = pairs[0].columns[image]
    images = set(first)
    if any(len(pair.targets) != len(first) or set(pair.columns[image]) != images for pair in pairs[1:]):
        return None
    return [pairs[0], *(pair.take(align_images(first, pair.columns[image])) for pair in pairs[1:])]
