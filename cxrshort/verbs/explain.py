"""Explain a model over a population: which regions its maps lie in, and which of them tell the classes apart."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort import distributed, forecasts, runs
from cxrshort import manifest as manifests
from cxrshort.attribution import measurements, pictures
from cxrshort.attribution.background import REFERENCES
from cxrshort.attribution.checks import CHECKED_IMAGES, MapChecks
from cxrshort.attribution.explained_regions import (
    EXPECTED,
    ExplainedRegions,
    RegionSources,
    read_regions,
    why_not_judged,
)
from cxrshort.attribution.explanation_checks import (
    CURVES,
    cautious_numbers,
    check_labels,
    check_notes,
    common_caution,
    curve_table,
    draw_checks,
    label_caution,
    with_caution,
)
from cxrshort.attribution.explanation_forecast import forecast_maps
from cxrshort.attribution.explanation_plan import ExplanationPlan, plan_explanation
from cxrshort.attribution.explanation_tables import explanation_result
from cxrshort.attribution.map_blocks import MapJob, Maps, forget_scan, make_maps, open_classifier
from cxrshort.attribution.method_settings import DEFAULT_METHOD, read_method
from cxrshort.attribution.overlaps import overlap_notes
from cxrshort.attribution.region_verdicts import judge_label
from cxrshort.compute import Compute, choose_compute, enough_memory
from cxrshort.dataset import REGIONS, Dataset, load_dataset
from cxrshort.interventions.visible import VIEWS, VISIBLE_COLUMNS, border_notes, visible_aucs, visible_table
from cxrshort.json_files import write_json
from cxrshort.models.foreground import visible_pixels
from cxrshort.models.predictions import Fold, image_folders
from cxrshort.models.result_folders import results_folder
from cxrshort.models.sources.foreign import without_download
from cxrshort.models.sources.opening import open_model
from cxrshort.results import Result
from cxrshort.tables import records

Report = Callable[[Mapping[str, Any]], None]
SUMMARY = "summary.json"
FINDINGS, SHARES, DRIVEN = "findings.csv", "shares.csv", "most-driven.csv"
CLUSTERS, LOCALISATION, VISIBLE = "clusters.csv", "localisation.csv", "visible.csv"
OPTIONAL = (CLUSTERS, LOCALISATION, VISIBLE, CURVES)
"""Tables that are not written where there is nothing to put in them."""
BATCH_SIZE = 32
NO_CLASSES = "no AUC of the border or the lungs alone: the model predicts a number, and an image has no class"


@dataclass(frozen=True, eq=False)
class _Scanned:
    """Hold what the network was run for; maps are in the first process alone.

    Args:
        maps: of all labels.
        checks: of the maps of each label; empty without ``--sanity``.
        visible: ``visible.csv``, AUCs of images of which a part is shown.
    """

    maps: Maps
    checks: Mapping[str, MapChecks]
    visible: pd.DataFrame


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
    sanity: bool = False,
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
        sanity: check on a sample of the images whether the maps mean anything.
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
        **{"clusters": clusters, "sanity": sanity, "batch_size": batch_size, "seed": seed, **compute.record()},
    }
    plan = plan_explanation(
        model if not dry_run else without_download(model),
        load_dataset(dataset),
        split=split,
        labels=label,
        method=read_method(method, settings),
        background=background,
        images=(images, references),
        seed=seed,
    )
    data = plan.explained.data
    folder = out or _default_folder(model, plan.fold.data, split=split, labels=label, method=method)
    sources = RegionSources(masks, segmenter, regions)
    inputs = {**plan.reference.files, **_read_files(data, plan.background), **sources.files}
    if resume and not dry_run and (complete := runs.finished_summary(folder, arguments=arguments)):
        return explanation_result(complete, folder=folder, show_visible=visible_table, notes=complete["notes"])
    with distributed.process_group(compute):
        if dry_run:
            cut_regions, notes = read_regions(data, RegionSources(masks, None, regions), compute=compute)
            job = _job(plan, cut_regions, seed=seed, batch_size=batch_size, compute=compute)
            output = forecasts.preview_folder(folder, "explain", inputs=inputs.values(), force=force, resume=resume)
            return _forecast(job, plan, sanity=sanity, output=output, notes=notes)
        with runs.open_run(
            folder, "explain", arguments=arguments, inputs=inputs, compute=compute, force=force, resume=resume
        ) as run:
            with enough_memory(compute, images=batch_size, hint="a smaller --batch-size"):
                cut_regions, notes = read_regions(data, sources, compute=compute, batch_size=batch_size)
                reasons = why_not_judged(cut_regions.names, tuple(expected), data.manifest)
                job = _job(plan, cut_regions, seed=seed, batch_size=batch_size, compute=compute)
                rank_report = runs.ignore_event if compute.rank else report
                fingerprint = _fingerprint(run, plan, sources, arguments=arguments)
                maps = make_maps(job, run, settings=fingerprint, resume=resume, report=rank_report)
                check_logits = partial(measurements.check_logits, maps, model=plan.reference.title, dataset=data.name)
                distributed.on_first_rank(check_logits, compute)
                checks = check_labels(job, plan.labels, report=rank_report) if sanity else {}
                scanned = _Scanned(maps, checks, _visible(job, plan, report=rank_report))
            if run.read_only:
                return Result()
            result = _write_results(run, job, plan, scanned=scanned, not_judged=reasons, clusters=clusters, notes=notes)
            write_json(run.path(SUMMARY), result.summary)
            forget_scan(run, job)
            run.finish({"summary": result.summary})
    return result


def _default_folder(model: str, data: Dataset, *, split: str, labels: Sequence[str], method: str) -> Path:
    """Return ``results/MODEL/DATASET-explain``; what is off its default stands behind the dataset."""
    options = {
        **({"split": split} if split != "test" else {}),
        **({"label": "+".join(labels)} if labels else {}),
        **({"method": method} if method != DEFAULT_METHOD else {}),
    }
    return results_folder([model], [data], options=options, verb="explain")


def _read_files(data: Dataset, background: Dataset | None) -> dict[str, Path]:
    """Return the files of the datasets that are read; those of two datasets of one name are told apart."""
    folders = image_folders(data)
    boxes = {f"boxes of {data.name}, {place}": folder / REGIONS for place, folder in enumerate(folders.values())}
    files = {**({} if data.path is None else {data.name: data.path}), **folders, **boxes}
    references = {} if background is None else _read_files(background, None)
    return {**files, **{f"background {name}": path for name, path in references.items()}}


def _fingerprint(
    run: runs.Run, plan: ExplanationPlan, sources: RegionSources, *, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Return everything that maps depend on: options, and the content of what their paths name."""
    if run.read_only:
        return dict(arguments)  # the first process keeps the journal
    hashes = {f"sha256 of {name}": value for name, value in {**run.inputs, "mask files": sources.folder_sha256}.items()}
    return {**arguments, **plan.content, **hashes}


def _job(plan: ExplanationPlan, regions: ExplainedRegions, *, seed: int, batch_size: int, compute: Compute) -> MapJob:
    """Open the model, and refuse it if the method cannot look into it."""
    pixels = visible_pixels(plan.reference.description, plan.explained.data)
    return MapJob(
        open_classifier(plan.reference, plan.method, pixels, compute=compute),
        pixels,
        plan.explained,
        plan.method,
        plan.settings,
        plan.backgrounds,
        regions,
        seed,
        batch_size,
        compute,
    )


def _visible(job: MapJob, plan: ExplanationPlan, *, report: Report) -> pd.DataFrame:
    """Return the AUCs of images of which a part is shown; no row for a model that predicts a number."""
    reference, fold = plan.reference, plan.fold
    if plan.regression:
        return pd.DataFrame(columns=list(VISIBLE_COLUMNS))
    report({"event": "visible", "text": "scoring images of which the border or the lungs alone are shown"})
    return visible_aucs(
        open_model(reference, job.compute),
        Fold(job.explained.data, fold.split, fold.role),
        job.regions.outlined,
        labels=plan.labels,
        compute=job.compute,
        batch_size=job.batch_size,
        report=report,
    )


def _write_results(
    run: runs.Run,
    job: MapJob,
    plan: ExplanationPlan,
    *,
    scanned: _Scanned,
    not_judged: Mapping[str, str],
    clusters: int | None,
    notes: Sequence[str],
) -> Result:
    """Write the tables and pictures that follow from the maps, and return them with the verdicts."""
    explained, number, maps, checks = job.explained, plan.regression, scanned.maps, scanned.checks
    cautious = partial(with_caution, checks=checks)
    measured = measurements.measure_maps(maps, explained, job.regions)
    table = measurements.map_table(explained, maps, measured)
    shares = cautious(measurements.class_shares(explained, measured, seed=job.seed))
    judged = [
        judge_label(label, explained, measured, shares=shares, not_judged=not_judged, seed=job.seed, regression=number)
        for label in plan.labels
    ]
    drawn = pictures.draw_pictures(
        maps, explained, table, shares=shares, pixels=job.pixels, clusters=clusters, number=number, path_of=run.path
    )
    tables = {
        "maps.csv": cautious(table.assign(cluster=drawn.cluster_of)),
        SHARES: shares,
        DRIVEN: cautious(measurements.driven_table(explained, measured)),
        FINDINGS: cautious(pd.DataFrame([row for findings in judged for row in findings.records()])),
        CLUSTERS: cautious(drawn.clusters),
        LOCALISATION: cautious(measurements.label_localisation(maps, explained, job.regions, seed=job.seed)),
        VISIBLE: scanned.visible,
        CURVES: curve_table(checks),
    }
    for name, content in tables.items():
        if len(content) or name not in OPTIONAL:
            manifests.write_table(content, run.path(name))
    sanity_figures = draw_checks(
        checks, path_of=lambda name, label: run.path(pictures.file_name(name, label, first=label == plan.labels[0]))
    )
    all_notes = [
        *check_notes(checks),
        *plan.notes,
        *notes,
        *drawn.notes,
        *measurements.missing_shares(explained, measured),
        *measurements.incomplete_maps(table, job.settings),
        *overlap_notes(judged, job.regions, images=len(explained.data.manifest)),
        *border_notes(scanned.visible),
        *([NO_CLASSES] if number else []),
    ]
    summary = {
        **_about(job, plan),
        "adding_up": cautious_numbers(measurements.adding_up(table), common_caution(checks)),
        "share_errors": cautious_numbers(measurements.typical_error(table), common_caution(checks)),
        "separation": {
            findings.label: cautious_numbers(asdict(findings.whole), label_caution(checks, findings.label))
            for findings in judged
        },
        "region_sources": records(job.regions.sources()),
        "sanity": {label: outcome.summary() for label, outcome in checks.items()},
        **_records(tables),
        "notes": all_notes,
    }
    figures = [*drawn.figures, *sanity_figures]
    return explanation_result(summary, folder=run.folder, show_visible=visible_table, figures=figures, notes=all_notes)


def _records(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Return the tables that the summary holds."""
    return {
        "shares": records(tables[SHARES]),
        "localisation": records(tables[LOCALISATION]),
        "visible": records(tables[VISIBLE]),
        "clusters": records(tables[CLUSTERS]),
        "most_driven": records(tables[DRIVEN].head(10)),
        "findings": records(tables[FINDINGS]),
    }


def _about(job: MapJob, plan: ExplanationPlan) -> dict[str, Any]:
    """Return what the summary says of the work itself."""
    explained, reference = job.explained, plan.reference
    return {
        "schema": "cxrshort.findings/1",
        "audit": "explain",
        "model": reference.title,
        "model_id": reference.model_id,
        "dataset": explained.data.name,
        "dataset_id": explained.data.dataset_id,
        "role": plan.fold.role,
        "split": plan.fold.split,
        "labels": list(plan.labels),
        "method": job.method.name,
        "settings": asdict(job.settings),
        "images": len(explained.data.manifest),
        "maps": len(explained.table),
        "references": [background.note for background in job.backgrounds.values()],
    }


def _forecast(
    job: MapJob, plan: ExplanationPlan, *, sanity: bool, output: Mapping[str, str], notes: Sequence[str]
) -> Result:
    """Return what an explanation would read and what it would take."""
    explained = job.explained
    views = 0 if plan.regression else VIEWS
    summary = {
        "reads": [plan.reference.name, str(explained.data.path or "standard input")],
        "images": len(explained.data.manifest),
        "maps": len(explained.table),
        "labels": list(plan.labels),
        "method": job.method.name,
        "device": job.compute.device,
        "threads": job.compute.threads,
        "disk_free_mib": forecasts.free_disk_mib(Path("results")),
        **forecast_maps(job, views=views, checked=plan.labels if sanity else ()),
        "outputs": [output],
    }
    shown = f"{views} passes for each image: whole, and with the border or the lungs shown alone or hidden"
    facts = [
        ("labels", ", ".join(plan.labels)),
        ("maps to make", f"{len(explained.table):,}, by {job.method.name}"),
        *[("references", background.note.removeprefix("references: ")) for background in job.backgrounds.values()],
        *([("besides", shown)] if views else []),
        *([("checks", f"of the maps of {CHECKED_IMAGES} images for each label, many times each")] if sanity else []),
    ]
    return forecasts.dry_run(summary, facts, notes=[*plan.notes, *notes])
