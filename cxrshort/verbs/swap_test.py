"""Exchange regions of radiographs between a positive and a negative, and measure what that does to a model's score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort import distributed, forecasts, runs
from cxrshort import manifest as manifests
from cxrshort.compute import Compute, choose_compute, enough_memory
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.interventions.pairs import Candidates, choose_candidates
from cxrshort.interventions.presets import presets_of
from cxrshort.interventions.random_patches import PATCHES
from cxrshort.interventions.swap_changes import change_table
from cxrshort.interventions.swap_figures import Drawn, draw_figures
from cxrshort.interventions.swap_forecast import forecast_trials
from cxrshort.interventions.swap_plan import (
    BoxSources,
    CandidateBoxes,
    SwapPlan,
    check_swap_options,
    find_boxes,
    plan_trials,
)
from cxrshort.interventions.swap_tables import finding_tables, plan_notes
from cxrshort.interventions.trial_scores import LabelScore, Scorer, fill_null, image_digest, null_array, score_trials
from cxrshort.json_files import write_json
from cxrshort.models.audited_folds import audited_fold
from cxrshort.models.audited_labels import audited_label
from cxrshort.models.blocks import Report, forget_blocks
from cxrshort.models.foreground import visible_pixels
from cxrshort.models.predictions import Fold, image_folders, predict
from cxrshort.models.result_folders import results_folder
from cxrshort.models.scoring import SCORING_BATCH
from cxrshort.models.sources.foreign import without_download
from cxrshort.models.sources.opening import Model, Reference, describe_model, open_model
from cxrshort.results import Result
from cxrshort.stats import swap_findings
from cxrshort.stats.named_draws import named_generator
from cxrshort.stats.predictions import LOGIT
from cxrshort.stats.verdicts import RULES, Verdict, judge_regions

VERB = "swap-test"
KIND = "findings"
RULE = RULES[VERB]
PAIRS = 20
CHANGES, POPULATION, FINDINGS, BOXES, SUMMARY = (
    "changes.csv",
    "population.csv",
    "findings.csv",
    "boxes.csv",
    "summary.json",
)


@dataclass(frozen=True)
class SwapTest:
    """Hold everything that is known before anything is written.

    Args:
        model: what is tested.
        data: the whole dataset.
        fold: the rows that are tested, all of them candidates.
        candidates: the same rows, with their classes.
        label: the finding.
        boxes: of the candidates, and their lungs.
        plan: the trials.
        notes: what must be known of the images.
    """

    model: Reference
    data: Dataset
    fold: Fold
    candidates: Candidates
    label: str
    boxes: CandidateBoxes
    plan: SwapPlan
    notes: Sequence[str]


def swap_test(
    model: str | Path,
    *,
    dataset: str,
    split: str = "test",
    label: str | None = None,
    regions: Path | None = None,
    preset: Sequence[str] = (),
    intervention: str | None = None,
    pairs: int = PAIRS,
    patches: int = PATCHES,
    masks: Path | None = None,
    segmenter: str | None = None,
    to: str = "corner",
    original_pixels: bool = False,
    batch_size: int = SCORING_BATCH,
    seed: int = 0,
    out: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    resume: bool = False,
    dry_run: bool = False,
    force: bool = False,
    report: Report = runs.ignore_event,
) -> Result:
    """Test regions of a dataset's images as shortcuts of a model, and return a verdict on each.

    Under ``torchrun`` several processes score a share of the trials each; the first one writes, reports and returns the
    result, the others return an empty one.

    Args:
        model: a model file, run folder, or model trained elsewhere.
        dataset: a dataset folder, manifest, ``-`` or name.
        split: ``"test"``, ``"val"``, ``"train"`` or ``"all"``; of the replicate that the model was trained on.
        label: the finding whose logit is the score; None takes COVID-19, else the model's first.
        regions: a table of boxes.
        preset: of :data:`cxrshort.interventions.presets.PRESETS`; without one, and without a table, every region that
            the dataset knows and in which no finding lies is tested.
        intervention: of :data:`cxrshort.interventions.INTERVENTIONS`, in every region; None replaces what the
            partner shows at the same place.
        pairs: of a positive and a negative, for each region.
        patches: random patches for each image.
        masks: lungs, as a folder of mask files or a ``.npy`` file.
        segmenter: a model that draws lungs.
        to: where moved boxes go.
        original_pixels: boxes of the table are in pixels of the original films.
        batch_size: images in the network at a time.
        seed: draws pairs, patches and intervals.
        out: the results folder.
        device: as in :func:`cxrshort.compute.choose_compute`.
        precision: as in :func:`cxrshort.compute.choose_compute`.
        threads: CPU threads.
        resume: go on with an interrupted run.
        dry_run: say what would be done, write nothing.
        force: overwrite an earlier result.
        report: takes events.

    Raises:
        DataError: boxes or masks are damaged or of other images, or the model was trained on patients of the fold.
        UsageError: options that contradict each other, a label that the model or the dataset does not have, or no box.
    """
    check_swap_options(regions, preset, intervention=intervention, edge=to, original=original_pixels)
    compute = distributed.with_rank(choose_compute(device, precision=precision, threads=threads))
    name = without_download(str(model)) if dry_run else str(model)
    reference, data = describe_model(name), load_dataset(dataset)
    sources = BoxSources(regions, original_pixels, presets_of(preset), masks, segmenter)
    chosen = audited_label(reference, label, audit="swap-test")
    options = {"split": split, "label": label, "regions": regions, "preset": preset, "intervention": intervention}
    folder = out or default_folder(model, data, options)
    settings = {"pairs": pairs, "patches": patches, "to": to, "batch_size": batch_size, "seed": seed}
    box_options = {"masks": masks, "segmenter": segmenter, "original_pixels": original_pixels}
    arguments = {"model": str(model), "dataset": dataset, **options, **settings, **box_options, **compute.record()}
    if resume and not dry_run and (complete := runs.finished_summary(folder, arguments=arguments)):
        return _complete(complete, folder)
    inputs = _inputs(reference, data, sources)
    memory = partial(enough_memory, compute, images=batch_size, hint="--batch-size takes fewer images at a time")
    prepare = partial(prepare_test, reference, data, split=split, label=chosen, sources=sources, compute=compute)
    planning = {"intervention": intervention, "pairs": pairs, "edge": to, "seed": seed}
    with distributed.process_group(compute):
        with memory():
            test = prepare(batch_size=batch_size, planning=planning)
        if dry_run:
            fate = forecasts.preview_folder(folder, VERB, inputs=inputs.values(), force=force, resume=resume)
            return _forecast(test, compute=compute, patches=patches, batch_size=batch_size, output=fate)
        with runs.open_run(
            folder, VERB, arguments=arguments, inputs=inputs, compute=compute, force=force, resume=resume
        ) as run:
            rank_report = runs.ignore_event if compute.rank else report
            with memory():
                scorer, changes = _score(
                    run, test, compute=compute, settings=settings, resume=resume, report=rank_report
                )
            if run.read_only:
                return Result()
            result = _write_results(run, test, changes, scorer=scorer, settings=settings)
            run.finish({"summary": result.summary})
    return result


def default_folder(model: str | Path, data: Dataset, options: Mapping[str, Any]) -> Path:
    """Return ``results/MODEL/DATASET-swap-test``, with what is off its default between dataset and verb."""
    stated = {name: value for name, value in options.items() if value and (name, value) != ("split", "test")}
    named = {
        name: value.stem if isinstance(value, Path) else "+".join(value) if isinstance(value, list | tuple) else value
        for name, value in stated.items()
    }
    return results_folder([model], [data], options=named, verb=VERB)


def _inputs(reference: Reference, data: Dataset, sources: BoxSources) -> dict[str, Path]:
    table = {} if data.path is None else {"dataset": data.path}
    return {**reference.files, **table, **sources.files, **image_folders(data)}


def prepare_test(
    reference: Reference,
    data: Dataset,
    *,
    split: str,
    label: str,
    sources: BoxSources,
    compute: Compute,
    batch_size: int,
    planning: Mapping[str, Any],
) -> SwapTest:
    """Return the images, boxes and trials of a test.

    Args:
        reference: the model.
        data: the whole dataset.
        split: which fold.
        label: the finding.
        sources: where boxes and lungs come from.
        compute: where a segmenter draws.
        batch_size: images in the segmenter at a time.
        planning: ``intervention``, ``pairs``, ``edge`` and ``seed`` of the trials.
    """
    fold, notes = audited_fold(reference, data, split)
    rng = named_generator(int(planning["seed"]), "candidates")
    candidates = choose_candidates(fold.data, label, rng=rng)
    tested = Fold(candidates.data, split, fold.role)
    boxes = find_boxes(candidates, sources, whole=data, label=label, compute=compute, batch_size=batch_size)
    plan = plan_trials(candidates, boxes, level=RULE.level, **planning)
    every_note = [*notes, *candidates.notes, *boxes.notes, *plan_notes(plan, boxes)]
    return SwapTest(reference, data, tested, candidates, label, boxes, plan, every_note)


def _score(
    run: runs.Run,
    test: SwapTest,
    *,
    compute: Compute,
    settings: Mapping[str, Any],
    resume: bool,
    report: Report,
) -> tuple[Scorer, swap_findings.SwapChanges]:
    """Return the changes of all trials; several processes score a share each."""
    opened = open_model(test.model, compute)
    report({"event": "scoring", "text": f"scoring {len(test.fold.data.manifest):,} images"})
    size = int(settings["batch_size"])
    predictions = predict(opened, test.fold, compute, batch_size=size, shrink=True, report=report)
    logits = predictions[LOGIT + test.label].to_numpy(dtype=np.float64)
    spread = float(logits.std(ddof=1)) if len(logits) > 1 else 0.0
    scorer = _scorer(opened, test, compute=compute, batch_size=size)
    trials = test.plan.trials if spread > 0 else ()
    with_null = test.plan.with_null if spread > 0 else []
    scores = score_trials(trials, scorer, report=report)
    null = fill_null(
        run,
        [trials[number] for number in with_null],
        scorer,
        patches=int(settings["patches"]),
        seed=int(settings["seed"]),
        settings=_identity(run, test),
        resume=resume,
        report=report,
    )
    if run.read_only:
        return scorer, swap_findings.SwapChanges(pd.DataFrame(), null, spread)
    changes = change_table(trials, scores, candidates=test.candidates, with_null=with_null, null=null, spread=spread)
    return scorer, changes


def _identity(run: runs.Run, test: SwapTest) -> dict[str, str]:
    """Return what an interrupted run is continued with only if it is still the same."""
    return {
        "model": test.model.model_id,
        "dataset": test.data.dataset_id,
        "label": test.label,
        "split": test.fold.split,
        "images": image_digest(test.fold.data.manifest["image_id"].astype(str).tolist()),
        **{f"sha256 of {name}": checksum for name, checksum in run.inputs.items()},
    }


def _scorer(model: Model, test: SwapTest, *, compute: Compute, batch_size: int) -> Scorer:
    pixels = visible_pixels(test.model.description, test.fold.data)
    return Scorer(LabelScore(model, test.label), pixels, compute, batch_size)


def _write_results(
    run: runs.Run, test: SwapTest, changes: swap_findings.SwapChanges, *, scorer: Scorer, settings: Mapping[str, Any]
) -> Result:
    """Write tables and figures, and return what people see."""
    seed = int(settings["seed"])
    constant = f"the model gives all {len(test.fold.data.manifest):,} images one score" if not changes.spread else ""
    reasons = dict.fromkeys(test.plan.regions, constant) if constant else test.plan.reasons
    tested = [region for region in test.plan.regions if region not in reasons]
    evidence = swap_findings.evidence_of(changes, test.plan.regions, reasons, rule=RULE, seed=seed)
    verdicts = judge_regions(evidence, RULE)
    population = swap_findings.population_rows(changes, tested, level=RULE.level, seed=seed)
    controls = swap_findings.control_rows(changes, tested, rule=RULE, seed=seed)
    findings = [_finding(verdict, test.plan, changes) for verdict in verdicts]
    tables = {
        CHANGES: changes.table.assign(null_row=changes.table["null_row"].replace(-1, pd.NA).astype("Int64")),
        POPULATION: pd.DataFrame(population, columns=list(swap_findings.POPULATION_COLUMNS)),
        FINDINGS: pd.DataFrame(findings),
        BOXES: test.boxes.table,
    }
    for name, table in tables.items():
        manifests.write_table(table, run.path(name))
    drawn = Drawn(test.plan.trials, changes, verdicts, test.fold.data, scorer.pixels, test.label)
    figures = draw_figures(run, drawn, margin=RULE.margin)
    summary = {
        "label": test.label,
        "model": test.model.title,
        "dataset": test.data.name,
        "split": test.fold.split,
        "images": len(test.fold.data.manifest),
        "spread": changes.spread,
        "rule": {"unit": RULE.unit, "margin": RULE.margin, "level": RULE.level},
        "patches": int(settings["patches"]),
        "findings": findings,
        "population": population,
        "controls": controls,
        "notes": list(test.notes),
    }
    forget_blocks(run, null_array([], patches=0))
    write_json(run.path(SUMMARY), {"schema": f"cxrshort.{KIND}/1", **summary})
    words = [verdict.verdict for verdict in verdicts]
    shown = finding_tables(summary, rule=RULE)
    paths = [run.folder / path for path in figures]
    return Result(summary, shown, paths, test.notes, run.folder, kind=KIND, verdicts=words)


def _finding(verdict: Verdict, plan: SwapPlan, changes: swap_findings.SwapChanges) -> dict[str, Any]:
    """Return a row of ``findings.csv``."""
    trials = changes.of(verdict.region, "test")
    return {
        **verdict.record(),
        "intervention": trials["intervention"].iloc[0] if len(trials) else "",
        "pairs": len(plan.pairs.get(verdict.region, ())),
        "images": len(trials),
    }


def _complete(summary: Mapping[str, Any], folder: Path) -> Result:
    """Return the result of a run that is complete already, as ``--resume`` finds it."""
    words = [str(finding["verdict"]) for finding in summary["findings"]]
    notes = ["the run is complete already; nothing was done", *summary["notes"]]
    return Result(summary, finding_tables(summary, rule=RULE), (), notes, folder, kind=KIND, verdicts=words)


def _forecast(test: SwapTest, *, compute: Compute, patches: int, batch_size: int, output: Mapping[str, str]) -> Result:
    """Return what a test would read, write and take."""
    plan, images = test.plan, len(test.fold.data.manifest)
    scorer = _scorer(open_model(test.model, compute), test, compute=compute, batch_size=batch_size)
    trials = [plan.trials[number] for number in plan.with_null]
    forwards = len(trials) * patches + 2 * len(plan.trials) + images
    summary = {
        "reads": [test.model.name, str(test.data.path or "standard input")],
        "label": test.label,
        "regions": {region: len(plan.pairs.get(region, ())) for region in plan.regions},
        "trials": len(plan.trials),
        "forwards": forwards,
        "device": compute.device,
        "threads": compute.threads,
        "disk_mib": round(4 * patches * len(trials) / 2**20 + 1, 2),
        "disk_free_mib": forecasts.free_disk_mib(Path("results")),
        **forecast_trials(trials, scorer, forwards=forwards),
        "not_testable": dict(plan.reasons),
        "outputs": [output],
    }
    regions = ", ".join(f"{region} {len(plan.pairs.get(region, ()))}" for region in plan.regions)
    facts = [
        ("label", test.label),
        ("pairs", regions),
        ("trials", f"{len(plan.trials):,}, with {patches:,} random patches in {len(trials):,} of them"),
        ("forward passes", f"{forwards:,}"),
        *((f"{region}", f"not testable: {why}") for region, why in plan.reasons.items()),
    ]
    return forecasts.dry_run(summary, facts, notes=list(test.notes))
