"""Build a dataset: metadata, pixels, persons, splits, one folder."""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort import forecasts, places, runs, workers
from cxrshort.dataset import IMAGES, Pixels
from cxrshort.datasets import cohorts
from cxrshort.datasets.building import assembly, shards
from cxrshort.datasets.building.forecast import forecast
from cxrshort.datasets.building.image_source import ImageSource
from cxrshort.datasets.building.request import BuildRequest
from cxrshort.datasets.building.writing import DatasetSettings, write_dataset
from cxrshort.datasets.cohorts import Candidates
from cxrshort.datasets.overview import build_forecast, dataset_result, shard_result
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import UsageError
from cxrshort.figures import gallery
from cxrshort.json_files import read_json
from cxrshort.results import Result

Report = Callable[[Mapping[str, Any]], None]

MISSING_FILE = "missing file"


def build_dataset(
    dataset: str,
    *,
    root: Path | None = None,
    out: Path | None = None,
    name: str | None = None,
    same_patients: str | None = None,
    size: int | None = None,
    recipe: str | None = None,
    fit: str | None = None,
    test_fit: str | None = None,
    equalise: bool = False,
    replicates: int = 5,
    seed: int = 0,
    jobs: int | None = None,
    number_of_images: int | None = None,
    confounding: float | None = None,
    bias: float | None = None,
    shortcuts: Sequence[str] = (),
    comorbidities: Sequence[str] = (),
    options: ReadOptions | None = None,
    confounder_strength: float | None = None,
    masks: Path | None = None,
    mask_patterns: Sequence[str] = (),
    where: str = "",
    sample: int | None = None,
    per: str | None = None,
    metadata_only: bool = False,
    header_cache: bool = True,
    figures: bool = False,
    shard: str | None = None,
    merge: bool = False,
    scheduler: str | None = None,
    dry_run: bool = False,
    force: bool = False,
    resume: bool = False,
    report: Report = lambda event: None,
) -> Result:
    """Build the dataset ``dataset``; the summary of the result is what run.json also holds.

    Args:
        dataset: a cohort (``I``), a repository, several joined by commas, or a phantom dataset.
        root: folder of the raw repositories; default ``$CXRSHORT_DATA`` or ``data``.
        out: the dataset folder; default ``datasets/NAME``.
        name: what models and tables call the dataset; default the name of its folder.
        same_patients: an earlier dataset of the same folder of films, whose patient ids mean the same persons.
        size: side of the cached squares in pixels; default 224, or what a benchmark's paper uses.
        recipe: the paper whose way from files to squares is taken, see :mod:`cxrshort.datasets.building.pixel_recipes`.
        fit: over the recipe's: ``"crop"``, ``"pad"`` or ``"squash"``.
        test_fit: the same for repositories that the cohort keeps for testing alone.
        equalise: flatten the histogram of each picture first.
        replicates: number of independent splits.
        seed: chooses splits, samples and phantoms.
        jobs: parallel workers; default one per processor. The bytes do not depend on it.
        number_of_images: size of a phantom dataset; default 2000.
        confounding: of a phantom dataset, 0 to 1; default the dataset's own. At c a class has its style in a share of
            (1 + c) / 2.
        bias: of a phantom dataset, instead of ``confounding``: that share itself, P(style | class), 0.5 to 1.
        shortcuts: styles in which the rooms of a phantom dataset differ; default all.
        comorbidities: findings of a phantom dataset that come together, ``"A,B=STRENGTH"``, a correlation.
        options: how repositories are read; default ``ReadOptions()``.
        confounder_strength: share of the majority among a benchmark's training pictures, 0 to 1; default 1.
        masks: folder of lung masks, besides those that come with a repository.
        mask_patterns: how these masks are named, with ``{stem}`` for the image's name without its ending.
        where: expression over the columns that a row must fulfil.
        sample: keep at most so many images (of each value of ``per``), drawn by a hash.
        per: column whose values are sampled alike.
        metadata_only: read, check and split the metadata without touching an image.
        header_cache: keep what was read from DICOM headers in ``places.header_caches()``, for the next build.
        figures: also draw the average images and a contact sheet.
        shard: ``"i/n"``: make the pixels of every n-th candidate and leave the rest to other processes.
        merge: build the dataset from the shards that were made with the same arguments.
        scheduler: address of a Dask cluster that decodes the files, such as ``tcp://host:8786``.
        dry_run: read the metadata, make a few images to see how long all will take, write nothing.
        force: start over where a dataset exists.
        resume: go on where a build was interrupted.
        report: takes progress events.

    Raises:
        UsageError: an unknown name or a number out of range.
        MissingInputError: a repository is not there.
        DataError: no radiograph remains.
        OutputError: the folder exists or cannot be written.
        ResumableError: the user interrupted; what is done stays.
    """
    part = shards.parse_shard(shard) if shard is not None else None
    request = BuildRequest(
        dataset,
        root=root,
        size=size,
        recipe=recipe,
        fit=fit,
        test_fit=test_fit,
        equalise=equalise,
        replicates=replicates,
        seed=seed,
        number_of_images=number_of_images,
        confounding=confounding,
        bias=bias,
        shortcuts=shortcuts,
        comorbidities=comorbidities,
        options=options or ReadOptions(),
        confounder_strength=confounder_strength,
        masks=masks,
        mask_patterns=mask_patterns,
        where=where,
        sample=sample,
        per=per,
        metadata_only=metadata_only,
        figures=figures,
    )
    request.check(shard=shard, merge=merge, scheduler=scheduler)
    folder = out or places.dataset_folder(dataset)
    name = name or folder.resolve().name
    reading = _complete_options(request, jobs=jobs, header_cache=header_cache and not dry_run)
    candidates, image_source, side = request.gather(root=root or places.downloads_root(), reading=reading)
    candidates = _with_patients(candidates, same_patients)
    count, inputs = len(candidates.rows), _inputs(request, candidates, image_source, same_patients)
    if dry_run:
        made = 0 if metadata_only else count if part is None else len(part.rows(count))
        plan = _plan(request, candidates, image_source, count=made, jobs=reading.jobs, folder=folder)
        fate = shards.preview_dataset_folder(
            folder, inputs=inputs.values(), force=force, resume=resume, part=bool(part), merge=merge
        )
        return build_forecast({**plan, "outputs": [fate]})
    arguments = request.arguments(name=name, own_patients=candidates.own_patients, size=side, reading=reading)
    if resume and (complete := runs.finished_summary(folder, arguments=arguments)):
        return dataset_result(complete, folder, figures=gallery.drawn(folder))
    report_images = _image_reporter(report)
    if part is not None:
        with (
            workers.cluster(scheduler),
            shards.opened(part, folder, arguments=arguments, inputs=inputs.values(), force=force) as run,
        ):
            build = assembly.Build(run, part.image_source(image_source, count), side, reading.jobs)
            return shard_result(shards.make_shard(part, build, count, report=report_images), run.folder)
    from_scratch = force or not (folder / runs.DONE).exists()  # otherwise refused by what follows
    finished = shards.read_shards(folder, image_source=image_source, count=count) if merge and from_scratch else None
    with (
        workers.cluster(scheduler),
        shards.open_whole(
            folder, "build-dataset", arguments=arguments, inputs=inputs, force=force, resume=resume, merge=merge
        ) as run,
    ):
        summary = write_dataset(
            run,
            candidates,
            image_source,
            settings=_plan_dataset(request, image_source, name=name, side=side),
            jobs=reading.jobs,
            report=report_images,
            draw=partial(_draw_figures, run) if figures else None,
            finished=finished,
        )
    return dataset_result(summary, folder, figures=gallery.drawn(folder))


def _plan_dataset(request: BuildRequest, image_source: ImageSource, *, name: str, side: int) -> DatasetSettings:
    """Return how the rows become a manifest, and what the summary says of the request."""
    return DatasetSettings(
        name,
        {"size": side, **request.choose_pixel_recipe().record()},
        splits="draw",
        replicates=request.replicates,
        seed=request.seed,
        pixels=not request.metadata_only,
        masks=request.masks,
        patterns=tuple(request.mask_patterns),
        facts={
            "dataset": request.dataset,
            **request.planted(image_source),
            "published": cohorts.published_counts(request.dataset),
        },
    )


def _draw_figures(run: runs.Run, manifest: pd.DataFrame) -> None:
    gallery.draw_gallery(manifest, Pixels(manifest), path_of=run.path)


def _with_patients(candidates: Candidates, earlier: str | None) -> Candidates:
    """Return the candidates with what their patient ids are of: this folder, or an earlier dataset.

    Raises:
        UsageError: the dataset has no patients of its own, or the earlier one had none.
    """
    if earlier is None:
        if not candidates.own_patients:
            return candidates
        note = (
            "folder: patient ids are taken as valid in this folder alone; where dataset D has the same persons, give "
            "--same-patients D"
        )
        return dataclasses.replace(candidates, notes=(*candidates.notes, note))
    record = read_json(places.locate_dataset(earlier).parent / runs.DONE)
    if not (candidates.own_patients and record.get("own_patients")):
        raise UsageError(
            "--same-patients is for films of your own, and an earlier dataset of them",
            "patients of published repositories are the same wherever they are read",
        )
    return dataclasses.replace(candidates, own_patients=str(record["own_patients"]))


def _complete_options(request: BuildRequest, *, jobs: int | None, header_cache: bool) -> ReadOptions:
    """Return how repositories are read, with what the other arguments decide."""
    options = request.options
    return dataclasses.replace(
        options,
        jobs=jobs or os.cpu_count() or 1,
        require_files=not request.metadata_only,
        header_cache=options.header_cache or places.header_caches() if header_cache else None,
    )


def _image_reporter(report: Report) -> Callable[[int, int], None]:
    return lambda done, count: report({"event": "images", "done": done, "of": count})


def _plan(
    request: BuildRequest, candidates: Candidates, image_source: ImageSource, *, count: int, jobs: int, folder: Path
) -> dict[str, Any]:
    """Return what a build would read and what it would take."""
    excluded = assembly.count_values(candidates.excluded["reason"])
    return {
        "dataset": request.dataset,
        "reads": _reads(request.dataset, candidates, image_source),
        "candidates": len(candidates.rows) + len(candidates.excluded),
        "rows": len(candidates.rows),
        "images_to_make": count,
        "excluded": excluded,
        "missing_files": excluded.get(MISSING_FILE, 0),
        "disk_mib": 0.0,
        "disk_free_mib": forecasts.free_disk_mib(folder),
        **(forecast(image_source, count, jobs=jobs) if count else {}),
        "notes": list(candidates.notes),
        "size": image_source.caches[IMAGES][-1],
        **request.planted(image_source),
    }


def _inputs(
    request: BuildRequest, candidates: Candidates, image_source: ImageSource, same_patients: str | None
) -> dict[str, Path]:
    """Return the files and folders that a build reads and must not write over, by what they are."""
    options = request.options
    named = {"table": options.table, "corrections": options.corrections, "masks": request.masks}
    if same_patients is not None:
        named["same_patients"] = places.locate_dataset(same_patients)
    reads = _reads(request.dataset, candidates, image_source)
    sources = {f"source_{number}": Path(folder) for number, folder in enumerate(reads)}
    return {**sources, **{name: path for name, path in named.items() if path is not None}}


def _reads(dataset: str, candidates: Candidates, image_source: ImageSource) -> list[str]:
    """Return the folders that pixels come from; phantoms come from none."""
    root = candidates.root
    if root is None:
        return []
    sources = cohorts.source_names(dataset) if image_source.from_files else []
    return [str(cohorts.home(source, root)) for source in sources] or [str(root)]
