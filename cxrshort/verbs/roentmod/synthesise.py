"""Make synthetic persons: films without findings, and edits of each, as one dataset to train on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pandas as pd

from cxrshort import distributed, forecasts, places, runs
from cxrshort.columns import LABELS
from cxrshort.compute import Compute, choose_compute, enough_memory
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.datasets.building.shards import Shard, parse_shard
from cxrshort.datasets.building.writing import DatasetSettings
from cxrshort.datasets.phantom.parameters import Phantom
from cxrshort.errors import UsageError
from cxrshort.generative.roentmod.contract import Editor
from cxrshort.generative.roentmod.forecast import with_forecast
from cxrshort.generative.roentmod.off_target import label_edits
from cxrshort.generative.roentmod.opening import (
    DIFFUSION,
    PHANTOM,
    EditorOptions,
    check_files,
    check_words,
    editor_parameters,
    open_editor,
    parse_editor,
)
from cxrshort.generative.roentmod.phantom import BATCH, SEVERITY, PhantomEditor
from cxrshort.generative.roentmod.synthesis import (
    FULL_SIZE,
    Synthesis,
    baseline_rows,
    draw_healthy,
    generator_of,
    of_synthesis,
    synthetic_rows,
    time_synthesis,
)
from cxrshort.generative.roentmod.transform import editing
from cxrshort.models.embedders import Embedder, describe_embedders
from cxrshort.models.predictions import image_folders
from cxrshort.results import Result
from cxrshort.verbs.roentmod.edited_output import EditOutput, Report, write_edits
from cxrshort.verbs.roentmod.nearest import KIND as NEAREST
from cxrshort.verbs.roentmod.nearest import VERB as NEAREST_VERB
from cxrshort.verbs.roentmod.nearest import find_nearest, write_nearest
from cxrshort.verbs.roentmod.synthesis_plan import SynthesisPlan, plan_synthesis
from cxrshort.verbs.roentmod.synthetic_films import draw_films, synthesis_result

VERB = "roentmod synthesise"
IMAGES = 10_000
REPETITIONS = 2
"""The paper's numbers of films, and of edits of each by every prompt."""


def synthesise(
    *,
    images: int = IMAGES,
    editor: str = DIFFUSION,
    prompts: Sequence[str] = (),
    prompt_table: Path | None = None,
    sham: bool = True,
    off_target: str | None = None,
    repetitions: int = REPETITIONS,
    size: int | None = None,
    generator_size: int | None = None,
    compare_with: str | None = None,
    embeddings: Sequence[str] = (),
    replicates: int = 5,
    seed: int = 0,
    options: EditorOptions | None = None,
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
    """Draw films without findings, edit each, and write both as one dataset of synthetic persons.

    The bytes depend neither on shards nor on interruptions.

    Args:
        images: number of films without findings.
        editor: ``"diffusion"`` or ``"phantom"``.
        prompts: ``NAME=words`` or the name of a built-in prompt; with no prompt at all the paper's six.
        prompt_table: a table with the columns ``edit``, ``text`` and, if wanted, ``label``.
        sham: whether edits that add nothing stand beside the others.
        off_target: as for :func:`cxrshort.verbs.roentmod.edit.edit`.
        repetitions: of each edit, with other noise.
        size: side of the stored pictures; None takes that of ``compare_with``, else 224.
        generator_size: side at which a diffusion generator draws; None takes 512.
        compare_with: dataset of real images whose nearest ones are listed, and whose size and pixel recipe are taken.
        embeddings: by which the nearest images are looked for too.
        replicates: number of splits.
        seed: 0 or more; of films, edits and splits.
        options: of the editor.
        name: of the dataset; default the name of its folder.
        out: the dataset folder; default ``datasets/synthetic-EDITOR``.
        shard: ``"i/n"``: make every n-th film with its edits, and leave the rest to other processes.
        merge: write the dataset from the shards that were made with the same arguments.
        device: as in :func:`cxrshort.compute.choose_compute`.
        precision: as in :func:`cxrshort.compute.choose_compute`.
        threads: CPU threads.
        dry_run: make one batch of films and one of edits to see how long all will take, write nothing.
        force: start over where a dataset exists.
        resume: go on where an interrupted run stopped.
        report: takes progress events.

    Raises:
        UsageError: options that contradict each other, unknown names, numbers out of range.
        OutputError: the folder exists or cannot be written.
        ResumableError: the user interrupted; what is done stays.
    """
    part, options = parse_shard(shard) if shard is not None else None, options or EditorOptions()
    if part is not None and merge:
        raise UsageError("--shard and --merge exclude each other", "--merge when all shards are made")
    kind, model = parse_editor(editor, options)
    if kind not in (DIFFUSION, PHANTOM):
        raise UsageError(f"--editor '{editor}' draws no films from words alone", "--editor diffusion, or phantom")
    compute = distributed.with_rank(choose_compute(device, precision=precision, threads=threads))
    real = None if compare_with is None else load_dataset(compare_with)
    embedders = describe_embedders(embeddings)
    plan = plan_synthesis(
        kind, real, images=images, repetitions=repetitions, seed=seed, sham=sham, size=size,
        generator_size=generator_size, prompts=(prompts, prompt_table), off_target=off_target,
    )  # fmt: skip
    check_files(kind, model, options)
    folder = out or places.dataset_folder(f"synthetic-{kind}")
    name = name or folder.resolve().name
    arguments = _arguments(plan, editor, name, options) | {"replicates": replicates, **compute.record()}
    output = EditOutput(
        folder,
        arguments,
        _inputs(prompt_table, off_target if plan.scheme.table else None),
        part=part,
        merge=merge,
        force=force,
        resume=resume,
        verb=VERB,
        describe=synthesis_result,
    )
    memory = enough_memory(compute, images=options.batch_size or 1, hint="--batch-size makes fewer films at a time")
    with distributed.process_group(compute), memory:
        if resume and not dry_run and (complete := runs.finished_summary(folder, arguments=arguments)):
            result = Result() if compute.rank else synthesis_result(complete, folder)
        else:
            own = part or _own_part(compute, merge=merge)
            synthesis, phantoms, opened = _open(plan, kind, model, options, compute=compute)
            _check_parts(own, images)
            if dry_run:
                return _forecast(plan, synthesis, opened, output=output)
            share = len(own.rows(len(synthesis.rows)) if own else synthesis.rows)
            timed = with_forecast(synthesis.transform, count=share, batch=synthesis.batch_size, report=report)
            candidates, source = of_synthesis(
                replace(synthesis, transform=timed), row_of=_row_of(own), phantoms=phantoms
            )
            candidates = replace(candidates, notes=(*plan.notes, *_size_notes(plan, opened)))
            settings = DatasetSettings(
                name, plan.recipe, splits="draw", replicates=replicates, seed=seed, facts=_facts(plan, opened)
            )
            draw = partial(draw_films, title=f"synthetic, not for diagnosis: {name}")
            result = write_edits(
                output, candidates, source, settings=settings, draw=draw, compute=compute, report=report
            )
            (folder / FULL_SIZE).unlink(missing_ok=True)
        if part is None and not compute.rank:
            alone = replace(compute, rank=0, processes=1)
            result = _with_nearest(result, folder, real, embedders, compute=alone, force=force, report=report)
    return result


def _open(
    plan: SynthesisPlan, kind: str, model: str, options: EditorOptions, *, compute: Compute
) -> tuple[Synthesis, list[Phantom], Editor]:
    """Return what makes the films, the parameters of phantoms, and the editor."""
    if kind == PHANTOM:
        return _open_phantoms(plan, options)
    editor = open_editor(kind, model, options, data=Dataset("synthetic", pd.DataFrame()), compute=compute)
    check_words(editor, [*plan.prompts, plan.no_finding])
    baselines = baseline_rows(plan.images, plan.no_finding, identity=editor.identity, seed=plan.seed)
    return _assemble(plan, editor, baselines, {}), [], editor


def _open_phantoms(plan: SynthesisPlan, options: EditorOptions) -> tuple[Synthesis, list[Phantom], Editor]:
    severity = SEVERITY if options.severity is None else options.severity
    if not 0 < severity <= 1:
        raise UsageError(f"--severity is '{severity:g}', it must be above 0 and at most 1", "0.7 is easily seen")
    healthy = draw_healthy(plan.images, seed=plan.seed)
    baselines = baseline_rows(plan.images, plan.no_finding, identity=PHANTOM, seed=plan.seed, phantoms=healthy)
    named = {
        name: replace(phantom, phantom_id=name, patient_id=name)
        for name, phantom in zip(baselines["image_id"].tolist(), healthy, strict=True)
    }
    noise = "kept" if options.keep_noise else "redrawn"
    phantoms = PhantomEditor(named, plan.size, severity, noise, options.batch_size or BATCH)
    editor = cast(Editor, phantoms)
    synthesis = _assemble(plan, editor, baselines, named)
    edits = synthesis.rows.iloc[plan.images :]
    return synthesis, [*named.values(), *(phantoms.edited(row) for _, row in edits.iterrows())], editor


def _size_notes(plan: SynthesisPlan, editor: Editor) -> list[str]:
    """Return what must be known of films that are drawn at another size than the generator was trained with."""
    native = getattr(editor, "native_side", plan.full_size)
    if native == plan.full_size:
        return []
    return [
        f"the generator makes pictures of {native} pixels, and draws films of {plan.full_size} here: "
        f"--generator-size {native} is what it was trained with"
    ]


def _assemble(
    plan: SynthesisPlan, editor: Editor, baselines: pd.DataFrame, phantoms: Mapping[str, Phantom]
) -> Synthesis:
    edits = synthetic_rows(
        baselines, plan.prompts, repetitions=plan.repetitions, seed=plan.seed, parameters=editor_parameters(editor)
    )
    rows = pd.concat([baselines, label_edits(edits, LABELS, plan.scheme)], ignore_index=True)
    return Synthesis(
        rows,
        plan.images,
        generator_of(editor, phantoms),
        editing(editor),
        editor.identity,
        editor.batch_size,
        plan.size,
        plan.full_size,
    )


def _own_part(compute: Compute, *, merge: bool) -> Shard | None:
    """Return the part that one of many processes makes; None where there is one process."""
    return Shard(compute.rank + 1, compute.processes) if compute.processes > 1 and not merge else None


def _check_parts(part: Shard | None, images: int) -> None:
    """Refuse parts that would hold edits of films that others make."""
    if part is not None and images % part.of:
        divisors = [number for number in range(1, min(images, 1000) + 1) if images % number == 0]
        near = min(divisors, key=lambda number: abs(number - part.of))
        raise UsageError(
            f"{images:,} films cannot be divided among {part.of} parts, which must hold as many films each",
            f"make {near} parts, or another number of --images",
        )


def _row_of(part: Shard | None) -> Any:
    """Return where the map of a part holds a film, by the film's number."""
    return (lambda film: film) if part is None else lambda film: (film - part.number + 1) // part.of


def _arguments(plan: SynthesisPlan, editor: str, name: str, options: EditorOptions) -> dict[str, Any]:
    return {
        "images": plan.images,
        "editor": editor,
        "name": name,
        "prompts": [asdict(prompt) for prompt in plan.prompts],
        "no_finding": plan.no_finding.text,
        "off_target": str(plan.scheme.table.source) if plan.scheme.table else plan.scheme.scheme,
        "repetitions": plan.repetitions,
        "recipe": dict(plan.recipe),
        "generator_size": plan.full_size,
        "seed": plan.seed,
        **options.chosen(),
    }


def _facts(plan: SynthesisPlan, editor: Editor) -> dict[str, Any]:
    """Return what the summary says besides."""
    return {
        "synthetic": True,
        "films": plan.images,
        "repetitions": plan.repetitions,
        "prompts": [asdict(prompt) for prompt in plan.prompts],
        "no_finding": plan.no_finding.text,
        "off_target": plan.scheme.scheme,
        "generator_size": plan.full_size,
        "editor": dict(editor.facts),
    }


def _inputs(prompt_table: Path | None, table: str | None) -> dict[str, Path]:
    named = {"prompts": prompt_table, "off_target": Path(table) if table else None}
    return {name: path for name, path in named.items() if path is not None}


def _with_nearest(
    result: Result,
    folder: Path,
    real: Dataset | None,
    embedders: Sequence[Embedder],
    *,
    compute: Compute,
    force: bool,
    report: Report,
) -> Result:
    """Return the result with the nearest real images, which stand in a folder of their own within the dataset's."""
    if real is None:
        return result
    synthetic = load_dataset(str(folder))
    home = folder / NEAREST
    arguments = {
        "dataset": str(folder),
        "compare_with": real.name,
        "embeddings": [embedder.name for embedder in embedders],
        **compute.record(),
    }
    inputs = {**image_folders(real), **({} if real.path is None else {real.name: real.path})}
    with runs.open_run(
        home, NEAREST_VERB, arguments=arguments, inputs=inputs, compute=compute, force=force or home.exists()
    ) as run:
        compared = find_nearest(synthetic, real, embedders, compute, jobs=compute.threads, report=report)
        nearest = write_nearest(run, compared, synthetic, real)
        run.finish({"summary": nearest.summary})
    summary = {**result.summary, "nearest": nearest.summary}
    figures = [*result.figures, *nearest.figures]
    notes = [*result.notes, *nearest.notes]
    return replace(
        result,
        summary=summary,
        tables=[*result.tables, *nearest.tables],
        figures=figures,
        notes=notes,
        verdicts=nearest.verdicts,
    )


def _forecast(plan: SynthesisPlan, synthesis: Synthesis, editor: Editor, *, output: EditOutput) -> Result:
    """Return what all films would take, from a batch of films and one of edits."""
    chosen = output.rows(len(synthesis.rows))
    films = sum(1 for row in chosen if row < plan.images)
    seconds = time_synthesis(synthesis)
    hours = (films * seconds[0] + (len(chosen) - films) * seconds[1]) / 3600
    summary = {
        "verb": VERB,
        "reads": [str(path) for path in output.inputs.values()] or [str(editor.facts.get("editor", "the editor"))],
        "outputs": [output.preview()],
        "images": len(chosen),
        "films": films,
        "edits": len(chosen) - films,
        "prompts": [asdict(prompt) for prompt in plan.prompts],
        "off_target": plan.scheme.scheme,
        "editor": dict(editor.facts),
        "seconds_per_film": forecasts.significant(seconds[0]),
        "seconds_per_edit": forecasts.significant(seconds[1]),
        "hours": round(hours, 3),
        "disk_mib": round(len(chosen) * plan.size**2 / 2**20, 1),
        "memory_mib": forecasts.peak_memory_mib(),
        "disk_free_mib": forecasts.free_disk_mib(output.folder),
    }
    facts = [
        ("films", f"{films:,} at {plan.full_size} pixels, {forecasts.significant(seconds[0]):g} s each"),
        ("edits", f"{len(chosen) - films:,}: {', '.join(prompt.edit for prompt in plan.prompts)}"),
        ("edit", f"{forecasts.significant(seconds[1]):g} s each"),
        ("labels besides", plan.scheme.scheme),
    ]
    return forecasts.dry_run(summary, facts, notes=[*plan.notes, *_size_notes(plan, editor)])
