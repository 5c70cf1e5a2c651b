"""The paired runs of two methods as a table of seeds and splits, from predictions or from a number per run.

What would invalidate the test is refused here: runs that are not pairs, and a table of seeds and splits with gaps.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.auc import PairedComparison, auc_covariance, compare_paired
from cxrshort.stats.midranks import Floats, check_rows
from cxrshort.verbs.stats.compared_groups import choose_groups
from cxrshort.verbs.stats.pairs import IMAGE, Contest, Pair, same_images
from cxrshort.verbs.stats.scores import check_group_count
from cxrshort.verbs.stats.source import Source


@dataclass(frozen=True, slots=True, eq=False)
class PairedRuns:
    """Hold a measure of two methods in the same runs.

    Args:
        facts: what the runs are of.
        before: (seeds, splits) the first method's.
        after: (seeds, splits) the second method's.
        images: variance of the mean difference from test images that all runs share; 0 where they share none.
        image_freedom: degrees of freedom of that variance.
        images_of_run: mean sampling variance of the difference of a single run; None where it is unknown.
        counts: positives, negatives and persons of the test images of the first run; empty where they are unknown.
    """

    facts: Mapping[str, Any]
    before: Floats
    after: Floats
    images: float
    image_freedom: float
    images_of_run: float | None
    counts: Mapping[str, int | None]


def runs_of_contest(contest: Contest) -> PairedRuns:
    """Return the AUCs of both methods in the runs that both have.

    Raises:
        DataError: no run is a pair, a run has no AUC or no variance, or a seed lacks a split.
    """
    pairs = {(pair.facts.get("seed", 0), pair.facts.get("replicate", 0)): pair for pair in contest.pairs}
    if not pairs:
        raise DataError("no replicate has both methods", "evaluate both methods on the same replicates")
    seeds, splits = (sorted({run[place] for run in pairs}) for place in (0, 1))
    gaps = [run for run in ((seed, split) for seed in seeds for split in splits) if run not in pairs]
    if gaps:
        raise DataError(
            f"{len(gaps)} of {len(seeds) * len(splits)} combinations of seed and replicate are missing",
            "every seed needs every replicate",
        )
    ordered = [pairs[seed, split] for seed in seeds for split in splits]
    compared = [_compare(pair) for pair in ordered]
    tables = [
        np.array([getattr(run, side) for run in compared]).reshape(len(seeds), len(splits))
        for side in ("before", "after")
    ]
    errors = [run.standard_error or 0.0 for run in compared]
    first = ordered[0]
    counts = {
        "positives": int((first.targets == 1).sum()),
        "negatives": int((first.targets == 0).sum()),
        "persons": None if first.persons is None else len(np.unique(first.persons)),
    }
    of_run = float(np.mean(np.square(errors)))
    persons = min(check_rows(first.targets, first.before, first.persons).persons_by_class)
    return PairedRuns(contest.facts, tables[0], tables[1], _shared_variance(ordered), persons - 1, of_run, counts)


def _compare(pair: Pair) -> PairedComparison:
    run = compare_paired(pair.targets, before=pair.before, after=pair.after, clusters=pair.persons)
    if run.standard_error is None:
        raise DataError(run.reason, "use a larger test set")
    return run


def _shared_variance(pairs: Sequence[Pair]) -> float:
    """Return the variance of the mean difference from the images that all pairs share; 0 where they differ."""
    shared = same_images(pairs, IMAGE) if len(pairs) > 1 else list(pairs)
    if shared is None:
        return 0.0
    scores = np.stack([scores for pair in shared for scores in (pair.before, pair.after)], axis=1)
    covariance = auc_covariance(shared[0].targets, scores, shared[0].persons)[1]
    contrast = np.tile([-1.0, 1.0], len(shared)) / len(shared)
    return max(0.0, float(contrast @ covariance @ contrast))


def read_runs(
    source: Source,
    *,
    value: str,
    group: str,
    seed: str | None,
    split: str | None,
    before: str | None,
    after: str | None,
    by: str | None,
) -> tuple[tuple[str, str], list[PairedRuns]]:
    """Read a number per run of two methods.

    Args:
        source: a table with a row per run.
        value: the column of numbers, larger is better.
        group: the column of methods.
        seed: the column of seeds; None for one seed.
        split: the column of splits; None for one split.
        before: the first method; None where the column has two values.
        after: the second method.
        by: a column whose values are tested apart.

    Raises:
        DataError: no such column or method, a run twice, or one that a method lacks.
        UsageError: more than two methods and no choice, or neither seeds nor splits.
    """
    if seed is None and split is None:
        raise UsageError(
            "paired runs need a column that says which runs belong together",
            "--seed-column COLUMN, --split-column COLUMN, or both",
        )
    keys = [name for name in (seed, split) if name is not None]
    rows = source.read(numbers=[value], texts=[group, *keys, *([by] if by else [])])
    names = choose_groups(list(dict.fromkeys(rows[group])), before, after, source=source, column=group)
    parts = [("", rows)] if by is None else [(str(key) or "(empty)", part) for key, part in rows.groupby(by, sort=True)]
    check_group_count(len(parts), by or "", source.name)
    runs = []
    for key, part in parts:
        facts = {"group": key} if key else {}
        where = f"{source.name}: " + (f"{by} '{key}': " if by else "")
        sides = [_crossed(part[part[group] == name], value, seed=seed, split=split, where=where) for name in names]
        first, last = _same_runs(sides, names, where)
        runs.append(PairedRuns(facts, first, last, 0.0, math.inf, None, {}))
    return names, runs


def _crossed(rows: pd.DataFrame, value: str, *, seed: str | None, split: str | None, where: str) -> pd.DataFrame:
    """Return numbers by seed and split."""
    table = pd.DataFrame(
        {
            "seed": rows[seed] if seed else "",
            "split": rows[split] if split else "",
            "value": rows[value],
        }
    )
    twice = table[table.duplicated(["seed", "split"])]
    if len(twice):
        run = ", ".join(
            f"{name} '{twice.iloc[0][key]}'" for key, name in (("seed", seed), ("split", split)) if name is not None
        )
        raise DataError(
            f"{where}{len(twice)} runs stand twice, such as {run}", "a row for each seed and split of a method"
        )
    return table.pivot(index="seed", columns="split", values="value")


def _same_runs(sides: Sequence[pd.DataFrame], names: tuple[str, str], where: str) -> tuple[Floats, Floats]:
    """Return both methods' tables if neither lacks a run of the other."""
    seeds, splits = sides[0].index.union(sides[1].index), sides[0].columns.union(sides[1].columns)
    tables = [side.reindex(index=seeds, columns=splits).to_numpy(np.float64) for side in sides]
    for name, table in zip(names, tables, strict=True):
        if gaps := int(np.isnan(table).sum()):
            raise DataError(
                f"{where}'{name}' lacks {gaps} of {table.size} runs: every seed needs every split, for both methods",
                "leave out the runs that are not complete",
            )
    if not tables[0].size:
        raise DataError(f"{where}neither '{names[0]}' nor '{names[1]}' has a run", "a test of methods needs both")
    return tables[0], tables[1]
