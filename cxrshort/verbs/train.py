"""Train a classifier or a segmenter on one replicate of a dataset."""

import dataclasses
import json
import math
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cxrshort import dataset as datasets
from cxrshort import devices, interruption, runs
from cxrshort.dataset import Dataset
from cxrshort.devices import Compute
from cxrshort.errors import UsageError
from cxrshort.models import checkpoint
from cxrshort.models.architecture import Architecture
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec, default_spec
from cxrshort.models.lookup import find_architecture
from cxrshort.models.outlines import load_segmenter
from cxrshort.report import figures
from cxrshort.report.figures import EpochPoint
from cxrshort.training import recipes, tracking
from cxrshort.training import state as states
from cxrshort.training.balancing import balanced_chances, known_targets, label_codes, positive_weights
from cxrshort.training.folds import Folds
from cxrshort.training.forecast import forecast
from cxrshort.training.loop import Course, chosen_epoch, fit
from cxrshort.training.method import Objective, make_objective
from cxrshort.training.preparation import AnyFolds, Lesson, Plan, Segmenter, check_segmenter_people
from cxrshort.training.processes import check_batch_size
from cxrshort.training.recipes import Recipe
from cxrshort.training.segmentation import MaskFolds
from cxrshort.training.state import Keeper, State
from cxrshort.training.task import Task

Report = Callable[[Mapping[str, Any]], None]

STATE = ".state.pt"


def train(
    dataset: str,
    *,
    arch: str,
    recipe: str = "standard",
    overrides: Mapping[str, Any] | None = None,
    replicate: int = 0,
    seed: int = 0,
    out: Path | None = None,
    name: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    dry_run: bool = False,
    force: bool = False,
    resume: bool = False,
    tensorboard: bool = False,
    report: Report = lambda event: None,
) -> dict[str, Any]:
    """Train a classifier or a segmenter and return what it reached on the validation fold.

    Under ``torchrun`` several processes train the one model; the first one writes, reports and returns the result, the
    others return nothing.

    Args:
        dataset: a dataset folder, a manifest, ``-`` or a name.
        arch: one of the architectures.
        recipe: a published way to train.
        overrides: values over the recipe's, by the names of :class:`Recipe`; None leaves the recipe's.
        replicate: which split to train on.
        seed: of initialisation, order and augmentation.
        out: the run folder; default ``runs/DATASET/ARCH/METHOD/replicate-R``.
        name: replaces the last part of the default folder.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"``, ``"mps"``.
        precision: ``"auto"``, ``"fp32"``, ``"bf16"``.
        threads: CPU threads; recorded, and kept by ``resume``.
        dry_run: forecast time and memory after a short trial, write nothing.
        force: begin anew where a run exists.
        resume: go on where a run was interrupted; the model is the same, bit for bit, as without the interruption.
        tensorboard: write the events for TensorBoard too, into the run folder.
        report: takes one event per look at the losses and per epoch.

    Raises:
        UsageError: an unknown name, or resuming with other settings.
        DataError: a label without both classes in the validation fold.
        ResumableError: interrupted by a signal; the state is saved.
        WorkFailedError: the loss is not a number, or memory ran out.
    """
    chosen = recipes.load(recipe, overrides=overrides)
    architecture = _find_architecture(arch, chosen)
    make_objective(chosen.method, chosen.settings, task=Task(chosen.task))  # refuses early
    compute = devices.placed(devices.choose(device, precision=precision, threads=threads))
    check_batch_size(chosen, compute)
    if tensorboard:
        tracking.check_tensorboard()
    data = datasets.load(dataset)
    folds = _cut(data, chosen, replicate=replicate, explicit_label=bool((overrides or {}).get("select_label")))
    spec = dataclasses.replace(default_spec(architecture, data.pixels.image_shape[-1]), crop=chosen.crop)
    _check_size(architecture, spec)
    segmenter = _load_segmenter(data, chosen, replicate=replicate)
    objective = make_objective(chosen.method, chosen.settings, task=_weighted(folds, chosen))
    needs_masks = _check_masks(objective, folds, chosen, segmenter)
    plan = Plan(chosen, architecture, compute, seed, needs_masks, segmenter)
    description = Description(
        kind="segmenter" if chosen.task == "masks" else "classifier",
        architecture=arch,
        labels=folds.labels,
        spec=spec,
        dataset=data.name,
        replicate=replicate,
        seed=seed,
        recipe=_record(chosen, compute),
        pixels=data.recipe,
        training_people=checkpoint.hash_people([*folds.train.manifest["person_id"], *folds.val.manifest["person_id"]]),
    )
    settings = _settings(description, compute, data)
    model = checkpoint.build(description, seed=seed, weights=chosen.weights)
    model = model.to(compute.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if dry_run:
        lesson = _shared(plan.prepare(model, folds, description=description, trial=True), folds, plan)
        course = Course(objective, chosen, compute, lesson.validate, Keeper(Path()), report)
        with devices.joined(compute):
            return _dry_run(lesson, course, folds=folds, architecture=arch)
    folder = out or default_folder(data.name, arch, chosen, replicate=replicate, seed=seed, name=name)
    if resume and (complete := runs.finished(folder, arguments=settings)):
        return complete
    inputs = {"manifest": data.path} if data.path else {}
    start = partial(runs.start, folder, "train", arguments=settings, inputs=inputs, force=force, resume=resume)
    with devices.joined(compute), interruption.watched() as interrupted, devices.deterministic():
        run = _start_run(start, runs.Run(folder, "train", settings, names={STATE}), compute)
        state = _state(run, settings, resume=resume, first=compute.rank == 0)
        lesson = _shared(plan.prepare(model, folds, description=description), folds, plan)
        tell = _teller(run, report, tensorboard=tensorboard, state=state, steps=len(lesson.batches))
        keeper = Keeper(run.path(STATE), interrupted)
        course = Course(objective, chosen, compute, lesson.validate, keeper, _silent if compute.rank else tell)
        state = fit(lesson.learner, lesson.batches, course=course, state=state)
    return {} if compute.rank else _finish(run, lesson, state, folds=folds)


def _start_run(start: Callable[[], runs.Run], seen: runs.Run, compute: Compute) -> runs.Run:
    """Return the run that the first process has started, or what the others see of it, who write nothing."""
    started = []
    devices.first_alone(lambda: started.append(start()), compute)
    return started[0] if started else seen


def _silent(event: Mapping[str, Any]) -> None:
    """Say nothing: the first of several processes speaks for all."""
    del event


def _teller(run: runs.Run, report: Report, *, tensorboard: bool, state: State, steps: int) -> Report:
    """Return what takes an event to the log, to the caller and to TensorBoard."""
    begun = state.epoch * steps + state.step
    writers: list[tracking.Writer] = []  # opened by the first event: only the first process gets any

    def tell(event: Mapping[str, Any]) -> None:
        run.log(event)
        report(event)
        if tensorboard and not writers:
            writers.append(tracking.open_writer(run.path("tensorboard"), step=begun))
        for writer in writers:
            tracking.record(event, writer, steps=steps)

    return tell


def _weighted(folds: AnyFolds, recipe: Recipe) -> Task:
    weights = positive_weights(folds.train_targets) if recipe.class_weights else ()
    return Task(recipe.task, weights)


def _shared(lesson: Lesson, folds: AnyFolds, plan: Plan) -> Lesson:
    """Return the lesson with this process's share of the batches, drawn as the recipe balances them."""
    batches = dataclasses.replace(
        lesson.batches,
        known=known_targets(folds.train_targets, task=folds.task),
        chances=_chances(folds, plan.recipe),
        rank=plan.compute.rank,
        processes=plan.compute.processes,
    )
    return dataclasses.replace(lesson, batches=batches)


def _chances(folds: AnyFolds, recipe: Recipe) -> npt.NDArray[np.float64] | None:
    if recipe.balance == "group" and folds.groups is not None:
        return balanced_chances(folds.groups)
    if recipe.balance == "label":
        select = folds.select if isinstance(folds, Folds) else None
        return balanced_chances(label_codes(folds.train_targets, task=folds.task, select=select))
    return None


def _dry_run(lesson: Lesson, course: Course, *, folds: AnyFolds, architecture: str) -> dict[str, Any]:
    images = {"train": len(folds.train.manifest), "val": len(folds.val.manifest)}
    return {
        "dry_run": True,
        "architecture": architecture,
        "labels": list(folds.labels),
        "images": images,
        "epochs": course.recipe.epochs,
        **forecast(lesson.learner, lesson.batches, course=course, validation_images=images["val"]),
        "free_disk_mib": round(shutil.disk_usage(Path.cwd()).free / 2**20),
    }


def _name_weights(weights: str) -> str:
    """Return a name for the first weights that does not depend on where their file lies."""
    path = Path(weights)
    return f"sha256:{runs.sha256(path)}" if path.is_file() else weights


def _record(recipe: Recipe, compute: Compute) -> dict[str, Any]:
    """Return the recipe as a model file keeps it: files by their content."""
    segmenter = str(checkpoint.locate(recipe.segmenter)) if recipe.segmenter else ""
    names = {"weights": _name_weights(recipe.weights), "segmenter": _name_weights(segmenter)}
    return recipe.record() | {"precision": compute.precision, **names}


def _find_architecture(name: str, recipe: Recipe) -> Architecture:
    architecture = find_architecture(name)
    if architecture.output == "masks" and recipe.task != "masks":
        raise UsageError(
            f"'{name}' draws masks, it cannot learn labels", f"cxrshort train --arch {name} --target masks"
        )
    if recipe.task == "masks" and architecture.output != "masks":
        raise UsageError(f"'{name}' returns labels, it cannot learn masks", "--arch unet or unet-small")
    return architecture


def _cut(data: Dataset, recipe: Recipe, *, replicate: int, explicit_label: bool) -> AnyFolds:
    if recipe.task == "masks":
        return MaskFolds.cut(data, recipe, replicate=replicate)
    return Folds.cut(data, recipe, replicate=replicate, explicit_label=explicit_label)


def _load_segmenter(data: Dataset, recipe: Recipe, *, replicate: int) -> Segmenter | None:
    if not recipe.segmenter:
        return None
    segmenter = load_segmenter(recipe.segmenter, dataset=data.name, pixels=data.recipe)
    if recipe.background:
        manifest = data.manifest
        test_people = manifest.loc[manifest[f"split_{replicate}"] == "test", "person_id"].tolist()
        check_segmenter_people(segmenter[1], test_people, replicate=replicate)
    return segmenter


def _check_masks(objective: Objective, folds: AnyFolds, recipe: Recipe, segmenter: Segmenter | None) -> bool:
    """Return whether the run needs masks; refuse it where the objective has none, or no use for a segmenter."""
    needs_masks = objective.uses_masks or recipe.task == "masks" or bool(recipe.background)
    if segmenter is not None and not needs_masks:
        raise UsageError(
            f"--segmenter has no use with --method {recipe.method}", "--background noise, or --method rrr, gain, isnet"
        )
    objective.check(folds.groups, (segmenter or folds.train.masks) if needs_masks else None)
    return needs_masks


def _check_size(architecture: Architecture, spec: InputSpec) -> None:
    if spec.size < architecture.minimum_size:
        raise UsageError(
            f"'{architecture.name}' needs images of {architecture.minimum_size} pixels, the dataset has {spec.size}",
            f"build-dataset with --size {architecture.minimum_size} or more",
        )


def _settings(description: Description, compute: Compute, data: Dataset) -> dict[str, Any]:
    """Return everything that the bytes of the model depend on."""
    record = json.loads(description.to_json())
    recipe = record.pop("recipe")
    for name in ("training_people", "selection", "format"):
        record.pop(name)
    manifest = runs.sha256(data.path) if data.path else ""
    return runs.json_values(
        {**record, **recipe, **compute.record(), "processes": compute.processes, "manifest_sha256": manifest}
    )


def _state(run: runs.Run, settings: dict[str, Any], *, resume: bool, first: bool) -> State:
    """Return where the run stands; the first process also brings the log back to there."""
    path = run.path(STATE)
    if not (resume and path.exists()):
        if first:
            run.path(runs.LOG).unlink(missing_ok=True)
        return State(settings=settings)
    state = states.load(path, settings=settings)
    if first:
        _forget_later_events(run.path(runs.LOG), state)
    return state


def _forget_later_events(log: Path, state: State) -> None:
    """Cut the log back to where the saved state stands; what came after it will be done, and logged, again."""
    kept = []
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        try:
            event = json.loads(line)
        except ValueError:  # the line that a kill cut short
            break
        if event["epoch"] < state.epoch or (
            event["epoch"] == state.epoch and event.get("step", math.inf) <= state.step
        ):
            kept.append(line + "\n")
    runs.write_text(log, "".join(kept))


def _finish(run: runs.Run, lesson: Lesson, state: State, *, folds: AnyFolds) -> dict[str, Any]:
    description = lesson.description
    best = state.history[chosen_epoch(state.history, str(description.recipe["selection"]))]
    selection = {"split": "val", "measure": folds.measure, "score": best["score"], "epoch": best["epoch"]}
    lesson.learner.load_state_dict(state.best_weights)
    description = dataclasses.replace(description, selection=selection)
    checkpoint.save(lesson.whole, run.path(checkpoint.FILE), description=description)
    points = [
        EpochPoint(each["epoch"] + 1, each["loss"], each["val_loss"], each["score"], chosen=each is best)
        for each in state.history
    ]
    figures.training_curve(points, run.path("training.png"))
    summary = {
        "model": str(run.path(checkpoint.FILE)),
        "dataset": description.dataset,
        "architecture": description.architecture,
        "replicate": description.replicate,
        "labels": list(folds.labels),
        "labels_left_out": list(folds.left_out),
        **({"images_without_masks": folds.without_masks} if isinstance(folds, MaskFolds) else {}),
        "images": {"train": len(folds.train.manifest), "val": len(folds.val.manifest)},
        "selection": selection,
        "history": state.history,
    }
    run.finish({"summary": summary})
    run.path(STATE).unlink(missing_ok=True)
    return summary


def default_folder(
    dataset: str, arch: str, recipe: Recipe, *, replicate: int, seed: int, name: str | None = None
) -> Path:
    """Return ``runs/DATASET/ARCH/METHOD/replicate-R``, the last part naming what is off its default."""
    parent = Path("runs") / dataset / arch / recipe.method
    if name:
        return parent / name
    usual = Recipe(name="standard") if recipe.name == "standard" else recipes.load(recipe.name)
    parts = [f"replicate-{replicate}"]
    parts += [recipe.name] if recipe.name != "standard" else []
    parts += [f"seed={seed}"] if seed else []
    for field, value in recipe.record().items():
        if value != getattr(usual, field) and field != "name":
            parts.append(f"{field.replace('_', '-')}={str(value).replace('/', '-').replace(',', '+')}")
    return parent / ",".join(parts)
