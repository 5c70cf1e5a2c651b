"""From candidates to a dataset folder: pixels, persons, splits, files."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from cxrshort import columns, runs
from cxrshort import manifest as manifests
from cxrshort.dataset import EXCLUDED, IMAGES, MANIFEST, MASKS, REGIONS
from cxrshort.datasets import cohorts
from cxrshort.datasets.building import duplicates
from cxrshort.datasets.building.annotations import annotations_for, to_cache
from cxrshort.datasets.building.image_source import ImageSource
from cxrshort.datasets.building.journal import Journal
from cxrshort.datasets.building.mask_files import PATTERNS, fill_masks, find_masks, refusal_notes
from cxrshort.datasets.cohorts import Candidates
from cxrshort.errors import DataError, ResumableError
from cxrshort.files import write_text
from cxrshort.images.cache import create_cache, damaged_rows, keep_rows, open_cache, restore_rows
from cxrshort.stats.characteristics import characteristics
from cxrshort.stats.confounding import COLUMNS, confounding

JOURNAL = ".journal.jsonl"
PHANTOMS = "phantoms.jsonl"
PLANTED = ("confounder",)
"""Columns in which a benchmark says what shortcut it planted."""
_FOR_DECODING = ("correction", "photometric", "sidecar")
"""Columns that say how a file is decoded; a manifest, whose pixels are decoded, has no use for them."""


@dataclass(frozen=True)
class Build:
    """Specify where and how pixels are made.

    Args:
        run: the dataset folder.
        image_source: what pixels are made from.
        size: side of the cached squares in pixels.
        jobs: parallel workers.
    """

    run: runs.Run
    image_source: ImageSource
    size: int
    jobs: int

    def partial(self, name: str) -> Path:
        """Return where the map ``name`` grows until it is complete."""
        return self.run.path(f".partial.{name}")

    @property
    def journal(self) -> Path:
        """Return where the results of finished rows are noted."""
        return self.run.path(JOURNAL)


def fill(build: Build, count: int, *, report: Callable[[int, int], None]) -> Journal:
    """Make the pixels of every candidate that the journal does not list yet.

    Args:
        build: where and how.
        count: number of candidates.
        report: takes (done, all) as work proceeds.

    Raises:
        ResumableError: the user interrupted; what is done stays.
    """
    # Absolute: the processes of a cluster work in folders of their own.
    files = {name: build.partial(name).absolute() for name in build.image_source.caches}
    finished = 0

    def record(results: list[dict[str, Any]]) -> None:
        nonlocal finished
        journal.append(results)
        finished = len(journal.results)
        report(finished, count)

    try:
        if build.journal.exists():
            _restore_maps(build, Journal(build.journal, fingerprints=build.image_source.fingerprints), count)
        if not build.journal.exists() or not all(file.exists() for file in files.values()):
            create_maps(build, count)
        journal = Journal(build.journal, fingerprints=build.image_source.fingerprints)
        journal.forget(_outdated(build, journal, count))
        finished = len(journal.results)
        missing = journal.missing(count)
        build.image_source.make(files, missing, missing, build.jobs, record)
    except KeyboardInterrupt as error:
        raise ResumableError(
            f"interrupted, {finished} of {count} images are made", "--resume continues from there"
        ) from error
    return journal


def _restore_maps(build: Build, journal: Journal, count: int) -> None:
    """Restore maps that were complete when a build was interrupted, so that they can take the missing rows.

    Otherwise an interruption between the pixels and the tables would cost all pixels, which may be weeks of edits.
    """
    made_rows = [row for row in range(count) if not journal.results.get(row, {"reason": "missing"}).get("reason")]
    for name, shape in build.image_source.caches.items():
        partial, complete = build.partial(name), build.run.path(name)
        if not partial.exists() and complete.exists():
            restore_rows(complete, made_rows, partial, shape=(count, *shape))


def _outdated(build: Build, journal: Journal, count: int) -> list[int]:
    """Return the finished rows that are to be made again: refused, changed at their source, or damaged in a map.

    Raises:
        DataError: a map is cut short or of another shape.
    """
    for name, shape in build.image_source.caches.items():
        actual = open_cache(build.partial(name)).shape
        if actual != (count, *shape):
            raise DataError(
                f"'{build.partial(name)}' is {actual}, the build needs {(count, *shape)}", "--force starts over"
            )
    changed = [
        row
        for row, result in journal.results.items()
        if result.get("reason") or result.get("source", "") != build.image_source.stamp(row)
    ]
    paths = [build.partial(name) for name in build.image_source.caches]
    return sorted({*changed, *damaged_rows(paths, journal.results)})


def create_maps(build: Build, count: int) -> None:
    """Create empty maps for ``count`` candidates and forget what an earlier journal knew."""
    build.journal.unlink(missing_ok=True)
    for name, shape in build.image_source.caches.items():
        create_cache(build.partial(name), (count, *shape))


def add_pixel_results(
    build: Build, candidates: Candidates, journal: Journal | None
) -> tuple[Candidates, list[dict[str, Any]]]:
    """Add the results of decoding: cache rows, source sizes, refused files, films listed under two patients.

    Without a journal (no image was touched) only ``person_id`` is added, from what the metadata says.

    Returns:
        The candidates with ``cache``, ``cache_row`` and ``person_id``, and the pairs of images that show one film.

    Raises:
        DataError: not one image could be decoded or made.
    """
    if journal is None:
        people = duplicates.join_people(candidates.rows["patient_id"].tolist(), candidates.same_person)
        return dataclasses.replace(candidates, rows=candidates.rows.assign(person_id=people)), []
    results = pd.DataFrame([journal.results[row] for row in range(len(candidates.rows))], index=candidates.rows.index)
    if "reason" in results:
        results["reason"] = results["reason"].fillna("")
        candidates = _without_refused(candidates, results, from_files=build.image_source.from_files)
        results = results[results["reason"] == ""]
    kept = results["row"].to_numpy()
    for name in build.image_source.caches:
        keep_rows(build.partial(name), kept, build.run.path(name))
    numbers = np.arange(len(kept))
    crc32 = dict(zip(build.image_source.caches, zip(*results["crc32"], strict=True), strict=True))
    rows = candidates.rows.assign(cache=str(build.run.folder.resolve()), cache_row=numbers, pixels_crc32=crc32[IMAGES])
    if MASKS in build.image_source.caches:
        rows = rows.assign(mask_row=numbers, mask_crc32=crc32[MASKS])
    if "facts" in results:
        rows = rows.join(_facts(results["facts"]))
    candidates = dataclasses.replace(candidates, rows=rows)
    return _join_people(build, candidates) if build.image_source.from_files else (candidates, [])


def _without_refused(candidates: Candidates, results: pd.DataFrame, *, from_files: bool) -> Candidates:
    sizes = {name: results[name] for name in ("source_height", "source_width") if name in results}
    refused = results.loc[results["reason"] != "", ["reason", "detail"]]
    if len(refused) == len(results):
        listed = ", ".join(f"{reason}: {count}" for reason, count in count_values(refused["reason"]).items())
        if from_files:
            raise DataError(f"not one image could be decoded ({listed})", "look at the folder given with --root")
        raise DataError(f"not one image could be made ({listed})", "look at the images that they are made from")
    spacing = results.get("pixel_spacing_mm")
    if spacing is not None and spacing.notna().any():  # DICOM files alone say so
        for place, name in enumerate(("pixel_height_mm", "pixel_width_mm")):
            sizes[name] = spacing.map(lambda pair, place=place: pair[place] if isinstance(pair, list | tuple) else None)
    candidates = dataclasses.replace(candidates, rows=candidates.rows.assign(**sizes))
    return cohorts.exclude(candidates, refused)


def _facts(column: "pd.Series[Any]") -> pd.DataFrame:
    """Return the facts of edited pictures as columns, empty where a picture has no such fact."""
    return pd.DataFrame([facts if isinstance(facts, dict) else {} for facts in column], index=column.index)


def _join_people(build: Build, candidates: Candidates) -> tuple[Candidates, list[dict[str, Any]]]:
    rows = candidates.rows
    patients, names = rows["patient_id"].tolist(), rows["image_id"].tolist()
    duplicate_films = duplicates.find_duplicates(open_cache(build.run.path(IMAGES)), patients, jobs=build.jobs)
    pairs = [(patients[first], patients[second]) for first, second, _ in duplicate_films]
    people = duplicates.join_people(patients, [*pairs, *candidates.same_person])
    same_films = [
        {"image_id": names[first], "same_film_as": names[second], "correlation": round(correlation, 4)}
        for first, second, correlation in duplicate_films
    ]
    return dataclasses.replace(candidates, rows=rows.assign(person_id=people)), same_films


def annotate(
    build: Build,
    candidates: Candidates,
    journal: Journal | None,
    *,
    masks: Path | None,
    patterns: Sequence[str] = (),
) -> tuple[Candidates, pd.DataFrame]:
    """Write masks.npy from the mask files that are published or given, and return the boxes of regions.

    Where pixels are drawn, masks are there already and the journal knows the boxes; edited images keep those of their
    sources; where no image was touched, there is neither.

    Args:
        build: where and how.
        candidates: decoded images.
        journal: what is known of the pixels; None where no image was touched.
        masks: folder of the user's own masks; None takes the published ones alone.
        patterns: how the user's masks are named; the usual names where empty.

    Returns:
        The candidates with ``mask_row``, and a table of boxes with the columns of regions.csv.
    """
    if journal is None:
        return candidates, pd.DataFrame()
    if build.image_source.carry is not None:
        return build.image_source.carry(candidates, build.run.path(MASKS))
    if not build.image_source.from_files:
        return candidates, _drawn_regions(candidates, journal)
    rows, root = candidates.rows, candidates.root or Path()
    mask_paths: dict[str, Path] = {}
    boxes, notes = [], list(candidates.notes)
    for repository, part in rows.groupby("repository", sort=False):
        home = cohorts.home(str(repository), root)
        annotations = annotations_for(str(repository), part, folder=home, root=root)
        mask_paths |= annotations.masks
        boxes.append(annotations.boxes)
        notes += [f"{repository}: {note}" for note in annotations.notes]
    if masks is not None:
        user_masks = find_masks(masks, rows, root=root, patterns=patterns or PATTERNS)
        mask_paths |= user_masks.paths
        notes += user_masks.notes
    placed, refused = fill_masks(build.run.path(MASKS), mask_paths, rows, size=build.size, jobs=build.jobs)
    notes += refusal_notes(refused)
    regions, box_notes = to_cache(pd.concat(boxes, ignore_index=True), rows, size=build.size)
    if placed["mask_row"].notna().any():
        rows = rows.join(placed)
    return dataclasses.replace(candidates, rows=rows, notes=(*notes, *box_notes)), regions


def _drawn_regions(candidates: Candidates, journal: Journal) -> pd.DataFrame:
    """Return the boxes that came with drawn pixels."""
    boxes = [
        (image_id, region, *box)
        for image_id, row in zip(candidates.rows["image_id"], candidates.rows["cache_row"], strict=True)
        for region, box in journal.results[row].get("regions", {}).items()
    ]
    return pd.DataFrame(boxes, columns=list(columns.REGION_COLUMNS))


def make_manifest(
    build: Build, candidates: Candidates, *, splits: Literal["draw", "inherit"], seed: int, replicates: int
) -> pd.DataFrame:
    """Return the checked manifest, with one split column for each replicate.

    Raises:
        DataError: a person would be in two folds of one replicate; or splits are inherited and there are none.
    """
    rows = candidates.rows
    drawn = _splits(candidates, seed=seed, replicates=replicates) if splits == "draw" else {}
    if splits == "draw":
        rows = rows.drop(columns=manifests.split_columns(rows))
    elif not manifests.split_columns(rows):
        raise DataError("the rows have no splits to inherit", "draw new ones, or take rows of a built dataset")
    manifest_columns = [column.name for column in columns.COLUMNS if column.name in rows]
    labels = list(build.image_source.labels) or cohorts.builtin_labels(rows)
    further_columns = [name for name in rows if name not in {*manifest_columns, *labels, *_FOR_DECODING, "split"}]
    if build.image_source.from_files:  # edits belong to the persons of their sources
        rows = rows.assign(person_id=_qualify_persons(rows, candidates.own_patients))
    rows = rows.astype(dict.fromkeys(labels, np.float32))
    ordered = rows[[*manifest_columns, *labels, *further_columns]].assign(**drawn).reset_index(drop=True)
    return manifests.check_manifest(ordered, str(build.run.path(MANIFEST)))


def _qualify_persons(rows: pd.DataFrame, folder_hash: str) -> "pd.Series[Any]":
    """Return the persons of rows, those of an unpublished folder under what tells them from another folder's."""
    patients = rows.loc[rows["repository"] == cohorts.FOLDER, "patient_id"]
    people = rows["person_id"]
    return people.mask(
        people.isin(set(patients)), f"{cohorts.FOLDER}@{folder_hash}/" + people.str.removeprefix("folder/")
    )


def _splits(candidates: Candidates, *, seed: int, replicates: int) -> dict[str, Any]:
    """Return the split columns: the benchmark's own where it fixes one, else drawn by person."""
    rows, names = candidates.rows, [f"{columns.SPLIT_PREFIX}{replicate}" for replicate in range(replicates)]
    if "split" in rows:
        return dict.fromkeys(names, rows["split"].to_numpy())
    people, sources = rows["person_id"].tolist(), rows["repository"].tolist()
    fixed = frozenset(rows.loc[rows["patient_id"].isin(candidates.test_patients), "person_id"].tolist())
    return {
        name: manifests.split_by_person(
            people, sources, fractions=candidates.fractions, fixed_test=fixed, seed=seed, replicate=replicate
        )
        for replicate, name in enumerate(names)
    }


def tabulate(manifest: pd.DataFrame, *, seed: int) -> dict[str, pd.DataFrame]:
    """Return the characteristics by repository and class, and how well each column alone predicts each label."""
    labels = manifests.label_columns(manifest)
    if not labels:
        return {}
    label = columns.COVID if columns.COVID in labels else labels[0]
    table = characteristics(manifest, label, labels=labels)
    # Only these can be predicted; of a dataset in which no label has both classes, one row says so.
    measurable = [name for name in labels if {0.0, 1.0} <= set(manifest[name].dropna().unique())] or [label]
    names = [*COLUMNS, *(column for column in PLANTED if column in manifest)]
    measured = confounding(manifest, measurable, columns=names, rng=np.random.default_rng(seed))
    return {"characteristics": table, "confounding": measured}


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table as JSON has it: a dict per row, numbers as numbers, None where a cell is empty."""
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=15))
    return rows


def write_files(
    build: Build,
    manifest: pd.DataFrame,
    candidates: Candidates,
    *,
    regions: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
) -> None:
    """Write the tables of the dataset folder, the manifest last."""
    for name, table in tables.items():
        manifests.write_table(table, build.run.path(f"{name}.csv"))
    if len(regions):
        manifests.write_table(regions, build.run.path(REGIONS))
    if build.image_source.phantoms:
        lines = [phantom.to_json() + "\n" for phantom in build.image_source.phantoms]
        write_text(build.run.path(PHANTOMS), "".join(lines))
    manifests.write_table(candidates.excluded, build.run.path(EXCLUDED))
    manifests.write_table(manifest, build.run.path(MANIFEST))


def count_values(values: "pd.Series[Any]") -> dict[str, int]:
    """Return how often each value occurs, the most frequent first."""
    return {str(value): int(count) for value, count in values.value_counts(sort=True).items()}


def summarise(manifest: pd.DataFrame, candidates: Candidates) -> dict[str, Any]:
    """Return the accounting of a dataset: candidates, rows, exclusions, repositories, splits, persons."""
    repositories = [
        {
            "repository": str(name),
            "images": len(part),
            "patients": int(part["patient_id"].nunique()),
            "views": count_values(part["view"]) if "view" in part else {},
            columns.COVID: int((part[columns.COVID] == 1).sum()) if columns.COVID in part else 0,
        }
        for name, part in manifest.groupby("repository", sort=True)
    ]
    return {
        "candidates": len(manifest) + len(candidates.excluded),
        "rows": len(manifest),
        "excluded": count_values(candidates.excluded["reason"]),
        "repositories": repositories,
        "splits": {name: count_values(manifest[name]) for name in manifests.split_columns(manifest)},
        "patients": int(manifest["patient_id"].nunique()),
        "people": int(manifest["person_id"].nunique()),
        "notes": list(candidates.notes),
    }
