"""Explain a model over a population: which regions its maps lie in, and which of them tell the classes apart."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort import distributed, forecasts, runs
from cxrshort import manifest as manifests
from cxrshort.attribution import measurements, pictures
from cxrshort.attribution.background import REFERENCES, Background, choose_background
from cxrshort.attribution.contract import AttributionMethod
from cxrshort.attribution.explained_images import ExplainedImages, check_explainable, choose_images, choose_labels
from cxrshort.attribution.explained_regions import (
    EXPECTED,
    ExplainedRegions,
    RegionSources,
    read_regions,
    why_not_judged,
)
from cxrshort.attribution.explanation_forecast import forecast_maps
from cxrshort.attribution.explanation_tables import explanation_result, records
from cxrshort.attribution.map_blocks import MapJob, Maps, forget_scan, make_maps, open_classifier
from cxrshort.attribution.method_settings import DEFAULT_METHOD, read_method
from cxrshort.attribution.region_verdicts import judge_label
from cxrshort.compute import Compute, choose_compute, enough_memory
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import UsageError
from cxrshort.json_files import write_json
from cxrshort.models.audited_folds import audited_fold
from cxrshort.models.foreground import visible_pixels
from cxrshort.models.predictions import Fold, image_folders
from cxrshort.models.result_folders import results_folder
from cxrshort.models.sources.foreign import without_download
from cxrshort.models.sources.opening import Reference, describe_model
from cxrshort.results import Result

Report = Callable[[Mapping[str, Any]], None]
SUMMARY = "summary.json"
FINDINGS = "findings.csv"
BATCH_SIZE = 32


@dataclass(frozen=True)
class _Prepared:
    """Hold what is explained, before the network is opened.

    Args:
        reference: the model.
        fold: the rows to choose from.
        explained: what is explained.
        method: how.
        settings: of the method.
        backgrounds: references by output.
        labels: in order.
        notes: what must be known.
    """

    reference: Reference
    fold: Fold
    explained: ExplainedImages
    method: AttributionMethod
    settings: Any
    backgrounds: Mapping[int, Background]
    labels: tuple[str, ...]
    notes: tuple[str, ...]


def explain(
    model: str,
    *,
    dataset: str,
    split: str = "test",
    label: Sequence[str] = (),
    method: str = DEFAULT_METHOD,
    settings: Sequence[str] = (),
    background: str | None = None,
    references: int = REFERENCES,
    images: int | None = None,
    masks: Path | None = None,
    segmenter: str | None = None,
    regions: Path | None = None,
    expected: Sequence[str] = EXPECTED,
    clusters: int | None = None,
    batch_size: int = BATCH_SIZE,
    seed: int = 0,
    out: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    dry_run: bool = False,
    force: bool = False,
    resume: bool = False,
    report: Report = runs.ignore_event,
) -> Result:
    """Explain every image of a fold, and return the share of each region and a verdict on it.

    Under ``torchrun`` several processes explain a share of the images each; the first one writes, reports and returns
    the result, the others return an empty one.

    Args:
        model: anything that ``evaluate`` takes, but one model that is no segmenter.
        dataset: a dataset folder, a manifest, ``-`` or a name.
        split: ``"test"``, ``"val"``, ``"train"`` or ``"all"``; of the replicate that the model was trained on.
        label: labels that are explained; none takes COVID-19, else the first.
        method: one of :data:`cxrshort.attribution.METHODS`.
        settings: ``NAME=VALUE`` each, of the method.
        background: dataset whose training fold the references are of; None takes the explained one's.
        references: how many.
        images: how many images of the fold are explained for each label, a random sample; None takes all.
        masks: lungs from elsewhere: a folder of mask files, or a ``.npy`` file.
        segmenter: a model that draws lungs.
        regions: a table of boxes, in pixels of the cached square.
        expected: regions where the finding may lie, which no verdict accuses.
        clusters: of maps; None leaves their number to the maps.
        batch_size: images, or pairs of an image and a reference, that are in the network at the same time.
        seed: of samples and random draws.
        out: the results folder; default ``results/MODEL/DATASET-explain``.
        device: as in :func:`cxrshort.compute.choose_compute`.
        precision: as there; maps themselves are computed in fp32.
        threads: CPU threads.
        dry_run: forecast time and memory after a short trial, write nothing.
        force: overwrite an earlier result.
        resume: go on where a run was interrupted; the files are the same, byte for byte.
        report: takes events of the progress.

    Raises:
        DataError: the model was trained on persons of the fold, there is no reference, or boxes or masks are of other
            images.
        UsageError: an unknown name, a segmenter, or a method that cannot look into the model.
    """
    compute = distributed.with_rank(choose_compute(device, precision=precision, threads=threads))
    arguments = {
        **{"model": model, "dataset": dataset, "split": split, "label": list(label), "method": method},
        **{"settings": list(settings), "background": background, "references": references, "images": images},
        **{"masks": masks, "segmenter": segmenter, "regions": regions, "expected": list(expected)},
        **{"clusters": clusters, "batch_size": batch_size, "seed": seed, **compute.record()},
    }
    prepared = _prepare(
        model if not dry_run else without_download(model),
        load_dataset(dataset),
        split=split,
        labels=label,
        method=read_method(method, settings),
        background=background,
        references=references,
        images=images,
        seed=seed,
    )
    data = prepared.explained.data
    folder = out or _default_folder(model, prepared.fold.data, split=split, labels=label, method=method)
    inputs = {**prepared.reference.files, **_read_files(data, masks, regions)}
    if resume and not dry_run and (complete := runs.finished_summary(folder, arguments=arguments)):
        return explanation_result(complete, folder=folder, notes=complete["notes"])
    sources = RegionSources(masks, segmenter, regions)
    with distributed.process_group(compute):
        if dry_run:
            found, notes = read_regions(data, RegionSources(masks, None, regions), compute=compute)
            job = _job(prepared, found, seed=seed, batch_size=batch_size, compute=compute)
            output = forecasts.preview_folder(folder, "explain", inputs=inputs.values(), force=force, resume=resume)
            return _forecast(job, prepared, output=output, notes=notes)
        with runs.open_run(
            folder, "explain", arguments=arguments, inputs=inputs, compute=compute, force=force, resume=resume
        ) as run:
            with enough_memory(compute, images=batch_size, hint="a smaller --batch-size"):
                found, notes = read_regions(data, sources, compute=compute)
                reasons = why_not_judged(found.names, tuple(expected), data.manifest)
                job = _job(prepared, found, seed=seed, batch_size=batch_size, compute=compute)
                rank_report = runs.ignore_event if compute.rank else report
                maps = make_maps(job, run, settings=arguments, resume=resume, report=rank_report)
            if run.read_only:
                return Result()
            measurements.check_logits(maps, model=prepared.reference.title, dataset=data.name)
            result = _write_results(
                run, job, prepared, maps=maps, not_judged=reasons, clusters=clusters, notes=(*prepared.notes, *notes)
            )
            write_json(run.path(SUMMARY), result.summary)
            forget_scan(run, job)
            run.finish({"summary": result.summary})
    return result


def _prepare(
    model: str,
    data: Dataset,
    *,
    split: str,
    labels: Sequence[str],
    method: tuple[AttributionMethod, Any],
    background: str | None,
    references: int,
    images: int | None,
    seed: int,
) -> _Prepared:
    """Choose images, labels and references; refuse what needs no network to be refused."""
    chosen, settings = method
    reference = describe_model(model)
    check_explainable(reference)
    names = choose_labels(reference, labels)
    fold, notes = audited_fold(reference, data, split)
    explained = choose_images(reference, fold.data, names, count=images, seed=seed)
    backgrounds: dict[int, Background] = {}
    if chosen.requires.references:
        source = data if background is None else load_dataset(background)
        shape = visible_pixels(reference.description, explained.data).image_shape
        for name in names:
            output = reference.description.labels.index(name)
            backgrounds[output] = choose_background(reference, source, name, count=references, seed=seed, shape=shape)
    elif background is not None:
        raise UsageError(f"'{chosen.name}' takes no references, and --background gives some", "leave --background out")
    return _Prepared(reference, fold, explained, chosen, settings, backgrounds, names, tuple(notes))


def _default_folder(model: str, data: Dataset, *, split: str, labels: Sequence[str], method: str) -> Path:
    """Return ``results/MODEL/DATASET-explain``; what is off its default stands behind the dataset."""
    options = {
        **({"split": split} if split != "test" else {}),
        **({"label": "+".join(labels)} if labels else {}),
        **({"method": method} if method != DEFAULT_METHOD else {}),
    }
    return results_folder([model], [data], options=options, verb="explain")


def _read_files(data: Dataset, *files: Path | None) -> dict[str, Path]:
    given = {str(path): path for path in files if path is not None}
    return {**({} if data.path is None else {data.name: data.path}), **image_folders(data), **given}


def _job(prepared: _Prepared, regions: ExplainedRegions, *, seed: int, batch_size: int, compute: Compute) -> MapJob:
    """Open the model, and refuse it if the method cannot look into it."""
    pixels = visible_pixels(prepared.reference.description, prepared.explained.data)
    return MapJob(
        open_classifier(prepared.reference, prepared.method, pixels, compute=compute),
        pixels,
        prepared.explained,
        prepared.method,
        prepared.settings,
        prepared.backgrounds,
        regions,
        seed,
        batch_size,
        compute,
    )


def _write_results(
    run: runs.Run,
    job: MapJob,
    prepared: _Prepared,
    *,
    maps: Maps,
    not_judged: Mapping[str, str],
    clusters: int | None,
    notes: Sequence[str],
) -> Result:
    """Write the tables and pictures that follow from the maps, and return them with the verdicts."""
    explained, number = job.explained, prepared.reference.outputs.name == "regression"
    measured = measurements.measure_maps(maps, explained, job.regions)
    table = measurements.map_table(explained, maps, measured)
    shares = measurements.class_shares(explained, measured, seed=job.seed)
    driven = measurements.driven_table(explained, measured)
    findings = [
        judge_label(label, explained, measured, shares=shares, not_judged=not_judged, seed=job.seed, regression=number)
        for label in prepared.labels
    ]
    drawn = pictures.draw_pictures(
        maps, explained, table, shares=shares, pixels=job.pixels, clusters=clusters, number=number, path_of=run.path
    )
    written = {
        "maps.csv": table.assign(cluster=drawn.cluster_of),
        "shares.csv": shares,
        "most-driven.csv": driven,
        FINDINGS: pd.DataFrame([row for one in findings for row in one.records()]),
        **({"clusters.csv": drawn.clusters} if len(drawn.clusters) else {}),
    }
    for name, content in written.items():
        manifests.write_table(content, run.path(name))
    all_notes = [*notes, *drawn.notes, *measurements.missing_shares(explained, measured)]
    summary = {
        **_about(job, prepared),
        "adding_up": measurements.adding_up(table),
        "share_errors": measurements.typical_error(table),
        "separation": {one.label: asdict(one.whole) for one in findings},
        "region_sources": records(job.regions.sources()),
        "shares": records(shares),
        "clusters": records(drawn.clusters),
        "most_driven": records(driven.head(10)),
        "findings": [row for one in findings for row in one.records()],
        "notes": all_notes,
    }
    return explanation_result(summary, folder=run.folder, figures=drawn.figures, notes=all_notes)


def _about(job: MapJob, prepared: _Prepared) -> dict[str, Any]:
    """Return what the summary says of the work itself."""
    explained, reference = job.explained, prepared.reference
    return {
        "schema": "cxrshort.findings/1",
        "audit": "explain",
        "model": reference.title,
        "model_id": reference.model_id,
        "dataset": explained.data.name,
        "dataset_id": explained.data.dataset_id,
        "role": prepared.fold.role,
        "split": prepared.fold.split,
        "labels": list(prepared.labels),
        "method": job.method.name,
        "settings": asdict(job.settings),
        "images": len(explained.data.manifest),
        "maps": len(explained.table),
        "references": [background.note for background in job.backgrounds.values()],
    }


def _forecast(job: MapJob, prepared: _Prepared, *, output: Mapping[str, str], notes: Sequence[str]) -> Result:
    """Return what an explanation would read and what it would take."""
    explained = job.explained
    summary = {
        "reads": [prepared.reference.name, str(explained.data.path or "standard input")],
        "images": len(explained.data.manifest),
        "maps": len(explained.table),
        "labels": list(prepared.labels),
        "method": job.method.name,
        "device": job.compute.device,
        "threads": job.compute.threads,
        "disk_free_mib": forecasts.free_disk_mib(Path("results")),
        **forecast_maps(job),
        "outputs": [output],
    }
    facts = [
        ("labels", ", ".join(prepared.labels)),
        ("maps to make", f"{len(explained.table):,}, by {job.method.name}"),
        *[("references", one.note.removeprefix("references: ")) for one in job.backgrounds.values()],
    ]
    return forecasts.dry_run(summary, facts, notes=[*prepared.notes, *notes])
