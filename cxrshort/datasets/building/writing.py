"""Writing a dataset folder from rows and an image source, for build-dataset and every verb that makes images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import joblib
import pandas as pd

from cxrshort import manifest as manifests
from cxrshort.columns import MASK_BITS
from cxrshort.dataset import IMAGES, MANIFEST, content_id
from cxrshort.datasets.building import assembly, shards
from cxrshort.datasets.building.assembly import Build
from cxrshort.datasets.building.image_source import ImageSource
from cxrshort.datasets.building.journal import Journal
from cxrshort.datasets.building.shards import Shard
from cxrshort.datasets.cohorts import Candidates
from cxrshort.errors import ResumableError
from cxrshort.runs import Run

_FILE_BITS = {name: MASK_BITS[name] for name in ("lungs", "text")}
"""What masks from files show, see :func:`cxrshort.masks.folder.read_mask`."""


@dataclass(frozen=True)
class DatasetSettings:
    """Specify the name of a dataset and how its rows become a manifest.

    Args:
        name: what models and tables call the dataset.
        recipe: how the pixels were made: size, fit, equalisation. Edits have the recipe of their sources, since a model
            refuses a dataset of another one.
        splits: ``"inherit"`` keeps the split columns of the rows, ``"draw"`` draws folds by person.
        replicates: number of splits to draw.
        seed: of the drawn splits, and of the intervals in the table of confounding.
        pixels: whether pixels are made; otherwise the dataset is of metadata alone.
        masks: folder of mask files, besides those that come with a repository.
        patterns: names of these mask files; the usual ones where empty.
        facts: what the summary also says.
    """

    name: str
    recipe: Mapping[str, Any]
    splits: Literal["inherit", "draw"] = "inherit"
    replicates: int = 5
    seed: int = 0
    pixels: bool = True
    masks: Path | None = None
    patterns: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def write_dataset(
    run: Run,
    candidates: Candidates,
    source: ImageSource,
    *,
    settings: DatasetSettings,
    jobs: int = 1,
    report: Callable[[int, int], None] = lambda done, count: None,
    draw: Callable[[pd.DataFrame], None] | None = None,
    finished: Mapping[Shard, Mapping[int, Mapping[str, Any]]] | None = None,
) -> dict[str, Any]:
    """Make the pixels of rows and write the dataset; an interrupted run continues with the rows that are missing.

    Args:
        run: the open run folder.
        candidates: the rows; those whose pixels fail are listed in ``excluded.csv``.
        source: what the pixels are made from.
        settings: name, recipe, splits.
        jobs: parallel workers; the bytes do not depend on it.
        report: takes (done, all) as pixels are made.
        draw: draws figures of the finished manifest into the run folder.
        finished: shards that have made the pixels, from :func:`cxrshort.datasets.building.shards.read_shards`.

    Returns:
        The summary that run.json holds; candidates = rows + excluded.

    Raises:
        DataError: no image could be made, a person would be in two folds of one replicate, or there are no splits to
            inherit.
        ResumableError: the user interrupted; what is done stays.
    """
    build = Build(run, source, source.caches[IMAGES][-1], jobs)
    count = len(candidates.rows)
    journal: Journal | None = None
    if finished is not None:
        journal = shards.merge_shards(build, finished, count, report=report)
    elif settings.pixels:
        journal = assembly.fill(build, count, report=report)
    # The workers of a cluster make pixels; what follows is of this machine's threads and paths.
    try:
        with joblib.parallel_config(backend="threading"):
            summary = _complete(build, candidates, journal, settings=settings, draw=draw)
    except KeyboardInterrupt as error:
        made = count if settings.pixels else 0
        raise ResumableError(
            f"interrupted, {made} of {count} images are made", "--resume continues from there"
        ) from error
    shards.discard(run.folder)
    return summary


def _complete(
    build: Build,
    candidates: Candidates,
    journal: Journal | None,
    *,
    settings: DatasetSettings,
    draw: Callable[[pd.DataFrame], None] | None,
) -> dict[str, Any]:
    """Write what stands beside the pixels (masks, regions, tables, manifest, figures), and run.json last."""
    candidates, same_films = assembly.add_pixel_results(build, candidates, journal)
    candidates, regions = assembly.annotate(
        build, candidates, journal, masks=settings.masks, patterns=settings.patterns
    )
    manifest = assembly.make_manifest(
        build, candidates, splits=settings.splits, seed=settings.seed, replicates=settings.replicates
    )
    tables = assembly.tabulate(manifest, seed=settings.seed)
    assembly.write_files(build, manifest, candidates, regions=regions, tables=tables)
    if draw is not None:
        draw(manifest)
    summary = {
        "dataset": settings.name,
        "name": settings.name,
        **assembly.summarise(manifest, candidates),
        "same_films": same_films,
        **{name: assembly.records(table) for name, table in tables.items()},
        **settings.facts,
    }
    record = _record(build, candidates, settings=settings, manifest=manifest)
    build.journal.unlink(missing_ok=True)  # until here an interruption costs no pixels
    build.run.finish({**record, "summary": summary})
    return summary


def _record(
    build: Build, candidates: Candidates, *, settings: DatasetSettings, manifest: pd.DataFrame
) -> dict[str, Any]:
    """Return what run.json says of the dataset, besides the summary."""
    folder, source = build.run.folder.resolve(), build.image_source
    masks = (dict(source.mask_bits) or _FILE_BITS) if "mask_row" in manifest else {}
    return {
        # Of the rows as they are read, since types are those of the file.
        "dataset_id": content_id(manifests.read_manifest(folder / MANIFEST), settings.recipe),
        **({"made_from": dict(source.made_from)} if source.made_from else {}),
        "folder": str(folder),
        "name": settings.name,
        "root": str(candidates.root or ""),
        "recipe": dict(settings.recipe),
        "labels": manifests.label_columns(manifest),
        "masks": masks,
        "own_patients": candidates.own_patients,
    }
