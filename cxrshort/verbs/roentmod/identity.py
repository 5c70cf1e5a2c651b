"""Does an edit keep the person? Distances of edits from their originals, beside other persons and real follow-ups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrshort import distributed, forecasts, runs
from cxrshort import manifest as manifests
from cxrshort.compute import Compute, choose_compute, enough_memory
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.json_files import write_json
from cxrshort.masks.structures import canonical as canonical_structures
from cxrshort.models import checkpoint
from cxrshort.models.blocks import Report
from cxrshort.models.embedders import Embedder, describe_embedders, embed_images
from cxrshort.models.predictions import image_folders
from cxrshort.models.result_folders import results_folder
from cxrshort.models.sources.foreign import without_download
from cxrshort.quantities import quantity
from cxrshort.registry import check_name
from cxrshort.results import Result
from cxrshort.stats.follow_ups import WITHIN_DAYS
from cxrshort.stats.identity_scores import DISTANCES, to_unit_length
from cxrshort.verbs.roentmod.identity_differences import measure_differences
from cxrshort.verbs.roentmod.identity_pairs import KINDS, IdentityPairs, pair_images, used_images
from cxrshort.verbs.roentmod.identity_tables import (
    DISTANCE,
    comparison_records,
    difference_records,
    disagreements,
    distance_records,
    identity_blocks,
)

VERB = "roentmod identity"
KIND = "identity"
FRECHET = next(iter(DISTANCES))
FINDINGS, COMPARISONS, DIFFERENCES, PAIRS, SUMMARY, FIGURE = (
    "findings.csv",
    "comparisons.csv",
    "differences.csv",
    "pairs.csv",
    "summary.json",
    "identity.png",
)
DEFINITIONS = {
    FRECHET: "pairwise Fréchet distance (squared Euclidean distance)",
    "l2": "Euclidean distance",
    "cosine": "cosine distance (1 - cosine)",
}


@dataclass(frozen=True)
class IdentitySettings:
    """Specify how identity is measured.

    Args:
        distance: one of :data:`~cxrshort.stats.identity_scores.DISTANCES`.
        mask_bit: structures that edits change; None for the finding's own region.
    """

    distance: str = FRECHET
    mask_bit: str | None = None


def identity(
    *,
    before: str,
    after: str,
    follow_up: str | None = None,
    embeddings: Sequence[str] = (),
    distance: str = FRECHET,
    sham: str | None = None,
    mask_bit: str | None = None,
    within_days: float = WITHIN_DAYS,
    seed: int = 0,
    out: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    dry_run: bool = False,
    force: bool = False,
    report: Report = runs.ignore_event,
) -> Result:
    """Measure how near edits are to their originals, and return whether they keep the person, by embedding.

    Args:
        before: dataset of originals.
        after: dataset of their edits.
        follow_up: dataset in whose manifest real follow-ups are looked for; None takes the originals'.
        embeddings: as :func:`~cxrshort.models.embedders.describe_embedders` takes them; small pixels are always there.
        distance: one of :data:`~cxrshort.stats.identity_scores.DISTANCES`.
        sham: name of the edit that adds nothing.
        mask_bit: structures that edits change, such as ``"lungs+heart"``; None for the finding's own region.
        within_days: from an image to its follow-up, at most.
        seed: of the other persons, and of the choice among follow-ups.
        out: the results folder; None takes a default one.
        device: as in :func:`cxrshort.compute.choose_compute`.
        precision: as in :func:`cxrshort.compute.choose_compute`.
        threads: CPU threads.
        dry_run: say what would be done, write nothing.
        force: overwrite an earlier result.
        report: takes events.

    Raises:
        DataError: edits of other images, images of other sizes, or embeddings of other images.
        UsageError: an unknown distance or structure, or two embeddings of one name.
        MissingInputError: a dataset, model or file is not there.
    """
    check_name(DISTANCES, distance, kind="distance")
    settings = IdentitySettings(distance, None if mask_bit is None else canonical_structures(mask_bit))
    compute = distributed.with_rank(choose_compute(device, precision=precision, threads=threads))
    embedders = describe_embedders([without_download(name) if dry_run else name for name in embeddings])
    loaded = {name: load_dataset(name) for name in dict.fromkeys(filter(None, (before, after, follow_up)))}
    pairs = pair_images(
        loaded[before],
        loaded[after],
        None if follow_up is None else loaded[follow_up],
        sham=sham,
        within_days=within_days,
        seed=seed,
    )
    named = [embedder.name for embedder in embedders[:-1]] or [embedders[-1].name]
    folder = out or results_folder(named, [loaded[before], loaded[after]], options={}, verb=KIND)
    inputs = _inputs(embedders, list(loaded.values()))
    if dry_run:
        fate = forecasts.preview_folder(folder, VERB, inputs=inputs.values(), force=force, resume=None)
        return _forecast(pairs, embedders, compute=compute, output=fate)
    arguments: dict[str, Any] = {"before": before, "after": after, "follow_up": follow_up}
    arguments |= {"embeddings": list(embeddings), "distance": distance, "sham": sham, "mask_bit": mask_bit}
    arguments |= {"within_days": within_days, "seed": seed, **compute.record()}
    with (
        distributed.process_group(compute),
        runs.open_run(
            folder, VERB, arguments=arguments, inputs=inputs, compute=compute, force=force, resume=None
        ) as run,
    ):
        rank_report = runs.ignore_event if compute.rank else report
        with enough_memory(compute, images=1, hint="--device cpu"):
            table = measure_pairs(pairs, embedders, compute, settings=settings, report=rank_report)
        if run.read_only:
            return Result()
        return _write_results(run, judge_pairs(replace(pairs, table=table), embedders, settings=settings), table)


def measure_pairs(
    pairs: IdentityPairs,
    embedders: Sequence[Embedder],
    compute: Compute,
    *,
    settings: IdentitySettings,
    report: Report = runs.ignore_event,
) -> pd.DataFrame:
    """Return the table of pairs with the distance of each by each embedding, and their pixel differences.

    Args:
        pairs: of the pictures.
        embedders: what makes the embeddings.
        compute: device, precision and processes.
        settings: the distance, and the region of edits.
        report: takes events.
    """
    images, table = used_images(pairs)
    count = sum(len(part.manifest) for part in images.values())
    columns: dict[str, Any] = {}
    for embedder in embedders:
        report({"event": "embedding", "text": f"embedding {quantity(count, 'image')} with {embedder.name}"})
        arrays = embed_images(embedder, list(images.values()), compute)
        if embedder.unit:
            arrays = [to_unit_length(values).astype(values.dtype) for values in arrays]
        by_role = dict(zip(images, arrays, strict=True))
        distances = pd.Series(0.0, table.index)
        for roles, part in table.groupby(["first_role", "second_role"], sort=False):
            first, second = (by_role[str(role)] for role in roles)
            vectors = first[part["first"].to_numpy(np.int64)], second[part["second"].to_numpy(np.int64)]
            distances[part.index] = DISTANCES[settings.distance](*vectors)
        columns[DISTANCE + embedder.name] = distances
    report({"event": "comparing", "text": f"comparing {quantity(len(table), 'pair')} pixel by pixel"})
    differences = measure_differences(images, table, mask_bit=settings.mask_bit)
    return pairs.table.assign(**columns).join(differences)


def judge_pairs(pairs: IdentityPairs, embedders: Sequence[Embedder], *, settings: IdentitySettings) -> Result:
    """Return what measured pairs say of identity.

    Args:
        pairs: with the columns of :func:`measure_pairs`.
        embedders: what made the distances.
        settings: the distance.
    """
    comparisons = comparison_records(pairs, embedders)
    data = pairs.data
    summary = {
        "dataset": data["after"].name,
        **{role: part.name for role, part in data.items()},
        "distance": DEFINITIONS[settings.distance],
        "embeddings": [{"embedding": embedder.name, "definition": embedder.definition} for embedder in embedders],
        "edits": list(pairs.edits),
        "findings": distance_records(pairs, embedders),
        "comparisons": comparisons,
        "differences": difference_records(pairs),
    }
    notes = [*pairs.notes, *disagreements(comparisons), *_training_notes(pairs, embedders)]
    if (pairs.table["region"] == "").all():
        notes.append("no mask or box says where edits lie: --masks of build-dataset would tell inside from outside")
    return Result(summary, identity_blocks(summary), notes=notes, kind=KIND)


def _training_notes(pairs: IdentityPairs, embedders: Sequence[Embedder]) -> list[str]:
    """Return which models have seen the persons, whom they may then tell apart better than others."""
    notes, persons = [], pairs.table["person_id"].unique()
    for embedder in embedders:
        if embedder.reference is not None:
            seen = checkpoint.trained_on(embedder.reference.description, persons)
            if seen:
                notes.append(f"'{embedder.name}' was trained on {seen:,} of {quantity(len(persons), 'person')}")
    return notes


def _write_results(run: runs.Run, result: Result, table: pd.DataFrame) -> Result:
    """Write tables and the figure, and return the result with them."""
    summary = result.summary
    for name, rows in (
        (FINDINGS, summary["findings"]),
        (COMPARISONS, summary["comparisons"]),
        (DIFFERENCES, summary["differences"]),
    ):
        manifests.write_table(pd.DataFrame(rows), run.path(name))
    places = ["first_role", "first", "second_role", "second"]
    manifests.write_table(table.drop(columns=places), run.path(PAIRS))
    notes = [*result.notes, *_draw(run, summary, table)]
    write_json(run.path(SUMMARY), {"schema": f"cxrshort.{KIND}/1", **summary, "notes": notes})
    run.finish({"summary": summary})
    return replace(result, notes=notes, folder=run.folder, figures=[run.folder / FIGURE])


def _draw(run: runs.Run, summary: Mapping[str, Any], table: pd.DataFrame) -> list[str]:
    """Draw the distances, and return notes on what has no room."""
    from cxrshort.figures.identity import MOST_PANELS, DistancePanel, draw_identity

    names = [row["embedding"] for row in summary["embeddings"]]
    once = table.drop_duplicates(["kind", "first_role", "first", "second_role", "second"])
    kinds = [kind for kind in KINDS if (once["kind"] == kind).any()]
    panels = []
    for name in names[:MOST_PANELS]:
        column = DISTANCE + name
        distances = {kind: once.loc[once["kind"] == kind, column].to_numpy() for kind in kinds}
        single = table.groupby(["kind", "edit"])[column].median()
        medians = {kind: single[kind].tolist() for kind in kinds} if len(summary["edits"]) > 1 else {}
        panels.append(DistancePanel(name, distances, medians))
    title = f"How near edits are to their originals: {summary['after']}"
    measure = next(name for name, words in DEFINITIONS.items() if words == summary["distance"])
    draw_identity(panels, run.path(FIGURE), title=title, measure="pFID" if measure == FRECHET else DEFINITIONS[measure])
    left_out = len(names) - MOST_PANELS
    return [f"the figure shows the first {MOST_PANELS} of {len(names)} embeddings"] if left_out > 0 else []


def _inputs(embedders: Sequence[Embedder], loaded: Sequence[Dataset]) -> dict[str, Path]:
    inputs = {str(path): path for embedder in embedders for path in embedder.files}
    for data in loaded:
        inputs |= {**({} if data.path is None else {data.name: data.path}), **image_folders(data)}
    return inputs


def _forecast(
    pairs: IdentityPairs, embedders: Sequence[Embedder], *, compute: Compute, output: Mapping[str, str]
) -> Result:
    """Return what would be read, written and embedded."""
    images, table = used_images(pairs)
    count = sum(len(part.manifest) for part in images.values())
    kinds = {kind: int((table["kind"] == kind).sum()) for kind in KINDS}
    summary = {
        "reads": [
            *(str(path) for embedder in embedders for path in embedder.files),
            *dict.fromkeys(str(data.path or "standard input") for data in pairs.data.values()),
        ],
        "images": count,
        "pairs": kinds,
        "embeddings": [embedder.name for embedder in embedders],
        "device": compute.device,
        "threads": compute.threads,
        "disk_mib": round(0.0003 * len(table), 2),
        "disk_free_mib": forecasts.free_disk_mib(Path("results")),
        "outputs": [output],
    }
    facts = [
        ("embeddings", ", ".join(embedder.name for embedder in embedders)),
        ("images to embed", f"{count:,}"),
        ("pairs", ", ".join(f"{kind} {number:,}" for kind, number in kinds.items() if number)),
    ]
    return forecasts.dry_run(summary, facts, notes=list(pairs.notes))
