"""Build a dataset: metadata, pixels, persons, splits, one folder."""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort import dataset as datasets
from cxrshort import forecasts, places, runs, workers
from cxrshort.datasets import cohorts
from cxrshort.datasets.benchmarks import BENCHMARKS
from cxrshort.datasets.building import assembly, shards
from cxrshort.datasets.building.forecast import forecast
from cxrshort.datasets.building.image_source import Material, of_benchmark, of_files, of_phantoms
from cxrshort.datasets.building.options import Given, check_numbers, check_options
from cxrshort.datasets.building.pixel_recipes import PixelRecipe, pixel_recipe
from cxrshort.datasets.building.writing import DatasetPlan, write_dataset
from cxrshort.datasets.cohorts import Candidates
from cxrshort.datasets.phantom import cohort as phantom_cohort
from cxrshort.datasets.phantom.catalogue import DATASETS as PHANTOMS
from cxrshort.datasets.phantom.planting import Planting, plan_planting
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import UsageError
from cxrshort.figures import gallery

Report = Callable[[Mapping[str, Any]], None]

SIZE = 224
PHANTOM_IMAGES = 2000
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
) -> dict[str, Any]:
    """Build the dataset ``dataset`` and return the summary that run.json also holds.

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
        force: begin anew where a dataset exists.
        resume: go on where a build was interrupted.
        report: takes progress events.

    Raises:
        UsageError: an unknown name or a number out of range.
        MissingInputError: a repository is not there.
        DataError: no radiograph remains.
        OutputError: the folder exists or cannot be written.
        ResumableError: the user interrupted; what is done stays.
    """
    part = shards.parse(shard) if shard is not None else None
    check_numbers(size=size, replicates=replicates, sample=sample, per=per)
    pixels = pixel_recipe(recipe, fit=fit, test_fit=test_fit, equalise=equalise)
    options = options or ReadOptions()
    given = Given(
        phantom={
            "--images": number_of_images,
            "--confounding": confounding,
            "--bias": bias,
            "--shortcut": tuple(shortcuts),
            "--comorbidity": tuple(comorbidities),
        },
        benchmark={"--set confounder_strength": confounder_strength},
        files={
            "--metadata-only": metadata_only,
            "--where": where,
            "--sample": sample,
            "--masks": masks,
            "--mask-pattern": tuple(mask_patterns),
            "--scheduler": scheduler,
            "--recipe": recipe,
            "--fit": fit,
            "--set test_fit": test_fit,
            "--equalise": equalise,
        },
        downloads={"--root": root},
        pixels={"--shard": shard, "--merge": merge, "--masks": masks, "--figures": figures},
    )
    check_options(dataset, given, options)
    number_of_images, planting = _phantom_options(
        dataset,
        number_of_images,
        confounding=confounding,
        bias=bias,
        shortcuts=shortcuts,
        comorbidities=comorbidities,
    )
    folder = out or places.dataset_folder(dataset)
    options = _completed(
        options,
        jobs=jobs or os.cpu_count() or 1,
        metadata_only=metadata_only,
        header_cache=header_cache and not dry_run,
    )
    candidates, material, side = _gather(
        dataset,
        root=root or places.downloads_root(),
        size=size,
        pixels=pixels,
        seed=seed,
        number_of_images=number_of_images,
        planting=planting,
        confounder_strength=1.0 if confounder_strength is None else confounder_strength,
        options=options,
        where=where,
        sample=sample,
        per=per,
    )
    candidates = _with_patients(candidates, same_patients)
    count = len(candidates.rows)
    if dry_run:
        made = 0 if metadata_only else count if part is None else len(part.rows(count))
        plan = _plan(dataset, candidates, material, count=made, jobs=options.jobs, folder=folder)
        return {
            **plan,
            **_planted(dataset, planting, material),
            "outputs": [shards.foresee(folder, force=force, resume=resume, part=bool(part), merge=merge)],
        }
    arguments = {
        "dataset": dataset,
        "name": name or folder.resolve().name,
        "own_patients": candidates.own_patients,
        "root": root,
        "size": side,
        **pixels.record(),
        "replicates": replicates,
        "seed": seed,
        "images": number_of_images,
        **({} if planting is None else planting.arguments()),
        "confounder_strength": 1.0 if confounder_strength is None else confounder_strength,
        "masks": masks,
        "mask_patterns": mask_patterns,
        "options": dataclasses.asdict(dataclasses.replace(options, jobs=1, header_cache=None)),
        "where": where,
        "sample": sample,
        "per": per,
        "metadata_only": metadata_only,
        "figures": figures,
    }
    if resume and (complete := runs.finished(folder, arguments=arguments)):
        return {**complete, "folder": str(folder)}
    done = _images_done(report)
    with workers.cluster(scheduler):
        if part is not None:
            run = shards.start(part, folder, arguments=arguments, force=force)
            build = assembly.Build(run, part.material(material, count), side, options.jobs)
            return shards.make(part, build, count, report=done)
        begun_anew = force or not (folder / runs.DONE).exists()  # otherwise refused by what follows
        finished = shards.complete(folder, material=material, count=count) if merge and begun_anew else None
        run = _start(folder, arguments, force=force, resume=resume, merge=merge)
        summary = write_dataset(
            run,
            candidates,
            material,
            plan=DatasetPlan(
                name or folder.resolve().name,
                {"size": side, **pixels.record()},
                splits="draw",
                replicates=replicates,
                seed=seed,
                pixels=not metadata_only,
                masks=masks,
                patterns=tuple(mask_patterns),
                facts={
                    "dataset": dataset,
                    **_planted(dataset, planting, material),
                    "published": cohorts.published(dataset),
                },
            ),
            jobs=options.jobs,
            report=done,
            draw=partial(_draw_figures, run) if figures and not metadata_only else None,
            finished=finished,
        )
    return {**summary, "folder": str(folder)}


def _draw_figures(run: runs.Run, manifest: pd.DataFrame) -> None:
    gallery.draw(manifest, datasets.Pixels(manifest), where=run.path)


def _phantom_options(
    dataset: str,
    images: int | None,
    *,
    shortcuts: Sequence[str],
    comorbidities: Sequence[str],
    **strength: float | None,
) -> tuple[int | None, Planting | None]:
    """Return the size and planting that a phantom dataset is drawn with, so that run.json can say them."""
    if dataset not in PHANTOMS:
        return images, None
    planting = plan_planting(dataset, shortcuts=shortcuts, comorbidities=comorbidities, **strength)
    return PHANTOM_IMAGES if images is None else images, planting


def _planted(dataset: str, planting: Planting | None, material: Material) -> dict[str, Any]:
    """Return what run.json says about a phantom dataset; nothing about any other."""
    return {} if planting is None else {"planted": phantom_cohort.planted(dataset, planting, material.phantoms)}


def _with_patients(candidates: Candidates, earlier: str | None) -> Candidates:
    """Return the candidates with what their patient ids are of: this folder, or an earlier dataset.

    Raises:
        UsageError: the dataset has no patients of its own, or the earlier one had none.
    """
    if earlier is None:
        if not candidates.own_patients:
            return candidates
        note = (
            "folder: its patient ids count as this folder's alone; --same-patients D if dataset D has the same persons"
        )
        return dataclasses.replace(candidates, notes=(*candidates.notes, note))
    record = runs.read_json(places.locate_dataset(earlier).parent / runs.DONE)
    if not (candidates.own_patients and record.get("own_patients")):
        raise UsageError(
            "--same-patients is for films of your own, and an earlier dataset of them",
            "patients of published repositories are the same wherever they are read",
        )
    return dataclasses.replace(candidates, own_patients=str(record["own_patients"]))


def _gather(
    dataset: str,
    *,
    root: Path,
    size: int | None,
    pixels: PixelRecipe,
    seed: int,
    number_of_images: int | None,
    planting: Planting | None,
    confounder_strength: float,
    options: ReadOptions,
    where: str,
    sample: int | None,
    per: str | None,
) -> tuple[Candidates, Material, int]:
    """Return the candidates, what their pixels are made from, and the side of the squares."""
    if dataset in BENCHMARKS:
        return of_benchmark(dataset, root=root, size=size, strength=confounder_strength, seed=seed)
    side = size or SIZE
    if planting is not None:
        phantoms = phantom_cohort.draw_sample(dataset, planting, images=number_of_images or 0, seed=seed)
        return *of_phantoms(phantoms, size=side), side
    candidates = cohorts.gather(dataset, root=root, options=options, where=where)
    if sample is not None:
        candidates = cohorts.keep_sample(candidates, sample, per=per, seed=seed)
    return *of_files(candidates, size=side, recipe=pixels), side


def _start(folder: Path, arguments: Mapping[str, Any], *, force: bool, resume: bool, merge: bool) -> runs.Run:
    if merge:
        # The shards made the folder an unfinished run, or stand beside a finished one that --force is to replace.
        replace = force and (folder / runs.DONE).exists()
        force, resume = replace, not replace
    elif not force:
        shards.refuse_unmerged(folder)
    return runs.start(folder, "build-dataset", arguments=arguments, force=force, resume=resume)


def _completed(options: ReadOptions, *, jobs: int, metadata_only: bool, header_cache: bool) -> ReadOptions:
    """Return the options with what the other arguments decide."""
    return dataclasses.replace(
        options,
        jobs=jobs,
        require_files=not metadata_only,
        header_cache=options.header_cache or places.header_caches() if header_cache else None,
    )


def _images_done(report: Report) -> Callable[[int, int], None]:
    return lambda done, count: report({"event": "images", "done": done, "of": count})


def _plan(
    dataset: str, candidates: Candidates, material: Material, *, count: int, jobs: int, folder: Path
) -> dict[str, Any]:
    excluded = assembly.counts(candidates.excluded["reason"])
    return {
        "dry_run": True,
        "dataset": dataset,
        "reads": _reads(dataset, candidates, material),
        "candidates": len(candidates.rows) + len(candidates.excluded),
        "rows": len(candidates.rows),
        "images_to_make": count,
        "excluded": excluded,
        "missing_files": excluded.get(MISSING_FILE, 0),
        "disk_mib": 0.0,
        "disk_free_mib": forecasts.free_disk_mib(folder),
        **(forecast(material, count, jobs=jobs) if count else {}),
        "notes": list(candidates.notes),
        "size": material.caches[datasets.IMAGES][-1],
    }


def _reads(dataset: str, candidates: Candidates, material: Material) -> list[str]:
    """Return the folders that pixels come from; phantoms come from none."""
    root = candidates.root
    if root is None:
        return []
    sources = cohorts.source_names(dataset) if material.from_files else []
    return [str(cohorts.home(source, root)) for source in sources] or [str(root)]
