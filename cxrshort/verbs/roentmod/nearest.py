"""Has a generator learnt its training films by heart? Each synthetic image beside the nearest real one.

Measured on 1,000 films of ChestX-ray14, of which 60 were copied: all copies that were blurred (standard deviation of up
to 3 of 224 pixels), reduced to a quarter or cropped by 5 % were called a leak, 92 % of blends with 30 % of another
film, and 58 % of those with noise of 20 grey levels, of which 95 % correlate by 0.75 or more. A copy that is rotated by
3 degrees or shifted by 4 % of the side is not recognised by registration. The same 60 films correlate by 0.66 at most
with the nearest film of another person.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cxrshort import distributed, forecasts, runs
from cxrshort import manifest as manifests
from cxrshort.compute import Compute, choose_compute, enough_memory
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.datasets.building.duplicates import nearest_films, register_films
from cxrshort.errors import DataError
from cxrshort.images.reduction import reduce_images
from cxrshort.json_files import write_json
from cxrshort.models.blocks import Report
from cxrshort.models.embedders import Embedder, describe_embedders, embed_images
from cxrshort.models.predictions import image_folders
from cxrshort.models.result_folders import results_folder
from cxrshort.models.sources.foreign import without_download
from cxrshort.quantities import quantity
from cxrshort.results import Result
from cxrshort.stats.identity_scores import to_unit_length
from cxrshort.stats.leakage import VERDICTS
from cxrshort.stats.nearest import SAME_PERSON, judge_nearest, nearest_rows, shares_as_near
from cxrshort.verbs.roentmod.nearest_tables import (
    DISTANCE,
    IMAGE,
    SHARE,
    Measures,
    closest_pairs,
    nearest_blocks,
    summarise_nearest,
)

VERB = "roentmod nearest"
KIND = "nearest"
TABLE, SHEET, FIGURE, SUMMARY = "nearest.csv", "nearest.png", "distances.png", "summary.json"
HASH = "hash"
"""The measure that is always there besides embeddings: distance of perceptual hashes."""
SIDE = 64
"""Pixels at which films are hashed and registered; smaller ones no longer tell all persons apart."""
YARDSTICK = 2000
"""Real films that the yardstick takes at most; they are drawn by a hash and compared with all others."""
MOST_SHOWN = 12
"""Pairs on the sheet, one of each film."""


@dataclass(frozen=True)
class Neighbours:
    """Hold the nearest real images by one measure.

    Args:
        places: (N,) of the synthetic images' neighbours among the real ones.
        distances: (N,) to them.
        yardstick_places: (n,) of the neighbours of the yardstick's real films.
        yardstick: (n,) distances to them.
    """

    places: npt.NDArray[np.int64]
    distances: npt.NDArray[np.float64]
    yardstick_places: npt.NDArray[np.int64]
    yardstick: npt.NDArray[np.float64]


@dataclass(frozen=True)
class NearestImages:
    """Hold what was compared.

    Args:
        table: a row for each synthetic image, the most suspicious first, with ``place`` and ``nearest_place``, where it
            and its nearest real image are in their datasets.
        measures: distances of the synthetic images, and of the yardstick, by measure.
        facts: for the summary.
        notes: what must be known.
    """

    table: pd.DataFrame
    measures: Measures
    facts: Mapping[str, Any]
    notes: Sequence[str]


def nearest(
    dataset: str,
    *,
    compare_with: str,
    embeddings: Sequence[str] = (),
    out: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    jobs: int | None = None,
    dry_run: bool = False,
    force: bool = False,
    report: Report = runs.ignore_event,
) -> Result:
    """List the nearest real image of each synthetic one, and return whether any is a copy.

    Args:
        dataset: of synthetic images.
        compare_with: dataset of real images, best that which the generator was trained on.
        embeddings: as :func:`~cxrshort.models.embedders.describe_embedders` takes them; small pixels are always there.
        out: the results folder; None takes a default one.
        device: as in :func:`cxrshort.compute.choose_compute`.
        precision: as in :func:`cxrshort.compute.choose_compute`.
        threads: CPU threads.
        jobs: pairs registered at the same time.
        dry_run: say what would be done, write nothing.
        force: overwrite an earlier result.
        report: takes events.

    Raises:
        DataError: the dataset holds no real image of another person.
        UsageError: two embeddings of one name.
        MissingInputError: a dataset, model or file is not there.
    """
    compute = distributed.with_rank(choose_compute(device, precision=precision, threads=threads))
    embedders = describe_embedders([without_download(name) if dry_run else name for name in embeddings])
    synthetic, real = load_dataset(dataset), load_dataset(compare_with)
    folder = out or results_folder([synthetic.name], [real], options={}, verb=KIND)
    inputs = {str(path): path for embedder in embedders for path in embedder.files}
    for data in (synthetic, real):
        inputs |= {**({} if data.path is None else {data.name: data.path}), **image_folders(data)}
    if dry_run:
        fate = forecasts.preview_folder(folder, VERB, inputs=inputs.values(), force=force, resume=None)
        return _forecast(synthetic, real, embedders, output=fate)
    arguments = {"dataset": dataset, "compare_with": compare_with, "embeddings": list(embeddings), **compute.record()}
    with (
        distributed.process_group(compute),
        runs.open_run(
            folder, VERB, arguments=arguments, inputs=inputs, compute=compute, force=force, resume=None
        ) as run,
    ):
        rank_report = runs.ignore_event if compute.rank else report
        with enough_memory(compute, images=1, hint="--device cpu"):
            compared = find_nearest(
                synthetic, real, embedders, compute, jobs=jobs or compute.threads, report=rank_report
            )
        if run.read_only:
            return Result()
        result = write_nearest(run, compared, synthetic, real)
        run.finish({"summary": result.summary})
        return replace(result, folder=run.folder)


def find_nearest(
    synthetic: Dataset,
    real: Dataset,
    embedders: Sequence[Embedder],
    compute: Compute,
    *,
    jobs: int = 1,
    report: Report = runs.ignore_event,
) -> NearestImages:
    """Return the nearest real image of each synthetic one, by perceptual hash and by embeddings.

    Real images are those of ``real`` that are no edits. A person's own images are never a neighbour: an edit of a real
    film is near to it, and no copy.

    Raises:
        DataError: there is no real image of another person.
    """
    real, notes = _without_edits(real)
    side = min(SIDE, *synthetic.pixels.image_shape[-2:], *real.pixels.image_shape[-2:])
    chosen = _draw(real.manifest["image_id"].tolist(), YARDSTICK)
    report(
        {
            "event": "comparing",
            "text": f"comparing {quantity(len(synthetic.manifest), 'image')} with {len(real.manifest):,}",
        }
    )
    films = reduce_images(synthetic.pixels, side), reduce_images(real.pixels, side)
    neighbours = {HASH: _by_hash(films, _persons(synthetic, real), chosen)}
    if (neighbours[HASH].places < 0).any():
        raise DataError(
            f"{real.name}: no real image is of another person than '{synthetic.manifest['image_id'].iloc[0]}'",
            "--compare-with takes the real images that the generator was trained on",
        )
    for embedder in embedders:
        report({"event": "embedding", "text": f"embedding with {embedder.name}"})
        arrays = embed_images(embedder, [synthetic, real], compute)
        if embedder.unit:
            arrays = [to_unit_length(values).astype(np.float32) for values in arrays]
        neighbours[embedder.name] = _by_embedding(arrays, _persons(synthetic, real), chosen)
    report({"event": "registering", "text": "registering the nearest pairs"})
    correlations, places = _register(films, {name: own.places for name, own in neighbours.items()}, jobs=jobs)
    real_films = films[1][chosen], films[1]
    real_correlations, _ = _register(
        real_films, {name: own.yardstick_places for name, own in neighbours.items()}, jobs=jobs
    )
    apart = real_correlations < SAME_PERSON
    if copies := int((~apart).sum()):
        notes.append(
            f"{quantity(copies, 'real image')} of {real.name} fit one of another person as one film does: they are no "
            "yardstick"
        )
    measures = {name: (own.distances, own.yardstick[apart]) for name, own in neighbours.items()}
    facts = {"side": side, "real_images": len(real.manifest), "yardstick_images": int(apart.sum()), "copies": copies}
    if not apart.any():
        notes.append("no real image is left as a yardstick: distances are not judged")
    if side < SIDE:
        notes.append(f"images of {side} pixels do not tell all persons apart: nothing is called more than suspicious")
    table = _tabulate(synthetic, real, neighbours, measures)
    table = _judged(table.assign(correlation=correlations, nearest_place=places), measures, real, side=side)
    return NearestImages(table, measures, facts, notes)


def _without_edits(real: Dataset) -> tuple[Dataset, list[str]]:
    if "edit" not in real.manifest:
        return real, []
    edited = (real.manifest["edit"].fillna("").astype(str) != "").to_numpy(dtype=bool)
    if not edited.any():
        return real, []
    kept = real.manifest.loc[~edited].reset_index(drop=True)
    if kept.empty:
        raise DataError(f"{real.name} holds edits alone", "--compare-with takes real images")
    return replace(real, manifest=kept), [
        f"{quantity(int(edited.sum()), f'edit of {real.name} is', f'edits of {real.name} are')} left out"
    ]


def _persons(*parts: Dataset) -> list[npt.NDArray[Any]]:
    return [part.manifest["person_id"].to_numpy(dtype=object) for part in parts]


def _draw(names: Sequence[str], count: int) -> npt.NDArray[np.int64]:
    """Return the places of at most so many images, drawn by a hash of their names."""
    order = sorted(range(len(names)), key=lambda place: hashlib.sha256(names[place].encode()).digest())
    return np.array(sorted(order[:count]), dtype=np.int64)


def _by_hash(
    films: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]],
    persons: Sequence[npt.NDArray[Any]],
    chosen: npt.NDArray[np.int64],
) -> Neighbours:
    synthetic, real = films
    own = nearest_films(synthetic, real, groups=persons[0], reference_groups=persons[1])
    others = nearest_films(real[chosen], real, groups=persons[1][chosen], reference_groups=persons[1])
    return Neighbours(*own, *others)


def _by_embedding(
    arrays: Sequence[npt.NDArray[np.float32]], persons: Sequence[npt.NDArray[Any]], chosen: npt.NDArray[np.int64]
) -> Neighbours:
    synthetic, real = arrays
    own = nearest_rows(synthetic, real, groups=persons[0], reference_groups=persons[1])
    others = nearest_rows(real[chosen], real, groups=persons[1][chosen], reference_groups=persons[1])
    return Neighbours(*own, *others)


def _register(
    films: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]],
    places: Mapping[str, npt.NDArray[np.int64]],
    *,
    jobs: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return the best correlation of each film with its neighbours, and the place of the one that it is of.

    A film without any neighbour has the correlation -1, and the place -1.
    """
    stacked = np.stack(list(places.values()), axis=1)
    pairs = np.array(
        sorted({(row, int(place)) for row, own in enumerate(stacked) for place in own if place >= 0}), np.int64
    ).reshape(-1, 2)
    values = register_films(films[0][pairs[:, 0]], films[1][pairs[:, 1]], jobs=jobs)
    best, at = np.full(len(stacked), -1.0), stacked[:, 0].copy()
    for (row, place), value in zip(pairs.tolist(), values.tolist(), strict=True):
        if value > best[row]:
            best[row], at[row] = value, place
    return best, at


def _tabulate(
    synthetic: Dataset,
    real: Dataset,
    neighbours: Mapping[str, Neighbours],
    measures: Measures,
) -> pd.DataFrame:
    """Return a row for each synthetic image with its neighbours and distances by each measure."""
    rows, names = synthetic.manifest, real.manifest["image_id"].to_numpy(dtype=object)
    columns: dict[str, Any] = {"place": np.arange(len(rows)), "image_id": rows["image_id"].to_numpy()}
    for name in ("source_image_id", "edit"):
        columns[name] = rows[name].to_numpy() if name in rows else ""
    for name, own in neighbours.items():
        columns[IMAGE + name] = names[own.places]
        columns[DISTANCE + name] = own.distances
        columns[SHARE + name] = shares_as_near(*measures[name])
    return pd.DataFrame(columns)


def _judged(
    table: pd.DataFrame,
    measures: Measures,
    real: Dataset,
    *,
    side: int,
) -> pd.DataFrame:
    """Return the table with verdicts and the nearest image, the most suspicious row first."""
    nearer = {
        name: distances < yardstick.min() if len(yardstick) else np.zeros(len(table), bool)
        for name, (distances, yardstick) in measures.items()
    }
    verdicts = [
        judge_nearest(value, {name: bool(flags[row]) for name, flags in nearer.items()}, certain=side >= SIDE)
        for row, value in enumerate(table["correlation"])
    ]
    persons = real.manifest[["image_id", "person_id"]].iloc[table["nearest_place"]].reset_index(drop=True)
    table = table.assign(
        nearest_image_id=persons["image_id"],
        nearest_person_id=persons["person_id"],
        verdict=[verdict.verdict for verdict in verdicts],
        why=[verdict.why for verdict in verdicts],
    )
    first = ["image_id", "source_image_id", "edit", "verdict", "why", "nearest_image_id", "nearest_person_id"]
    others = [name for name in table.columns if name not in (*first, "correlation")]
    order = table["verdict"].map({verdict: place for place, verdict in enumerate(VERDICTS)})
    ranked = table.assign(order=order).sort_values(
        ["order", "correlation", DISTANCE + HASH], ascending=[True, False, True], kind="stable"
    )
    return ranked[[*first, "correlation", *others]].reset_index(drop=True)


def write_nearest(run: runs.Run, compared: NearestImages, synthetic: Dataset, real: Dataset) -> Result:
    """Write table, sheet and figure into an open run, and return the result; the run is not finished."""
    from cxrshort.verbs.roentmod.nearest_pictures import draw_distances, draw_pairs

    summary = summarise_nearest(compared.table, compared.measures, compared.facts, names=(synthetic.name, real.name))
    manifests.write_table(compared.table.drop(columns=["place", "nearest_place"]), run.path(TABLE))
    draw_pairs(closest_pairs(compared.table).head(MOST_SHOWN), synthetic, real, path=run.path(SHEET))
    title = f"{synthetic.name}: distance to the nearest real image of {real.name}"
    draw_distances(compared.measures, run.path(FIGURE), title=title)
    notes = [*compared.notes, _MEMORY]
    write_json(run.path(SUMMARY), {"schema": f"cxrshort.{KIND}/1", **summary, "notes": notes})
    figures = [run.folder / name for name in (SHEET, FIGURE)]
    return Result(summary, nearest_blocks(summary), figures, notes, kind=KIND, verdicts=[summary["verdict"]])


_MEMORY = (
    "generators can memorise training patients: look at nearest.png before images are shared, and treat a copy as a "
    "film of that patient"
)


def _forecast(synthetic: Dataset, real: Dataset, embedders: Sequence[Embedder], *, output: Mapping[str, str]) -> Result:
    counts = {"synthetic": len(synthetic.manifest), "real": len(real.manifest)}
    summary = {
        "reads": [str(data.path or "standard input") for data in (synthetic, real)],
        "images": counts,
        "embeddings": [embedder.name for embedder in embedders],
        "disk_mib": round(0.0005 * counts["synthetic"] + 2, 2),
        "disk_free_mib": forecasts.free_disk_mib(Path("results")),
        "outputs": [output],
    }
    facts = [
        ("measures", ", ".join([HASH, *(embedder.name for embedder in embedders)])),
        ("images", f"{counts['synthetic']:,} synthetic with {counts['real']:,} of {real.name}"),
    ]
    return forecasts.dry_run(summary, facts)
