"""Add findings to radiographs that have none, and write the edits as a dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort import distributed, forecasts, places, runs
from cxrshort.compute import choose_compute, enough_memory
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.datasets.building import shards
from cxrshort.datasets.building.edits import Transform, of_edits
from cxrshort.datasets.building.image_source import ImageSource
from cxrshort.datasets.building.writing import DatasetSettings
from cxrshort.datasets.cohorts import Candidates
from cxrshort.errors import UsageError
from cxrshort.generative.roentmod.composite import EDGE, Composite, open_composite
from cxrshort.generative.roentmod.contract import Editor, Prompt
from cxrshort.generative.roentmod.forecast import forecast_edits, with_forecast
from cxrshort.generative.roentmod.off_target import (
    OffTarget,
    check_table,
    choose_off_target,
    label_edits,
    unseen_labels,
)
from cxrshort.generative.roentmod.opening import (
    CYCLEGAN,
    DIFFUSION,
    PHANTOM,
    EditorOptions,
    check_files,
    check_words,
    editor_parameters,
    open_editor,
    parse_editor,
    size_notes,
)
from cxrshort.generative.roentmod.phantom import PhantomEditor, check_labels
from cxrshort.generative.roentmod.plan import choose_sources, plan_edits
from cxrshort.generative.roentmod.prompts import choose_prompts
from cxrshort.generative.roentmod.transform import editing
from cxrshort.models.predictions import image_folders
from cxrshort.results import Result
from cxrshort.verbs.roentmod.edited_films import draw_sheet
from cxrshort.verbs.roentmod.edited_output import VERB, EditOutput, Report, edit_result, write_edits


@dataclass(frozen=True)
class EditPlan:
    """Hold what is known before an editor is opened, which may take long.

    Args:
        data: the sources.
        prompts: edits of each image, the sham last.
        scheme: how labels were filled in.
        notes: what must be known of the choice.
    """

    data: Dataset
    prompts: Sequence[Prompt]
    scheme: OffTarget
    notes: Sequence[str]


def edit(
    dataset: str,
    *,
    editor: str = DIFFUSION,
    prompts: Sequence[str] = (),
    prompt_table: Path | None = None,
    off_target: str | None = None,
    split: str = "test",
    replicate: int = 0,
    where: str = "",
    sample: int | None = None,
    all_images: bool = False,
    repetitions: int = 1,
    seed: int = 0,
    options: EditorOptions | None = None,
    inside: Sequence[str] = (),
    edge: float = EDGE,
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
    """Edit the images of a dataset, and write a dataset with a row for each image, prompt and repetition.

    A sham edit and a round trip of each image stand beside those that add a finding. The bytes depend neither on shards
    nor on interruptions.

    Args:
        dataset: a dataset folder, manifest, ``-`` or name.
        editor: ``"diffusion"``, ``"phantom"`` or ``"cyclegan:MODEL"``.
        prompts: ``NAME=words`` or the name of a built-in prompt; with no prompt at all the paper's six.
        prompt_table: a table with the columns ``edit``, ``text`` and, if wanted, ``label``.
        off_target: ``"negative"``, ``"ignore"``, ``"exact"`` or a table of co-occurrence; None takes ``"exact"`` where
            the editor knows what its pictures show, else ``"ignore"``.
        split: ``"test"``, ``"val"``, ``"train"`` or ``"all"``.
        replicate: whose split.
        where: expression over the columns that an image must fulfil.
        sample: edit at most so many images, drawn by a hash.
        all_images: edit images with findings too.
        repetitions: of each edit, with other noise.
        seed: 0 or more; of the noise.
        options: of the editor.
        inside: structures inside which the edit is kept, and outside which the source; none keeps all of the edit.
        edge: width of the soft edge, as a share of the film's side.
        name: of the new dataset; default the name of its folder.
        out: the dataset folder; default ``datasets/NAME-EDITOR-edits``.
        shard: ``"i/n"``: make every n-th edit and leave the rest to other processes.
        merge: write the dataset from the shards that were made with the same arguments.
        device: as in :func:`cxrshort.compute.choose_compute`.
        precision: as in :func:`cxrshort.compute.choose_compute`.
        threads: CPU threads.
        dry_run: make one batch to see how long all will take, write nothing.
        force: start over where a dataset exists.
        resume: go on where edits were interrupted.
        report: takes progress events.

    Raises:
        UsageError: options that contradict each other, unknown names, numbers out of range.
        DataError: no image is without findings, or the images do not suit the editor.
        OutputError: the folder exists or cannot be written.
        ResumableError: the user interrupted; what is done stays.
    """
    part, options = shards.parse_shard(shard) if shard is not None else None, options or EditorOptions()
    if part is not None and merge:
        raise UsageError("--shard and --merge exclude each other", "--merge when all shards are made")
    kind, model = parse_editor(editor, options)
    check_files(kind, model, options)
    compute = distributed.with_rank(choose_compute(device, precision=precision, threads=threads))
    data = load_dataset(dataset)
    plan = choose_edits(
        data.fold(split, replicate=replicate),
        kind,
        choices={"where": where, "sample": sample, "all_images": all_images, "seed": seed},
        prompts=(prompts, prompt_table),
        off_target=off_target,
    )
    folder = out or places.dataset_folder(f"{data.name}-{kind}-edits")
    name = name or folder.resolve().name
    chosen = {"editor": editor, "prompts": [asdict(prompt) for prompt in plan.prompts], "off_target": off_target}
    kept = {"split": split, "replicate": replicate, "where": where, "sample": sample, "all_images": all_images}
    composing = {"inside": list(inside), "edge": edge} if inside else {}
    drawn = {"repetitions": repetitions, "seed": seed, **composing, **options.chosen()}
    arguments = {"dataset": dataset, "name": name, **chosen, **kept, **drawn, **compute.record()}
    if resume and not dry_run and (complete := runs.finished_summary(folder, arguments=arguments)):
        return edit_result(complete, folder)
    output = EditOutput(
        folder,
        arguments,
        _inputs(data, Path(off_target) if off_target and plan.scheme.table else None, prompt_table),
        part=part,
        merge=merge,
        force=force,
        resume=resume,
    )
    composite = open_composite(plan.data, inside, edge=edge)
    memory = enough_memory(compute, images=options.batch_size or 1, hint="--batch-size makes fewer edits at a time")
    with distributed.process_group(compute), memory:
        opened = open_editor(kind, model, options, data=plan.data, compute=compute)
        check_words(opened, plan.prompts)
        plan = replace(plan, notes=[*plan.notes, *size_notes(opened, plan.data.pixels.image_shape[-1])])
        rows = edit_rows(plan, opened, repetitions=repetitions, seed=seed)
        if dry_run:
            _, source = _gather(plan, rows, opened, composite=composite)
            return _forecast(plan, opened, source, rows=rows, output=output)
        share = len(output.rows(len(rows))) // compute.processes
        candidates, source = _gather(plan, rows, opened, composite=composite, forecast=(share, report))
        settings = DatasetSettings(name, data.recipe, seed=seed, facts=_facts(plan, opened, composite))
        draw = partial(draw_sheet, plan.data, title=_title(plan, opened))
        return write_edits(output, candidates, source, settings=settings, draw=draw, compute=compute, report=report)


def choose_edits(
    fold: Dataset,
    editor: str,
    *,
    choices: Mapping[str, Any],
    prompts: tuple[Sequence[str], Path | None],
    off_target: str | None,
) -> EditPlan:
    """Return the images that are edited, the prompts, and how labels are filled in.

    Args:
        fold: the images that may be edited.
        editor: its name.
        choices: ``where``, ``sample``, ``all_images`` and ``seed``.
        prompts: texts, and a table.
        off_target: the scheme that is asked for.

    Raises:
        UsageError: prompts or a scheme that do not suit the editor.
        DataError: no image is without findings.
    """
    data, notes = choose_sources(fold, **choices)
    findings, sham = choose_prompts(*prompts, labels=data.labels)
    if editor == CYCLEGAN and len(findings) != 1:
        raise UsageError(
            f"--editor '{editor}' makes one edit, the way to its other side, and {len(findings)} prompts are asked for",
            'name it, such as --prompt COVID-19="looks of the --to side"',
        )
    if editor == PHANTOM:
        check_labels({prompt.edit: prompt.label for prompt in findings})
    scheme = choose_off_target(off_target, knows=editor == PHANTOM)
    added = [prompt.label or prompt.edit for prompt in findings]
    check_table(scheme, added)
    if unseen := unseen_labels(scheme, added, data.labels):
        notes.append(f"the table has no column of {', '.join(unseen)}: these labels are empty in all edits")
    if unlabelled := [prompt.edit for prompt in findings if not prompt.label]:
        notes.append(f"no label of {data.name} is of the edit {', '.join(unlabelled)}: none is set to 1 there")
    return EditPlan(data, [*findings, sham], scheme, notes)


def edit_rows(plan: EditPlan, editor: Editor, *, repetitions: int, seed: int) -> pd.DataFrame:
    """Return the rows of all edits with their labels."""
    parameters = editor_parameters(editor)
    rows = plan_edits(plan.data.manifest, plan.prompts, repetitions=repetitions, seed=seed, parameters=parameters)
    return label_edits(rows, plan.data.labels, plan.scheme)


def _gather(
    plan: EditPlan,
    rows: pd.DataFrame,
    editor: Editor,
    *,
    composite: Composite | None,
    forecast: tuple[int, Report] | None = None,
) -> tuple[Candidates, ImageSource]:
    """Return the edits as candidates and image source; those of phantoms are phantoms with masks of their own.

    Args:
        plan: images, prompts and labels.
        rows: of all edits.
        editor: makes them.
        composite: what of them is kept.
        forecast: number of edits of this process, and what takes the forecast after the first batch.
    """
    phantom = editor if isinstance(editor, PhantomEditor) else None
    identity = f"{editor.identity} {composite.identity}" if composite else editor.identity
    transform: Transform = editing(editor, composite)
    if forecast is not None:
        transform = with_forecast(transform, count=forecast[0], batch=editor.batch_size, report=forecast[1])
    candidates, source = of_edits(
        plan.data,
        rows,
        transform,
        settings=identity,
        batch_size=editor.batch_size,
        carry=not editor.moves,
        masks=phantom.masks if phantom else None,
    )
    candidates = replace(candidates, notes=(*plan.notes, *candidates.notes))
    if phantom and not composite:
        phantoms = [phantom.edited(row) for _, row in candidates.rows.iterrows()]
        source = replace(source, phantoms=phantoms)
    return candidates, source


def _facts(plan: EditPlan, editor: Editor, composite: Composite | None) -> dict[str, Any]:
    """Return what the summary says of the edits."""
    return {
        "edited_dataset": plan.data.name,
        "edited_images": len(plan.data.manifest),
        "prompts": [asdict(prompt) for prompt in plan.prompts],
        "off_target": plan.scheme.scheme,
        "editor": dict(editor.facts),
        **({"inside": list(composite.structures), "edge": composite.edge} if composite else {}),
    }


def _inputs(data: Dataset, table: Path | None, prompt_table: Path | None) -> dict[str, Path]:
    """Return the files and folders that are read and must not be written over, by what they are."""
    named = {"dataset": data.path, "prompts": prompt_table, "off_target": table}
    return {**{name: path for name, path in named.items() if path is not None}, **image_folders(data)}


def _title(plan: EditPlan, editor: Editor) -> str:
    return f"{plan.data.name}, edited by {editor.facts.get('editor', 'the editor')}"


def _forecast(plan: EditPlan, editor: Editor, source: ImageSource, *, rows: pd.DataFrame, output: EditOutput) -> Result:
    """Return what the edits would take, from a batch of them."""
    chosen = output.rows(len(rows))
    summary = {
        "verb": VERB,
        "reads": sorted(set(plan.data.manifest["cache"])),
        "outputs": [output.preview()],
        "images": len(plan.data.manifest),
        "edits": len(chosen),
        "prompts": [asdict(prompt) for prompt in plan.prompts],
        "off_target": plan.scheme.scheme,
        "editor": dict(editor.facts),
        "disk_free_mib": forecasts.free_disk_mib(output.folder),
        **forecast_edits(source, rows, chosen, batch=editor.batch_size),
    }
    names = ", ".join(prompt.edit for prompt in plan.prompts)
    facts = [
        ("images", f"{len(plan.data.manifest):,} of {plan.data.name}"),
        ("edits", f"{len(chosen):,}: {names}, round trip"),
        ("labels besides", plan.scheme.scheme),
    ]
    return forecasts.dry_run(summary, facts, notes=plan.notes)
