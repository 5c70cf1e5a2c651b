"""Train a student by a teacher's explanations, or by another distillation."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from cxrshort import distributed, forecasts, runs
from cxrshort import manifest as manifests
from cxrshort.compute import choose_compute
from cxrshort.dataset import load_dataset
from cxrshort.models.sources.opening import Reference
from cxrshort.results import Result
from cxrshort.training import sweeps, tracking
from cxrshort.training.distillation_overview import distillation_forecast, distillation_result
from cxrshort.training.distributed_steps import check_batch_size
from cxrshort.training.folders import default_folder, run_folders
from cxrshort.training.inputs import Report, TrainingJob, name_training
from cxrshort.training.job import forecast_jobs, train_model
from cxrshort.training.teachers import (
    StudentOptions,
    TeacherOptions,
    check_teacher_data,
    locate_teacher,
    open_teacher,
    student_recipe,
)


def tea_distill(
    dataset: str,
    *,
    teacher: TeacherOptions,
    student: StudentOptions,
    replicate: int = 0,
    replicates: int | None = None,
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
    """Train a student of a teacher and return how closely it follows, and what it reached on the validation fold.

    Args:
        dataset: a dataset folder, a manifest, ``-`` or a name.
        teacher: the model that is learned from, and what it sees.
        student: the model that learns, and how.
        replicate: which split to train on.
        replicates: train on each of the first so many splits, in turn; of a folder of replicates, each has the teacher
            of its own split.
        seed: of initialisation, order and augmentation.
        out: the run folder; default ``runs/DATASET/ARCH/METHOD/replicate-R``. With ``replicates``, their parent.
        name: replaces the last part of the default folder.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"``, ``"mps"``.
        precision: ``"auto"``, ``"fp32"``, ``"bf16"``; explanations are always made in fp32.
        threads: CPU threads; recorded, and kept by ``resume``.
        dry_run: forecast time and memory after a short trial, write nothing.
        force: start over where a run exists.
        resume: go on where a run was interrupted, with the same teacher.
        tensorboard: write the events for TensorBoard too, into the run folder.
        report: takes one event per look at the losses and per epoch.

    Raises:
        UsageError: an unknown name, teacher and student that do not fit together, or resuming with other settings.
        DataError: a teacher that was trained on the student's test patients, or images without masks.
        ResumableError: interrupted by a signal; a checkpoint is saved.
        WorkFailedError: the loss is not a number, or memory ran out.
    """
    sweeps.check_replicates(replicate=replicate, replicates=replicates)
    numbers = [replicate] if replicates is None else list(range(replicates))
    references = {number: locate_teacher(teacher, replicate=number) for number in numbers}
    compute = distributed.with_rank(choose_compute(device, precision=precision, threads=threads))
    if tensorboard:
        tracking.check_tensorboard()
    data = load_dataset(dataset)
    splits = manifests.split_columns(data.manifest)
    sweeps.check_splits(splits, replicate=replicate, replicates=replicates, dataset=data.name)
    named = student.named_recipe(teacher)
    default = partial(default_folder, data.name, student.arch, named, seed=seed, name=name)
    folders = run_folders(default, replicate=replicate, replicates=replicates, out=out, name=name)
    jobs = []
    for number, reference in references.items():
        recipe = student_recipe(student, teacher, reference)
        check_batch_size(recipe, compute)
        check_teacher_data(reference, data, recipe, replicate=number)
        jobs.append(
            TrainingJob(
                data=data,
                arch=student.arch,
                recipe=recipe,
                replicate=number,
                seed=seed,
                folder=folders[number],
                compute=compute,
                force=force,
                resume=resume,
                tensorboard=tensorboard,
                report=report,
                verb="tea-distill",
                read=_name_files(reference),
                title=f"{name_training(named)}, of {reference.training}",
            )
        )
    with distributed.process_group(compute):
        if dry_run:
            plan = forecast_jobs(jobs, models=len(jobs), teacher=open_teacher(references[numbers[0]], teacher, compute))
            if replicates is not None:
                plan["outputs"] = forecasts.preview_series(jobs[0].folder.parent, "tea-distill", plan["outputs"])
            return distillation_forecast(plan, references[numbers[0]].title)
        train = partial(_train, references=references, options=teacher)
        if replicates is not None:
            return distillation_result(sweeps.train_replicates(jobs, train=train))
        return distillation_result(train(jobs[0]))


def _train(job: TrainingJob, *, references: Mapping[int, Reference], options: TeacherOptions) -> dict[str, Any]:
    """Train the student of one replicate with its own teacher."""
    return train_model(job, teacher=open_teacher(references[job.replicate], options, job.compute))


def _name_files(reference: Reference) -> dict[str, Path]:
    """Return the files of a teacher by the names that the run's record gives them."""
    paths = list(reference.files.values())
    return {"teacher" if len(paths) == 1 else f"teacher_{part}": path for part, path in enumerate(paths)}
