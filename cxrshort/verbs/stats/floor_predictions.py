"""The scores of models on images of a dataset whose floors are measured, and what the floors say of them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort.errors import DataError
from cxrshort.results import count_text
from cxrshort.stats.auc import auc_interval
from cxrshort.stats.floors import SHUFFLED, SUPERIOR, compare_with_floors, expected_external_auc
from cxrshort.stats.midranks import Floats, Integers
from cxrshort.stats.predictions import EXTERNAL
from cxrshort.stats.verdicts import NO_EVIDENCE, NOT_TESTABLE, SUSPICIOUS
from cxrshort.verbs.stats.audited_images import AuditedImages
from cxrshort.verbs.stats.output import clean_record
from cxrshort.verbs.stats.scores import read_scores
from cxrshort.verbs.stats.source import Source, open_source

IMAGE = "image_id"
_SHOWN = 3
"""Images that a message names."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelScores:
    """Hold one model's scores on images of the dataset.

    Args:
        name: what people call the model.
        role: ``"internal"``, ``"external"``, or empty where it is not known what it was trained on.
        positions: (N,) rows of the audited images.
        scores: (N,) higher for 1.
    """

    name: str
    role: str
    positions: Integers
    scores: Floats


@dataclass(frozen=True, slots=True, eq=False)
class FloorPredictions:
    """Hold what was read of a table of scores.

    Args:
        source: the table.
        models: one for each model and test set.
        notes: what was left out.
    """

    source: Source
    models: list[ModelScores]
    notes: list[str]


def read_predictions(table: str | Path, images: AuditedImages, *, score: str | None) -> FloorPredictions:
    """Read the scores of models, and find their images in the dataset.

    Args:
        table: predictions of evaluate, or a table with ``image_id`` and a column of scores.
        images: the audited images.
        score: the column of scores; None for ``logit.LABEL`` of predictions.

    Raises:
        DataError: no image is one of the dataset's, an image stands twice, no such column or label.
    """
    if score is None:
        scores = read_scores(table, target=None, score=None, person=None, label=images.label, columns=[IMAGE])
        source, notes = scores.source, scores.notes
        parts = [(part.facts, part.columns[IMAGE], part.scores) for part in scores.parts]
    else:
        source, notes = open_source(table), []
        rows = source.read(numbers=[score], texts=[IMAGE]).dropna(subset=[score])
        if rows.empty:
            raise DataError(f"{source.name}: column '{score}' holds no number", "name a column of scores")
        parts = [({}, rows[IMAGE], rows[score].to_numpy(dtype=np.float64))]
        _refuse_repeated(rows[IMAGE], source.name)
    models, absent, elsewhere = [], list[str](), dict[str, int]()
    for facts, ids, values in parts:
        places = pd.Index(images.rows[IMAGE]).get_indexer(pd.Index(ids))
        inside = places >= 0
        name, missing = _name(facts, score), ids[~inside]
        if not inside.any():
            tested = str(facts.get("dataset", source.name))
            elsewhere[tested] = elsewhere.get(tested, 0) + len(ids)
            continue
        if len(missing):
            absent.append(f"{name}: {len(missing):,} of {len(ids):,} ({_listed(missing)})")
        models.append(ModelScores(name, str(facts.get("role", "")), places[inside], values[inside]))
    if not models:
        first = parts[0][1]
        raise DataError(
            f"{source.name}: none of its {sum(len(ids) for _, ids, _ in parts):,} images with a score is one of "
            f"{images.data.name} with a label of {images.label} (first '{first.iloc[0]}')",
            f"evaluate the model on it: cxrshort evaluate MODEL --dataset {images.data.name}",
        )
    if elsewhere:
        notes = [*notes, f"images of other datasets are left out: {count_text(elsewhere)}"]
    if absent:
        notes = [*notes, f"images that are not in {images.data.name} are left out: {'; '.join(absent)}"]
    return FloorPredictions(source, models, notes)


def _refuse_repeated(ids: "pd.Series[str]", table: str) -> None:
    repeated = ids[ids.duplicated()]
    if len(repeated):
        raise DataError(f"{table}: '{repeated.iloc[0]}' stands twice", "one row for each image")


def _listed(ids: "pd.Series[str]") -> str:
    names = ", ".join(f"'{name}'" for name in ids[:_SHOWN])
    return f"{names}, …" if len(ids) > _SHOWN else names


def _name(facts: Mapping[str, Any], score: str | None) -> str:
    """Return what people call a model on a test set."""
    if not facts:
        return str(score)
    where = f" on {facts['dataset']}" if facts["role"] == EXTERNAL else ""
    return f"{facts['training']}, replicate {facts['replicate']}{where}"


def compare_models_with_floors(
    models: Sequence[ModelScores], images: AuditedImages, floors: Mapping[str, Floats], *, level: float
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a row for each model and floor, and a row for each model with its expected external AUC and verdict.

    Args:
        models: with their images.
        images: the audited images.
        floors: (N,) scores by floor.
        level: coverage of the intervals.
    """
    comparisons, summaries = [], []
    for model in models:
        targets, codes = images.targets[model.positions], images.codes[model.positions]
        own = {name: ranks[model.positions] for name, ranks in floors.items()}
        held = compare_with_floors(targets, model.scores, floors=own, clusters=codes, level=level)
        comparisons += [clean_record({"model": model.name, "role": model.role, **asdict(row)}) for row in held]
        area = auc_interval(targets, model.scores, codes, level=level)
        numbers: dict[str, Any] = {"auc": area.auc, "auc_low": area.low, "auc_high": area.high, "reason": area.reason}
        numbers |= {"expected": None, "expected_low": None, "expected_high": None}
        if model.role != EXTERNAL:
            expected = expected_external_auc(targets, model.scores, own[SHUFFLED], clusters=codes, level=level)
            if expected is not None:
                limits = {"expected_low": expected.low, "expected_high": expected.high}
                numbers |= {"expected": expected.value, **limits}
        tested = [row for row in held if row.finding]
        beaten = [row for row in held if row.finding == SUPERIOR]
        counts = {"images": len(targets), "floors": len(held), "superior_to": len(beaten)}
        verdict = (NO_EVIDENCE if len(beaten) == len(held) else SUSPICIOUS) if tested else NOT_TESTABLE
        summaries.append(
            clean_record({"model": model.name, "role": model.role, **counts, **numbers, "verdict": verdict})
        )
    return comparisons, summaries
