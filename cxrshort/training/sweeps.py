"""Sweeps: replicates, the members of an ensemble, and the trials of a grid search.

Each of them is a run of its own in a folder of its own, so that an interrupted series goes on where it stopped, and any
of them can be repeated alone to the same bytes. A search looks at the validation fold only; every trial stays in
``trials.csv``, and the model that it keeps records how many there were, since the best of many is partly luck.
"""

import dataclasses
import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort import columns, distributed, registry, runs
from cxrshort import manifest as manifests
from cxrshort.errors import UsageError, WorkFailedError
from cxrshort.json_files import json_values
from cxrshort.models import checkpoint, ensemble, factory
from cxrshort.quantities import quantity
from cxrshort.settings import parse_value
from cxrshort.training import METHODS, recipes
from cxrshort.training.inputs import TrainingJob, hash_manifest, identify
from cxrshort.training.job import validate_model
from cxrshort.training.methods import make_method
from cxrshort.training.recipes import Recipe
from cxrshort.training.recipes.settings import ALIASES

TRIALS = "trials.csv"
_FIXED = ("name", "method", "labels", "task", "select_label", "selection", "settings")
"""What is no hyper-parameter: it decides what is learnt and judged, not how well."""


TrainModel = Callable[[TrainingJob], dict[str, Any]]
"""Do one training run and return its summary; an empty one in all processes but the first."""


def check_replicates(*, replicate: int, replicates: int | None) -> None:
    """Refuse a number of replicates that says nothing, or a replicate beside it.

    Raises:
        UsageError: it is so.
    """
    if replicates is None:
        return
    if replicates < 1:
        raise UsageError(f"--replicates is '{replicates}', it must be 1 or more", "the papers use 5")
    if replicate:
        raise UsageError("--replicate chooses one split and --replicates takes all", "give one of them")


def check_splits(splits: Sequence[str], *, replicate: int, replicates: int | None, dataset: str) -> None:
    """Refuse replicates that a dataset does not have, before the first of them is trained.

    Args:
        splits: the split columns of the manifest.
        replicate: the one replicate that is trained, where ``replicates`` is None.
        replicates: number of replicates that are trained, from the first.
        dataset: its name.

    Raises:
        UsageError: there are fewer splits.
    """
    required = range(replicate, replicate + 1) if replicates is None else range(replicates)
    if all(f"{columns.SPLIT_PREFIX}{number}" in splits for number in required):
        return
    option, value = ("--replicate", replicate) if replicates is None else ("--replicates", replicates)
    count = len(splits)
    number = quantity(count, "split")
    last = splits[-1].removeprefix(columns.SPLIT_PREFIX) if splits else ""
    lower = f"choose --replicate from 0 to {last}" if replicates is None else f"--replicates {count}"
    more = f"build-dataset with --replicates {required[-1] + 1}"
    hint = f"{lower}; or {more}" if count else more
    raise UsageError(f"{option} is '{value}', and '{dataset}' has {number}", hint)


def train_replicates(jobs: Sequence[TrainingJob], *, train: TrainModel) -> dict[str, Any]:
    """Train one model on each replicate, in turn; run.json in their parent says what the series is and reached.

    Returns:
        ``replicates``, the summary of each; ``mean`` and ``deviation`` (of the sample, ddof 1) of their validation
        scores.

    Raises:
        OutputError: one of the folders holds something already, found before any work is done.
    """
    first, count = jobs[0], len(jobs)
    parent = first.folder.parent
    series = runs.Run(parent, first.verb, {}, read_only=True)

    def begin() -> None:
        nonlocal series
        for job in jobs if not first.resume else ():
            runs.check_free(job.folder, job.verb, inputs=job.files().values(), force=job.force, resume=False)
        arguments = _arguments(first, [job.replicate for job in jobs])
        series = runs.start_series(parent, first.verb, arguments=arguments, inputs=first.files())

    distributed.on_first_rank(begin, first.compute)
    summaries = [
        train(replace(job, report=job.titled(f"replicate {job.replicate} ({number} of {count})")))
        for number, job in enumerate(jobs, 1)
    ]
    if first.compute.rank:
        return {}
    scores = [float(summary["selection"]["score"]) for summary in summaries]
    summary_of_all = {
        "replicates": summaries,
        "measure": summaries[0]["selection"]["measure"],
        "mean": statistics.fmean(scores),
        "deviation": statistics.stdev(scores) if len(scores) > 1 else None,
    }
    series.finish({runs.SERIES: [job.folder.name for job in jobs], "summary": summary_of_all})
    return {**summary_of_all, "folder": str(parent)}


def train_members(job: TrainingJob, *, train: TrainModel) -> dict[str, Any]:
    """Train the members of an ensemble, from seeds that follow each other, and write them as one model.

    Args:
        job: its recipe says how many, and how they are combined; a single one is trained as it is.
        train: trains a member.
    """
    if job.recipe.members == 1:
        return train(job)
    arguments = _arguments(job, job.recipe.members)
    if complete := _complete(job, arguments):
        return complete
    with _open_run(job, arguments) as run:
        members = [_member(run, job, number) for number in range(job.recipe.members)]
        summaries = [train(member) for member in members]
        return {} if run.read_only else _merge(run, job, members, summaries)


def _member(run: runs.Run, job: TrainingJob, number: int) -> TrainingJob:
    return replace(
        job,
        recipe=replace(job.recipe, members=1),
        seed=job.seed + number,
        folder=run.path(f"member-{number}"),
        force=False,
        report=job.titled(f"member {number + 1} of {job.recipe.members}"),
    )


def _merge(
    run: runs.Run, job: TrainingJob, members: Sequence[TrainingJob], summaries: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Write the members as one model, and return its summary."""
    combine = job.recipe.combine
    loaded = [factory.load_model(member.folder / checkpoint.FILE) for member in members]
    model, description = ensemble.merge_members(loaded, combine=combine)  # type: ignore[arg-type]
    record = {**description.recipe, "members": len(members), "combine": combine}
    selection = {**validate_model(job, model), **description.selection}
    description = replace(description, recipe=record, seed=job.seed, selection=selection)
    checkpoint.save_model(model, run.path(checkpoint.FILE), description=description)
    summary = {
        **summaries[0],
        "model": str(run.path(checkpoint.FILE)),
        "members": [summary["selection"] for summary in summaries],
        "combine": combine,
        "selection": selection,
        "history": [],
    }
    run.finish({"summary": summary})
    return summary


def train_grid(job: TrainingJob, *, train: TrainModel, points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Train once at every point of a grid, and keep the model with the best validation score (the first of equals).

    A trial whose loss is no longer a number, or that needs more memory than there is, is listed with its reason.

    Args:
        job: what all trials share.
        train: does a trial.
        points: from :func:`parse_grid`.

    Raises:
        WorkFailedError: every trial failed.
    """
    arguments = _arguments(job, [dict(point) for point in points])
    if complete := _complete(job, arguments):
        return complete
    trials: list[dict[str, Any]] = []
    failures: list[WorkFailedError] = []
    with _open_run(job, arguments) as run:
        for number, point in enumerate(points, start=1):
            trial = replace(
                job,
                recipe=apply_point(job.recipe, point),
                folder=run.path(f"trial-{number}"),
                force=False,
                report=job.titled(f"trial {number} of {len(points)}"),
            )
            try:
                summary = train(trial)
            except WorkFailedError as error:
                if job.compute.processes > 1:  # the others would wait for this one
                    raise
                failures.append(error)
                trials.append({"trial": number, **point, "failure": error.message})
                continue
            if not run.read_only:
                trials.append({"trial": number, **point, **_reached(summary), "summary": summary})
        return {} if run.read_only else _keep_best(run, trials, failures, searched=list(points[0]))


def _reached(summary: Mapping[str, Any]) -> dict[str, Any]:
    selection = summary["selection"]
    return {"measure": selection["measure"], "score": selection["score"], "epoch": selection.get("epoch")}


def _keep_best(
    run: runs.Run, trials: list[dict[str, Any]], failures: list[WorkFailedError], *, searched: list[str]
) -> dict[str, Any]:
    completed = [trial for trial in trials if "summary" in trial]
    if not completed:
        raise failures[-1]
    best = max(completed, key=lambda trial: float(trial["score"]))  # the first of equals
    model, description = factory.load_model(Path(best["summary"]["model"]))
    selection = {**description.selection, "trials": len(trials), "trial": best["trial"], "searched": searched}
    checkpoint.save_model(model, run.path(checkpoint.FILE), description=replace(description, selection=selection))
    rows = [{key: value for key, value in trial.items() if key != "summary"} for trial in trials]
    manifests.write_table(pd.DataFrame(rows), run.path(TRIALS))
    summary = {
        **best["summary"],
        "model": str(run.path(checkpoint.FILE)),
        "selection": selection,
        "trials": rows,
        "searched": searched,
    }
    run.finish({"summary": summary})
    return summary


def _complete(job: TrainingJob, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the summary of a series that ``--resume`` finds complete."""
    return runs.finished_summary(job.folder, arguments=arguments) if job.resume else None


def _open_run(job: TrainingJob, arguments: Mapping[str, Any]) -> AbstractContextManager[runs.Run]:
    """Return the run folder that holds a series."""
    return runs.open_run(
        job.folder,
        job.verb,
        arguments=arguments,
        inputs=job.files(),
        compute=job.compute,
        force=job.force,
        resume=job.resume,
    )


def _arguments(job: TrainingJob, runs_of_series: object) -> dict[str, Any]:
    """Return what the series depends on, as JSON values."""
    return json_values(
        {
            "dataset": job.data.name,
            "architecture": job.arch,
            "replicate": job.replicate,
            "seed": job.seed,
            "several": runs_of_series,
            **identify(job.recipe),
            **job.compute.record(),
            "manifest_sha256": hash_manifest(job.data),
        }
    )


def parse_grid(texts: Sequence[str], recipe: Recipe) -> list[dict[str, Any]]:
    """Return every combination of the values asked for, checked before any work is done.

    Args:
        texts: ``NAME=VALUE,VALUE``: options of ``train`` (``lr`` is short for ``learning-rate``) or settings of the
            method.
        recipe: what the other settings are.

    Raises:
        UsageError: an unknown name or value, or a name given twice.

    Example:
        >>> parse_grid(["lr=0.1,0.01", "batch-size=16"], recipes.load_recipe("standard"))
        [{'learning_rate': 0.1, 'batch_size': 16}, {'learning_rate': 0.01, 'batch_size': 16}]
    """
    axes: dict[str, list[Any]] = {}
    for text in texts:
        name, values = _axis(text, recipe)
        if name in axes:
            raise UsageError(f"--grid names '{name.replace('_', '-')}' twice", "join its values by commas")
        axes[name] = values
    points = [dict(zip(axes, values_at_point, strict=True)) for values_at_point in itertools.product(*axes.values())]
    for point in points:
        varied = apply_point(recipe, point)
        make_method(varied)
    return points


def _axis(text: str, recipe: Recipe) -> tuple[str, list[Any]]:
    key, sign, listed = text.partition("=")
    words = [word.strip() for word in listed.split(",") if word.strip()]
    if not (key and sign and words):
        raise UsageError(f"--grid '{text}' is not of the form NAME=VALUE,VALUE", "such as --grid lr=0.1,0.01")
    name = ALIASES.get(key.strip(), key.strip()).replace("-", "_")
    fields = {field.name: field.default for field in dataclasses.fields(Recipe) if field.name not in _FIXED}
    if name in fields:
        option = f"--grid {name.replace('_', '-')}"
        values = [parse_value(word, like=fields[name], argument=option) for word in words]
    else:
        kind = registry.load_entry(METHODS, recipe.method, kind="method")
        settings = [field.name for field in dataclasses.fields(kind.Settings)]
        registry.check_name([*ALIASES, *fields, *settings], name, kind="setting to search")
        values = words
    if len(set(values)) < len(values):
        raise UsageError(f"--grid '{text}' has a value twice", "give each value once")
    return name, values


def apply_point(recipe: Recipe, point: Mapping[str, Any]) -> Recipe:
    """Return the recipe at one point of a grid."""
    fields = {field.name for field in dataclasses.fields(Recipe)}
    own = {name: value for name, value in point.items() if name in fields}
    settings = [f"{name}={value}" for name, value in point.items() if name not in fields]
    if settings:
        own["settings"] = ",".join(filter(None, [recipe.settings, *settings]))
    return recipes.vary(recipe, own)
