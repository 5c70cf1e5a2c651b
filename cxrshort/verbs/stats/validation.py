"""A second table, of validation images: what a threshold is chosen on, or a recalibration fitted.

What would invalidate the result is refused here: images or persons of the tested table among the validation images,
rows of a test fold, and rows of another model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.predictions import INTERNAL
from cxrshort.verbs.stats.probabilities import ScoreScale, score_scale
from cxrshort.verbs.stats.scores import PERSON, Scores, ScoreTable, check_groups, read_scores
from cxrshort.verbs.stats.source import STDIN

IMAGE = "image_id"
_SPLIT = "split"
_MATCHED = ("label", "training_id", "replicate")
_HINT = "evaluate --split val writes predictions of the validation fold"


@dataclass(frozen=True, slots=True, eq=False)
class Validation:
    """Hold validation rows.

    Args:
        table: as it was read.
        parts: the validation rows of each part of the tested table, in its order.
        notes: what was left out, and what could not be checked.
    """

    table: ScoreTable
    parts: list[Scores]
    notes: list[str]


def identity_columns(person: str | None) -> list[str]:
    """Return the columns by which the tested table must be told from the validation table, where it has them."""
    return [IMAGE, person or PERSON]


def read_validation(
    path: str | Path,
    tested: ScoreTable,
    *,
    option: str,
    target: str | None,
    score: str | None,
    person: str | None,
    label: str | None,
) -> Validation:
    """Read validation rows and match them to the parts of the tested table.

    Args:
        path: the table, as :func:`~cxrshort.verbs.stats.scores.read_scores` takes it.
        tested: read with the columns of :func:`identity_columns`.
        option: that named the table, for messages.
        target: as for the tested table.
        score: likewise.
        person: likewise.
        label: likewise.

    Raises:
        DataError: the table breaks a rule, lacks a model, or shares images or persons with the tested one.
        UsageError: both tables are the same file, or standard input.
    """
    if str(path) == STDIN and tested.source.path is None:
        raise UsageError(f"standard input cannot be both TABLE and {option}", "name a file for one of them")
    names = identity_columns(person)
    table = read_scores(path, target=target, score=score, person=person, label=label, optional=[*names, _SPLIT])
    if table.source.path is not None and table.source.path == tested.source.path:
        raise UsageError(f"'{path}' cannot be both TABLE and {option}", _HINT)
    if tested.predictions and not table.predictions:
        raise DataError(f"{table.source.name} does not name its models, and {tested.source.name} does", _HINT)
    parts = [_match(part, table) for part in tested.parts]
    for part, validation in zip(tested.parts, parts, strict=True):
        _check_apart(part, validation, names, tables=(tested.source.name, table.source.name))
    notes = [f"{option}: {note}" for note in table.notes if "left out" in note]
    if not any(name in part.columns for part in (tested.parts[0],) for name in names if name in parts[0].columns):
        notes.append(f"nothing tells whether {option} holds other persons than TABLE; --person COLUMN does")
    return Validation(table, parts, notes)


def read_with_validation(
    table: str | Path,
    second: str | Path | None,
    *,
    option: str,
    columns: Mapping[str, str | None],
    by: str | None,
    logits: bool,
) -> tuple[ScoreTable, ScoreScale, Validation | None]:
    """Read scores, the scale that they are on, and the validation rows of the same models.

    Args:
        table: as :func:`~cxrshort.verbs.stats.scores.read_scores` takes it.
        second: the table of validation images; None where there is none.
        option: that named the second table, for messages.
        columns: target, score, person and label, as for the table.
        by: a column of groups of the table.
        logits: the column of scores holds logits.

    Raises:
        DataError: a table breaks a rule, or scores are no probabilities.
        UsageError: options that exclude each other.
    """
    optional = identity_columns(columns["person"]) if second is not None else []
    scores = read_scores(table, **columns, columns=[by] if by is not None else [], optional=optional)
    check_groups(scores, by)
    scale = score_scale(scores, columns["score"], logits=logits)
    validation = None if second is None else read_validation(second, scores, option=option, **columns)
    return scores, scale, validation


def _match(part: Scores, table: ScoreTable) -> Scores:
    """Return the validation rows of the same model and label.

    Raises:
        DataError: there are none, or those of several validation sets.
    """
    names = [name for name in _MATCHED if name in part.facts and name in table.parts[0].facts]
    matches = [other for other in table.parts if all(other.facts[name] == part.facts[name] for name in names)]
    if len(matches) > 1:
        matches = [other for other in matches if other.facts.get("role") == INTERNAL] or matches
    if len(matches) == 1:
        _check_fold(matches[0], table.source.name)
        return matches[0]
    model = _model(part.facts)
    if matches:
        sets = ", ".join(f"'{other.facts.get('dataset', '')}'" for other in matches)
        raise DataError(
            f"{table.source.name}: {len(matches)} validation sets for {model} ({sets})", "keep the rows of one of them"
        )
    raise DataError(f"{table.source.name}: no validation rows for {model}", _HINT)


def _model(facts: Any) -> str:
    training = f" of '{facts['training']}', replicate {facts['replicate']}" if "training" in facts else ""
    return f"'{facts['label']}'{training}"


def _check_fold(validation: Scores, table: str) -> None:
    if _SPLIT in validation.columns:
        tests = int((validation.columns[_SPLIT] == "test").sum())
        if tests:
            raise DataError(f"{table}: {tests:,} rows are of a test fold: test images choose nothing", _HINT)


def _check_apart(part: Scores, validation: Scores, names: Sequence[str], *, tables: tuple[str, str]) -> None:
    """Refuse images or persons that both tables hold.

    Raises:
        DataError: with their number and one of them.
    """
    for name in names:
        if name not in part.columns or name not in validation.columns:
            continue
        shared = sorted((set(part.columns[name]) & set(validation.columns[name])) - {""})
        if shared:
            things = "images" if name == IMAGE else "persons"
            raise DataError(
                f"{tables[0]} and {tables[1]} share {len(shared):,} {things}, such as '{shared[0]}': validation "
                "images must be of other persons",
                f"{_HINT}; identifiers of different hospitals need different prefixes",
            )
