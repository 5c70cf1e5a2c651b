"""A whole training run of a CycleGAN: prepared, started, sampled, judged and finished."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort import files, forecasts, runs
from cxrshort.compute import Compute, deterministic, enough_memory, gpu_memory
from cxrshort.dataset import Dataset
from cxrshort.errors import UsageError
from cxrshort.figures.adversarial_curves import draw_adversarial_curves
from cxrshort.generative.cyclegan import recipes
from cxrshort.generative.cyclegan.diagnosis import diagnose
from cxrshort.generative.cyclegan.loop import LoopConfig, fit
from cxrshort.generative.cyclegan.losses import UNDECIDED
from cxrshort.generative.cyclegan.model import save_cyclegan
from cxrshort.generative.cyclegan.networks import Direction, check_side
from cxrshort.generative.cyclegan.pairs import PairBatches
from cxrshort.generative.cyclegan.recipes import CycleGanRecipe
from cxrshort.generative.cyclegan.samples import Samples
from cxrshort.generative.cyclegan.sides import Sides, choose_sides
from cxrshort.generative.cyclegan.steps import Learner
from cxrshort.json_files import json_values
from cxrshort.models import checkpoint as model_files
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.people import hash_people
from cxrshort.models.predictions import image_folders
from cxrshort.models.schema import CYCLEGAN
from cxrshort.training import checkpointing, interruption
from cxrshort.training.checkpointing import Checkpoint
from cxrshort.training.folders import CURVE
from cxrshort.training.inputs import hash_manifest

CHECKPOINT = ".state.pt"
HISTORY = "history.csv"
SAMPLES = "samples"
VERB = "cyclegan train"
_LOOKS = 20
"""Looks in a run, where their distance is not given."""
_TRIAL_STEPS = 6

Report = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class CycleGanJob:
    """Specify the training of a CycleGAN: its sides, its settings and where it is written.

    Args:
        data: the dataset.
        expressions: of each side.
        recipe: every setting.
        replicate: whose training fold is used.
        seed: of initialisation, order, augmentation and the draw of the sides.
        folder: the run folder.
        compute: device, precision and processes.
        sample_every: steps between two looks at losses and sample images; None looks about 20 times.
        force: start over where a run exists.
        resume: go on where a run was interrupted.
        report: takes events.
    """

    data: Dataset
    expressions: dict[Direction, str]
    recipe: CycleGanRecipe
    replicate: int
    seed: int
    folder: Path
    compute: Compute
    sample_every: int | None = None
    force: bool = False
    resume: bool = False
    report: Report = runs.ignore_event

    def files(self) -> dict[str, Path]:
        """Return what the run reads and must not write over, by what it is."""
        named = {"manifest": self.data.path, **image_folders(self.data)}
        return {name: path for name, path in named.items() if path is not None}


@dataclass(frozen=True)
class PreparedCycleGan:
    """Hold a job that was checked, with its sides, its batches and the description of its model.

    Args:
        job: the job.
        sides: the images.
        batches: cut from them.
        description: of the model.
    """

    job: CycleGanJob
    sides: Sides
    batches: PairBatches
    description: Description

    @property
    def steps(self) -> int:
        """Return the number of steps of the run."""
        return self.job.recipe.epochs * len(self.batches)

    @property
    def look_every(self) -> int:
        """Return the number of steps between two looks."""
        return self.job.sample_every or max(1, self.steps // _LOOKS)


def default_folder(
    dataset: str,
    expressions: Mapping[Direction, str],
    recipe: CycleGanRecipe,
    *,
    replicate: int,
    seed: int,
    name: str | None = None,
) -> Path:
    """Return ``runs/DATASET/cyclegan/FROM-to-TO/replicate-R``; whatever is off its default stands behind the sides.

    Raises:
        UsageError: the name is a path.

    Example:
        >>> recipe = recipes.load_recipe("standard", overrides={"epochs": 9})
        >>> str(default_folder("I", {"from": "AP == 0", "to": "AP == 1"}, recipe, replicate=0, seed=0))
        'runs/I/cyclegan/AP-0-to-AP-1-873e90+epochs-9/replicate-0'
    """
    parts = [files.shell_safe(f"{expressions['from']} to {expressions['to']}")]
    if name is not None and (name in ("", ".", "..") or Path(name).name != name):
        raise UsageError(f"--name '{name}' is not the name of a folder", "--out takes a path")
    if name is None:
        parts += [] if recipe.name == recipes.STANDARD else [recipe.name]
        for field, value in recipes.differences(recipe).items():
            parts.append(f"{field.replace('_', '-')}-{files.shell_safe(str(value))}")
    last = name or f"replicate-{replicate}" + (f"-seed-{seed}" if seed else "")
    return Path("runs") / dataset / CYCLEGAN / files.shorten("+".join(parts)) / last


def prepare(job: CycleGanJob) -> PreparedCycleGan:
    """Check a job, and choose the images of its sides.

    Raises:
        UsageError: images of a size that the networks cannot take, a side without images, or a batch smaller than the
            number of processes.
        DataError: an image is on both sides.
    """
    data, recipe, compute = job.data, job.recipe, job.compute
    if recipe.batch_size < compute.processes:
        raise UsageError(
            f"--batch-size is '{recipe.batch_size}', it must be at least the {compute.processes} processes",
            "it counts the images of all processes together",
        )
    shape = data.pixels.image_shape
    check_side(*shape[-2:])
    if len(shape) == 3 and recipe.channels == 1:
        raise UsageError("the images are in colour, the networks have 1 channel", "--set channels=3")
    sides = choose_sides(data, job.expressions, replicate=job.replicate, per_class=recipe.per_class, seed=job.seed)
    half = (0.5,) * recipe.channels
    changed = [f"{name.replace('_', '-')}={value}" for name, value in recipes.differences(recipe).items()]
    named = [] if recipe.name == recipes.STANDARD else [recipe.name]
    description = Description(
        kind=CYCLEGAN,
        architecture=CYCLEGAN,
        labels=(job.expressions["from"], job.expressions["to"]),
        spec=InputSpec(shape[-1], channels=recipe.channels, mean=half, std=half),
        dataset=data.name,
        dataset_id=data.dataset_id,
        training=", ".join([f"{CYCLEGAN} {job.expressions['from']} to {job.expressions['to']}", *named, *changed]),
        replicate=job.replicate,
        seed=job.seed,
        recipe={**recipe.record(), "precision": compute.precision},
        pixels=data.recipe,
        training_people=hash_people(sides.persons),
    )
    return PreparedCycleGan(job, sides, PairBatches(sides, recipe, job.seed, compute), description)


def train_cyclegan(job: CycleGanJob) -> dict[str, Any]:
    """Train a CycleGAN and write it into the job's folder.

    Returns:
        The summary that run.json also holds; an empty one in all processes but the first.

    Raises:
        UsageError: parts that do not fit together, a side without images, or resuming with other settings.
        DataError: an image is on both sides.
        OutputError: the folder holds something else, or cannot be written.
        ResumableError: interrupted by a signal; the checkpoint is saved.
        WorkFailedError: a loss is not a number, or memory ran out.
    """
    prepared = prepare(job)
    settings = _settings(prepared)
    if job.resume and (complete := runs.finished_summary(job.folder, arguments=settings)):
        return complete
    with interruption.watch_signals() as interrupted, deterministic(), _open_run(job, settings) as run:
        checkpoint = checkpointing.resume_checkpoint(run, run.path(CHECKPOINT), settings=settings, resume=job.resume)
        with enough_memory(job.compute, images=job.recipe.batch_size):
            learner = Learner(job.recipe, seed=job.seed, compute=job.compute)
        samples = Samples(prepared.sides, learner, job.expressions)

        def look(number: int) -> dict[str, float]:
            return samples.look(run.path(SAMPLES) / f"step-{number:07d}.png")

        report = _report(run, prepared, checkpoint)
        config = LoopConfig(look, prepared.look_every, report=report, interrupted=interrupted)
        fit(learner, prepared.batches, config=config, checkpoint=checkpoint)
        return _finish(run, learner, checkpoint, prepared=prepared)


def forecast_cyclegan(job: CycleGanJob) -> dict[str, Any]:
    """Return what a training would read, write and take, from a short trial; nothing is written."""
    prepared = prepare(job)
    learner = Learner(job.recipe, seed=job.seed, compute=job.compute)
    seconds: list[float] = []
    for number, batch in enumerate(prepared.batches.epoch(0)):
        started = time.monotonic()
        with enough_memory(job.compute, images=job.recipe.batch_size):
            float(learner.step(batch, number=number).sum())
        seconds.append(time.monotonic() - started)
        job.report({"event": "trial", "images": 2 * job.recipe.batch_size, "seconds": seconds[-1]})
        if len(seconds) == _TRIAL_STEPS or sum(seconds) > forecasts.TRIAL_SECONDS:
            break
    steady = seconds[1:] or seconds  # the first step allocates its memory
    step_seconds = sum(steady) / len(steady)
    generators, discriminators = (
        sum(parameter.numel() for parameter in part.parameters())
        for part in (learner.generators, learner.discriminators)
    )
    average = generators if job.recipe.ema else 0
    return {
        "reads": [str(job.data.path) if job.data.path else "standard input"],
        "outputs": [
            forecasts.preview_folder(job.folder, VERB, inputs=job.files().values(), force=job.force, resume=job.resume)
        ],
        "sides": dict(job.expressions),
        "images": prepared.sides.counts,
        "available": prepared.sides.available,
        "epochs": job.recipe.epochs,
        "steps": prepared.steps,
        "batch_size": job.recipe.batch_size,
        "parameters": generators + discriminators,
        "device": job.compute.device,
        "threads": job.compute.threads,
        "images_per_second": forecasts.significant(2 * job.recipe.batch_size / step_seconds),
        "seconds_per_step": forecasts.significant(step_seconds),
        "hours": round(prepared.steps * step_seconds / 3600, 3),
        "disk_mib": round(4 * generators / 2**20, 1),
        "state_mib": round(4 * (3 * (generators + discriminators) + average) / 2**20, 1),
        "memory_mib": forecasts.peak_memory_mib(),
        **gpu_memory(job.compute),
        "disk_free_mib": forecasts.free_disk_mib(job.folder),
    }


def _open_run(job: CycleGanJob, settings: Mapping[str, Any]) -> AbstractContextManager[runs.Run]:
    return runs.open_run(
        job.folder,
        VERB,
        arguments=settings,
        inputs=job.files(),
        compute=job.compute,
        force=job.force,
        resume=job.resume,
    )


def _settings(prepared: PreparedCycleGan) -> dict[str, Any]:
    """Return everything that the bytes of the model depend on."""
    job, record = prepared.job, json.loads(prepared.description.to_json())
    recipe = record.pop("recipe")
    for name in ("training_people", "selection", "format", "training", "dataset_id", "labels"):
        record.pop(name)
    sides = {direction: job.expressions[direction] for direction in ("from", "to")}
    settings = {**record, **recipe, **sides, **job.compute.record(), "processes": job.compute.processes}
    return json_values({**settings, "manifest_sha256": hash_manifest(job.data)})


def _report(run: runs.Run, prepared: PreparedCycleGan, checkpoint: Checkpoint) -> Report:
    """Return what takes events to the log and the caller; at a look it writes the history, and tells its faults."""
    if run.read_only:
        return runs.ignore_event
    job = prepared.job
    noted: set[str] = set()

    def report(event: Mapping[str, Any]) -> None:
        run.log(event)
        job.report(event)
        if event["event"] != "look":
            return
        _write_history(run, checkpoint.history, prepared)
        for sentence in diagnose(checkpoint.history, loss=job.recipe.loss, sides=job.expressions):
            kind = sentence.partition("(")[0].partition(":")[0]
            if kind not in noted:
                noted.add(kind)
                job.report({"event": "note", "text": f"step {event['number']}: {sentence}"})

    return report


def _write_history(run: runs.Run, history: Sequence[Mapping[str, Any]], prepared: PreparedCycleGan) -> None:
    files.write_text(run.path(HISTORY), pd.DataFrame(history).to_csv(index=False))
    undecided = UNDECIDED[prepared.job.recipe.loss]
    draw_adversarial_curves(history, run.path(CURVE), undecided=undecided, sides=prepared.job.expressions)


def _finish(run: runs.Run, learner: Learner, checkpoint: Checkpoint, *, prepared: PreparedCycleGan) -> dict[str, Any]:
    """Write the model of the last step and run.json, and return the summary; the first process does."""
    if run.read_only:
        return {}
    job, last = prepared.job, checkpoint.history[-1]
    if learner.average:
        learner.generators.load_state_dict(learner.average.weights)
    selection = {"split": "train", "measure": "last step", "step": last["number"]}
    description = replace(prepared.description, selection=selection)
    save_cyclegan(learner.generators, run.path(model_files.FILE), description=description)
    _write_history(run, checkpoint.history, prepared)
    summary = {
        "model": str(run.path(model_files.FILE)),
        "dataset": description.dataset,
        "replicate": description.replicate,
        "sides": {direction: job.expressions[direction] for direction in ("from", "to")},
        "images": prepared.sides.counts,
        "available": prepared.sides.available,
        "steps": prepared.steps,
        "last": last,
        "diagnosis": diagnose(checkpoint.history, loss=job.recipe.loss, sides=job.expressions),
    }
    run.finish({"summary": summary})
    checkpoint.path.unlink(missing_ok=True)
    return summary
