"""Runs of several trainings: replicates, the members of an ensemble, the trials of a search.

Each of them is a run of its own in a folder of its own, so that an interrupted series goes on where it stopped, and any
of them can be repeated alone to the same bytes. A search looks at the validation fold only; every trial stays in
``trials.csv``, and the model that it keeps records how many there were, since the best of many is partly luck.
"""

import dataclasses
import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort import manifest as manifests
from cxrshort import registry, runs
from cxrshort.compute import Compute
from cxrshort.dataset import Dataset
from cxrshort.errors import UsageError, WorkFailedError
from cxrshort.models import checkpoint, ensemble
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier
from cxrshort.models.outputs import Task
from cxrshort.training import OBJECTIVES, recipes
from cxrshort.training.objectives.contract import make_objective, parse_value
from cxrshort.training.preparation import hash_manifest, identify, input_files
from cxrshort.training.recipes import Recipe

Report = Callable[[Mapping[str, Any]], None]
TRIALS = "trials.csv"
_ALIASES = {"lr": "learning_rate", "wd": "weight_decay"}
_FIXED = ("name", "method", "labels", "task", "select_label", "selection", "settings")
"""What is no hyper-parameter: it decides what is learnt and judged, not how well."""


@dataclass(frozen=True)
class Request:
    """Say which run is wanted.

    Args:
        data: the dataset.
        arch: the architecture.
        recipe: every setting.
        replicate: which split to train on.
        seed: of initialisation, order and augmentation.
        folder: the run folder.
        compute: device and precision.
        explicit_label: whether the user named the label that chooses the epoch.
        force: begin anew where a run exists.
        resume: go on where a run was interrupted.
        tensorboard: write the events for TensorBoard too.
        report: takes events.
    """

    data: Dataset
    arch: str
    recipe: Recipe
    replicate: int
    seed: int
    folder: Path
    compute: Compute
    explicit_label: bool
    force: bool
    resume: bool
    tensorboard: bool
    report: Report

    def titled(self, title: str) -> Report:
        """Return a report whose events also say which of several runs they belong to."""
        return lambda event: self.report({**event, "run": ", ".join(filter(None, [title, event.get("run", "")]))})


One = Callable[[Request], dict[str, Any]]
"""Do one run and return its summary; an empty one in all processes but the first."""

Judge = Callable[[Request, Classifier, Description], Mapping[str, Any]]
"""Return the validation measure and score of a model."""


def train_replicates(requests: Sequence[Request], *, one: One) -> dict[str, Any]:
    """Train one model on each replicate, in turn.

    Returns:
        ``replicates``, the summary of each; ``mean`` and ``deviation`` (of the sample, ddof 1) of their validation
        scores.

    Raises:
        OutputError: one of the folders holds something already, found before any work is done.
    """
    first = requests[0]
    if first.compute.rank == 0 and not first.resume:
        for each in requests:
            runs.check_free(each.folder, force=each.force, resume=False)
    count = len(requests)
    summaries = [
        one(replace(each, report=each.titled(f"replicate {each.replicate} ({number} of {count})")))
        for number, each in enumerate(requests, 1)
    ]
    if first.compute.rank:
        return {}
    scores = [float(each["selection"]["score"]) for each in summaries]
    return {
        "replicates": summaries,
        "measure": summaries[0]["selection"]["measure"],
        "mean": statistics.fmean(scores),
        "deviation": statistics.stdev(scores) if len(scores) > 1 else None,
        "folder": str(first.folder.parent),
    }


def train_members(request: Request, *, one: One, judge: Judge) -> dict[str, Any]:
    """Train the members of an ensemble, from seeds that follow each other, and write them as one model.

    Args:
        request: its recipe says how many, and how they are combined.
        one: trains a member.
        judge: tells what the whole reaches on the validation fold.
    """
    arguments = _arguments(request, request.recipe.members)
    if complete := _complete(request, arguments):
        return complete
    with _open(request, arguments) as run:
        return _train_members(run, request, one=one, judge=judge)


def _train_members(run: runs.Run, request: Request, *, one: One, judge: Judge) -> dict[str, Any]:
    recipe, count = request.recipe, request.recipe.members
    members = [
        replace(
            request,
            recipe=replace(recipe, members=1),
            seed=request.seed + number,
            folder=run.path(f"member-{number}"),
            force=False,
            report=request.titled(f"member {number + 1} of {count}"),
        )
        for number in range(count)
    ]
    summaries = [one(each) for each in members]
    if request.compute.rank:
        return {}
    loaded = [checkpoint.load(each.folder / checkpoint.FILE) for each in members]
    model, description = ensemble.merge(loaded, combine=recipe.combine)  # type: ignore[arg-type]
    record = {**description.recipe, "members": count, "combine": recipe.combine}
    selection = {**judge(request, model, description), **description.selection}
    description = replace(description, recipe=record, seed=request.seed, selection=selection)
    checkpoint.save(model, run.path(checkpoint.FILE), description=description)
    summary = {
        **summaries[0],
        "model": str(run.path(checkpoint.FILE)),
        "members": [each["selection"] for each in summaries],
        "combine": recipe.combine,
        "selection": selection,
        "history": [],
    }
    run.finish({"summary": summary})
    return summary


def train_grid(request: Request, *, one: One, points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Train once at every point of a grid, and keep the model with the best validation score (the first of equals).

    A trial whose loss is no longer a number, or that needs more memory than there is, is listed with its reason.

    Args:
        request: what all trials share.
        one: does a trial.
        points: from :func:`parse_grid`.

    Raises:
        WorkFailedError: every trial failed.
    """
    arguments = _arguments(request, [dict(each) for each in points])
    if complete := _complete(request, arguments):
        return complete
    with _open(request, arguments) as run:
        return _train_grid(run, request, one=one, points=points)


def _train_grid(run: runs.Run, request: Request, *, one: One, points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    trials: list[dict[str, Any]] = []
    failures: list[WorkFailedError] = []
    for number, point in enumerate(points):
        trial = replace(
            request,
            recipe=at_point(request.recipe, point),
            folder=run.path(f"trial-{number}"),
            force=False,
            report=request.titled(f"trial {number + 1} of {len(points)}"),
        )
        try:
            summary = one(trial)
        except WorkFailedError as error:
            if request.compute.processes > 1:  # the others would wait for this one
                raise
            failures.append(error)
            trials.append({"trial": number, **point, "failure": error.message})
            continue
        if not request.compute.rank:
            trials.append({"trial": number, **point, **_reached(summary), "summary": summary})
    if request.compute.rank:
        return {}
    return _keep_best(run, trials, failures, searched=list(points[0]))


def _reached(summary: Mapping[str, Any]) -> dict[str, Any]:
    selection = summary["selection"]
    return {"measure": selection["measure"], "score": selection["score"], "epoch": selection.get("epoch")}


def _keep_best(
    run: runs.Run, trials: list[dict[str, Any]], failures: list[WorkFailedError], *, searched: list[str]
) -> dict[str, Any]:
    done = [each for each in trials if "summary" in each]
    if not done:
        raise failures[-1]
    best = max(done, key=lambda each: float(each["score"]))  # the first of equals
    model, description = checkpoint.load(Path(best["summary"]["model"]))
    selection = {**description.selection, "trials": len(trials), "trial": best["trial"], "searched": searched}
    checkpoint.save(model, run.path(checkpoint.FILE), description=replace(description, selection=selection))
    rows = [{key: value for key, value in each.items() if key != "summary"} for each in trials]
    manifests.write(pd.DataFrame(rows), run.path(TRIALS))
    summary = {
        **best["summary"],
        "model": str(run.path(checkpoint.FILE)),
        "selection": selection,
        "trials": rows,
        "searched": searched,
    }
    run.finish({"summary": summary})
    return summary


def _complete(request: Request, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the summary of a series that ``--resume`` finds complete."""
    return runs.finished(request.folder, arguments=arguments) if request.resume else None


def _open(request: Request, arguments: Mapping[str, Any]) -> AbstractContextManager[runs.Run]:
    """Return the run folder that holds a series."""
    return runs.opened(
        request.folder,
        "train",
        arguments=arguments,
        inputs=input_files(request.data, request.recipe),
        compute=request.compute,
        force=request.force,
        resume=request.resume,
    )


def inputs(request: Request) -> list[str]:
    """Return the files and folders that a run reads."""
    recipe = request.recipe
    start = recipe.weights if recipe.weights != "none" else ""
    own = str(request.data.path) if request.data.path else "standard input"
    return [own, *filter(None, [start, recipe.segmenter, recipe.mask_file])]


def _arguments(request: Request, several: object) -> dict[str, Any]:
    """Return what the series depends on, as JSON values."""
    return runs.json_values(
        {
            "dataset": request.data.name,
            "architecture": request.arch,
            "replicate": request.replicate,
            "seed": request.seed,
            "several": several,
            **identify(request.recipe),
            **request.compute.record(),
            "manifest_sha256": hash_manifest(request.data),
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
        >>> parse_grid(["lr=0.1,0.01", "batch-size=16"], recipes.load("standard"))
        [{'learning_rate': 0.1, 'batch_size': 16}, {'learning_rate': 0.01, 'batch_size': 16}]
    """
    axes: dict[str, list[Any]] = {}
    for text in texts:
        name, values = _axis(text, recipe)
        if name in axes:
            raise UsageError(f"--grid names '{name.replace('_', '-')}' twice", "join its values by commas")
        axes[name] = values
    points = [dict(zip(axes, each, strict=True)) for each in itertools.product(*axes.values())]
    for point in points:
        varied = at_point(recipe, point)
        make_objective(varied.method, varied.settings, task=Task(varied.task))
    return points


def _axis(text: str, recipe: Recipe) -> tuple[str, list[Any]]:
    given, sign, listed = text.partition("=")
    words = [each.strip() for each in listed.split(",") if each.strip()]
    if not (given and sign and words):
        raise UsageError(f"--grid '{text}' is not of the form NAME=VALUE,VALUE", "such as --grid lr=0.1,0.01")
    name = _ALIASES.get(given.strip(), given.strip()).replace("-", "_")
    fields = {each.name: each.default for each in dataclasses.fields(Recipe) if each.name not in _FIXED}
    if name in fields:
        option = f"--grid {name.replace('_', '-')}"
        values = [parse_value(word, like=fields[name], said=f"{option}={word}") for word in words]
    else:
        kind = registry.load(OBJECTIVES, recipe.method, kind="method")
        settings = [each.name for each in dataclasses.fields(kind.Settings)]
        registry.check_name([*_ALIASES, *fields, *settings], name, kind="setting to search")
        values = words
    if len(set(values)) < len(values):
        raise UsageError(f"--grid '{text}' has a value twice", "give each value once")
    return name, values


def at_point(recipe: Recipe, point: Mapping[str, Any]) -> Recipe:
    """Return the recipe at one point of a grid."""
    fields = {each.name for each in dataclasses.fields(Recipe)}
    own = {name: value for name, value in point.items() if name in fields}
    settings = [f"{name}={value}" for name, value in point.items() if name not in fields]
    if settings:
        own["settings"] = ",".join(filter(None, [recipe.settings, *settings]))
    return recipes.vary(recipe, own)
