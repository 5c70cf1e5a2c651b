"""Transform the images of a dataset by a trained CycleGAN, and write a dataset."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort import forecasts, places, runs
from cxrshort.compute import choose_compute
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.datasets.building import assembly, shards
from cxrshort.datasets.building.edits import Edited, Pictures, edited_rows, of_edits
from cxrshort.datasets.building.forecast import forecast
from cxrshort.datasets.building.image_source import ImageSource
from cxrshort.datasets.building.writing import DatasetSettings, write_dataset
from cxrshort.datasets.overview import shard_result
from cxrshort.errors import DataError, UsageError
from cxrshort.expressions import select_rows
from cxrshort.figures.transform_sheets import TransformRow, draw_transform_sheet
from cxrshort.generative.cyclegan.diagnosis import is_collapsed, measure_change
from cxrshort.generative.cyclegan.model import CycleGan, load_cyclegan
from cxrshort.generative.cyclegan.networks import DIRECTIONS, OTHER, Direction
from cxrshort.models import checkpoint
from cxrshort.models.predictions import image_folders
from cxrshort.models.sources.opening import model_title
from cxrshort.results import Result, Text

VERB = "cyclegan transform"
SHEET = "transformed.png"
_BATCH = 16
_MEASURED, _SHOWN = 16, 5
"""Images whose change is measured beforehand, and those of them that the sheet shows."""

Report = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class TransformPlan:
    """Hold what is transformed.

    Args:
        data: the images.
        model: the cyclegan.
        title: what people call it.
        direction: of the transform.
    """

    data: Dataset
    model: CycleGan
    title: str
    direction: Direction

    @property
    def edit(self) -> str:
        """Return what the column ``edit`` says."""
        return f"cyclegan {self.direction}"


def transform(
    model: str,
    *,
    dataset: str,
    direction: str,
    split: str = "all",
    replicate: int | None = None,
    where: str | None = None,
    name: str | None = None,
    out: Path | None = None,
    shard: str | None = None,
    merge: bool = False,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    dry_run: bool = False,
    force: bool = False,
    resume: bool = False,
    report: Report = runs.ignore_event,
) -> Result:
    """Write the transformed images of a dataset, with the labels, splits, masks and regions of their sources.

    The bytes depend neither on shards nor on interruptions.

    Args:
        model: a run folder or a model file of ``cyclegan train``.
        dataset: a dataset folder, manifest, ``-`` or name.
        direction: ``"to"`` or ``"from"``: the side whose look the images take.
        split: ``"test"``, ``"val"``, ``"train"`` or ``"all"``.
        replicate: whose split; None takes that of the model.
        where: expression for the images; None takes those of the other side, ``""`` all.
        name: of the new dataset; default the name of its folder.
        out: the dataset folder; default ``datasets/NAME-cyclegan-DIRECTION``.
        shard: ``"i/n"``: make every n-th image and leave the rest to other processes.
        merge: write the dataset from the shards that were made with the same arguments.
        device: as in :func:`cxrshort.compute.choose_compute`.
        precision: as there; pictures are always made in fp32.
        threads: CPU threads.
        dry_run: make a few images to see how long all will take, write nothing.
        force: start over where a dataset exists.
        resume: go on where it was interrupted.
        report: takes progress events.

    Raises:
        UsageError: an unknown direction, another kind of model, or no image to transform.
        DataError: images of another size, or made in another way, than those of the training.
        OutputError: the folder exists or cannot be written.
        ResumableError: the user interrupted; what is done stays.
    """
    part = shards.parse_shard(shard) if shard is not None else None
    if part is not None and merge:
        raise UsageError("--shard and --merge exclude each other", "merge when all shards are made")
    compute = choose_compute(device, precision=precision, threads=threads)
    plan = _plan(model, load_cyclegan(model, compute), load_dataset(dataset), direction)
    plan = _choose_images(plan, split=split, replicate=replicate, where=where)
    data, cyclegan = plan.data, plan.model
    folder = out or places.dataset_folder(f"{data.name}-cyclegan-{direction}")
    name = name or folder.resolve().name
    chosen = {"direction": direction, "split": split, "replicate": replicate, "where": where}
    arguments = {"model_id": cyclegan.model_id, "dataset": dataset, "name": name, **chosen, "device": compute.device}
    if resume and not dry_run and (complete := runs.finished_summary(folder, arguments=arguments)):
        return _result(complete, folder)
    inputs = {"model": checkpoint.locate_model(model), **image_folders(data)}
    inputs |= {"dataset": data.path} if data.path is not None else {}
    count = len(data.manifest)
    rows = edited_rows(data.manifest, range(count), [plan.edit] * count)
    candidates, source = of_edits(data, rows, _transforming(plan), settings=cyclegan.model_id, batch_size=_BATCH)
    if dry_run:
        made = count if part is None else len(part.rows(count))
        fate = shards.preview_dataset_folder(
            folder, inputs=inputs.values(), force=force, resume=resume, part=bool(part), merge=merge, verb=VERB
        )
        return _forecast(plan, source, made, output=fate)

    def report_images(done: int, of: int) -> None:
        report({"event": "images", "done": done, "of": of})

    if part is not None:
        with shards.opened(part, folder, arguments=arguments, inputs=inputs.values(), force=force, verb=VERB) as run:
            build = assembly.Build(run, part.image_source(source, count), cyclegan.size, 1)
            return shard_result(shards.make_shard(part, build, count, report=report_images), run.folder)
    from_scratch = force or not (folder / runs.DONE).exists()  # otherwise refused by what follows
    finished = shards.read_shards(folder, image_source=source, count=count) if merge and from_scratch else None
    with shards.open_whole(
        folder, VERB, arguments=arguments, inputs=inputs, force=force, resume=resume, merge=merge
    ) as run:
        summary = write_dataset(
            run,
            candidates,
            source,
            settings=DatasetSettings(name, data.recipe, facts=_facts(plan)),
            report=report_images,
            draw=lambda _: _draw_sheet(plan, run.path(SHEET)),
            finished=finished,
        )
    return _result(summary, folder)


def _plan(name: str, model: CycleGan, data: Dataset, direction: str) -> TransformPlan:
    """Return the plan for a whole dataset, once its images are known to suit the model."""
    title = model_title(str(checkpoint.locate_model(name)))
    shape, size = data.pixels.image_shape[-2:], model.size
    if direction not in DIRECTIONS:
        raise UsageError(f"--direction is '{direction}', it must be to or from", f"to makes {model.sides['to']}")
    if shape != (size, size):
        raise DataError(
            f"the images of {data.name} are '{shape[0]} x {shape[1]}' pixels, '{title}' was trained on {size} x {size}",
            f"build-dataset with --size {size}",
        )
    checkpoint.check_pixels(title, model.description, dataset=data.name, pixels=data.recipe)
    return TransformPlan(data, model, title, direction)


def _choose_images(plan: TransformPlan, *, split: str, replicate: int | None, where: str | None) -> TransformPlan:
    """Return the plan for the images of a fold that are of the other side, or that fulfil an expression."""
    model = plan.model
    data = plan.data.fold(split, replicate=model.description.replicate if replicate is None else replicate)
    expression = model.sides[OTHER[plan.direction]] if where is None else where
    if not expression:
        return replace(plan, data=data)
    rows = data.manifest[select_rows(data.manifest, expression)]
    if rows.empty:
        raise UsageError(
            f"{data.name}: no image fulfils '{expression}'", "--where takes another expression, --where '' all images"
        )
    return replace(plan, data=replace(data, manifest=rows.reset_index(drop=True)))


def _transforming(plan: TransformPlan) -> Callable[[Pictures, pd.DataFrame], Edited]:
    def transforming(sources: Pictures, rows: pd.DataFrame) -> Edited:
        del rows
        return list(plan.model.transform_pixels(sources, plan.direction))

    return transforming


def _samples(plan: TransformPlan) -> tuple[Pictures, Pictures]:
    """Return a few images that lie evenly in the dataset, and what they become."""
    count = len(plan.data.manifest)
    originals = plan.data.pixels.take(np.linspace(0, count - 1, min(_MEASURED, count)).astype(np.int64))
    return originals, plan.model.transform_pixels(originals, plan.direction)


def _facts(plan: TransformPlan) -> dict[str, Any]:
    """Return what the summary says of the transform."""
    persons = plan.data.manifest["person_id"]
    return {
        "model": plan.title,
        "model_id": plan.model.model_id,
        "direction": plan.direction,
        "sides": dict(plan.model.sides),
        "transformed_dataset": plan.data.name,
        "persons": int(persons.nunique()),
        "persons_trained_on": checkpoint.trained_on(plan.model.description, persons),
        **measure_change(*_samples(plan)),
    }


def _draw_sheet(plan: TransformPlan, path: Path) -> None:
    originals, made = (pictures[:_SHOWN] for pictures in _samples(plan))
    returned = plan.model.transform_pixels(made, OTHER[plan.direction])
    title = f"{plan.data.name} toward {plan.model.sides[plan.direction]}"
    draw_transform_sheet([TransformRow(title, originals, made, returned)], path)


def _notes(facts: Mapping[str, Any]) -> list[str]:
    notes = []
    side = facts["sides"][facts["direction"]]
    if facts["persons_trained_on"]:
        notes.append(
            f"{facts['persons_trained_on']:,} of the {facts['persons']:,} persons are among those that the cyclegan "
            "was trained on; --split test leaves them out"
        )
    if is_collapsed(facts["spread"]):
        notes.append(
            f"the generator toward '{side}' has collapsed: it makes one image of all (they differ by "
            f"{facts['spread']:.0%} of what their originals do); train the cyclegan again"
        )
    return notes


def _forecast(plan: TransformPlan, source: ImageSource, count: int, *, output: Mapping[str, str]) -> Result:
    """Return what the transform would take, from a few images."""
    facts = _facts(plan)
    summary = {
        "verb": VERB,
        "reads": [plan.title, *sorted(set(plan.data.manifest["cache"]))],
        "outputs": [dict(output)],
        "images": count,
        **facts,
        "disk_free_mib": forecasts.free_disk_mib(Path(output["folder"])),
        **forecast(source, count, jobs=1),
    }
    lines = [("images", f"{count:,} of {plan.data.name}"), ("toward", plan.model.sides[plan.direction])]
    return forecasts.dry_run(summary, lines, notes=_notes(facts))


def _result(summary: Mapping[str, Any], folder: Path) -> Result:
    """Return what was made, the same for a finished run that --resume finds."""
    sheet = folder / SHEET
    text = Text(
        f"{summary['rows']:,} images of {summary['transformed_dataset']} toward "
        f"{summary['sides'][summary['direction']]}: a mean change of {summary['change']:.1f} of 255"
    )
    notes = [*summary.get("notes", ()), *_notes(summary)]
    return Result(summary, (text,), [sheet] if sheet.is_file() else [], notes, folder, kind="dataset")
