"""A study as the checks see it: its runs, the models that were scored on test sets, and its tables of results."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort import columns, registry
from cxrshort.errors import DataError
from cxrshort.stats.auc import AucInterval, auc_interval
from cxrshort.stats.midranks import Sample, is_exact
from cxrshort.stats.predictions import EXTERNAL, INTERNAL, LOGIT, TARGET
from cxrshort.verbs.stats.checklist.result_tables import ResultTable
from cxrshort.verbs.stats.run_folders import AUDITS, RunFolder, RunFolders, read_text_table
from cxrshort.verbs.stats.source import PREDICTIONS, open_source

IDENTITY = ("model_id", "training", "training_id", "dataset", "dataset_id", "replicate", "role")
_TEXTS = (*IDENTITY, "image_id", "person_id", "split")
_NOT_RESULTS = (PREDICTIONS, "masks.csv", "findings.csv", "changes.csv", "boxes.csv", "maps.csv")
"""Tables of a run that have a row for each image, or whose p-values a verdict has judged already."""
_PLANS = ("stats power", "stats ledger", "stats cost", "stats checks", "stats reporting")
"""Commands whose tables hold no results of a model."""


@dataclass(frozen=True, eq=False)
class TestSet:
    """Hold one model's scores on one test set, for the label of the study.

    Args:
        identity: the columns of predictions that are the same in all rows.
        rows: targets, scores, ``image_id``, ``person_id`` and ``split``, a row for each image.
        source: the table that they were read from.
    """

    __test__ = False  # no class of tests

    identity: Mapping[str, str]
    rows: pd.DataFrame
    source: str

    @property
    def title(self) -> str:
        """Return what people call it."""
        role = f"{self.identity['role']} " if self.identity["role"] else ""
        return f"{role}test set {self.identity['dataset']}"

    @property
    def training_key(self) -> str:
        """Return what tells its training from others; a model of unknown training is one of its own."""
        return self.identity["training_id"] or self.identity["model_id"]

    @property
    def persons(self) -> int:
        """Return how many persons its images are of; 0 where nobody says."""
        return int(self.rows["person_id"].replace("", pd.NA).nunique())

    @property
    def has_persons(self) -> bool:
        """Return whether every row says whose image it is."""
        return bool((self.rows["person_id"] != "").all())

    @cached_property
    def images(self) -> frozenset[str]:
        """Return the ids of its images."""
        return frozenset(self.rows["image_id"].to_numpy(dtype=object))

    @property
    def counts(self) -> tuple[int, int]:
        """Return positives and negatives."""
        targets = self.rows["target"]
        return int((targets == 1).sum()), int((targets == 0).sum())

    @property
    def sample(self) -> Sample:
        """Return what statistics take."""
        persons = self.rows["person_id"].to_numpy() if self.has_persons else None
        return Sample(self.rows["target"].to_numpy(), self.rows["score"].to_numpy(), persons)

    @cached_property
    def area(self) -> AucInterval:
        """Return its AUC."""
        sample = self.sample
        return auc_interval(sample.targets, sample.scores, sample.clusters)


@dataclass(frozen=True, eq=False)
class Study:
    """Hold everything that the checks look at.

    Args:
        folders: the runs.
        label: the finding that is judged; "" where there are no predictions.
        tests: every model on every test set, once each.
        results: tables of results, of runs and of others.
    """

    folders: RunFolders
    label: str
    tests: tuple[TestSet, ...]
    results: tuple[ResultTable, ...]

    def of(self, *verbs: str) -> list[RunFolder]:
        """Return the runs of these commands."""
        return self.folders.of(*verbs)

    @property
    def datasets(self) -> list[RunFolder]:
        """Return the datasets."""
        return self.of("build-dataset")

    @property
    def trainings(self) -> list[RunFolder]:
        """Return the trained models."""
        return self.of("train")

    @property
    def audits(self) -> list[RunFolder]:
        """Return the audits for shortcuts."""
        return self.of(*AUDITS)

    @property
    def training_datasets(self) -> list[RunFolder]:
        """Return the datasets that models of this study were trained on, by the hash of the manifest.

        Where no training is among the folders, the datasets that predictions call internal.
        """
        hashes = {run.inputs.get("manifest") for run in self.trainings}
        internal = {test.identity["dataset_id"] for test in self.tests if test.identity["role"] == INTERNAL}
        return [
            run
            for run in self.datasets
            if (run.manifest_sha256 in hashes if hashes else run.record.get("dataset_id") in internal)
        ]

    def rows(self, run: RunFolder, table: str) -> list[Mapping[str, Any]]:
        """Return the rows of the label of the study, of a table in the summary of a run."""
        return [row for row in run.summary.get(table) or [] if row["label"] == self.label]

    @property
    def external_tests(self) -> list[TestSet]:
        """Return the test sets that no model was trained on."""
        return [test for test in self.tests if test.identity["role"] == EXTERNAL]

    @cached_property
    def contests(self) -> list[list[list[TestSet]]]:
        """Return, for each dataset that several trainings were tested on, the tests of each, best mean AUC first."""
        by_dataset: dict[str, dict[str, list[TestSet]]] = {}
        for test in self.tests:
            trainings = by_dataset.setdefault(test.identity["dataset_id"], {})
            trainings.setdefault(test.training_key, []).append(test)
        return [
            sorted(trainings.values(), key=mean_auc, reverse=True)
            for trainings in by_dataset.values()
            if len(trainings) > 1
        ]


def mean_auc(tests: Sequence[TestSet]) -> float:
    """Return the mean AUC over replicates; below every AUC where there is none."""
    areas = [test.area.auc for test in tests if test.area.auc is not None]
    return float(np.mean(areas)) if areas else -1.0


def load_study(folders: RunFolders, *, label: str | None) -> Study:
    """Read the predictions and the results of all runs.

    Args:
        folders: as :func:`~cxrshort.verbs.stats.run_folders.collect_runs` returns them.
        label: the finding that is judged; None for that of the first evaluation, else COVID-19, else the first.

    Raises:
        DataError: no predictions have the label, or a table is broken.
    """
    predictions: list[tuple[str, Path]] = []
    results: list[ResultTable] = []
    for run in sorted(folders.runs, key=lambda run: run.verb != "evaluate"):
        if run.has(PREDICTIONS) and run.verb == "evaluate":
            predictions.append((run.source(PREDICTIONS), run.folder / PREDICTIONS))
        results += _result_tables(run)
    for path in folders.tables:
        if set(_TEXTS[:-1]) <= set(open_source(path).columns):
            predictions.append((path.as_posix(), path))
        else:
            results.append(ResultTable(path.as_posix(), read_text_table(path), None))
    chosen = _choose_label(folders, [path for _, path in predictions], label)
    tests = list(_distinct(_tests(predictions, chosen))) if chosen else []
    return Study(folders, chosen, tuple(tests), tuple(results))


def _result_tables(run: RunFolder) -> Iterator[ResultTable]:
    judging = run.verb in ("evaluate", *AUDITS) or run.verb.startswith("stats ")
    if not judging or run.verb in _PLANS:
        return
    for name in run.record.get("outputs", ()):
        if name.endswith(".csv") and name not in _NOT_RESULTS and run.has(name):
            yield ResultTable(run.source(name), run.read_table(name), run)


def _choose_label(folders: RunFolders, paths: Sequence[Path], label: str | None) -> str:
    names = [name.removeprefix(LOGIT) for path in paths for name in open_source(path).columns if name.startswith(LOGIT)]
    names = list(dict.fromkeys(names))
    if label is not None:
        if label not in names:
            listing = f"one of: {', '.join(names)}" if names else "evaluate first"
            hint = registry.propose_name(names, label, otherwise=listing)
            raise DataError(f"no predictions have a label '{label}'", hint)
        return label
    judged = [str(run.summary.get("label")) for run in folders.of("evaluate")]
    return next((name for name in [*judged, columns.COVID, *names] if name in names), "")


def _tests(predictions: Sequence[tuple[str, Path]], label: str) -> Iterator[TestSet]:
    for name, path in predictions:
        table = open_source(path)
        numbers = [TARGET + label, LOGIT + label]
        if not set(numbers) <= set(table.columns):
            continue
        rows = table.read(numbers=numbers, texts=[text for text in _TEXTS if text in table.columns])
        rows = rows.rename(columns={numbers[0]: "target", numbers[1]: "score"})
        rows["split"] = rows.get("split", "")
        rows = rows[is_exact(rows["target"].to_numpy()) & rows["score"].notna()]
        groups: Any = rows.groupby(list(IDENTITY), sort=False)
        for values, part in groups:
            yield TestSet(dict(zip(IDENTITY, values, strict=True)), part.drop(columns=list(IDENTITY)), name)


def _distinct(tests: Iterator[TestSet]) -> Iterator[TestSet]:
    """Yield the tests without those that were made twice: one model on the same images."""
    seen = set()
    for test in tests:
        key = (test.identity["model_id"], test.identity["dataset_id"], test.images)
        if key not in seen:
            seen.add(key)
            yield test
