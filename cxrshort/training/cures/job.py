"""A whole cure: features computed once, another last layer, an ordinary model file, and what it changed on val."""

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from cxrshort import forecasts, runs
from cxrshort.compute import deterministic, enough_memory, gpu_memory
from cxrshort.errors import ResumableError
from cxrshort.forecasts import significant
from cxrshort.json_files import json_values
from cxrshort.manifest import write_table
from cxrshort.models import checkpoint as model_files
from cxrshort.models.checkpoint import CURED_ON, Description
from cxrshort.models.classifier import Classifier
from cxrshort.models.foreground import visible_pixels
from cxrshort.models.heads import LINEAR, REACTIVE, ReactiveHead, replace_head
from cxrshort.models.identity import training_id, training_name
from cxrshort.models.people import count_people, hash_people, merge_people
from cxrshort.models.scoring import SCORING_BATCH, scan
from cxrshort.tables import records
from cxrshort.training import interruption
from cxrshort.training.cures.contract import CuredLayer, LastLayer, ReactiveLayer
from cxrshort.training.cures.effect import EFFECT, effect_table, score_cure, summarise_effect
from cxrshort.training.cures.penultimate import FEATURES, feature_array, fill_features, penultimate
from cxrshort.training.cures.start import CureStart, start_cure
from cxrshort.training.inputs import TrainingJob, hash_manifest, identify, name_training

_TRIAL = 16
"""Images whose features a dry run computes."""


def cure_model(job: TrainingJob) -> dict[str, Any]:
    """Change the last layer of one model and write the new model into the job's folder.

    Args:
        job: what is changed, on what, and where it is written.

    Returns:
        The summary that run.json also holds.

    Raises:
        UsageError: parts that do not fit together, or resuming with other settings.
        DataError: the model or the dataset cannot give what is needed.
        OutputError: the folder holds something else.
        ResumableError: interrupted by a signal; the features so far are saved.
        WorkFailedError: memory ran out.
    """
    start = start_cure(job)
    settings = _settings(start)
    if job.resume and (complete := runs.finished_summary(job.folder, arguments=settings)):
        return complete
    with interruption.watch_signals() as interrupted, deterministic(), _open_run(job, settings) as run:

        def report(event: Mapping[str, Any]) -> None:
            run.log(event)
            job.report(event)
            if interrupted():
                raise ResumableError(
                    "interrupted; the features so far are saved", "the same command with --resume continues"
                )

        with enough_memory(job.compute, images=SCORING_BATCH):
            values = fill_features(
                run,
                start.model,
                visible_pixels(start.description, start.val),
                head=start.head,
                compute=job.compute,
                settings=settings,
                resume=job.resume,
                report=report,
            )

        def progress(done: int, count: int) -> None:
            report({"event": "labels cured", "done": done, "of": count})

        start = replace(start, data=replace(start.data, values=values.astype(np.float64)))
        cured = start.cure.fit(start.data, start.layer, seed=job.seed, progress=progress)
        return _finish(run, start, cured)


def forecast_cures(jobs: Sequence[TrainingJob]) -> dict[str, Any]:
    """Return what cures would read, write and take, from the features of a few images; nothing is written.

    Args:
        jobs: one for each run folder.
    """
    job, start = jobs[0], start_cure(jobs[0])
    pixels = visible_pixels(start.description, start.val)
    work, rows = penultimate(start.model, start.head), np.arange(min(_TRIAL, len(pixels)))
    scan(work, pixels, model=start.model, compute=job.compute, rows=rows[:2])  # warms caches up
    began = time.monotonic()
    scan(work, pixels, model=start.model, compute=job.compute, rows=rows)
    per_image = max(time.monotonic() - began, 1e-9) / len(rows)
    return {
        "reads": job.sources(),
        "outputs": [
            forecasts.preview_folder(
                planned.folder, "train", inputs=planned.files().values(), force=planned.force, resume=planned.resume
            )
            for planned in jobs
        ],
        "method": job.recipe.method,
        "architecture": job.arch,
        "labels": list(start.description.labels),
        "images": {"val": len(start.val.manifest)},
        "device": job.compute.device,
        "threads": job.compute.threads,
        "runs": len(jobs),
        "images_per_second": significant(1 / per_image),
        "hours": round(len(jobs) * per_image * len(pixels) / 3600, 3),
        "state_mib": round(4 * sum(value.numel() for value in start.model.parameters()) / 2**20, 1),
        "memory_mib": forecasts.peak_memory_mib(),
        **gpu_memory(job.compute),
        "disk_free_mib": forecasts.free_disk_mib(job.folder),
    }


def describe_cure(start: CureStart) -> Description:
    """Return the description of the new model, but for what chose it.

    Its recipe is that of the model as it was, with the cure's own settings over it, so that whatever the network needs
    in use stays. The model is named by its training, not by its file, so that cured replicates are replicates.
    """
    job, before = start.job, start.description
    own = {name: identify(job.recipe)[name] for name in ("name", "method", "group", "settings")}
    structures = (
        {name: identify(job.recipe)[name] for name in ("mask_bit", "mask_file")} if start.cure.from_masks else {}
    )
    persons = start.val.manifest["person_id"]
    people = before.training_people
    if count_people(people, persons) < persons.nunique():
        people = merge_people([people, hash_people(persons)])
    named = name_training(replace(job.recipe, weights="none"))
    return replace(
        before,
        training=f"{named}, of {before.training or before.recipe.get('method', 'a model')}",
        seed=job.seed,
        recipe={
            **before.recipe,
            **own,
            **structures,
            "weights": f"training:{training_id(before)}",
            "precision": job.compute.precision,
            CURED_ON: job.data.dataset_id,
        },
        training_people=people,
    )


def put_layer(model: Classifier, head: str, layer: LastLayer | ReactiveLayer) -> str:
    """Put a last layer into a model, and return its kind.

    Args:
        model: changed in place.
        head: name of its last layer in the network.
        layer: the new one; its numbers become float32.
    """
    if isinstance(layer, LastLayer):
        _copy(layer, model.network.get_submodule(head))
        return LINEAR
    replace_head(model.network, head, kind=REACTIVE)
    reactive = model.network.get_submodule(head)
    if not isinstance(reactive, ReactiveHead):
        raise TypeError(f"{type(reactive).__name__} is not a reactive head")
    for part, target in (
        (layer.plain, reactive.plain),
        (layer.projected, reactive.projected),
        (layer.detector, reactive.detector),
    ):
        _copy(part, target)
    return REACTIVE


def _copy(layer: LastLayer, target: nn.Module) -> None:
    if not isinstance(target, nn.Linear):
        raise TypeError(f"{type(target).__name__} is not a linear layer")
    with torch.no_grad():
        target.weight.copy_(torch.from_numpy(layer.weights))
        target.bias.copy_(torch.from_numpy(layer.biases))


def _settings(start: CureStart) -> dict[str, Any]:
    """Return everything that the bytes of the model depend on."""
    job = start.job
    return json_values(
        {
            "architecture": job.arch,
            "dataset": job.data.name,
            "labels": list(start.description.labels),
            "replicate": job.replicate,
            "seed": job.seed,
            **identify(job.recipe),
            **job.compute.record(),
            "manifest_sha256": hash_manifest(job.data),
        }
    )


def _open_run(job: TrainingJob, settings: Mapping[str, Any]) -> AbstractContextManager[runs.Run]:
    return runs.open_run(
        job.folder,
        "train",
        arguments=settings,
        inputs=job.files(),
        compute=job.compute,
        force=job.force,
        resume=job.resume,
    )


def _finish(run: runs.Run, start: CureStart, cured: CuredLayer) -> dict[str, Any]:
    """Write the new model, what it changed, and run.json, and return the summary."""
    data, job = start.data, start.job
    effect = effect_table(data, start.cure.scores(start.layer.logits(data.values)), cured.judged)
    selection = dict(score_cure(data, cured.judged, select=start.select))
    description = replace(describe_cure(start), selection=selection)
    kind = put_layer(start.model, start.head, cured.layer)
    description = replace(description, head=kind)
    model_files.save_model(start.model, run.path(model_files.FILE), description=description)
    write_table(effect, run.path(EFFECT))
    summary = {
        "model": str(run.path(model_files.FILE)),
        "method": job.recipe.method,
        "changed": {"model": job.recipe.weights, "training": training_name(start.description)},
        "head": kind,
        "dataset": job.data.name,
        "architecture": description.architecture,
        "replicate": description.replicate,
        "labels": list(description.labels),
        "images": {"val": len(start.val.manifest)},
        "selection": selection,
        "cure": dict(cured.record),
        "by_label": summarise_effect(effect),
        "effect": records(effect),
        "notes": list(cured.notes),
        "history": [],
    }
    summary = json_values(summary)
    run.finish({"summary": summary})
    array = feature_array(*data.values.shape)
    for name in (FEATURES, array.journal):
        run.path(name).unlink(missing_ok=True)
    return summary
