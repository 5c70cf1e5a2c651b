"""Train a classifier or a segmenter on one replicate of a dataset."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cxrshort import distributed, forecasts, runs
from cxrshort import manifest as manifests
from cxrshort.compute import choose_compute
from cxrshort.results import Result
from cxrshort.training import recipes, sweeps, tracking
from cxrshort.training.cures.job import cure_model, forecast_cures
from cxrshort.training.cures.overview import cure_forecast
from cxrshort.training.data.parts import check_mix, load_training_data
from cxrshort.training.distributed_steps import check_batch_size
from cxrshort.training.folders import default_folder, run_folders
from cxrshort.training.inputs import TrainingJob
from cxrshort.training.job import forecast_jobs, train_model
from cxrshort.training.methods import check_method, is_cure
from cxrshort.training.overview import training_forecast, training_result

Report = Callable[[Mapping[str, Any]], None]


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
    report: Report = runs.ignore_event,
) -> Result:
    """Train a classifier or a segmenter and return what it reached on the validation fold.

    Under ``torchrun`` several processes train the one model; the first one writes, reports and returns the result, the
    others return an empty one.

    Args:
        dataset: a dataset folder, a manifest, ``-`` or a name; or a real and a synthetic one, ``REAL+SYNTHETIC``.
        arch: one of the architectures; empty takes that of the model which a cure changes.
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
        force: start over where a run exists.
        resume: go on where a run was interrupted; the model is the same, bit for bit, as without the interruption.
        tensorboard: write the events for TensorBoard too, into the run folder.
        report: takes one event per look at the losses and per epoch.

    Raises:
        UsageError: an unknown name, or resuming with other settings.
        DataError: a label without both classes in the validation fold.
        ResumableError: interrupted by a signal; a checkpoint is saved.
        WorkFailedError: the loss is not a number, or memory ran out.
    """
    settings = recipes.load_recipe(recipe, overrides=overrides)
    sweeps.check_replicates(replicate=replicate, replicates=replicates)
    numbers = [replicate] if replicates is None else list(range(replicates))
    recipes_of, arch = check_method(settings, arch, replicates=numbers)  # refuses early
    points = sweeps.parse_grid(grid, settings)
    compute = distributed.with_rank(choose_compute(device, precision=precision, threads=threads))
    check_batch_size(settings, compute)
    if tensorboard:
        tracking.check_tensorboard()
    data = load_training_data(dataset)
    named = (overrides or {}).get("mix") is not None or any("mix" in point for point in points)
    for point in points:
        check_mix(data, sweeps.apply_point(settings, point), named=named or settings.mix > 0)
    splits = manifests.split_columns(data.manifest)
    sweeps.check_splits(splits, replicate=replicate, replicates=replicates, dataset=data.name)
    default = partial(default_folder, data.name, arch, settings, seed=seed, name=name, grid=list(points[0]))
    folders = run_folders(default, replicate=replicate, replicates=replicates, out=out, name=name)
    jobs = [
        TrainingJob(
            data=data,
            arch=arch,
            recipe=recipes_of[number],
            replicate=number,
            seed=seed,
            folder=folder,
            compute=compute,
            explicit_label=bool((overrides or {}).get("select_label")),
            force=force,
            resume=resume,
            tensorboard=tensorboard,
            report=report,
        )
        for number, folder in folders.items()
    ]
    train_job: sweeps.TrainModel = cure_model if is_cure(settings) else partial(sweeps.train_members, train=train_model)
    if grid:
        train_job = partial(sweeps.train_grid, train=train_job, points=points)
    with distributed.process_group(compute):
        if dry_run and is_cure(settings):
            return cure_forecast(forecast_cures(jobs))
        if dry_run:
            models = len(jobs) * sum(sweeps.apply_point(settings, point).members for point in points)
            plan = forecast_jobs(jobs, models=models)
            if replicates is not None:
                plan["outputs"] = forecasts.preview_series(jobs[0].folder.parent, "train", plan["outputs"])
            return training_forecast(plan)
        if replicates is not None:
            return training_result(sweeps.train_replicates(jobs, train=train_job))
        return training_result(train_job(jobs[0]))
