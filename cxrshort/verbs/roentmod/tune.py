"""Edit a few images at every strength and guidance, so that a radiologist or a number can choose."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort import forecasts, runs
from cxrshort.compute import Compute, choose_compute, enough_memory
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import UsageError
from cxrshort.generative.roentmod.contract import Editor, Prompt
from cxrshort.generative.roentmod.opening import (
    DIFFUSION,
    PHANTOM,
    EditorOptions,
    check_files,
    check_words,
    open_editor,
    parse_editor,
    size_notes,
)
from cxrshort.generative.roentmod.phantom import check_labels
from cxrshort.generative.roentmod.plan import choose_sources
from cxrshort.generative.roentmod.prompts import choose_prompts
from cxrshort.generative.roentmod.tuning_grid import Cell, list_cells
from cxrshort.generative.roentmod.tuning_pictures import CellPictures, forecast_cells, make_cells, tuning_rows
from cxrshort.json_files import write_json
from cxrshort.manifest import write_table
from cxrshort.models.predictions import image_folders
from cxrshort.models.sources.foreign import without_download
from cxrshort.models.sources.opening import Reference, describe_models, open_model
from cxrshort.quantities import quantity
from cxrshort.results import Result
from cxrshort.stats.tuning import MOST_OFF_TARGET
from cxrshort.verbs.roentmod.tune_drawing import draw_grid
from cxrshort.verbs.roentmod.tune_scores import GridScores, check_models, find_pairs, score_model, score_pixels
from cxrshort.verbs.roentmod.tune_tables import cell_rows, grid_scores, proposals, tune_blocks

Report = Callable[[Mapping[str, Any]], None]

VERB = "roentmod tune"
KIND = "tune"
PICTURES, CELLS, SUMMARY = "pictures", "cells.csv", "summary.json"
IMAGES = 5
"""As in the paper."""


@dataclass(frozen=True)
class TunePlan:
    """Hold what is known before an editor is opened, which may take long.

    Args:
        data: the whole dataset.
        sources: the images that are edited.
        prompts: of each image, the sham last.
        cells: of the grid.
        references: models that judge the edits.
        notes: what must be known of these.
    """

    data: Dataset
    sources: Dataset
    prompts: Sequence[Prompt]
    cells: Sequence[Cell]
    references: Sequence[Reference]
    notes: Sequence[str]


def tune(
    dataset: str,
    models: Sequence[str | Path] = (),
    *,
    editor: str = DIFFUSION,
    prompts: Sequence[str] = (),
    prompt_table: Path | None = None,
    strengths: str | None = None,
    guidances: str | None = None,
    images: int = IMAGES,
    most_off_target: float = MOST_OFF_TARGET,
    split: str = "val",
    replicate: int = 0,
    where: str = "",
    all_images: bool = False,
    seed: int = 0,
    options: EditorOptions | None = None,
    out: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    dry_run: bool = False,
    force: bool = False,
    resume: bool = False,
    report: Report = runs.ignore_event,
) -> Result:
    """Edit a few images in every cell of a grid of strengths and guidances, and measure each cell.

    Args:
        dataset: a dataset folder, manifest, ``-`` or name.
        models: classifiers that judge the edits; the rule goes by the first one. Without one nothing is proposed.
        editor: ``"diffusion"`` or ``"phantom"``, whose severity takes the place of strength.
        prompts: as for :func:`cxrshort.generative.roentmod.prompts.choose_prompts`.
        prompt_table: likewise.
        strengths: ``FIRST:LAST:COUNT`` or values with commas; None takes 0.2 to 1 in steps of 0.1.
        guidances: likewise; None takes 1 to 10 in steps of 1.
        images: that are edited, drawn by a hash.
        most_off_target: of the rule: largest off-target change, as a share of the target's.
        split: ``"test"``, ``"val"``, ``"train"`` or ``"all"``; settings are chosen on images that test nothing.
        replicate: whose split.
        where: expression over the columns that an image must fulfil.
        all_images: edit images with findings too.
        seed: of the noise, and of the draw of images.
        options: of the editor.
        out: the results folder; None takes ``results/DATASET-tune``.
        device: as in :func:`cxrshort.compute.choose_compute`.
        precision: as in :func:`cxrshort.compute.choose_compute`.
        threads: CPU threads.
        dry_run: make one batch to see how long all will take, write nothing.
        force: start over where results exist.
        resume: go on where a grid was interrupted.
        report: takes progress events.

    Raises:
        UsageError: options that contradict each other, unknown names, numbers out of range.
        DataError: no image is without findings, or a model was trained on the persons.
        OutputError: the folder exists or cannot be written.
    """
    options = options or EditorOptions()
    kind, _ = parse_editor(editor, options)
    _check_options(options, most_off_target)
    grid = list_cells(kind, strengths, guidances)
    check_files(kind, "", options)
    compute = choose_compute(device, precision=precision, threads=threads)
    names = [without_download(str(model)) if dry_run else str(model) for model in models]
    plan = _plan(
        load_dataset(dataset),
        kind,
        names=names,
        prompts=(prompts, prompt_table),
        cells=grid,
        split=(split, replicate),
        choices={"where": where, "all_images": all_images, "sample": images, "seed": seed},
    )
    folder = out or Path("results") / f"{plan.data.name}-{KIND}"
    inputs = {name: path for model in plan.references for name, path in model.files.items()}
    inputs |= {} if plan.data.path is None else {"dataset": plan.data.path}
    inputs |= image_folders(plan.data) | ({} if prompt_table is None else {"prompts": prompt_table})
    arguments: dict[str, Any] = {"dataset": dataset, "models": list(map(str, models)), "editor": editor}
    arguments |= {"prompts": [[prompt.edit, prompt.text] for prompt in plan.prompts], "images": images}
    arguments |= {"strengths": strengths, "guidances": guidances, "most_off_target": most_off_target, "seed": seed}
    arguments |= {"split": split, "replicate": replicate, "where": where, "all_images": all_images}
    arguments |= {**options.chosen(), **compute.record()}
    if resume and not dry_run and (complete := runs.finished_summary(folder, arguments=arguments)):
        return Result(complete, tune_blocks(complete), notes=complete["notes"], folder=folder, kind=KIND)
    rows = tuning_rows(plan.sources, plan.prompts, seed=seed)
    with enough_memory(compute, images=options.batch_size or 1, hint="--batch-size makes fewer edits at a time"):
        opened = open_editor(kind, "", options, data=plan.sources, compute=compute)
        check_words(opened, plan.prompts)
        if dry_run:
            fate = forecasts.preview_folder(folder, VERB, inputs=inputs.values(), force=force, resume=resume)
            return _forecast(plan, opened, rows, output=fate)
        with runs.open_run(folder, VERB, arguments=arguments, inputs=inputs, force=force, resume=resume) as run:
            home = run.path(PICTURES)
            home.mkdir(exist_ok=True)
            cells = make_cells(opened, plan.cells, plan.sources, rows, home=home, report=report)
            scores = _score(plan, cells, compute, seed=seed, report=report)
            return _write(run, plan, opened, cells, scores, most_off_target=most_off_target)


def _check_options(options: EditorOptions, most_off_target: float) -> None:
    """Refuse settings that the grid makes, and a rule that nothing could fulfil."""
    for name in ("strength", "guidance", "severity"):
        if getattr(options, name) is not None:
            raise UsageError(f"--{name} is what the grid goes through", "--strengths and --guidances name its values")
    if most_off_target < 0:
        raise UsageError(f"--most-off-target {most_off_target:g} is below 0", "try 0.5")


def _plan(
    data: Dataset,
    editor: str,
    *,
    names: Sequence[str],
    prompts: tuple[Sequence[str], Path | None],
    cells: Sequence[Cell],
    split: tuple[str, int],
    choices: Mapping[str, Any],
) -> TunePlan:
    """Return the images, prompts, cells and models, once they fit each other."""
    references = describe_models(names)
    sources, notes = choose_sources(data.fold(split[0], replicate=split[1]), **choices)
    findings, sham = choose_prompts(*prompts, labels=data.labels)
    if editor == PHANTOM:
        check_labels({prompt.edit: prompt.label for prompt in findings})
    notes = [*notes, *check_models(references, data, sources, split=split[0], replicate=split[1])]
    if not references:
        notes.append("no MODEL judges the edits, so that no cell is proposed")
    return TunePlan(data, sources, [*findings, sham], cells, references, notes)


def _score(
    plan: TunePlan, cells: Sequence[CellPictures], compute: Compute, *, seed: int, report: Report
) -> list[GridScores]:
    """Return what every model says of the grid, and the distances of small pictures behind them."""
    originals = plan.sources.pixels.take(range(len(plan.sources.manifest)))
    pairs = find_pairs(plan.data, plan.sources, seed=seed)
    scores = []
    for reference in plan.references:
        report({"event": "scoring", "text": f"scoring {quantity(len(cells), 'cell')} with {reference.title}"})
        scores.append(score_model(open_model(reference, compute), originals, cells, pairs, compute))
    return [*scores, score_pixels(originals, cells, pairs)]


def _write(
    run: runs.Run,
    plan: TunePlan,
    editor: Editor,
    cells: Sequence[CellPictures],
    scores: Sequence[GridScores],
    *,
    most_off_target: float,
) -> Result:
    """Write tables and figures, and return the result."""
    persons = plan.sources.manifest["person_id"].tolist()
    measured = [grid_scores(part, plan.prompts, persons) for part in scores]
    rows = [
        row
        for part, own in zip(scores, measured, strict=True)
        for row in cell_rows(part, own, cells, plan.prompts, most_off_target=most_off_target)
    ]
    proposed = (
        proposals(scores[0], measured[0], plan.cells, plan.prompts, most_off_target=most_off_target)
        if plan.references
        else []
    )
    failed = sum(int((~cell.read()[1]).sum()) for cell in cells)
    notes = [*plan.notes, *_size_notes(plan, editor), *_notes(plan, scores[0], failed)]
    summary = {
        "dataset": plan.data.name,
        "images": plan.sources.manifest["image_id"].tolist(),
        "editor": {name: value for name, value in editor.facts.items() if name not in ("strength", "guidance")},
        "prompts": [{"edit": prompt.edit, "text": prompt.text, "label": prompt.label} for prompt in plan.prompts],
        "grid": {
            "strengths": sorted({cell.strength for cell in plan.cells}),
            "guidances": sorted({cell.guidance for cell in plan.cells}, key=lambda value: value or 0.0),
        },
        "rule": _rule(scores[0], most_off_target),
        "limits": [{"judge": part.name, "limit": part.limit, "of": part.limit_of} for part in scores],
        "proposals": proposed,
        "cells": rows,
        "failed": failed,
        "notes": notes,
    }
    write_table(pd.DataFrame(rows), run.path(CELLS))
    originals = plan.sources.pixels.take(range(len(plan.sources.manifest)))
    drawn = [path.name for path in draw_grid(summary, originals, cells, path_of=run.path)]
    write_json(run.path(SUMMARY), {"schema": f"cxrshort.{KIND}/1", **summary})
    run.finish({"summary": summary})
    figures = [run.folder / name for name in drawn]
    return Result(summary, tune_blocks(summary), figures, notes, run.folder, kind=KIND)


def _rule(scores: GridScores, most_off_target: float) -> dict[str, Any]:
    """Return what a cell is proposed by."""
    limit = "" if scores.limit is None else f", distance at most {scores.limit:.3g} (the median of {scores.limit_of})"
    text = (
        f"largest target change beyond sham of {scores.name}, off target at most {most_off_target:g} of it{limit}"
        if scores.labels
        else "none: no MODEL judges the edits"
    )
    return {"text": text, "judge": scores.name, "most_off_target": most_off_target, "limit": scores.limit}


def _notes(plan: TunePlan, scores: GridScores, failed: int) -> list[str]:
    """Return what must be known of the numbers."""
    notes = []
    if failed:
        notes.append(f"{quantity(failed, 'edit')} could not be made; their cells rest on the others")
    if scores.labels:
        count = len(plan.sources.manifest)
        notes.append(
            f"proposals rest on {quantity(count, 'image')} and on what {scores.name} takes for a finding; do not "
            "stress-test it on the same images"
        )
    return notes


def _size_notes(plan: TunePlan, editor: Editor) -> list[str]:
    return size_notes(editor, plan.sources.pixels.image_shape[-1])


def _forecast(plan: TunePlan, editor: Editor, rows: pd.DataFrame, *, output: Mapping[str, str]) -> Result:
    """Return what a grid would take, from a batch of its first cell."""
    cost = forecast_cells(editor, plan.cells, plan.sources, rows)
    summary = {
        "verb": VERB,
        "reads": [*(model.name for model in plan.references), str(plan.data.path or "standard input")],
        "outputs": [dict(output)],
        "images": len(plan.sources.manifest),
        "cells": len(plan.cells),
        "edits": len(rows) * len(plan.cells),
        "disk_free_mib": forecasts.free_disk_mib(Path(output["folder"])),
        **cost,
    }
    facts = [
        ("images", f"{len(plan.sources.manifest):,} of {plan.data.name}"),
        (
            "edits",
            f"{summary['edits']:,}: {quantity(len(plan.prompts), 'prompt')} in {quantity(len(plan.cells), 'cell')}",
        ),
    ]
    return forecasts.dry_run(summary, facts, notes=[*plan.notes, *_size_notes(plan, editor)])
