"""Train a classifier or a segmenter on one replicate of a dataset."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from cxrshort import dataset as datasets
from cxrshort import distributed, forecasts, runs
from cxrshort.compute import Compute, choose_compute, deterministic, enough_memory, gpu_memory
from cxrshort.dataset import Dataset
from cxrshort.errors import UsageError
from cxrshort.figures import plots
from cxrshort.figures.plots import EpochPoint
from cxrshort.models import checkpoint
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, default_spec
from cxrshort.models.outputs import Task
from cxrshort.models.scoring import SCORING_BATCH
from cxrshort.training import checkpointing as states
from cxrshort.training import interruption, recipes, sweeps, tracking
from cxrshort.training.checkpointing import Keeper, State
from cxrshort.training.checks import AnyFolds, architecture_for, check_batch_fits, check_masks, check_size, count_masks
from cxrshort.training.data.segmentation import MaskFolds
from cxrshort.training.distributed_steps import check_batch_size
from cxrshort.training.forecast import forecast
from cxrshort.training.loop import Course, chosen_epoch, fit, plain_epochs
from cxrshort.training.objectives.contract import Objective, make_objective
from cxrshort.training.preparation import (
    Lesson,
    Plan,
    attach_masks,
    cut_folds,
    find_segmenter,
    hash_manifest,
    identify,
    input_files,
    left_aside,
    name_training,
    share,
    weighted_task,
)
from cxrshort.training.recipes import Recipe
from cxrshort.training.rehearsal import rehearse
from cxrshort.training.sweeps import Request

Report = Callable[[Mapping[str, Any]], None]

STATE = ".state.pt"


def train(
    dataset: str,
    *,
    arch: str,
    recipe: str = "standard",
    overrides: Mapping[str, Any] | None = None,
    replicate: int = 0,
    replicates: int | None = None,
    grid: Sequence[str] = (),
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
        replicates: train on each of the first so many splits, in turn, into sibling folders.
        grid: ``NAME=VALUE,VALUE`` each: train at every combination, and keep the best on the validation fold.
        seed: of initialisation, order and augmentation.
        out: the run folder; default ``runs/DATASET/ARCH/METHOD/replicate-R``. With ``replicates``, their parent.
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
    architecture_for(arch, chosen)
    make_objective(chosen.method, chosen.settings, task=Task(chosen.task))  # refuses early
    points = sweeps.parse_grid(grid, chosen)
    _check_series(chosen, replicate=replicate, replicates=replicates)
    compute = distributed.with_rank(choose_compute(device, precision=precision, threads=threads))
    check_batch_size(chosen, compute)
    if tensorboard:
        tracking.check_tensorboard()
    data = datasets.load(dataset)

    def request(number: int) -> Request:
        return Request(
            data=data,
            arch=arch,
            recipe=chosen,
            replicate=number,
            seed=seed,
            folder=_folder(
                data.name,
                arch,
                chosen,
                replicate=number,
                seed=seed,
                out=out,
                name=name,
                grid=list(points[0]),
                several=replicates is not None,
            ),
            compute=compute,
            explicit_label=bool((overrides or {}).get("select_label")),
            force=force,
            resume=resume,
            tensorboard=tensorboard,
            report=report,
        )

    numbers = range(replicates) if replicates is not None else [replicate]
    requests = [request(number) for number in numbers]
    one: sweeps.One = _train_one
    if chosen.members > 1 or "members" in points[0]:
        one = _members_or_one
    if grid:
        one = partial(sweeps.train_grid, one=one, points=points)
    with distributed.process_group(compute):
        if dry_run:
            count = len(requests) * sum(sweeps.at_point(chosen, each).members for each in points)
            return _dry_run(requests, runs_in_all=count)
        if replicates is not None:
            return sweeps.train_replicates(requests, one=one)
        return one(requests[0])


def _members_or_one(request: Request) -> dict[str, Any]:
    if request.recipe.members == 1:
        return _train_one(request)
    return sweeps.train_members(request, one=_train_one, judge=_judge)


def _judge(request: Request, model: Classifier, description: Description) -> dict[str, Any]:
    """Return what a whole ensemble reaches on the validation fold."""
    folds = cut_folds(request.data, request.recipe, replicate=request.replicate, explicit_label=request.explicit_label)
    alone = dataclasses.replace(request.compute, rank=0, processes=1)
    score = folds.validate(model.to(request.compute.torch_device), alone)["score"]
    return {"split": "val", "measure": folds.measure, "score": score}


def _check_series(recipe: Recipe, *, replicate: int, replicates: int | None) -> None:
    if replicates is None:
        return
    if replicates < 1:
        raise UsageError(f"--replicates is '{replicates}', it must be 1 or more", "the papers use 5")
    if replicate:
        raise UsageError("--replicate chooses one split and --replicates takes all", "give one of them")


@dataclass(frozen=True)
class _Prepared:
    """Hold what a run is about to do, checked."""

    folds: AnyFolds
    objective: Objective
    plan: Plan
    description: Description
    model: Classifier

    def lesson(self, *, trial: bool = False) -> Lesson:
        lesson = self.plan.prepare(self.model, self.folds, description=self.description, trial=trial)
        return share(lesson, self.folds, self.plan)

    def course(self, lesson: Lesson, keeper: Keeper, report: Report) -> Course:
        return Course(self.objective, self.plan.recipe, self.plan.compute, lesson.validate, keeper, report)


def _prepare(request: Request) -> _Prepared:
    recipe, compute = request.recipe, request.compute
    data = attach_masks(request.data, recipe)
    architecture = architecture_for(request.arch, recipe)
    folds = cut_folds(data, recipe, replicate=request.replicate, explicit_label=request.explicit_label)
    check_batch_fits(recipe, folds)
    spec = dataclasses.replace(default_spec(architecture, data.pixels.image_shape[-1]), crop=recipe.crop)
    check_size(architecture, spec)
    segmenter = find_segmenter(data, recipe, replicate=request.replicate)
    objective = make_objective(recipe.method, recipe.settings, task=weighted_task(folds, recipe))
    plain_epochs(objective, recipe)  # refuses too few
    needs_masks = check_masks(objective, folds, recipe, segmenter)
    plan = Plan(recipe, architecture, compute, request.seed, needs_masks, segmenter)
    description = Description(
        kind="segmenter" if recipe.task == "masks" else "classifier",
        architecture=request.arch,
        labels=folds.labels,
        spec=spec,
        dataset=data.name,
        dataset_id=data.dataset_id,
        training=name_training(recipe),
        replicate=request.replicate,
        seed=request.seed,
        recipe={**identify(recipe), "precision": compute.precision},
        pixels=data.recipe,
        training_people=checkpoint.hash_people([*folds.train.manifest["person_id"], *folds.val.manifest["person_id"]]),
    )
    model = checkpoint.build(description, seed=request.seed, weights=recipe.weights)
    model = model.to(compute.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    rehearse(model, objective, plan, shape=data.pixels.image_shape)
    return _Prepared(folds, objective, plan, description, model)


def _train_one(request: Request) -> dict[str, Any]:
    data, folder, compute = request.data, request.folder, request.compute
    prepared = _prepare(request)
    settings = _settings(prepared.description, compute, data)
    if request.resume and (complete := runs.finished(folder, arguments=settings)):
        return complete
    opened = runs.opened(
        folder,
        "train",
        arguments=settings,
        inputs=input_files(data, request.recipe),
        compute=compute,
        force=request.force,
        resume=request.resume,
    )
    with interruption.watched() as interrupted, deterministic(), opened as run:
        path = run.path(STATE)
        state = states.resumed(run, path, settings=settings, resume=request.resume)
        with enough_memory(compute, images=SCORING_BATCH):  # features and outlines are scored beforehand
            lesson = prepared.lesson()
        tell = _teller(run, request.report, tensorboard=request.tensorboard, state=state, steps=len(lesson.batches))
        course = prepared.course(lesson, Keeper(path, interrupted), runs.silent if run.read_only else tell)
        state = fit(lesson.learner, lesson.batches, course=course, state=state)
        return {} if run.read_only else _finish(run, lesson, state, folds=prepared.folds)


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


def _dry_run(requests: Sequence[Request], *, runs_in_all: int) -> dict[str, Any]:
    request = requests[0]
    prepared = _prepare(request)
    lesson, folds = prepared.lesson(trial=True), prepared.folds
    course = prepared.course(lesson, Keeper(Path()), request.report)
    images = {"train": len(folds.train.manifest), "val": len(folds.val.manifest)}
    expected = forecast(
        lesson.learner,
        lesson.batches,
        course=course,
        validation_images=images["val"],
        seconds_before=lesson.seconds_before,
    )
    if runs_in_all > 1:
        expected |= {"runs": runs_in_all, "hours_of_all_runs": round(runs_in_all * expected["hours"], 3)}
    return {
        "dry_run": True,
        "reads": sweeps.inputs(request),
        "outputs": [forecasts.foresee(each.folder, force=each.force, resume=each.resume) for each in requests],
        "architecture": request.arch,
        "labels": list(folds.labels),
        "images": images,
        "epochs": course.recipe.epochs,
        **left_aside(folds),
        "device": request.compute.device,
        "threads": request.compute.threads,
        **expected,
        "memory_mib": forecasts.peak_memory_mib(),
        **gpu_memory(request.compute),
        "disk_free_mib": forecasts.free_disk_mib(request.folder),
    }


def _settings(description: Description, compute: Compute, data: Dataset) -> dict[str, Any]:
    """Return everything that the bytes of the model depend on."""
    record = json.loads(description.to_json())
    recipe = record.pop("recipe")
    for name in ("training_people", "selection", "format"):
        record.pop(name)
    return runs.json_values(
        {**record, **recipe, **compute.record(), "processes": compute.processes, "manifest_sha256": hash_manifest(data)}
    )


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
    plots.training_curve(points, run.path("training.png"))
    masks = count_masks(folds)
    summary = {
        "model": str(run.path(checkpoint.FILE)),
        "dataset": description.dataset,
        "architecture": description.architecture,
        "replicate": description.replicate,
        "labels": list(folds.labels),
        "labels_left_out": list(folds.left_out),
        **left_aside(folds),
        **({"validation": folds.measured(best)} if isinstance(folds, MaskFolds) else {}),
        **({"training_masks": masks._asdict()} if masks else {}),
        "images": {"train": len(folds.train.manifest), "val": len(folds.val.manifest)},
        "selection": selection,
        "history": state.history,
    }
    run.finish({"summary": summary})
    run.path(STATE).unlink(missing_ok=True)
    return summary


def _folder(
    dataset: str,
    arch: str,
    recipe: Recipe,
    *,
    replicate: int,
    seed: int,
    out: Path | None,
    name: str | None,
    grid: Sequence[str],
    several: bool,
) -> Path:
    """Return the folder of one run, or of one of several replicates."""
    if several and (out or name):
        parent = out or default_folder(dataset, arch, recipe, replicate=0, seed=seed, name=name)
        return parent / f"replicate-{replicate}"
    return out or default_folder(dataset, arch, recipe, replicate=replicate, seed=seed, name=name, grid=grid)


def default_folder(
    dataset: str,
    arch: str,
    recipe: Recipe,
    *,
    replicate: int,
    seed: int,
    name: str | None = None,
    grid: Sequence[str] = (),
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
    parts += [f"grid={'+'.join(grid).replace('_', '-')}"] if grid else []
    last = ",".join(parts)
    return parent / runs.shorten(last)
