"""Ask a CycleGAN what in the data tells the classes apart, and whether classifiers rely on it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort import distributed, forecasts, runs
from cxrshort import manifest as manifests
from cxrshort.attribution.explained_regions import EXPECTED, RegionSources, read_regions, why_not_judged
from cxrshort.compute import Compute, choose_compute, enough_memory
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.generative.cyclegan.audit.classifiers import AuditedClassifier
from cxrshort.generative.cyclegan.audit.edits import check_size
from cxrshort.generative.cyclegan.audit.features import check_weights
from cxrshort.generative.cyclegan.audit.images import FROM, SIDES, TO, choose_images
from cxrshort.generative.cyclegan.audit.regions import TransformedRegions
from cxrshort.generative.cyclegan.audit.results import (
    Record,
    carried_rows,
    change_table,
    cycle_rows,
    judge_classifier,
    overlap_notes,
    population_rows,
    region_rows,
)
from cxrshort.generative.cyclegan.audit.run import PARTS, AuditedEdits, AuditPlan, run_networks
from cxrshort.generative.cyclegan.audit.scores import ELSEWHERE, PartStore, forward_passes
from cxrshort.generative.cyclegan.model import describe_cyclegan, load_cyclegan
from cxrshort.generative.cyclegan.networks import Direction
from cxrshort.interventions.trial_scores import image_digest
from cxrshort.json_files import write_json
from cxrshort.models.audited_labels import audited_label
from cxrshort.models.blocks import BlockArray, Report, forget_blocks
from cxrshort.models.forecast import forecast
from cxrshort.models.predictions import Fold, image_folders
from cxrshort.models.result_folders import results_folder
from cxrshort.models.scoring import SCORING_BATCH
from cxrshort.models.sources.foreign import without_download
from cxrshort.models.sources.opening import describe_models
from cxrshort.results import Result
from cxrshort.stats.verdicts import RULES
from cxrshort.verbs.cyclegan.audit_drawing import DrawnAudit, draw_audit
from cxrshort.verbs.cyclegan.audit_tables import audit_blocks, audit_notes

VERB = "cyclegan audit"
KIND = "cyclegan-audit"
RULE = RULES["cyclegan-audit"]
IMAGES = 100
CHANGES, REGIONS, CARRIED, FINDINGS, POPULATION, DISTANCES, SUMMARY = (
    "changes.csv",
    "regions.csv",
    "carried.csv",
    "findings.csv",
    "population.csv",
    "distances.csv",
    "summary.json",
)


def audit(
    model: str | Path,
    classifiers: Sequence[str | Path],
    *,
    dataset: str,
    split: str = "test",
    label: str | None = None,
    images: int | None = IMAGES,
    places: int = ELSEWHERE,
    masks: Path | None = None,
    segmenter: str | None = None,
    regions: Path | None = None,
    expected: Sequence[str] = EXPECTED,
    inception: Path | None = None,
    batch_size: int = SCORING_BATCH,
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
    """Transform images of both sides of a CycleGAN, and return what changed, what classifiers say, and verdicts.

    Under ``torchrun`` several processes transform and score a share each; the first one writes, reports and returns the
    result, the others return an empty one.

    Args:
        model: a CycleGAN, as a model file or run folder.
        classifiers: anything that ``evaluate`` takes, but no segmenters.
        dataset: a dataset folder, manifest, ``-`` or name.
        split: ``"test"``, ``"val"``, ``"train"`` or ``"all"``; of the replicate that the CycleGAN was trained on.
        label: the finding whose log-odds count; None takes COVID-19, else each classifier's first.
        images: of each side at most, a random sample; None takes all.
        places: other places in which the shape of each region is transformed, for comparison.
        masks: lungs from elsewhere: a folder of mask files, or a ``.npy`` file.
        segmenter: a model that draws lungs.
        regions: a table of boxes, in pixels of the dataset's images.
        expected: regions where the finding may lie, which no verdict accuses.
        inception: weights of Inception-v3; None takes the classifiers' own features.
        batch_size: images in the network at a time.
        seed: of samples, places and intervals.
        out: the results folder.
        device: as in :func:`cxrshort.compute.choose_compute`.
        precision: as in :func:`cxrshort.compute.choose_compute`; images are transformed in fp32.
        threads: CPU threads.
        dry_run: say what would be done, write nothing.
        force: overwrite an earlier result.
        resume: go on where an interrupted run has stopped to score; the files are the same, byte for byte.
        report: takes events.

    Raises:
        DataError: a model was trained on patients of the fold, a side is empty, images are of another size, or a
            generator makes one image of all.
        UsageError: a model of another kind, or a label that a classifier does not have.
        MissingInputError: a model, dataset or file is not there.
    """
    if inception is not None:
        check_weights(inception)
    compute = distributed.with_rank(choose_compute(device, precision=precision, threads=threads))
    names = [without_download(str(name)) if dry_run else str(name) for name in classifiers]
    plan = _plan(str(model), names, dataset, split=split, label=label, images=images, seed=seed, inception=inception)
    sources = RegionSources(masks, segmenter, regions)
    options = {"split": split, "label": label, "regions": regions, "inception": inception}
    arguments = {
        **{"model": str(model), "classifiers": [str(name) for name in classifiers], "dataset": dataset, **options},
        **{"images": images, "places": places, "masks": masks, "segmenter": segmenter, "expected": list(expected)},
        **{"batch_size": batch_size, "seed": seed, **compute.record()},
    }
    folder = out or _default_folder(model, classifiers, plan.data, options=options)
    if resume and not dry_run and (complete := runs.finished_summary(folder, arguments=arguments)):
        return _complete(complete, folder)
    inputs = _inputs(plan, sources, inception)
    memory = partial(enough_memory, compute, images=batch_size, hint="--batch-size takes fewer images at a time")
    if dry_run:
        fate = forecasts.preview_folder(folder, VERB, inputs=inputs.values(), force=force, resume=resume)
        names_of_regions = read_regions(plan.images.data, RegionSources(masks, None, regions), compute=compute)[0].names
        return _forecast(plan, names_of_regions, compute=compute, places=places, output=fate)
    with (
        distributed.process_group(compute),
        runs.open_run(
            folder, VERB, arguments=arguments, inputs=inputs, compute=compute, force=force, resume=resume
        ) as run,
    ):
        rank_report = runs.ignore_event if compute.rank else report
        with memory():
            cut, notes = read_regions(plan.images.data, sources, compute=compute, batch_size=batch_size)
            reasons = why_not_judged(cut.names, tuple(expected), plan.images.data.manifest)
            generator = load_cyclegan(model, compute)
            work = partial(run_networks, plan, generator, TransformedRegions(cut, plan.images.rows))
            settings = {"places": places, "batch_size": batch_size, "seed": seed}
            audited = work(
                compute=compute,
                settings=settings,
                not_judged=reasons,
                report=rank_report,
                store=lambda name: PartStore(run, name, _identity(run, plan), resume),
            )
        if run.read_only:
            return Result()
        result = _write_results(run, plan, audited, not_judged=reasons, notes=notes, seed=seed)
        _forget_journals(run)
        run.finish({"summary": result.summary})
    return result


def _plan(
    model: str,
    classifiers: Sequence[str],
    dataset: str,
    *,
    split: str,
    label: str | None,
    images: int | None,
    seed: int,
    inception: Path | None,
) -> AuditPlan:
    """Describe models and choose images, and refuse what cannot be audited."""
    _, generator = describe_cyclegan(model)
    references = describe_models(classifiers)
    labels = [audited_label(reference, label, audit="the audit") for reference in references]
    data = load_dataset(dataset)
    described = {model: generator, **{reference.name: reference.description for reference in references}}
    expressions: dict[Direction, str] = {FROM: generator.labels[0], TO: generator.labels[1]}
    chosen = choose_images(data, described, split=split, expressions=expressions, images=images, seed=seed)
    check_size(generator.spec.size, data.name, chosen.data.pixels.image_shape)
    return AuditPlan(model, generator, references, labels, data, chosen, inception)


def _default_folder(
    model: str | Path, classifiers: Sequence[str | Path], data: Dataset, *, options: Mapping[str, Any]
) -> Path:
    stated = {name: value for name, value in options.items() if value and (name, value) != ("split", "test")}
    named = {name: value.stem if isinstance(value, Path) else value for name, value in stated.items()}
    return results_folder([model, *classifiers], [data], options=named, verb=VERB)


def _inputs(plan: AuditPlan, sources: RegionSources, inception: Path | None) -> dict[str, Path]:
    path, _ = describe_cyclegan(plan.name)
    files = {plan.name: path} | {name: file for model in plan.references for name, file in model.files.items()}
    table = {} if plan.data.path is None else {"dataset": plan.data.path}
    weights = {} if inception is None else {"inception": inception}
    return {**files, **table, **weights, **sources.files, **image_folders(plan.data)}


def _identity(run: runs.Run, plan: AuditPlan) -> dict[str, Any]:
    """Return what an interrupted run is continued with only if it is still the same."""
    return {
        "dataset": plan.data.dataset_id,
        "labels": list(plan.labels),
        "split": plan.images.split,
        "images": image_digest(plan.images.data.manifest["image_id"].astype(str).tolist()),
        **{f"sha256 of {name}": checksum for name, checksum in run.inputs.items()},
    }


def _forget_journals(run: runs.Run) -> None:
    arrays = run.folder.glob(PARTS.format(number="*", direction="*"))
    forget_blocks(run, *(BlockArray(path.name, ()) for path in arrays))


def _complete(summary: Mapping[str, Any], folder: Path) -> Result:
    """Return the result of a run that is complete already, as ``--resume`` finds it."""
    words = [str(finding["verdict"]) for finding in summary["findings"]]
    notes = ["the run is complete already; nothing was done", *audit_notes(summary)]
    return Result(summary, audit_blocks(summary, rule=RULE), (), notes, folder, kind=KIND, verdicts=words)


def _write_results(
    run: runs.Run,
    plan: AuditPlan,
    audited: AuditedEdits,
    *,
    not_judged: Mapping[str, str],
    notes: Sequence[str],
    seed: int,
) -> Result:
    """Write tables and figures, and return what people see."""
    images, scored = plan.images, audited.scored
    names = audited.regions[TO].names
    regions = region_rows(images, audited.measured, audited.shams, seed=seed)
    population = population_rows(images, scored, names, seed=seed)
    carried = carried_rows(images, scored, names, seed=seed)
    judge = partial(judge_classifier, images, regions=regions, names=names, reasons=not_judged, rule=RULE, seed=seed)
    verdicts = {entry: judge(entry) for entry in scored}
    findings = [
        {**entry.about, **verdict.record()} for entry, of_classifier in verdicts.items() for verdict in of_classifier
    ]
    tables = {
        CHANGES: change_table(images, audited.edits, scored),
        REGIONS: pd.DataFrame(regions),
        CARRIED: pd.DataFrame(carried),
        FINDINGS: pd.DataFrame(findings),
        POPULATION: pd.DataFrame(population),
        DISTANCES: pd.DataFrame(audited.distances),
    }
    for name, table in tables.items():
        manifests.write_table(table, run.path(name))
    all_notes = [*images.notes, *notes, *(note for entry in scored for note in entry.classifier.notes)]
    summary: dict[str, Any] = {
        "model": plan.name,
        "dataset": plan.data.name,
        "split": images.split,
        "sides": dict(images.expressions),
        "images": {side: len(images.rows[side]) for side in SIDES},
        "persons": images.data.manifest["person_id"].nunique(),
        "rule": {"unit": RULE.unit, "margin": RULE.margin, "level": RULE.level},
        "classifiers": [_about(entry.classifier) for entry in scored],
        "findings": findings,
        "population": population,
        "regions": regions,
        "carried": carried,
        "cycle": cycle_rows(images, audited.edits, seed=seed),
        "distances": list(audited.distances),
        "parts": {
            "columns": "before, after, and of each region in turn: alone, all but it, its shape in other places",
            "regions": list(names),
        },
    }
    all_notes += [*audit_notes(summary), *overlap_notes(findings, audited.regions[TO])]
    drawn = DrawnAudit(images, audited.edits, audited.regions, audited.measured, scored)
    figures = draw_audit(run.path, drawn, summary)
    write_json(run.path(SUMMARY), {"schema": f"cxrshort.{KIND}/1", **summary, "notes": all_notes})
    words = [str(row["verdict"]) for row in findings]
    return replace(
        Result(summary, audit_blocks(summary, rule=RULE), notes=all_notes, folder=run.folder, kind=KIND),
        figures=[run.folder / path.name for path in figures],
        verdicts=words,
    )


def _about(classifier: AuditedClassifier) -> Record:
    return {
        "classifier": classifier.title,
        "model_id": classifier.model.reference.model_id,
        "label": classifier.label,
        "role": classifier.role,
        "spread": classifier.spread,
    }


def _forecast(
    plan: AuditPlan, regions: Sequence[str], *, compute: Compute, places: int, output: Mapping[str, str]
) -> Result:
    """Return what an audit would read, write and take."""
    images = plan.images
    count = sum(len(images.rows[side]) for side in SIDES)
    fold = Fold(images.data, images.split, "")
    measured = forecast(plan.references, [[fold] for _ in plan.references], compute=compute)
    compared = sum(name not in EXPECTED for name in regions)
    passes = forward_passes(count, regions=len(regions), compared=compared, places=places) * len(plan.references)
    measured["hours"] = round(passes / measured["images_per_second"] / 3600, 3)
    summary = {
        "reads": [plan.name, *(model.name for model in plan.references), str(plan.data.path or "standard input")],
        "images": {side: len(images.rows[side]) for side in SIDES},
        "forwards": passes,
        "device": compute.device,
        "threads": compute.threads,
        "disk_mib": round(0.001 * count * len(plan.references) + 2, 2),
        "disk_free_mib": forecasts.free_disk_mib(Path("results")),
        **measured,
        "outputs": [output],
    }
    facts = [
        ("classifiers", f"{len(plan.references)}"),
        *(
            (f"to '{images.goal(direction)}'", f"{len(images.started(direction)):,} images")
            for direction in SIDES[::-1]
        ),
        ("forward passes", f"about {passes:,} of the classifiers"),
    ]
    return forecasts.dry_run(summary, facts, notes=list(images.notes))
