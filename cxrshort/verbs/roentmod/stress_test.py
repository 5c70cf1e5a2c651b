"""Add findings to radiographs that have none, and see what a classifier then says of all the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort import distributed, forecasts, runs
from cxrshort import manifest as manifests
from cxrshort.compute import Compute, choose_compute, enough_memory
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import UsageError
from cxrshort.json_files import write_json
from cxrshort.models.audited_folds import audited_fold
from cxrshort.models.audited_labels import refuse_other_models
from cxrshort.models.blocks import Report
from cxrshort.models.forecast import forecast
from cxrshort.models.predictions import Fold, image_folders, predict
from cxrshort.models.result_folders import results_folder
from cxrshort.models.scoring import SCORING_BATCH
from cxrshort.models.sources.foreign import without_download
from cxrshort.models.sources.opening import Reference, describe_models, open_model
from cxrshort.quantities import quantity
from cxrshort.registry import check_name
from cxrshort.results import Result
from cxrshort.stats.cooccurrence import Cooccurrence, read_cooccurrence
from cxrshort.stats.stress import RULE, StressCell, stress_cells
from cxrshort.verbs.roentmod.matrix import cell_record, finding_record, sort_findings, stress_blocks
from cxrshort.verbs.roentmod.pairing import ModelPairs, check_pairs, choose_labels, match_models, pair_edits
from cxrshort.verbs.roentmod.scores import ScoreRows, is_scores, read_score_rows, tidy

VERB = "roentmod stress-test"
KIND = "stress-test"
TARGETS = "targets"
"""What ``expected`` is where the targets of the edits say what each of them shows."""
FINDINGS, CELLS, CONTROLS, SCORES, SUMMARY = (
    "findings.csv",
    "cells.csv",
    "controls.csv",
    "predictions.csv",
    "summary.json",
)
MATRIX, PROBABILITIES = "matrix.png", "probabilities.png"


@dataclass(frozen=True)
class StressScores:
    """Hold what is scored before anything is written.

    Args:
        references: the models.
        data: datasets by role: ``"before"``, ``"after"`` and, where there is one, ``"reference"``.
        folds: of each model, in the order of the datasets.
        notes: what must be known of the folds.
    """

    references: Sequence[Reference]
    data: Mapping[str, Dataset]
    folds: Sequence[Sequence[Fold]]
    notes: Sequence[str]


def stress_test(
    models: Sequence[str | Path] = (),
    *,
    before: str,
    after: str,
    reference: str | None = None,
    expected: str | None = None,
    sham: str | None = None,
    labels: Sequence[str] = (),
    split: str = "test",
    batch_size: int = SCORING_BATCH,
    out: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    dry_run: bool = False,
    force: bool = False,
    report: Report = runs.ignore_event,
) -> Result:
    """Test what added findings do to predictions of others, and return a verdict on each pair of findings.

    Under ``torchrun`` several processes score a share of each fold; the first one writes, reports and returns the
    result, the others return an empty one.

    Args:
        models: models to be scored; without one, ``before`` and ``after`` are tables of predictions.
        before: dataset of originals, or their predictions.
        after: dataset of edits, or their predictions.
        reference: dataset or predictions of the cohort that percentiles are of; None takes the originals.
        expected: table of co-occurrence; ``"targets"`` takes the targets of the edits; None where nobody has counted.
        sham: name of the edit that adds nothing.
        labels: predicted findings; none given takes all that every model and table has.
        split: ``"test"``, ``"val"``, ``"train"`` or ``"all"``; of the replicate that each model was trained on.
        batch_size: images in the network at a time.
        out: the results folder; None takes a default one where models are scored, and writes nothing otherwise.
        device: as in :func:`cxrshort.compute.choose_compute`.
        precision: as in :func:`cxrshort.compute.choose_compute`.
        threads: CPU threads.
        dry_run: say what would be done, write nothing.
        force: overwrite an earlier result.
        report: takes events.

    Raises:
        DataError: edits of other images, labels that nothing shares, or a model that was trained on persons of a fold.
        UsageError: options that contradict each other, or a label that not all models have.
        MissingInputError: a table, dataset or model is not there.
    """
    table = None if expected in (None, TARGETS) else read_cooccurrence(Path(str(expected)))
    compute = distributed.with_rank(choose_compute(device, precision=precision, threads=threads))
    judge = partial(judge_scores, expected=TARGETS if expected == TARGETS else table, sham=sham, labels=labels)
    arguments: dict[str, Any] = {"models": [str(model) for model in models], "before": before, "after": after}
    arguments |= {"reference": reference, "expected": expected, "sham": sham, "labels": list(labels)}
    inputs = {} if table is None else {"expected": Path(str(expected))}
    if not models:
        named = {"before": before, "after": after, **({} if reference is None else {"reference": reference})}
        scores = {role: read_score_rows(name) for role, name in named.items()}
        result = judge(*scores.values())
        inputs |= {role: part.path for role, part in scores.items() if part.path is not None}
        if dry_run or out is None:
            return replace(result, notes=[*result.notes, "--out DIR writes tables and figures"])
        with runs.open_run(out, VERB, arguments=arguments, inputs=inputs, force=force, resume=None) as run:
            return _write_results(run, result, None)
    wanted = {"before": before, "after": after, "reference": reference}
    names = [without_download(str(model)) if dry_run else str(model) for model in models]
    test, tables = prepare_scores(names, wanted, split=split, sham=sham, labels=labels)
    folder = out or results_folder(models, [test.data["before"], test.data["after"]], options={}, verb=KIND)
    inputs |= {name: path for model in test.references for name, path in model.files.items()}
    inputs |= {name: path for data in test.data.values() for name, path in _files(data).items()}
    if dry_run:
        fate = forecasts.preview_folder(folder, VERB, inputs=inputs.values(), force=force, resume=None)
        return _forecast(test, compute=compute, output=fate)
    arguments |= {"split": split, "batch_size": batch_size, **compute.record()}
    with (
        distributed.process_group(compute),
        runs.open_run(
            folder, VERB, arguments=arguments, inputs=inputs, compute=compute, force=force, resume=None
        ) as run,
    ):
        rank_report = runs.ignore_event if compute.rank else report
        with enough_memory(compute, images=batch_size, hint="--batch-size takes fewer images at a time"):
            scored = score_models(test, compute, batch_size=batch_size, report=rank_report)
        if run.read_only:
            return Result()
        parts = [ScoreRows(test.data[role].name, tidy(rows, role)) for role, rows in scored.items()]
        result = judge(*parts, *tables)
        return _write_results(run, replace(result, notes=[*test.notes, *result.notes]), scored)
    return result


def prepare_scores(
    names: Sequence[str], wanted: Mapping[str, str | None], *, split: str, sham: str | None, labels: Sequence[str]
) -> tuple[StressScores, list[ScoreRows]]:
    """Return what is to be scored; a reference cohort that was scored before is read instead.

    Images that make no pairs, and labels that a model does not have, are refused here, before hours of scoring.

    Args:
        names: of the models.
        wanted: datasets or predictions by role.
        split: the fold.
        sham: name of the edit that adds nothing.
        labels: predicted findings that every model must have; none takes all that they share.

    Raises:
        UsageError: originals or edits are predictions, although there are models, a model is no classifier, or not all
            have a label.
        DataError: edits of other images, no edits, or no originals.
    """
    references = describe_models(names)
    for model in references:
        refuse_other_models(model, "a stress test")
    _check_labels(references, labels)
    for role in ("before", "after"):
        if is_scores(str(wanted[role])):
            raise UsageError(
                f"--{role} '{wanted[role]}' is a table of predictions, and models score datasets",
                "leave the models out, or name a dataset",
            )
    reference = wanted["reference"]
    tables = [read_score_rows(reference)] if reference is not None and is_scores(reference) else []
    roles = [role for role, name in wanted.items() if name is not None and not (role == "reference" and tables)]
    data = {role: load_dataset(str(wanted[role])) for role in roles}
    folds, notes = [], []
    for model in references:
        own = [audited_fold(model, part, split) for part in data.values()]
        folds.append([fold for fold, _ in own])
        notes += [note for _, fold_notes in own for note in fold_notes]
        rows = {
            role: ScoreRows(part.name, tidy(fold.data.manifest, part.name))
            for (role, part), fold in zip(data.items(), folds[-1], strict=True)
        }
        check_pairs(rows["before"], rows["after"], rows.get("reference"), sham=sham)
    return StressScores(references, data, folds, list(dict.fromkeys(notes))), tables


def _check_labels(references: Sequence[Reference], labels: Sequence[str]) -> None:
    own = [model.description.labels for model in references]
    shared = [label for label in own[0] if all(label in names for names in own)]
    for label in labels:
        check_name(shared, label, kind="label of all models")


def score_models(test: StressScores, compute: Compute, *, batch_size: int, report: Report) -> dict[str, pd.DataFrame]:
    """Return the predictions of all models by role; several processes score a share each."""
    parts: dict[str, list[pd.DataFrame]] = {role: [] for role in test.data}
    for reference, folds in zip(test.references, test.folds, strict=True):
        model = open_model(reference, compute)
        for role, fold in zip(test.data, folds, strict=True):
            images = len(fold.data.manifest)
            report(
                {
                    "event": "scoring",
                    "text": f"scoring {quantity(images, 'image')} of {fold.data.name} with {reference.title}",
                }
            )
            parts[role].append(predict(model, fold, compute, batch_size=batch_size, shrink=True, report=report))
    return {role: pd.concat(tables, ignore_index=True) for role, tables in parts.items()}


def judge_scores(
    before: ScoreRows,
    after: ScoreRows,
    reference: ScoreRows | None = None,
    *,
    expected: Cooccurrence | str | None,
    sham: str | None,
    labels: Sequence[str],
) -> Result:
    """Return the verdicts on scores of originals and edits.

    Args:
        before: scores of originals, of one or more models.
        after: of edits.
        reference: of the cohort that percentiles are of; None takes the originals.
        expected: how often findings come along; ``"targets"`` takes what the edits say; None where nobody has counted.
        sham: name of the edit that adds nothing.
        labels: predicted findings; none given takes all.

    Raises:
        DataError: tables of other images, labels or models.
    """
    cohort = before if reference is None else reference
    names = match_models(before, after, cohort)
    tables = {
        names[key]: [part.of_model(key) for part in (before, after, *([] if reference is None else [cohort]))]
        for key in names
    }
    chosen, notes = choose_labels(tables, labels)
    pairs = [
        pair_edits(name, parts[0], parts[1], None if reference is None else parts[2], chosen, sham=sham)
        for name, parts in tables.items()
    ]
    cells: dict[str, list[StressCell]] = {}
    controls: dict[str, list[StressCell]] = {}
    for part in pairs:
        share = part.stated if expected == TARGETS else None if isinstance(expected, str) else expected
        cells[part.model] = stress_cells(part.edits, chosen, reference=part.reference, cooccurrence=share)
        controls[part.model] = stress_cells(part.controls, chosen, reference=part.reference)
    read = [note for part in (before, after, reference) if part is not None for note in part.notes]
    notes = [*dict.fromkeys(read), *notes, *dict.fromkeys(note for part in pairs for note in part.notes)]
    if expected is None:
        notes.append(
            "nobody has counted what comes along with the added findings: nothing is called more than suspicious; "
            "--expected TABLE.csv says it, --expected targets takes the targets of the edits"
        )
    return _result(before, after, cohort, pairs=pairs, cells=cells, controls=controls, notes=notes)


def _result(
    before: ScoreRows,
    after: ScoreRows,
    cohort: ScoreRows,
    *,
    pairs: Sequence[ModelPairs],
    cells: Mapping[str, Sequence[StressCell]],
    controls: Mapping[str, Sequence[StressCell]],
    notes: Sequence[str],
) -> Result:
    """Return the summary, and what people see of it."""
    findings = sort_findings(
        [finding_record(name, cell) for name, part in cells.items() for cell in part if not cell.on_target]
    )
    summary = {
        "model": ", ".join(cells),
        "dataset": after.name,
        "before": before.name,
        "after": after.name,
        "reference": cohort.name,
        "rule": {"unit": RULE.unit, "margin": RULE.margin, "level": RULE.level},
        "models": [
            {
                "model": part.model,
                "images": part.images,
                "persons": part.persons,
                "reference_images": len(part.reference.logits),
            }
            for part in pairs
        ],
        "findings": findings,
        "cells": [cell_record(name, cell) for name, part in cells.items() for cell in part],
        "controls": [cell_record(name, cell) for name, part in controls.items() for cell in part],
    }
    words = [str(row["verdict"]) for row in findings]
    return Result(summary, stress_blocks(summary, rule=RULE), notes=notes, kind=KIND, verdicts=words)


def _write_results(run: runs.Run, result: Result, scored: Mapping[str, pd.DataFrame] | None) -> Result:
    """Write tables and figures, and return the result with them."""
    from cxrshort.verbs.roentmod.drawing import draw_stress_test

    summary = result.summary
    for name, rows in ((FINDINGS, summary["findings"]), (CELLS, summary["cells"]), (CONTROLS, summary["controls"])):
        manifests.write_table(pd.DataFrame(rows), run.path(name))
    if scored is not None:
        manifests.write_table(pd.concat(scored.values(), ignore_index=True), run.path(SCORES))
    drawn, notes = draw_stress_test(summary, matrix=run.path(MATRIX), probabilities=run.path(PROBABILITIES))
    result = replace(result, notes=[*result.notes, *notes])
    write_json(run.path(SUMMARY), {"schema": f"cxrshort.{KIND}/1", **summary, "notes": list(result.notes)})
    run.finish({"summary": summary})
    return replace(result, folder=run.folder, figures=[run.folder / path.name for path in drawn])


def _files(data: Dataset) -> dict[str, Path]:
    return {**({} if data.path is None else {data.name: data.path}), **image_folders(data)}


def _forecast(test: StressScores, *, compute: Compute, output: Mapping[str, str]) -> Result:
    """Return what a test would read, write and take."""
    counts = {role: sum(len(own[place].data.manifest) for own in test.folds) for place, role in enumerate(test.data)}
    summary = {
        "reads": [
            *(model.name for model in test.references),
            *(str(data.path or "standard input") for data in test.data.values()),
        ],
        "images": counts,
        "device": compute.device,
        "threads": compute.threads,
        "disk_mib": round(0.001 * sum(counts.values()), 2),
        "disk_free_mib": forecasts.free_disk_mib(Path("results")),
        **forecast(test.references, test.folds, compute=compute),
        "outputs": [output],
    }
    scored = ", ".join(f"{role} {count:,}" for role, count in counts.items())
    facts = [("models", f"{len(test.references)}"), ("images to score", scored)]
    return forecasts.dry_run(summary, facts, notes=list(test.notes))
