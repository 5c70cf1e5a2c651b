"""Which models were scored on which test folds, read from the run folders of evaluate, explain and swap-test.

A test fold is a dataset (by its identity) with the replicate whose test fold it is. ``--split all`` holds the test fold
too and counts; ``--split val`` and ``train`` do not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from cxrshort.errors import CxrshortError
from cxrshort.quantities import quantity
from cxrshort.stats.predictions import LOGIT, TARGET
from cxrshort.verbs.stats.run_folders import AUDITS, RunFolder
from cxrshort.verbs.stats.source import PREDICTIONS, open_source

VERBS = ("evaluate", *AUDITS)
TEST_SPLITS = ("test", "all")
_DIGITS = 32
_WEIGHTS = ".safetensors"
_FACTS = ("model_id", "training", "training_id", "dataset", "dataset_id", "replicate")


@dataclass(frozen=True, slots=True)
class Scoring:
    """Hold one model on one test fold, in one run.

    Args:
        run: the run folder.
        verb: what scored it.
        time: when the run began.
        model_id: identity of the model.
        training_id: identity of its training; "" where it is not known.
        dataset: name of the dataset.
        dataset_id: its identity.
        replicate: whose test fold it is; None where it is not known.
    """

    run: str
    verb: str
    time: datetime
    model_id: str
    training_id: str
    dataset: str
    dataset_id: str
    replicate: int | None


@dataclass(slots=True, eq=False)
class TestFold:
    """Hold everything that was scored on one test fold.

    Args:
        dataset: its name.
        dataset_id: its identity.
        replicate: whose test fold it is; None where no run says so.
        scorings: in the order of time.
        scores: for each model that evaluate has scored, its table of ``image_id``, ``person_id``, target and logit.
        label: of these.
    """

    dataset: str
    dataset_id: str
    replicate: int | None
    scorings: list[Scoring] = field(default_factory=list)
    scores: dict[str, pd.DataFrame] = field(default_factory=dict)
    label: str = ""

    __test__ = False

    @property
    def models(self) -> int:
        """Return the number of different models."""
        return len({scoring.model_id for scoring in self.scorings})

    @property
    def trainings(self) -> int:
        """Return the number of different trainings, of which models are replicates."""
        return len({scoring.training_id or scoring.model_id for scoring in self.scorings})


@dataclass(slots=True, eq=False)
class _Reading:
    scorings: list[Scoring] = field(default_factory=list)
    scores: list[tuple[Scoring, str, pd.DataFrame]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_test_folds(runs: Sequence[RunFolder], *, label: str | None = None) -> tuple[list[TestFold], list[str]]:
    """Return the test folds that were scored, and notes on what could not be read.

    Args:
        runs: run folders, in the order of time.
        label: whose scores are kept; None for the label that each evaluation summarised.
    """
    reading = _Reading()
    scoring_runs = [run for run in runs if run.verb in VERBS]
    others = sum(_split(run) not in TEST_SPLITS for run in scoring_runs)
    for run in scoring_runs:
        if run.verb == "evaluate" and _split(run) in TEST_SPLITS:
            _read_predictions(run, label, reading)
    replicates = {scoring.model_id: scoring for scoring in reading.scorings}
    identities = _dataset_identities(scoring_runs, reading.scorings)
    for run in scoring_runs:
        if run.verb != "evaluate" and _split(run) in TEST_SPLITS:
            reading.scorings.append(_audited(run, replicates, identities))
    folds = _by_fold(reading)
    if others:
        where = "on training or validation images"
        reading.notes.append(f"{quantity(others, f'run {where} is', f'runs {where} are')} not counted")
    return folds, reading.notes


def _split(run: RunFolder) -> str:
    return str(run.arguments.get("split", "test"))


def _read_predictions(run: RunFolder, label: str | None, reading: _Reading) -> None:
    """Read the models, test folds and scores of an evaluation."""
    wanted = label or str(run.summary.get("label", ""))
    try:
        source = open_source(run.folder / PREDICTIONS)
        numbers = [name for name in (TARGET + wanted, LOGIT + wanted) if name in source.columns]
        texts = [name for name in (*_FACTS, "image_id", "person_id") if name in source.columns]
        rows = source.read(numbers=numbers, texts=texts)
        parts = list(rows.groupby(list(_FACTS), sort=False))
    except (CxrshortError, KeyError) as error:
        reason = error.message if isinstance(error, CxrshortError) else f"no column {error}"
        reading.notes.append(f"{run.name}: its predictions cannot be read and are not counted ({reason})")
        return
    for key, part in parts:
        facts: dict[str, str] = dict(zip(_FACTS, map(str, key), strict=True))
        replicate = int(float(facts["replicate"])) if facts["replicate"] else None
        scoring = Scoring(
            run.name,
            run.verb,
            run.started,
            facts["model_id"],
            facts["training_id"],
            facts["dataset"],
            facts["dataset_id"],
            replicate,
        )
        reading.scorings.append(scoring)
        if len(numbers) == 2:
            kept = part[[*texts[-2:], *numbers]].set_axis([*texts[-2:], "target", "logit"], axis=1)
            reading.scores.append((scoring, wanted, kept))


def _dataset_identities(runs: Sequence[RunFolder], scorings: Sequence[Scoring]) -> dict[str, str]:
    """Return the identities of datasets by the sha256 of their manifests, as far as runs hold both."""
    by_run = {(scoring.run, scoring.dataset): scoring.dataset_id for scoring in scorings}
    identities = {}
    for run in runs:
        for name, digest in run.inputs.items():
            own = run.summary.get("dataset_id") if name == run.summary.get("dataset") else None
            if identity := own or by_run.get((run.name, name)):
                identities[str(digest)] = str(identity)
    return identities


def _audited(run: RunFolder, evaluated_models: Mapping[str, Scoring], identities: Mapping[str, str]) -> Scoring:
    """Return the scoring of an audit, whose run.json names the model and the dataset by their files."""
    weights = next((str(digest) for name, digest in run.inputs.items() if name.endswith(_WEIGHTS)), "")
    dataset = str(run.summary.get("dataset", run.arguments.get("dataset", "")))
    manifest = str(run.inputs.get(dataset, run.inputs.get("dataset", "")))
    model_id = str(run.summary.get("model_id") or weights[:_DIGITS] or run.arguments.get("model", ""))
    identity = str(run.summary.get("dataset_id") or identities.get(manifest) or f"manifest {manifest[:12]}")
    evaluated = evaluated_models.get(model_id)
    training, replicate = (evaluated.training_id, evaluated.replicate) if evaluated else ("", None)
    return Scoring(run.name, run.verb, run.started, model_id, training, dataset, identity, replicate)


def _by_fold(reading: _Reading) -> list[TestFold]:
    """Return the test folds; an audit of a replicate that nobody knows counts for each fold of its dataset."""
    folds: dict[tuple[str, int | None], TestFold] = {}
    certain = [scoring for scoring in reading.scorings if scoring.replicate is not None]
    for scoring in certain:
        key = scoring.dataset_id, scoring.replicate
        folds.setdefault(key, TestFold(scoring.dataset, *key)).scorings.append(scoring)
    for scoring in reading.scorings:
        if scoring.replicate is None:
            own = [fold for (identity, _), fold in folds.items() if identity == scoring.dataset_id]
            for fold in own or [
                folds.setdefault((scoring.dataset_id, None), TestFold(scoring.dataset, scoring.dataset_id, None))
            ]:
                fold.scorings.append(scoring)
    for scoring, label, scores in reading.scores:
        fold = folds[scoring.dataset_id, scoring.replicate]
        fold.label = fold.label or label
        if label == fold.label:
            fold.scores[scoring.model_id] = scores
    for fold in folds.values():
        fold.scorings.sort(key=lambda scoring: scoring.time)
    return sorted(folds.values(), key=lambda fold: (fold.dataset, fold.dataset_id, fold.replicate or 0))


def join_scores(fold: TestFold) -> tuple[Any, Any, Any] | None:
    """Return targets (N,), logits (N, K) and persons (N,) of the images that all models were scored on.

    Returns:
        None where there is no such image, or no model.
    """
    if not fold.scores:
        return None
    tables = [scores.drop_duplicates("image_id").set_index("image_id") for scores in fold.scores.values()]
    joined = pd.concat([table["logit"] for table in tables], axis=1, join="inner", keys=range(len(tables)))
    logits = joined.to_numpy(dtype=np.float64)
    finite = np.isfinite(logits).all(axis=1)
    if not finite.any():
        return None
    first = tables[0].loc[joined.index[finite]]
    return first["target"].to_numpy(), logits[finite], first["person_id"].to_numpy()


def title_fold(dataset: str, replicate: int | None) -> str:
    """Return what people call a test fold.

    Example:
        >>> title_fold("I", 0), title_fold("II", None)
        ('I, replicate 0', 'II')
    """
    return dataset if replicate is None else f"{dataset}, replicate {replicate}"


def iterate_scorings(folds: Sequence[TestFold]) -> Iterator[Scoring]:
    """Yield every scoring once, in the order of time."""
    unique = {scoring: None for fold in folds for scoring in fold.scorings}
    yield from sorted(unique, key=lambda scoring: (scoring.time, scoring.run))
