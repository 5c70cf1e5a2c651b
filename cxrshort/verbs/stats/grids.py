"""Grids of models that were scored on the same images, from one table of predictions or from a folder of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cxrshort import places
from cxrshort.errors import DataError, MissingInputError
from cxrshort.quantities import quantity
from cxrshort.stats.comparisons import align_images
from cxrshort.stats.midranks import Floats, Integers
from cxrshort.verbs.stats.pairs import IMAGE
from cxrshort.verbs.stats.scores import Scores, read_scores
from cxrshort.verbs.stats.source import PREDICTIONS, Source, open_source


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Hold the scores of several models on the same images, for one label.

    Args:
        facts: label and test set.
        models: what each model is called.
        table: (N,) targets and (N, K) scores.
        persons: (N,) numbers of persons; None where every row is a person of its own.
    """

    facts: Mapping[str, Any]
    models: Sequence[str]
    table: tuple[Floats, Floats]
    persons: Integers | None


def read_grids(place: Path, *, label: str | None, person: str | None) -> tuple[list[Source], list[Grid], list[str]]:
    """Read every grid of at least two models.

    Args:
        place: predictions of several models, or a folder below which predictions lie.
        label: one label; None for all.
        person: the column of persons; None for ``person_id``.

    Returns:
        The tables, the grids, and notes of what was left out.

    Raises:
        MissingInputError: there are no predictions.
        DataError: a table breaks a rule, targets differ, or no test set has two models.
    """
    sources = [open_source(path) for path in _tables(place)]
    cells: dict[Any, list[tuple[str, Scores]]] = {}
    notes: list[str] = []
    for source in sources:
        scores = read_scores(source, target=None, score=None, person=person, label=label, columns=[IMAGE])
        if not scores.predictions:
            raise DataError(
                f"{source.name} does not tell its models apart: a grid needs the predictions of evaluate", "evaluate"
            )
        notes += scores.notes
        for part in scores.parts:
            key = part.facts["label"], part.facts["dataset_id"]
            cells.setdefault(key, []).append((_name(part, source, alone=len(sources) == 1), part))
    grids, lonely = [], 0
    for members in cells.values():
        for same in _by_images(members):
            lonely += len(same) == 1
            if len(same) > 1:
                grids.append(_grid(same))
    if not grids:
        raise DataError(f"'{place}': no test set was scored by two models", "evaluate several models on one dataset")
    if lonely:
        notes.append(
            f"{quantity(lonely, 'model is alone with its', 'models are alone with their')} test images, such as a "
            "replicate's own fold: left out"
        )
    return sources, grids, list(dict.fromkeys(notes))


def _tables(place: Path) -> list[Path]:
    if not places.exists(place):
        raise MissingInputError(f"'{place}' does not exist", "cxrshort evaluate writes predictions")
    if not place.is_dir() or (place / PREDICTIONS).exists():
        return [place]
    tables = sorted(place.rglob(PREDICTIONS))
    if not tables:
        raise MissingInputError(f"'{place}' holds no {PREDICTIONS}", "cxrshort evaluate writes one for its models")
    return tables


def _name(part: Scores, source: Source, *, alone: bool) -> str:
    where = f", {source.path.parent.name}" if source.path is not None and not alone else ""
    return f"{part.facts['training']}, replicate {part.facts['replicate']}{where}"


def _by_images(members: Sequence[tuple[str, Scores]]) -> list[list[tuple[str, Scores]]]:
    """Return members in groups of the same images."""
    groups: list[tuple[frozenset[str], list[tuple[str, Scores]]]] = []
    for name, part in members:
        images = frozenset(part.columns[IMAGE])
        group = next((group for of, group in groups if of == images), None)
        if group is None:
            groups.append((images, [(name, part)]))
        else:
            group.append((name, part))
    return [group for _, group in groups]


def _grid(members: Sequence[tuple[str, Scores]]) -> Grid:
    first = members[0][1]
    facts = {name: first.facts[name] for name in ("label", "dataset", "dataset_id")}
    columns = []
    for name, part in members:
        aligned = part.take(align_images(first.columns[IMAGE], part.columns[IMAGE]))
        if differing := int((aligned.targets != first.targets).sum()):
            raise DataError(
                f"{facts['label']} on {facts['dataset']}: {differing:,} of {len(first.targets):,} images have "
                f"different targets for '{name}'",
                "compare scores of one truth",
            )
        columns.append(aligned.scores)
    return Grid(facts, [name for name, _ in members], (first.targets, np.stack(columns, axis=1)), first.persons)
