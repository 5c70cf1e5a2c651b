"""Train a CycleGAN between two groups of a dataset's radiographs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cxrshort import distributed, runs
from cxrshort.compute import choose_compute
from cxrshort.dataset import load_dataset
from cxrshort.errors import UsageError
from cxrshort.generative.cyclegan import recipes
from cxrshort.generative.cyclegan.job import CycleGanJob, default_folder, forecast_cyclegan, train_cyclegan
from cxrshort.generative.cyclegan.networks import Direction
from cxrshort.generative.cyclegan.overview import cyclegan_forecast, cyclegan_result
from cxrshort.results import Result

Report = Callable[[Mapping[str, Any]], None]


def train(
    dataset: str,
    *,
    from_side: str,
    to_side: str,
    recipe: str = recipes.STANDARD,
    overrides: Mapping[str, Any] | None = None,
    replicate: int = 0,
    seed: int = 0,
    sample_every: int | None = None,
    out: Path | None = None,
    name: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    dry_run: bool = False,
    force: bool = False,
    resume: bool = False,
    report: Report = runs.ignore_event,
) -> Result:
    """Train two generators, each of which makes images of one side look like those of the other.

    Under ``torchrun`` several processes train the one model; the first one writes, reports and returns the result, the
    others return an empty one.

    Args:
        dataset: a dataset folder, a manifest, ``-`` or a name.
        from_side: an expression over columns of the manifest: the images of one side.
        to_side: the images of the other; no image may be on both.
        recipe: a published way to train.
        overrides: values over the recipe's, by the names of :class:`CycleGanRecipe`; None leaves the recipe's.
        replicate: whose training fold is used.
        seed: of initialisation, order, augmentation and the draw of the sides.
        sample_every: steps between two looks at losses and sample images.
        out: the run folder; default ``runs/DATASET/cyclegan/FROM-to-TO/replicate-R``.
        name: replaces the last part of the default folder.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"``, ``"mps"``.
        precision: ``"auto"``, ``"fp32"``, ``"bf16"``.
        threads: CPU threads; recorded, and kept by ``resume``.
        dry_run: forecast time and memory after a short trial, write nothing.
        force: start over where a run exists.
        resume: go on where a run was interrupted; the model is the same, bit for bit, as without the interruption.
        report: takes one event per look.

    Raises:
        UsageError: an unknown name, a side without images, or resuming with other settings.
        DataError: an image is on both sides.
        ResumableError: interrupted by a signal; a checkpoint is saved.
        WorkFailedError: a loss is not a number, or memory ran out.
    """
    settings = recipes.load_recipe(recipe, overrides=overrides)
    if sample_every is not None and sample_every < 1:
        raise UsageError(f"--sample-every is '{sample_every}', it must be 1 or more")
    expressions: dict[Direction, str] = {"from": from_side.strip(), "to": to_side.strip()}
    compute = distributed.with_rank(choose_compute(device, precision=precision, threads=threads))
    data = load_dataset(dataset)
    default = default_folder(data.name, expressions, settings, replicate=replicate, seed=seed, name=name)
    job = CycleGanJob(
        data=data,
        expressions=expressions,
        recipe=settings,
        replicate=replicate,
        seed=seed,
        folder=out or default,
        compute=compute,
        sample_every=sample_every,
        force=force,
        resume=resume,
        report=report,
    )
    with distributed.process_group(compute):
        if dry_run:
            return cyclegan_forecast(forecast_cyclegan(job))
        return cyclegan_result(train_cyclegan(job))
