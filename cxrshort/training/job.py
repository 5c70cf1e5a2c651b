"""A whole training run: prepared, started, reported, judged and finished.

What asks for it, a single training, one of a sweep, or the distillation of a teacher, differs in the job and the
teacher alone.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn

from cxrshort import contention, forecasts, runs
from cxrshort.compute import deterministic, enough_memory, gpu_memory
from cxrshort.figures import plots
from cxrshort.figures.plots import EpochPoint
from cxrshort.json_files import json_values
from cxrshort.models import checkpoint as model_files
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier
from cxrshort.models.scoring import SCORING_BATCH
from cxrshort.training import checkpointing, interruption, tracking
from cxrshort.training.checkpointing import Checkpoint
from cxrshort.training.checks import AnyFolds, count_masks
from cxrshort.training.data.parts import count_parts
from cxrshort.training.data.segmentation import MaskFolds
from cxrshort.training.folders import CURVE
from cxrshort.training.forecast import forecast
from cxrshort.training.inputs import Report, TrainingJob, hash_manifest
from cxrshort.training.learner import Learner, make_learner
from cxrshort.training.loop import FitConfig, chosen_epoch, fit
from cxrshort.training.objectives.contract import FoldImages
from cxrshort.training.objectives.distillation import Distillation
from cxrshort.training.preparation import PreparedJob, count_unused, cut_folds, prepare
from cxrshort.training.teacher import Teacher
from cxrshort.training.teaching import AGREEMENT, draw_teaching, summarise_teaching

CHECKPOINT = ".state.pt"


def train_model(job: TrainingJob, *, teacher: Teacher | None = None) -> dict[str, Any]:
    """Train one model and write it into the job's folder.

    Args:
        job: what is trained, on what, and where it is written.
        teacher: what the model learns from, where the method needs one. Its network is frozen, put in evaluation mode
            and on the job's device, and is no part of any file of the run; one that learns on stands in the checkpoint.

    Returns:
        The summary that run.json also holds; an empty one in all processes but the first.

    Raises:
        UsageError: parts that do not fit together, or resuming with other settings.
        DataError: the dataset cannot give what is needed.
        OutputError: the folder holds something else.
        ResumableError: interrupted by a signal; the checkpoint is saved.
        WorkFailedError: the loss is not a number, or memory ran out.
    """
    prepared = prepare(job, teacher=teacher)
    settings = _settings(prepared)
    if job.resume and (complete := runs.finished_summary(job.folder, arguments=settings)):
        return complete
    with interruption.watch_signals() as interrupted, deterministic(), _open_run(job, settings) as run:
        checkpoint = checkpointing.resume_checkpoint(run, run.path(CHECKPOINT), settings=settings, resume=job.resume)
        with enough_memory(job.compute, images=SCORING_BATCH):  # features and masks are predicted beforehand
            learner = make_learner(prepared)
        config = dataclasses.replace(
            _fit_config(prepared, learner), report=_report(run, job, learner, checkpoint), interrupted=interrupted
        )
        fit(learner.network, learner.batches, config=config, checkpoint=checkpoint)
        return _finish(run, learner, checkpoint, prepared=prepared)


def forecast_jobs(jobs: Sequence[TrainingJob], *, models: int, teacher: Teacher | None = None) -> dict[str, Any]:
    """Return what training would read, write and take, from a short trial of the first job; nothing is written.

    Args:
        jobs: one for each run folder.
        models: number of models that they train in all.
        teacher: as for :func:`train_model`.
    """
    job = jobs[0]
    prepared = prepare(job, teacher=teacher, trial=True)
    learner, folds = make_learner(prepared, trial=True), prepared.folds
    report = runs.ignore_event if job.compute.rank else job.report
    images = {"train": len(folds.train.manifest), "val": len(folds.val.manifest)}
    expected = forecast(
        learner.network,
        learner.batches,
        config=dataclasses.replace(_fit_config(prepared, learner), report=report),
        validation_images=images["val"],
        seconds_before=learner.seconds_before,
    )
    if models > 1:
        expected |= {"runs": models, "hours_of_all_runs": round(models * expected["hours"], 3)}
    return {
        "reads": job.sources(),
        "outputs": [
            forecasts.preview_folder(
                planned_job.folder,
                job.verb,
                inputs=planned_job.files().values(),
                force=planned_job.force,
                resume=planned_job.resume,
            )
            for planned_job in jobs
        ],
        "architecture": job.arch,
        "labels": list(folds.labels),
        "images": images,
        "epochs": job.recipe.epochs,
        "batch_size": min(job.recipe.batch_size, images["train"]),
        **count_unused(folds),
        **count_parts(folds.train, share=job.recipe.mix, replicate=job.replicate),
        "device": job.compute.device,
        "threads": job.compute.threads,
        **expected,
        "memory_mib": forecasts.peak_memory_mib(),
        **gpu_memory(job.compute),
        "disk_free_mib": forecasts.free_disk_mib(job.folder),
    }


def validate_model(job: TrainingJob, model: Classifier) -> dict[str, Any]:
    """Return what a complete model reaches on the job's validation fold, in this process alone."""
    folds = cut_folds(job.data, job.recipe, replicate=job.replicate, explicit_label=job.explicit_label)
    alone = dataclasses.replace(job.compute, rank=0, processes=1)
    measured = folds.validate(model.to(job.compute.torch_device), alone)
    return {"split": "val", "measure": folds.measure, **_score(measured)}


def _score(measured: Mapping[str, Any]) -> dict[str, float]:
    """Return what chooses the epoch, with its limits where it has some."""
    names = {"score": "score", "score_low": "low", "score_high": "high"}
    return {own: measured[name] for name, own in names.items() if name in measured}


def _open_run(job: TrainingJob, settings: Mapping[str, Any]) -> AbstractContextManager[runs.Run]:
    return runs.open_run(
        job.folder,
        job.verb,
        arguments=settings,
        inputs=job.files(),
        compute=job.compute,
        force=job.force,
        resume=job.resume,
    )


def _fit_config(prepared: PreparedJob, learner: Learner) -> FitConfig:
    job = prepared.job
    teacher = None if prepared.teacher is None else prepared.teacher.network
    return FitConfig(prepared.objective, job.recipe, job.compute, learner.validate, teacher=teacher)


def _report(run: runs.Run, job: TrainingJob, learner: Learner, checkpoint: Checkpoint) -> Report:
    """Return what takes an event to the log, to the caller and to TensorBoard; the first process speaks for all."""
    if run.read_only:
        return runs.ignore_event
    steps = len(learner.batches)
    first_step = checkpoint.epoch * steps + checkpoint.step
    epochs = contention.SlowEpochs()
    writers: list[tracking.Writer] = []  # opened by the first event, so that a run without any leaves no folder

    def report(event: Mapping[str, Any]) -> None:
        run.log(event)
        job.report(event)
        if event["event"] == "epoch" and (note := epochs.note(event["seconds"])):
            job.report({"event": "note", "text": note})
        if job.tensorboard and not writers:
            writers.append(tracking.open_writer(run.path("tensorboard"), step=first_step))
        for writer in writers:
            tracking.record(event, writer, steps=steps)

    return report


def _settings(prepared: PreparedJob) -> dict[str, Any]:
    """Return everything that the bytes of the model depend on."""
    job, record = prepared.job, json.loads(prepared.description.to_json())
    recipe = record.pop("recipe")
    for name in ("training_people", "selection", "format", "training", "dataset_id"):
        record.pop(name)
    settings = {**record, **recipe, **job.compute.record(), "processes": job.compute.processes}
    if prepared.teacher is not None:
        settings["teacher_sha256"] = _hash_weights(prepared.teacher.network)
    return json_values({**settings, "manifest_sha256": hash_manifest(job.data)})


def _hash_weights(network: nn.Module) -> str:
    """Return the SHA-256 of a network's weights and buffers, with their names."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _finish(run: runs.Run, learner: Learner, checkpoint: Checkpoint, *, prepared: PreparedJob) -> dict[str, Any]:
    """Write the model of the chosen epoch, its figure and run.json, and return the summary; the first process does."""
    folds, job, objective = prepared.folds, prepared.job, prepared.objective
    best = checkpoint.history[chosen_epoch(checkpoint.history, str(learner.description.recipe["selection"]))]
    selection = {"split": "val", "measure": folds.measure, **_score(best), "epoch": best["epoch"]}
    learner.network.load_state_dict(checkpoint.best_weights)
    images = FoldImages(
        learner.batches.pixels, learner.batches.masks, learner.batches.mask_bit, prepared.teacher, judge=None
    )
    finished = dict(objective.finish(learner.network, learner.model, learner.description, images, job.compute))
    if run.read_only:
        return {}
    description = dataclasses.replace(learner.description, selection=selection)
    model_files.save_model(learner.model, run.path(model_files.FILE), description=description)
    plots.training_curve(_curve(checkpoint.history, best), run.path(CURVE), measure=folds.measure)
    if prepared.teacher is not None and isinstance(objective, Distillation):
        draw_teaching(checkpoint.history, best, run.path(AGREEMENT), measure=folds.measure, method=objective.name)
        finished |= summarise_teaching(
            learner.model,
            prepared.teacher,
            objective,
            best,
            segmenter=None if prepared.segmenter is None else prepared.segmenter[0],
            pixels=folds.val.pixels,
            compute=job.compute,
        )
    summary = {
        "model": str(run.path(model_files.FILE)),
        **_summarise(description, folds, best),
        **finished,
        "history": checkpoint.history,
    }
    run.finish({"summary": summary})
    checkpoint.path.unlink(missing_ok=True)
    return summary


def _curve(history: Sequence[Mapping[str, Any]], best: Mapping[str, Any]) -> list[EpochPoint]:
    return [
        EpochPoint(epoch["epoch"], epoch["loss"], epoch["val_loss"], epoch["score"], chosen=epoch is best)
        for epoch in history
    ]


def _summarise(description: Description, folds: AnyFolds, best: Mapping[str, Any]) -> dict[str, Any]:
    masks = count_masks(folds)
    return {
        "dataset": description.dataset,
        "architecture": description.architecture,
        "replicate": description.replicate,
        "labels": list(folds.labels),
        "labels_left_out": list(folds.left_out),
        **count_unused(folds),
        **count_parts(folds.train, share=float(description.recipe["mix"]), replicate=description.replicate),
        **({"validation": folds.validation_summary(best)} if isinstance(folds, MaskFolds) else {}),
        **({"training_masks": masks._asdict()} if masks else {}),
        "images": {"train": len(folds.train.manifest), "val": len(folds.val.manifest)},
        "selection": description.selection,
    }
